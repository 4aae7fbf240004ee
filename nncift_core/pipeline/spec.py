"""What one run is: the data it reads, the settings it follows, and config.json that keeps both.

A config.json replays its run: it names each dataset by content hash and by the files it came
from. Knows nothing of how the stages work.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from nncift_core.config import RunConfig
from nncift_core.errors import ConfigError
from nncift_core.files import read_json, write_json
from nncift_core.influence import METHODS
from nncift_core.network import AUTO, estimator
from nncift_core.pipeline.planning import check_labelling
from nncift_core.registry import Entry
from nncift_core.runtime import versions
from nncift_core.selection import OBJECTIVES
from nncift_core.selection.rules import parse_quotas, parse_rules
from nncift_core.selection.use_cases import check_use_case, objective_for
from nncift_core.selection_config import SelectionConfig

FORMAT = "nncift-run/1"


@dataclass(frozen=True)
class DataSource:
    """A dataset and where it came from.

    Attributes:
        id: Content address of the stored dataset.
        name: Its display name.
        files: Absolute paths, or one hub name, that gave it; empty for uploads.
        overrides: Column mapping that the user set.
    """

    id: str
    name: str
    files: tuple[str, ...] = ()
    overrides: Mapping[str, str] | None = None


@dataclass(frozen=True)
class RunSpec:
    """One run.

    Attributes:
        config: The settings, with the objective filled in.
        train: The training pool before a target sample is taken out of it.
        target: The target set, None when it is a sample of the pool, or when there is none: a
            pointwise method needs none.
        target_sample: Rows of the pool that become the target set, None with ``target``.
        existing: Rows the model was already tuned on, for objective ``flcg``.
        extends: Id of the run whose labels and network this one takes over, None for a run of
            its own.
        added: The rows that were added to that run's pool; ``train`` holds them at its end.
        grown_from: Rows of ``train`` before each extension, the first one first: labels and a
            target sample were drawn from the first so many; empty without ``extends``.
    """

    config: RunConfig
    train: DataSource
    target: DataSource | None = None
    target_sample: int | None = None
    existing: DataSource | None = None
    extends: str | None = None
    added: DataSource | None = None
    grown_from: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "config", resolve(self.config))
        if not isinstance(self.target_sample, int | None):
            raise ConfigError(
                f"The target sample {self.target_sample!r} is not a number of rows.",
                "Give a whole number.",
            )
        given = (self.target is not None) + (self.target_sample is not None)
        if given > 1 or (given == 0 and not METHODS[self.config.method].pointwise):
            raise ConfigError(
                "A run needs a target set.", "Give a target file, or sample:N for N pool rows."
            )
        check_use_case(
            self.config.selection.use_case,
            self.config.objective,
            existing=self.existing is not None,
        )
        needs_existing = "existing-matrix" in OBJECTIVES[self.config.objective].needs
        if needs_existing and self.existing is None:
            raise ConfigError(
                f"Objective {self.config.objective!r} needs an existing set.",
                "Give the rows the model was already tuned on with --existing FILE.",
            )
        if self.existing is not None and not needs_existing:
            raise ConfigError(
                f"Objective {self.config.objective!r} does not use an existing set.",
                "Leave --existing out, or use --objective flcg.",
            )
        if self.extends is not None or self.added is not None or self.grown_from:
            self._check_extension()

    def _check_extension(self) -> None:
        sizes = [0, *self.grown_from]
        complete = self.extends is not None and self.added is not None and self.grown_from
        counted = all(isinstance(size, int) for size in sizes)
        if not complete or not counted or any(a >= b for a, b in itertools.pairwise(sizes)):
            raise ConfigError(
                f"The run extends {self.extends!r}, and its settings do not say by which rows.",
                "Give the config.json of a run folder, unchanged.",
            )
        if self.config.exact and "language-model" in METHODS[self.config.method].needs:
            raise ConfigError(
                "An exact run of a method that asks a language model has no network that could "
                "predict added rows.",
                "Start a new run with all rows.",
            )

    def usable_objectives(self) -> list[Entry]:
        """The objectives whose needs this run can meet, in the order of the registry."""
        given = {"row-scores"}
        needs = METHODS[self.config.method].needs
        if "pairwise" in needs:
            given |= {"target-matrix", "pool-matrix"}
            if self.existing is not None:
                given.add("existing-matrix")
        if "language-model" in needs:
            # W and E cost passes of the model: only what the run labelled is there.
            labelled = OBJECTIVES[self.config.objective].needs
            given -= {"pool-matrix", "existing-matrix"} - labelled
        return [entry for entry in OBJECTIVES if entry.needs <= given]

    def write(self, run_dir: Path, run_id: str) -> None:
        """Write config.json into the run's folder. Raises: WorkspaceError."""
        content = {"format": FORMAT, "run_id": run_id, **self.as_json(), "versions": versions()}
        write_json(run_dir / "config.json", content)

    def as_json(self) -> dict[str, Any]:
        """The run as JSON types."""
        return asdict(self)

    @classmethod
    def read(cls, path: Path) -> RunSpec:
        """Read a config.json.

        Raises:
            ConfigError: It is no configuration of this software, or of a newer version.
            WorkspaceError: It is missing or unreadable.
        """
        content = read_json(path)
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise ConfigError(
                f"{path} is not a run configuration of format {FORMAT}.",
                "Give the config.json of a run folder.",
            )
        try:
            return cls(
                config=RunConfig.from_json(content["config"]),
                train=_source(content["train"]),
                target=_source(content["target"]) if content["target"] else None,
                target_sample=content["target_sample"],
                existing=_source(content["existing"]) if content["existing"] else None,
                # Runs of older versions say nothing of extensions.
                extends=content.get("extends"),
                added=_source(content["added"]) if content.get("added") else None,
                grown_from=tuple(content.get("grown_from") or ()),
            )
        except (AttributeError, KeyError, TypeError) as error:
            raise ConfigError(
                f"{path} is not a complete run configuration ({error}).",
                "Give the config.json of a run folder, unchanged.",
            ) from error


def _source(content: Mapping[str, Any]) -> DataSource:
    return DataSource(content["id"], content["name"], tuple(content["files"]), content["overrides"])


def resolve(config: RunConfig) -> RunConfig:
    """The same settings with every name checked and the objective of the use case filled in.

    Raises:
        ConfigError: A method, network or objective of that name does not exist, objective or use
            case do not go with the method, or a rule or quota cannot be read.
    """
    method = METHODS[config.method]
    if config.network != AUTO:
        estimator(config.network)
    check_words(config.selection)
    objective = objective_for(config.selection.use_case, method, config.objective)
    config = replace(config, objective=objective)
    if not config.exact:
        check_labelling(config)
    return config


def for_selection(spec: RunSpec, objective: str, budget: str, settings: SelectionConfig) -> RunSpec:
    """A finished run as another selection from it sees it.

    Raises:
        ConfigError: Objective or settings do not go with the run.
    """
    config = replace(spec.config, objective=objective, budget=budget, selection=settings)
    uses_existing = "existing-matrix" in OBJECTIVES[objective].needs
    return replace(spec, config=config, existing=spec.existing if uses_existing else None)


def check_words(settings: SelectionConfig) -> None:
    """Refuse rules and quotas that cannot be read, whatever the rows. Raises: ConfigError."""
    parse_rules(settings.ban_where)
    parse_quotas(settings.quota)
