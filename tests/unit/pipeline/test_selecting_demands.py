"""Selections that obey a curator: pins, bans, rules, quotas, lengths; live and stored."""

from __future__ import annotations

import json
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nncift_core import pipeline
from nncift_core.config import RunConfig
from nncift_core.errors import ConfigError
from nncift_core.files import load_array
from nncift_core.pipeline import curation, scaled_matrices
from nncift_core.pipeline.curation import Desk, LiveSelection, open_desk, save_selection
from nncift_core.pipeline.demands import left_out_counts
from nncift_core.pipeline.runs import create_selection, work
from nncift_core.progress import SilentProgress
from nncift_core.selection_config import SelectionConfig, join_ids
from nncift_core.store import SelectionRecord, Workspace
from tests.unit.pipeline.finished_runs import Finished, opened, stand_ins

pytestmark = pytest.mark.usefixtures("open_databases")

KEEP = SelectionConfig(duplicates="keep")


@pytest.fixture(scope="module", name="finished")
def one_copy_for_all(
    _finished_runs: tuple[Path, dict[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Finished]:
    """One copy for this module: what a test stores does not disturb the others."""
    root, ids = _finished_runs
    folder = tmp_path_factory.mktemp("demands") / "ws"
    shutil.copytree(root, folder)
    with pytest.MonkeyPatch.context() as patch:
        methods, encoder = stand_ins(patch)
        yield Finished(Workspace.open(folder), dict(ids), methods, encoder)


@pytest.fixture
def desk(finished: Finished) -> Desk:
    return open_desk(finished.workspace, finished.ids["cosine"])


@pytest.fixture
def make(finished: Finished) -> Callable[..., SelectionRecord]:
    """``make(settings, objective, budget, run)``: a stored later selection."""

    def call(
        settings: SelectionConfig = KEEP, objective: str = "fl", budget: str = "20",
        run: str = "cosine",
    ) -> SelectionRecord:  # fmt: skip
        run_id = finished.ids[run]
        made = create_selection(finished.workspace, run_id, objective, budget, "Mine", settings)
        record: SelectionRecord = work(finished.workspace.selection_dir(run_id, made))
        return record

    return call


@pytest.fixture
def ids_of(finished: Finished) -> Callable[[SelectionRecord], list[str]]:
    return lambda record: [
        row.row_id for row in finished.workspace.catalog.selection_rows(record.id)
    ]


def test_pins_are_in_bans_are_not_and_the_rest_is_in_order(
    make: Any, ids_of: Any, finished: Finished, desk: Desk
) -> None:
    plain = ids_of(make())
    outside = [row_id for row_id in desk.row_ids if row_id not in plain][:2]
    settings = replace(KEEP, pin=join_ids(outside), ban=plain[0])
    record = make(settings)
    ids = ids_of(record)
    assert ids[:2] == sorted(outside, key=ids.index)
    assert set(outside) == set(ids[:2])
    assert plain[0] not in ids
    assert len(ids) == len(set(ids)) == 20
    rows = finished.workspace.catalog.selection_rows(record.id)
    assert [row.reason.startswith("pinned; ") for row in rows] == [True] * 2 + [False] * 18
    assert record.meta["constraints"]["pinned"] == 2
    assert record.meta["left_out"] == {"by hand": 1, "not reached": len(desk.row_ids) - 21}


def test_meta_and_request(make: Any, ids_of: Any, desk: Desk) -> None:
    record = make(replace(KEEP, ban=desk.row_ids[3]), budget="0.1")
    meta = record.meta
    assert meta["request"] == {
        "objective": "fl", "budget": "0.1", "seed": 3,
        **asdict(replace(KEEP, ban=desk.row_ids[3], optimizer="lazy")),
    }  # fmt: skip
    assert (meta["exact"], meta["ratio"], meta["optimizer"], meta["ended"]) == (
        True, 1.0, "lazy", "budget")  # fmt: skip
    assert meta["order_length"] == record.row_count == 12
    assert meta["tokens"] is None
    assert meta["duplicates"] is None
    again = make(
        SelectionConfig(**{k: v for k, v in meta["request"].items()
                           if k in asdict(KEEP)}), budget="0.1")  # fmt: skip
    assert ids_of(again) == ids_of(record)
    assert again.meta["request"] == meta["request"]


def test_rules_and_quotas(make: Any, ids_of: Any, desk: Desk) -> None:
    names = desk.facts.subtask
    subtask = Counter(filter(None, names)).most_common(1)[0][0]
    others = [row_id for row_id, name in zip(desk.row_ids, names, strict=True) if name != subtask]
    limit = int(np.quantile(desk.facts.characters, 0.8))
    settings = replace(
        KEEP,
        ban_where=f"characters > {limit}",
        quota=f"subtask:{subtask}=3..4; cluster:0=..0.1",
    )
    record = make(settings)
    ids = ids_of(record)
    place = desk.facts.place
    assert 3 <= sum(row_id not in others for row_id in ids) <= 4
    assert all(desk.facts.characters[place[row_id]] <= limit for row_id in ids)
    assert sum(desk.facts.cluster[place[row_id]] == 0 for row_id in ids) <= 2
    quotas = {quota["name"]: quota for quota in record.meta["constraints"]["quotas"]}
    assert (quotas["cluster = 0"]["least"], quotas["cluster = 0"]["most"]) == (0, 2)
    assert quotas[f"subtask = {subtask}"]["chosen"] == sum(r not in others for r in ids)
    assert "a quota asks for it; " in " ".join(
        row.reason for row in desk.workspace.catalog.selection_rows(record.id)
    )
    # What rules ban is said by kind.
    too_long = int((desk.facts.characters > limit).sum())
    assert record.meta["left_out"]["rule"] == too_long


def test_a_pin_wins_over_a_rule_and_a_length(make: Any, ids_of: Any, desk: Desk) -> None:
    longest = int(desk.facts.characters.argmax())
    row_id = desk.row_ids[longest]
    most = int(desk.facts.tokens.max()) - 1
    settings = replace(
        KEEP, pin=row_id, ban_where=f"characters >= {desk.facts.characters[longest]}",
        most_tokens=most,
    )  # fmt: skip
    assert ids_of(make(settings))[0] == row_id
    with pytest.raises(ConfigError, match="both pinned and banned"):
        replace(settings, ban=row_id)


def test_lengths_and_token_budget(
    make: Any, ids_of: Any, desk: Desk, recording: Any, finished: Finished
) -> None:
    tokens = desk.facts.tokens
    least, most = np.quantile(tokens, [0.3, 0.7]).astype(int).tolist()
    record = make(replace(KEEP, least_tokens=least, most_tokens=most))
    places = [desk.facts.place[row_id] for row_id in ids_of(record)]
    assert tokens[places].min() >= least
    assert tokens[places].max() <= most
    assert record.meta["tokens"] == tokens[places].sum()
    assert record.meta["left_out"]["length"] == int(((tokens < least) | (tokens > most)).sum())
    settings = replace(KEEP, token_budget=5 * int(tokens.mean()))
    progress = recording()
    live = desk.select("fl", settings, 60, progress)
    assert live.result.ended == "tokens"
    assert tokens[live.order].sum() <= settings.token_budget
    assert live.tokens_at(len(live.order)) == tokens[live.order].sum()
    assert live.tokens_at(0) == 0
    stored = make(settings, budget="60")
    assert ids_of(stored) == [desk.row_ids[i] for i in live.order]
    assert stored.meta["ended"] == "tokens"


def test_tokens_are_counted_once(finished: Finished, desk: Desk, monkeypatch: Any) -> None:
    counted = desk.facts.tokens
    # Words and a line break between, as the stand-in counts.
    assert counted.tolist() == [len(row.text.split()) for row in desk.roles.pool]
    monkeypatch.setattr(
        "nncift_core.pipeline.tokens.open_encoder", lambda name: pytest.fail("again")
    )
    again = open_desk(finished.workspace, finished.ids["cosine"]).facts.tokens
    assert again.tolist() == counted.tolist()


def test_fewer_rows_than_asked_for_are_said_in_one_sentence(
    finished: Finished, desk: Desk, recording: Any
) -> None:
    run_id = finished.ids["cosine"]
    keep, characters = desk.row_ids[50:], desk.facts.characters
    limit = int(np.quantile(characters, 0.8))
    settings = replace(KEEP, ban=join_ids(desk.row_ids[:50]), ban_where=f"characters > {limit}")
    made = create_selection(finished.workspace, run_id, "fl", "1.0", "All", settings)
    progress = recording()
    record = work(finished.workspace.selection_dir(run_id, made), echo=progress)
    long = int((characters[50:] > limit).sum())
    assert record.row_count == len(keep) - long
    (warning,) = progress.warnings
    assert warning == (
        f"Only {len(keep) - long} of 120 rows were chosen, since no other may be: "
        f"50 are banned by hand, {long} are banned by a rule."
    )
    assert record.meta["ended"] == "rows"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"pin": "ffffffffffffffff-0"}, "The pinned row 'ffffffffffffffff-0' is not in the pool"),
        ({"ban": "no-0,nor-1"}, "The banned row 'no-0', and 1 more is not in the pool"),
        ({"ban_where": "group = x"}, "reads the field group, but no row of the pool has one"),
        ({"ban_where": "characters > 0"}, "All 120 rows are banned"),
        ({"ban_where": "subtask = nothing"}, "There are: "),
        ({"quota": "subtask:nothing=1.."}, "which no row of the pool has"),
        ({"quota": "cluster:900=1.."}, "which no row of the pool has"),
        ({"token_budget": 1, "pin": "FIRST"}, "token budget"),
        ({"pin": "FIRST30"}, "30 rows are pinned, but the budget is 20"),
    ],
)
def test_demands_that_cannot_be_met(
    make: Any, desk: Desk, finished: Finished, settings: dict[str, Any], words: str
) -> None:
    pins = {"FIRST": desk.row_ids[0], "FIRST30": join_ids(desk.row_ids[:30])}
    given = {name: pins.get(value, value) for name, value in settings.items()}
    demands = replace(KEEP, **given)
    with pytest.raises(ConfigError) as caught:
        make(demands)
    assert words in str(caught.value)
    with pytest.raises(ConfigError) as caught:
        desk.select("fl", demands, 20)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "settings",
    [{"pin": "ffffffffffffffff-0"}, {"ban_where": "subtask = nothing"},
     {"quota": "subtask:nothing=1.."}, {"ban_where": "characters > 0"}],
)  # fmt: skip
def test_a_run_refuses_them_before_it_works(
    workspace: Workspace, new_run: Any, recording: Any, settings: dict[str, Any]
) -> None:
    run_id = new_run(workspace, selection=replace(KEEP, **settings))
    progress = recording()
    with pytest.raises(ConfigError):
        pipeline.execute(workspace, run_id, progress)
    assert progress.stages == []


def test_what_cannot_be_read_makes_no_run(workspace: Workspace, new_run: Any) -> None:
    for settings in ({"ban_where": "tokens"}, {"quota": "a:b=c"}):
        with pytest.raises(ConfigError, match=r"is no rule|is no quota"):
            new_run(workspace, selection=replace(KEEP, **settings))
    assert workspace.catalog.runs() == []


# The desk ----------------------------------------------------------------------------------------

DEMANDS = [
    {},
    {"optimizer": "naive"},
    {"ban_where": "characters > 250"},
    {"quota": "cluster:1=2..5"},
    {"least_tokens": 4, "token_budget": 400},
]


@pytest.mark.parametrize("objective", ["fl", "coverage", "mix", "fl-pool", "flmi", "topk",
                                       "round-robin", "flmi-query"])  # fmt: skip
@pytest.mark.parametrize("demands", DEMANDS[:1], ids=str)
def test_live_is_what_a_job_stores(
    desk: Desk, make: Any, finished: Finished, objective: str, demands: Any
) -> None:
    _same(desk, make, finished, objective, replace(KEEP, **demands))


@pytest.mark.parametrize("demands", DEMANDS[1:], ids=str)
def test_live_demands_are_what_a_job_stores(
    desk: Desk, make: Any, finished: Finished, demands: Any
) -> None:
    _same(desk, make, finished, "fl", replace(KEEP, **demands))


def _same(
    desk: Desk, make: Any, finished: Finished, objective: str, settings: SelectionConfig
) -> None:
    record = make(settings, objective, "25")
    live = desk.select(objective, settings, 60)
    saved = save_selection(desk, live, 25, "Mine")
    rows = finished.workspace.catalog.selection_rows
    assert rows(saved.id) == rows(record.id)
    assert saved.id != record.id
    assert saved.meta == record.meta
    assert (saved.budget, saved.objective) == (record.budget, record.objective)


def test_every_prefix_is_what_its_budget_gives(desk: Desk) -> None:
    settings = replace(KEEP, quota="cluster:1=2..5", pin=desk.row_ids[7])
    long = desk.select("fl", settings, 100)
    for rows in (3, 10, 50):
        short = desk.select("fl", settings, rows)
        first = long.first(rows)
        for name in ("order", "gain", "round", "newly_best", "gains_most", "phase"):
            np.testing.assert_array_equal(getattr(first, name), getattr(short.result, name))
        for name in ("saturated_at", "value", "exact", "ratio", "ended", "objective"):
            assert getattr(first, name) == getattr(short.result, name), name
        assert long.value_at(rows) == short.result.value
    assert long.first(500) is long.result


def test_a_share_of_the_budget_is_asked_for_again(desk: Desk) -> None:
    settings = replace(KEEP, quota="cluster:1=..0.1")
    long = desk.select("fl", settings, 100)
    assert not long.nested
    record = save_selection(desk, long, 20, "Small")
    rows = [row.row_id for row in desk.workspace.catalog.selection_rows(record.id)]
    places = [desk.facts.place[row_id] for row_id in rows]
    assert int((desk.facts.cluster[places] == 1).sum()) <= 2
    assert rows == [desk.row_ids[i] for i in desk.select("fl", settings, 20).order]


def test_a_desk_remembers_the_last_selections(desk: Desk, monkeypatch: Any) -> None:
    monkeypatch.setattr(curation, "MOST_KEPT", 2)
    first = desk.select("fl", KEEP, 10)
    assert desk.select("fl", KEEP, 10) is first
    assert desk.select("", KEEP, 10) is first
    desk.select("fl", KEEP, 11)
    assert desk.select("fl", KEEP, 10) is first
    desk.select("fl", KEEP, 12)
    desk.select("fl", KEEP, 13)
    assert desk.select("fl", KEEP, 10) is not first


def test_undo_gives_the_same_bytes(finished: Finished, desk: Desk) -> None:
    before = desk.select("fl", KEEP, 30)
    desk.select("fl", replace(KEEP, ban=desk.row_ids[int(before.order[0])]), 30)
    fresh = open_desk(finished.workspace, finished.ids["cosine"]).select("fl", KEEP, 30)
    assert fresh.order.tobytes() == before.order.tobytes()
    assert fresh.gain.tobytes() == before.gain.tobytes()


def test_the_matrix_is_written_once_and_read_only(
    finished: Finished, desk: Desk, monkeypatch: Any
) -> None:
    folder = desk.view.files.folder
    desk.select("fl", KEEP, 5)
    (kept,) = folder.glob("scaled-target-*.npy")
    stamp = kept.stat().st_mtime_ns
    assert desk.target is not None
    with pytest.raises(ValueError, match="read-only"):
        desk.target[0, 0] = 1
    other = open_desk(finished.workspace, finished.ids["cosine"])
    monkeypatch.setattr(
        "nncift_core.selection.scaled.ScaledSource.block", lambda *a: pytest.fail("computed again")
    )
    other.select("coverage", KEEP, 5)
    assert kept.stat().st_mtime_ns == stamp
    assert not list(folder.glob("*.partial"))
    np.testing.assert_array_equal(other.read_rows(np.array([5, 2])), load_array(kept)[[5, 2]])


def test_a_matrix_of_another_state_is_not_read(finished: Finished, desk: Desk) -> None:
    desk.select("fl", KEEP, 5)
    files = desk.view.files
    (kept,) = files.folder.glob("scaled-target-*.npy")
    files.overview.write_text(files.overview.read_text("utf-8") + " ", "utf-8")
    other = open_desk(finished.workspace, finished.ids["cosine"])
    other.select("fl", KEEP, 5)
    (now,) = files.folder.glob("scaled-target-*.npy")
    assert now != kept


@pytest.mark.parametrize("left", [b"", b"no array", None])
def test_a_matrix_that_a_power_cut_left_is_made_again(
    finished: Finished, desk: Desk, left: bytes | None
) -> None:
    wanted = desk.select("fl", KEEP, 5).order.tolist()
    (kept,) = desk.view.files.folder.glob("scaled-target-*.npy")
    whole = kept.read_bytes()
    # Another file takes its place: the desk's memory map stays what it was.
    kept.unlink()
    kept.write_bytes(whole[: len(whole) // 2] if left is None else left)
    again = open_desk(finished.workspace, finished.ids["cosine"])
    assert again.select("fl", KEEP, 5).order.tolist() == wanted
    assert kept.read_bytes() == whole


def test_threads_share_a_desk(desk: Desk) -> None:
    found: list[LiveSelection] = []

    def ask() -> None:
        found.append(desk.select("coverage", KEEP, 40))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert all(live is found[0] for live in found)


def test_a_run_of_single_rows_has_no_matrix(finished: Finished) -> None:
    desk = open_desk(finished.workspace, finished.ids["selectit"])
    live = desk.select("", KEEP, 20)
    assert live.objective == "topk"
    assert desk.target is None
    assert not list(desk.view.files.folder.glob("scaled-*"))
    with pytest.raises(ConfigError, match="scores single rows"):
        desk.read_rows(np.array([0]))
    with pytest.raises(ConfigError, match="compares pairs"):
        desk.select("fl", KEEP, 20)
    with pytest.raises(ConfigError, match="Use case 'target' compares rows with targets"):
        desk.select("", replace(KEEP, use_case="target"), 20)
    assert desk.matrices.target is None


def test_a_run_of_a_language_model_counts_with_its_tokenizer(finished: Finished) -> None:
    desk = open_desk(finished.workspace, finished.ids["delift"])
    live = desk.select("flmi", replace(KEEP, least_tokens=1), 20)
    assert len(live.order) == 20
    assert desk.facts.tokens.min() > 0
    assert not np.array_equal(desk.facts.tokens, [len(row.text.split()) for row in desk.roles.pool])
    with pytest.raises(ConfigError, match="needs an existing set"):
        desk.select("flcg", KEEP, 20)


# Beyond memory -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("objective", "optimizer"),
    [("fl", "sparse"), ("coverage", "sparse"), ("fl-pool", "partitioned")],
)
def test_what_does_not_fit_is_read_in_blocks(
    desk: Desk, make: Any, ids_of: Any, objective: str, optimizer: str
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scaled_matrices, "MEMORY_SHARE", 0.0)
        record = make(KEEP, objective)
        assert record.meta["optimizer"] == record.meta["request"]["optimizer"] == optimizer
        live = desk.select(objective, KEEP, 20)
        assert ids_of(record) == [desk.row_ids[i] for i in live.order]
        assert desk.target is None
        rows = desk.read_rows(np.array([4, 0]))
    np.testing.assert_allclose(
        rows, open_desk(desk.workspace, desk.run_id).read_rows(np.array([4, 0])), atol=1e-6
    )
    # The request replays it where everything would fit.
    settings = SelectionConfig(
        **{k: v for k, v in record.meta["request"].items() if k in asdict(KEEP)}
    )
    assert ids_of(make(settings, objective)) == ids_of(record)


def test_an_optimizer_that_needs_it_whole_is_refused(make: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(scaled_matrices, "MEMORY_SHARE", 0.0)
    with pytest.raises(ConfigError, match="Use --optimizer sparse"):
        make(replace(KEEP, optimizer="lazy"))
    with pytest.raises(ConfigError, match="Use --optimizer partitioned"):
        make(replace(KEEP, optimizer="naive"), "flmi")
    assert make(KEEP, "topk").meta["optimizer"] == "lazy"


@pytest.mark.parametrize("settings", [{}, {"quota": "cluster:1=3.."}])
def test_round_robin_beyond_memory_takes_the_same_turns(
    desk: Desk, make: Any, ids_of: Any, settings: dict[str, Any]
) -> None:
    demands = replace(KEEP, pin=desk.row_ids[5], **settings)
    whole = desk.select("round-robin", demands, 20)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scaled_matrices, "MEMORY_SHARE", 0.0)
        patch.setattr(scaled_matrices, "_dense", None)
        record = make(demands, "round-robin")
    assert ids_of(record) == [desk.row_ids[i] for i in whole.order]
    assert (record.meta["optimizer"], record.meta["exact"]) == ("lazy", True)


def test_self_pairs_hold_the_highest_value_in_blocks_too(desk: Desk) -> None:
    sources = desk._sources
    whole = sources.whole("pool", "fl-pool")
    blocks = sources.in_blocks("pool", "fl-pool")
    np.testing.assert_array_equal(blocks.block(0, 120), whole)
    np.testing.assert_array_equal(np.diag(whole), whole.max())


# Use cases ---------------------------------------------------------------------------------------


def test_the_use_case_decides_the_objective(workspace: Workspace, new_run: Any, tmp_path: Path,
                                            demo_lines: Any) -> None:  # fmt: skip
    def objective(existing: Path | None = None, **settings: Any) -> str:
        run_id = new_run(workspace, existing=existing, **settings)
        spec = pipeline.RunSpec.read(workspace.run_dir(run_id) / "config.json")
        return spec.config.objective

    def use(name: str) -> SelectionConfig:
        return SelectionConfig(use_case=name)

    assert objective() == "fl"
    assert objective(selection=use("target")) == "flmi-query"
    assert objective(selection=use("subtasks")) == "round-robin"
    assert objective(selection=use("target"), objective="coverage") == "coverage"
    with pytest.raises(ConfigError) as caught:
        objective(selection=use("continual"))
    assert str(caught.value) == (
        "Use case 'continual' needs the rows that the model was already tuned on. "
        "Give them with --existing FILE."
    )
    (tmp_path / "existing.jsonl").write_text("\n".join(demo_lines[0][200:215]) + "\n", "utf-8")
    assert objective(tmp_path / "existing.jsonl", selection=use("continual")) == "flcg"
    with pytest.raises(ConfigError, match="does not use an existing set"):
        objective(tmp_path / "existing.jsonl", selection=use("continual"), objective="fl")


def test_a_later_selection_follows_its_use_case(make: Any) -> None:
    assert make(replace(KEEP, use_case="target"), "").objective == "flmi-query"
    assert make(replace(KEEP, use_case="target"), "coverage").objective == "coverage"
    with pytest.raises(ConfigError, match="Use case 'continual' needs the rows"):
        make(replace(KEEP, use_case="continual"), "")


# Replays -----------------------------------------------------------------------------------------


def test_old_configurations_and_jobs_choose_as_they_did(finished: Finished) -> None:
    files, spec, _ = opened(finished.workspace, finished.ids["cosine"])
    content = json.loads(files.config.read_text("utf-8"))
    del content["config"]["selection"]
    files.config.write_text(json.dumps(content), "utf-8")
    old = pipeline.RunSpec.read(files.config)
    assert old.config.selection == SelectionConfig(duplicates="keep", optimizer="lazy")
    assert old.config.objective == spec.config.objective
    made = create_selection(finished.workspace, finished.ids["cosine"], "fl", "9", "Old")
    folder = finished.workspace.selection_dir(finished.ids["cosine"], made)
    job = json.loads((folder / "job.json").read_text("utf-8"))
    del job["settings"], job["seed"]
    (folder / "job.json").write_text(json.dumps(job), "utf-8")
    record = work(folder)
    assert record.meta["duplicates"] is None
    assert record.row_count == 9


def test_the_manifest_says_what_replays_it(make: Any, desk: Desk, tmp_path: Path) -> None:
    banned = desk.row_ids[3]
    record = make(replace(KEEP, ban=banned, ban_where="characters > 300"))
    exported = pipeline.export_selection(desk.workspace, record.id, tmp_path / "out.jsonl")
    said = json.loads(exported.manifest.read_text("utf-8"))["selection"]
    assert said["request"] == record.meta["request"]
    assert said["request"]["ban"] == banned
    for name in ("optimizer", "exact", "ratio", "ended", "tokens", "duplicates", "constraints",
                 "left_out"):  # fmt: skip
        assert said[name] == record.meta[name]
    assert sum(said["left_out"].values()) == 100


def test_stochastic_draws_follow_the_seed(finished: Finished, make: Any, ids_of: Any) -> None:
    settings = replace(KEEP, optimizer="stochastic")
    run_id = finished.ids["cosine"]

    def seeded(seed: int) -> list[str]:
        made = create_selection(
            finished.workspace, run_id, "coverage", "20", "S", settings, seed=seed
        )
        record = work(finished.workspace.selection_dir(run_id, made))
        assert record.meta["request"]["seed"] == seed
        assert not record.meta["exact"]
        return list(ids_of(record))

    assert seeded(3) == seeded(3) == ids_of(make(settings, "coverage"))
    assert seeded(3) != seeded(4)


def test_counts_of_rows_left_out_add_up(desk: Desk) -> None:
    limits = np.quantile(desk.facts.characters, 0.8), np.quantile(desk.facts.tokens, 0.2)
    settings = replace(
        KEEP,
        ban_where=f"characters > {int(limits[0])}",
        quota=f"cluster:{np.bincount(desk.facts.cluster).argmax()}=..1",
        least_tokens=int(limits[1]),
    )
    live = desk.select("fl", settings, 30)
    counts = left_out_counts(live.demands, live.order, 120)
    assert sum(counts.values()) == 90
    assert set(counts) == {"rule", "quota", "length", "not reached"}


def test_defaults_of_a_new_run() -> None:
    selection = RunConfig().selection
    assert selection.duplicates == "auto"
    assert selection.settled().duplicates == "near"
    # Who asks for every row gets every row, unless told otherwise.
    assert selection.settled(whole_pool=True).duplicates == "keep"
    assert replace(selection, duplicates="near").settled(whole_pool=True).duplicates == "near"
    assert RunConfig().selection.optimizer == "auto"


# Duplicates --------------------------------------------------------------------------------------


def test_a_run_keeps_one_row_of_each_group_of_duplicates(
    workspace: Workspace, new_run: Any, tmp_path: Path, demo_lines: Any, demo_files: Any
) -> None:
    pool, target = demo_files(60, 30)
    rows = [json.loads(line) for line in demo_lines[0][:60]]
    for row in rows[:10]:
        row["prompt"] = f"Hello! {row['prompt'].upper()}"
    lines = [*demo_lines[0][:60], *map(json.dumps, rows[:10]), *demo_lines[0][10:15]]
    pool.write_text("\n".join(lines) + "\n", "utf-8")
    chosen = {}
    for level in ("near", "exact", "keep"):
        run_id = new_run(
            workspace, files=(pool, target), exact=True, budget="1.0",
            selection=SelectionConfig(duplicates=level),
        )  # fmt: skip
        outcome = pipeline.execute(workspace, run_id, SilentProgress())
        record = outcome.selection
        chosen[level] = record.row_count
        assert outcome.summary["selected"] == record.row_count
        if level == "keep":
            assert record.meta["duplicates"] is None
            continue
        left_out = 75 - record.row_count
        assert record.meta["duplicates"]["left_out"] == left_out
        assert record.meta["left_out"] == {"duplicates": left_out}
        assert record.meta["ended"] == "rows"
        ids = [row.row_id for row in workspace.catalog.selection_rows(record.id)]
        hashes = [row_id.rsplit("-")[0] for row_id in ids]
        assert len(hashes) == len(set(hashes))
    assert chosen["keep"] == 75
    assert chosen["near"] <= chosen["exact"] - 8


def test_a_pinned_row_stands_for_its_group(desk: Desk) -> None:
    plain = desk.select("fl", replace(KEEP, duplicates="near"), 120)
    assert plain.groups is not None
    group = next(
        number for number in range(plain.groups.n_groups)
        if len(plain.groups.members(number)) > 1
    )  # fmt: skip
    members = plain.groups.members(group).tolist()
    assert len(set(members) & set(plain.order.tolist())) == 1
    (other, *_) = [row for row in members if row not in plain.order]
    pinned = desk.select("fl", replace(KEEP, duplicates="near", pin=desk.row_ids[other]), 120)
    assert set(members) & set(pinned.order.tolist()) == {other}


def test_values_and_tokens_of_prefixes(desk: Desk) -> None:
    live = desk.select("fl", replace(KEEP, least_tokens=1), 30)
    assert live.value_at(0) == 0.0
    assert live.value_at(1) == pytest.approx(live.gain[0])
    assert live.value_at(30) == live.value_at(99) == live.result.value
    assert live.tokens_at(3) == desk.facts.tokens[live.order[:3]].sum()
    assert desk.select("fl", KEEP, 30).tokens_at(3) is None


def test_the_quality_weight_reaches_the_objective(desk: Desk, make: Any, ids_of: Any) -> None:
    lives = [
        desk.select("mix", replace(KEEP, quality_weight=weight), 20) for weight in (0.0, 0.5, 1.0)
    ]
    assert lives[0].order.tolist() == desk.select("fl", KEEP, 20).order.tolist()
    assert lives[2].order.tolist() == desk.select("topk", KEEP, 20).order.tolist()
    assert lives[1].order.tolist() not in (lives[0].order.tolist(), lives[2].order.tolist())
    record = make(replace(KEEP, quality_weight=1.0), "mix")
    assert ids_of(record) == [desk.row_ids[i] for i in lives[2].order]
    assert record.meta["request"]["quality_weight"] == 1.0


def test_saving_fewer_rows_than_are_demanded_is_refused(desk: Desk) -> None:
    stored = len(desk.workspace.catalog.selections(desk.run_id))
    pins = desk.select("fl", replace(KEEP, pin=join_ids(desk.row_ids[:6])), 20)
    owed = desk.select("fl", replace(KEEP, quota="cluster:1=4.."), 20)
    with pytest.raises(ConfigError, match="6 rows are pinned, but the budget is 5"):
        save_selection(desk, pins, 5, "No")
    with pytest.raises(ConfigError, match="4 rows"):
        save_selection(desk, owed, 3, "No")
    assert len(desk.workspace.catalog.selections(desk.run_id)) == stored
    record = save_selection(desk, pins, 6, "Only pins")
    chosen = [row.row_id for row in desk.workspace.catalog.selection_rows(record.id)]
    assert set(chosen) == set(desk.row_ids[:6])


def test_no_stored_selection_is_empty(make: Any, desk: Desk) -> None:
    shortest = int(desk.facts.tokens.min())
    with pytest.raises(ConfigError, match=f"the shortest that may be chosen has {shortest} token"):
        make(replace(KEEP, token_budget=shortest - 1))
    with pytest.raises(ConfigError, match="row that comes first does not fit"):
        make(replace(KEEP, token_budget=shortest), "topk")
    full = ";".join(f"cluster:{number}=..0" for number in np.unique(desk.facts.cluster))
    with pytest.raises(ConfigError, match="120 are in a group whose quota is full"):
        make(replace(KEEP, quota=full))
    with pytest.raises(ConfigError, match="All 120 rows are too short or too long"):
        make(replace(KEEP, least_tokens=10**6))
    with pytest.raises(ConfigError, match="119 of 120 rows are too short or too long, and all oth"):
        make(replace(KEEP, least_tokens=10**6, ban=desk.row_ids[0]))
    assert make(replace(KEEP, token_budget=10**30)).row_count == 20


def test_saving_more_than_was_ordered_orders_more(desk: Desk) -> None:
    record = save_selection(desk, desk.select("fl", KEEP, 5), 12, "More")
    assert (record.row_count, record.budget) == (12, "12")
    with pytest.raises(ConfigError, match="there is nothing to save"):
        save_selection(desk, desk.select("fl", KEEP, 5), 0, "None")
