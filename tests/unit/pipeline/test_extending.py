"""Runs with rows added later: nothing is labelled or trained, everything else holds on."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nncift_core import pipeline
from nncift_core.config import LanguageModelConfig
from nncift_core.datasets import sample_target
from nncift_core.errors import ConfigError, DataError
from nncift_core.files import read_json
from nncift_core.influence.label import Labels
from nncift_core.pipeline import labelling
from nncift_core.pipeline.estimates import read_estimates
from nncift_core.progress import SilentProgress
from nncift_core.store import Workspace
from tests.tiny_lm import make_tiny_model
from tests.unit.pipeline.finished_runs import Finished, opened

Extend = Callable[..., str]


def best(workspace: Workspace, run_id: str) -> np.ndarray:
    files, spec, roles = opened(workspace, run_id)
    estimates = read_estimates(workspace, spec, roles, files)
    return estimates.best.block(0, len(roles.pool))


def raw(workspace: Workspace, run_id: str) -> np.ndarray:
    files, spec, roles = opened(workspace, run_id)
    return read_estimates(workspace, spec, roles, files).raw.block(0, len(roles.pool))


def test_old_rows_keep_their_predictions_and_copies_share_theirs(
    finished: Finished, extend: Extend
) -> None:
    workspace, run_id = finished.workspace, finished.ids["cosine"]
    old_files, _, old_roles = opened(workspace, run_id)
    before, labels = raw(workspace, run_id), Labels.load(old_files.labels)
    longer = extend(run_id)
    files, spec, roles = opened(workspace, longer)
    # 30 rows are new, one of them twice; the two known ones are left out.
    assert len(roles.pool) == 120 + 31 == spec.grown_from[0] + len(roles.added)
    assert len(finished.encoder.encoded) == 30
    assert [row.id for row in roles.pool[:120]] == [row.id for row in old_roles.pool]
    first, copy = roles.pool[120], roles.pool[150]
    assert (first.content_hash, first.id[-2:], copy.id[-2:]) == (copy.content_hash, "-0", "-1")
    after = raw(workspace, longer)
    np.testing.assert_allclose(after[:120], before, atol=1e-6)
    np.testing.assert_array_equal(after[120], after[150])
    assert np.ptp(after[120:150], axis=0).min() > 0
    taken = Labels.load(files.labels)
    for role, pairs in labels.by_role.items():
        np.testing.assert_array_equal(taken.by_role[role].value, pairs.value)
    np.testing.assert_array_equal(
        best(workspace, longer)[labels.everything.helper, labels.everything.helped],
        labels.everything.value,
    )
    # The catalog has the same labels and the same table.
    catalog = workspace.catalog
    assert catalog.quadrant_metrics(longer) == catalog.quadrant_metrics(run_id)
    for mine, theirs in zip(catalog.labels(longer), catalog.labels(run_id), strict=True):
        assert (mine.role, mine.helper, mine.helped) == (theirs.role, theirs.helper, theirs.helped)


def test_what_changed_is_said(finished: Finished, extend: Extend, chosen: Any) -> None:
    workspace, run_id = finished.workspace, finished.ids["exact"]
    longer = extend(run_id)
    files, _, roles = opened(workspace, longer)
    summary = read_json(files.result)
    before = [row[1] for row in chosen(workspace, run_id)]
    after = [row[1] for row in chosen(workspace, longer)]
    added = {row.id for row in roles.pool[120:]}
    found = summary["extension"]
    assert (found["run_id"], found["added"], found["left_out"]) == (run_id, 31, 2)
    assert found["kept"] == len(set(before) & set(after))
    assert found["came_in"] == len(added & set(after)) > 0
    assert found["moved_up"] == len(set(after) - added - set(before))
    assert found["displaced_ids"] == [row for row in before if row not in after]
    assert found["displaced"] == len(before) - found["kept"]
    # A share of the budget is one of the longer pool: 30 % of 151 rows.
    assert summary["selected"] == len(after) == 45
    assert found["kept"] + found["came_in"] + found["moved_up"] == 45
    json.dumps(summary, allow_nan=False)


def test_a_sampled_target_stays_the_same_rows(
    finished: Finished, extend: Extend, tmp_path: Path
) -> None:
    workspace, run_id = finished.workspace, finished.ids["sampled"]
    before = opened(workspace, run_id)[2]
    longer = extend(run_id)
    _, spec, roles = opened(workspace, longer)
    assert [row.id for row in roles.target] == [row.id for row in before.target]
    assert [row.id for row in roles.pool[:90]] == [row.id for row in before.pool]
    assert len(roles.pool) == 90 + 31
    # Drawn from the longer pool it would be another sample: the test can tell.
    rows = workspace.catalog.dataset_rows(spec.train.id)
    assert sorted(sample_target(rows, 30, spec.config.seed)[1]) != sorted(roles.target_positions)
    # Every row leaves as it came in, the added ones too.
    (selection,) = workspace.catalog.selections(longer)
    pipeline.export_selection(workspace, selection.id, tmp_path / "subset.jsonl")
    raws = workspace.catalog.dataset_raw(spec.train.id)
    assert sorted((tmp_path / "subset.jsonl").read_text("utf-8").splitlines()) == sorted(
        raws[i] for i in roles.pool_positions
    )
    manifest = read_json(tmp_path / "subset.manifest.json")
    assert [item["role"] for item in manifest["datasets"]] == ["train", "added"]
    assert manifest["metrics"]["extension"]["run_id"] == run_id
    assert manifest["metrics"]["extension"]["drift"]["labelled"] > 0


def test_an_extended_run_is_extended_again(
    finished: Finished, extend: Extend, added_file: Any, demo_lines: Any
) -> None:
    workspace, run_id = finished.workspace, finished.ids["sampled"]
    longer = extend(run_id)
    third = added_file(demo_lines[0][140:190], "third.jsonl")
    longest = extend(longer, third, "20")
    files, spec, roles = opened(workspace, longest)
    assert spec.grown_from == (120, 151)
    # Ten of them came with the second file.
    assert len(roles.added) == 40
    assert len(roles.original_pool) == 90
    target = opened(workspace, run_id)[2].target
    assert [row.id for row in roles.target] == [row.id for row in target]
    first, second = raw(workspace, longer), raw(workspace, longest)
    np.testing.assert_allclose(second[: len(first)], first, atol=1e-6)
    assert read_json(files.result)["selected"] == 20
    assert len(finished.encoder.encoded) == 30 + 40


def test_the_longer_run_needs_the_other_no_more(
    finished: Finished, extend: Extend, chosen: Any
) -> None:
    workspace, run_id = finished.workspace, finished.ids["cosine"]
    longer = extend(run_id)
    rows = chosen(workspace, longer)
    spec = pipeline.RunSpec.read(workspace.run_dir(longer) / "config.json")
    project = workspace.catalog.run(longer).project_id
    replayed = pipeline.create_run(workspace, project, spec)
    pipeline.execute(workspace, replayed, SilentProgress())
    assert chosen(workspace, replayed) == rows
    workspace.delete_run(run_id)
    pipeline.execute(workspace, longer, SilentProgress())
    assert chosen(workspace, longer) == rows
    assert pipeline.RunView(workspace, longer).pair(140, 3).role is None
    # Another replay has nothing to take over.
    lost = pipeline.create_run(workspace, project, spec)
    with pytest.raises(ConfigError, match="not complete in this workspace"):
        pipeline.execute(workspace, lost, SilentProgress())


def test_a_replay_puts_the_pool_together_again(finished: Finished, extend: Extend) -> None:
    workspace = finished.workspace
    longer = extend(finished.ids["cosine"])
    spec = pipeline.RunSpec.read(workspace.run_dir(longer) / "config.json")
    before = workspace.catalog.dataset_raw(spec.train.id)
    workspace.delete_project(workspace.catalog.run(longer).project_id)
    assert spec.train.id not in {record.id for record in workspace.catalog.datasets()}
    pipeline.ensure_datasets(workspace, spec)
    assert workspace.catalog.dataset_raw(spec.train.id) == before


def test_an_exact_run_by_cosines(finished: Finished, extend: Extend) -> None:
    workspace, run_id = finished.workspace, finished.ids["exact"]
    longer = extend(run_id)
    assert len(finished.encoder.encoded) == 30
    before, after = best(workspace, run_id), best(workspace, longer)
    np.testing.assert_array_equal(after[:120], before)
    np.testing.assert_array_equal(after[120], after[150])
    summary = read_json(opened(workspace, longer)[0].result)
    assert summary["extension"]["drift"] is None
    assert summary["labelled_pairs"] == 151 * 60


@pytest.mark.parametrize("name", ["selectit", "delift"])
def test_no_label_is_computed(finished: Finished, extend: Extend, name: str) -> None:
    workspace, run_id = finished.workspace, finished.ids[name]
    before = raw(workspace, run_id)
    longer = extend(run_id)
    assert not any(method.asked for method in finished.methods)
    files, spec, roles = opened(workspace, longer)
    after = raw(workspace, longer)
    np.testing.assert_allclose(after[:120], before, atol=1e-6)
    np.testing.assert_array_equal(after[120], after[150])
    if name == "delift":
        old_files, old_spec, old_roles = opened(workspace, run_id)
        mine = read_estimates(workspace, spec, roles, files).best_other("pool")
        theirs = read_estimates(workspace, old_spec, old_roles, old_files).best_other("pool")
        assert mine is not None and theirs is not None
        np.testing.assert_allclose(mine.block(0, 120)[:, :120], theirs.block(0, 120), atol=1e-6)


def test_what_influence_means_does_not_change_with_the_pool(
    finished: Finished, extend: Extend
) -> None:
    """LESS warms up on pool rows: a spot check of the longer pool must not warm up anew."""
    workspace = finished.workspace
    _, spec, roles = opened(workspace, extend(finished.ids["cosine"]))
    spec = replace(spec, config=replace(spec.config, method="less", objective="topk"))
    labelling.make_method(workspace, spec, roles)
    assert list(finished.methods[-1].options["pool"]) == list(roles.pool[:120])


def test_rows_of_an_existing_set_keep_their_place(
    finished: Finished, extend: Extend, new_run: Any, added_file: Any, demo_lines: Any
) -> None:
    """E's rows stand behind the pool, which has grown: a shift would give them other values."""
    workspace = finished.workspace
    existing = added_file(demo_lines[0][200:240], "existing.jsonl")
    run_id = new_run(
        workspace,
        network="process",
        inputs="text",
        method="delift",
        objective="flcg",
        existing=existing,
    )
    pipeline.execute(workspace, run_id, SilentProgress())
    longer = extend(run_id)
    old, new = (
        read_estimates(workspace, spec, roles, files).others["existing"]
        for files, spec, roles in (opened(workspace, run_id), opened(workspace, longer))
    )
    assert (new.n_train, new.n_target) == (40, 151)
    np.testing.assert_allclose(new.block(0, 40)[:, :120], old.block(0, 40), atol=1e-6)


def test_what_cannot_be_extended_says_why(
    finished: Finished, new_run: Any, added_file: Any, demo_lines: Any
) -> None:
    workspace = finished.workspace
    more = pipeline.import_files(workspace, [added_file()]).source
    with pytest.raises(ConfigError, match="has not finished"):
        pipeline.extend_run(workspace, new_run(workspace), more)
    with pytest.raises(ConfigError, match="There is no run"):
        pipeline.extend_run(workspace, "20200101-000000-abcdef", more)
    exact = new_run(workspace, method="selectit", exact=True)
    pipeline.execute(workspace, exact, SilentProgress())
    with pytest.raises(ConfigError, match="no network that could predict"):
        pipeline.extend_run(workspace, exact, more)
    known = pipeline.import_files(workspace, [added_file(demo_lines[0][:9], "known.jsonl")])
    with pytest.raises(DataError, match="no row that is not in the pool"):
        pipeline.extend_run(workspace, finished.ids["cosine"], known.source)
    with pytest.raises(ConfigError, match="500"):
        pipeline.extend_run(workspace, finished.ids["cosine"], more, "500")


def test_a_killed_extension_goes_on(
    finished: Finished, extend: Extend, chosen: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nncift_core.pipeline import stages

    workspace, run_id = finished.workspace, finished.ids["cosine"]
    whole = extend(run_id)
    added = pipeline.RunSpec.read(workspace.run_dir(whole) / "config.json").added
    assert added is not None
    for name in ("embed_extended", "compare_added", "_select"):
        longer = pipeline.extend_run(workspace, run_id, added)
        with monkeypatch.context() as patch:
            patch.setattr(stages, name, _killed)
            with pytest.raises(KeyboardInterrupt):
                pipeline.execute(workspace, longer, SilentProgress())
        pipeline.execute(workspace, longer, SilentProgress())
        assert chosen(workspace, longer) == chosen(workspace, whole)
        np.testing.assert_array_equal(raw(workspace, longer), raw(workspace, whole))


def _killed(*arguments: Any, **options: Any) -> None:
    raise KeyboardInterrupt


def test_a_real_model_reads_the_added_rows_and_labels_nothing(
    workspace: Workspace, new_run: Any, tmp_path: Path, added_file: Any
) -> None:
    """Estimators that see hidden states need those of the added rows, and only of these."""
    model = LanguageModelConfig(model=str(make_tiny_model(tmp_path / "tiny", positions=2048)))
    run_id = new_run(workspace, method="selectit", network="ridge", lm=model)
    pipeline.execute(workspace, run_id, SilentProgress())

    def shards() -> dict[str, set[Path]]:
        folders = [path for path in workspace.labels_dir.iterdir() if path.is_dir()]
        return {folder.name: set(folder.glob("*.npy")) for folder in folders}

    before = shards()
    source = pipeline.import_files(workspace, [added_file()]).source
    longer = pipeline.extend_run(workspace, run_id, source)
    pipeline.execute(workspace, longer, SilentProgress())
    np.testing.assert_allclose(raw(workspace, longer)[:120], raw(workspace, run_id), atol=1e-5)
    after = shards()
    assert {name for name in after if after[name] != before[name]} == {
        name for name in before if name.startswith("states-")
    }
