"""From options to a run: the datasets that they name, the settings, or both of an earlier run.

Files are stored in the workspace here, so everything that can be refused without reading them is
refused first. Knows nothing of what is done with a run.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from nncift_core import pipeline
from nncift_core.cli.mapping import overrides_by_dataset, read_overrides
from nncift_core.cli.output import say
from nncift_core.cli.settings import SETTINGS, chosen_method, read_settings
from nncift_core.config import MOST_DIGITS
from nncift_core.errors import ConfigError
from nncift_core.store import Workspace

_DATA = ("train", "target", "existing", "map", "subtask_column")


@dataclass(frozen=True)
class Given:
    """A run to be made.

    Attributes:
        workspace: Where its datasets are stored.
        spec: Its data and settings.
        project: What to call the project of these data, if there is none yet.
    """

    workspace: Workspace
    spec: pipeline.RunSpec
    project: str

    def project_id(self) -> str:
        """The project of these data, made if there is none."""
        target = self.spec.target
        return pipeline.ensure_project(
            self.workspace,
            self.project,
            self.spec.train.id,
            target.id if target else None,
            self.spec.target_sample,
        ).id


def given_run(options: argparse.Namespace) -> Given:
    """Data and settings as the options say.

    Raises:
        NNCIFTError: An option is missing or cannot be used, or a file cannot be read.
    """
    if options.train is None:
        raise _missing("train", options)
    method = chosen_method(options)
    if options.target is None and not method.pointwise:
        raise _missing("target", options)
    config = pipeline.resolve(read_settings(options))
    sample = None if options.target is None else _sample(options.target)
    files = {"train": options.train}
    if options.target is not None and sample is None:
        files["target"] = [options.target]
    if options.existing is not None:
        files["existing"] = [options.existing]
    overrides = overrides_by_dataset(
        list(files.values()), read_overrides(options.map, options.subtask_column)
    )
    if options.target is not None and method.pointwise:
        say(
            f"Warning: {method.title} scores rows without a target set; "
            "the target is recorded and not read."
        )
    workspace = Workspace.open(options.workspace)
    imported = {
        role: pipeline.import_files(workspace, paths, overrides=mapped or None)
        for (role, paths), mapped in zip(files.items(), overrides, strict=True)
    }
    for dataset in imported.values():
        report_import(dataset)
    train, target, existing = (imported.get(role) for role in ("train", "target", "existing"))
    assert train is not None
    spec = pipeline.RunSpec(
        config=config,
        train=train.source,
        target=target.source if target else None,
        target_sample=sample,
        existing=existing.source if existing else None,
    )
    return Given(workspace, spec, _project_name(options.train[0], target, sample))


def replayed_run(options: argparse.Namespace) -> Given:
    """Data and settings of an earlier run.

    Raises:
        NNCIFTError: Another option is given too, or the run's datasets cannot be had.
    """
    for name in (*_DATA, *(setting.name for setting in SETTINGS)):
        if getattr(options, name) is not None:
            raise ConfigError(
                f"The option --{name.replace('_', '-')} does not go with --config.",
                "A replay takes only --output, --predictions, --json and --workspace.",
            )
    path = Path(options.config)
    if not path.is_file():
        raise ConfigError(f"The configuration {options.config!r} does not exist.")
    spec = pipeline.RunSpec.read(path)
    workspace = Workspace.open(options.workspace)
    pipeline.ensure_datasets(workspace, spec)
    return Given(workspace, spec, f"{spec.train.name} again")


def _missing(name: str, options: argparse.Namespace) -> ConfigError:
    return ConfigError(f"The option --{name} is missing.", f"See nncift {options.command} --help.")


def _project_name(train: str, target: pipeline.Imported | None, sample: int | None) -> str:
    stem = Path(train).name.split(".")[0]
    if target is not None:
        return f"{stem} for {target.record.name}"
    return f"{stem} alone" if sample is None else f"{stem} for sample of {sample}"


def _sample(target: str) -> int | None:
    if not target.startswith("sample:"):
        return None
    count = target.removeprefix("sample:")
    if not (count.isascii() and count.isdigit() and len(count) <= MOST_DIGITS):
        raise ConfigError(
            f"The target {target[:40]!r} does not give a number of rows.", "Write it as sample:200."
        )
    return int(count)


def report_import(imported: pipeline.Imported) -> None:
    """Say how many rows a dataset has, and its warnings."""
    record = imported.record
    known = ", stored before" if imported.already_there else ""
    say(f"{record.name}: {record.accepted:,} rows, {record.rejected:,} rejected{known}.")
    for warning in record.warnings:
        say(f"Warning: {record.name}: {warning}")
