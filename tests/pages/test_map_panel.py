from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from nncift_core import jobs, pipeline
from nncift_core.embeddings.planar import SIDE, area_text
from nncift_core.errors import Cancelled, DataError
from nncift_core.pipeline.map_area import rows_in_area
from nncift_core.pipeline.maps import EmbeddingMap, create_map, read_map
from nncift_core.pipeline.view import RunView
from nncift_core.types import Row
from pages._ui.format import number
from pages._ui.influence import map_panel, map_state
from pages._ui.influence.map_component import packed
from tests.pages.finished import N_TARGET, N_TRAIN, Runs, every_text, open_page

pytestmark = pytest.mark.usefixtures("open_databases")

WHOLE = [(0, 0), (SIDE, 0), (SIDE, SIDE), (0, SIDE)]
LEFT = [(0, 0), (SIDE // 2, 0), (SIDE // 2, SIDE), (0, SIDE)]


@pytest.fixture(scope="session", name="_drawn")
def draw_map_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the folder of the map is kept between tests, once one of them made it."""
    return tmp_path_factory.mktemp("map") / "folder"


@pytest.fixture(name="mapped")
def with_map(runs: Runs, _drawn: Path) -> tuple[Runs, EmbeddingMap]:
    """A finished run and the map of its rows."""
    folder = create_map(runs.workspace, runs.predicted)
    if _drawn.is_dir():
        shutil.copytree(_drawn, folder, dirs_exist_ok=True)
    else:
        pipeline.work(folder)
        shutil.copytree(folder, _drawn)
    found = read_map(folder)
    assert found is not None
    return runs, found


def open_map(runs: Runs, run_id: str = "", **more: str) -> AppTest:
    return open_page("influence", runs.query(run_id or runs.predicted, tab="map", **more))


def told(page: AppTest) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What the map's component was sent."""
    (component,) = page.get("bidi_component")
    block = component.proto.bytes
    length = int.from_bytes(block[:4], "little")
    header = json.loads(block[4 : 4 + length])
    arrays = {}
    for name, kind, start, count in header["arrays"]:
        dtype = {"u1": np.uint8, "u2": np.uint16}[kind]
        arrays[name] = np.frombuffer(block, dtype, count, 4 + length + start)
    return header, arrays


def test_without_a_map_one_button_draws_it(runs: Runs, jobs_at_once: list[Path]) -> None:
    page = open_map(runs)
    button = page.button(key=map_panel.START)
    assert button.label == "Draw the map"
    assert f"{N_TRAIN} pool rows and {N_TARGET} target rows: ~" in every_text(page)
    assert not page.get("bidi_component")
    button.click().run()
    assert not page.exception
    (folder,) = jobs_at_once
    assert jobs.read_job(folder)["kind"] == "map"
    assert f"{N_TRAIN} pool rows drawn" in every_text(page)
    header, arrays = told(page)
    assert arrays["points"].size == 2 * N_TRAIN
    assert arrays["targets"].size == 2 * N_TARGET
    assert "2D" not in header["alt"] and f"{N_TRAIN} pool rows" in header["alt"]


def test_a_map_at_work_shows_its_stages(runs: Runs) -> None:
    folder = create_map(runs.workspace, runs.predicted)
    with jobs.running(folder) as progress:
        progress.stage("arrange", 750, "rounds")
        page = open_map(runs)
        text = every_text(page)
        assert "Arrange" in text and "Find neighbours" in text
        assert page.button(key="map-job-cancel").label == "Cancel"
        assert all(button.key != map_panel.START for button in page.button)


@pytest.mark.parametrize(
    ("problem", "says", "label"),
    [
        (DataError("The rows are gone.", "Import them again."), "The rows are gone.", "Try again"),
        (Cancelled(), "Cancelled.", "Resume"),
    ],
)
def test_a_map_that_ended_early_can_be_drawn_again(
    runs: Runs, jobs_at_once: list[Path], problem: Exception, says: str, label: str
) -> None:
    folder = create_map(runs.workspace, runs.predicted)
    with pytest.raises(type(problem)), jobs.running(folder):
        raise problem
    page = open_page(
        "influence", runs.query(runs.predicted, tab="map"), problems=label == "Try again"
    )
    assert says in every_text(page)
    button = page.button(key="map-job-resume")
    assert button.label == label
    button.click().run()
    assert f"{N_TRAIN} pool rows drawn" in every_text(page)


def test_a_damaged_map_is_one_sentence(mapped: tuple[Runs, EmbeddingMap]) -> None:
    runs, _ = mapped
    folder = create_map(runs.workspace, runs.predicted)
    (folder / "clusters.npy").write_bytes(b"nothing")
    page = open_page("influence", runs.query(runs.predicted, tab="map"), problems=True)
    assert "is not a complete array file" in every_text(page)


def test_component_gets_the_map_the_scores_and_the_words(mapped: tuple[Runs, EmbeddingMap]) -> None:
    runs, found = mapped
    view = RunView(runs.workspace, runs.predicted)
    page = open_map(runs)
    header, arrays = told(page)
    assert arrays["points"].reshape(-1, 2).tolist() == found.pool.tolist()
    assert arrays["targets"].reshape(-1, 2).tolist() == found.target.tolist()
    share = arrays["values"].astype(float) / (SIDE - 1)
    read = header["low"] + share * (header["high"] - header["low"])
    assert read == pytest.approx(view.row_mean, abs=1e-4)
    assert header["valueWords"] == "mean influence"
    assert header["palette"] and len(header["ticks"]) == 2
    assert arrays["shown"].size == 0
    assert (header["window"], header["area"], header["point"]) == (None, "", None)
    text = every_text(page)
    assert "of the 10 nearest neighbours" in text
    assert "distances between far groups mean little" in text
    assert "No row is open and none is selected." in text


@pytest.mark.parametrize("color", ["group", "subtask", "selected", "labelled"])
def test_each_color_names_its_kinds_and_stays_in_the_url(
    mapped: tuple[Runs, EmbeddingMap], color: str
) -> None:
    runs, found = mapped
    page = open_map(runs)
    page.selectbox(key="color").set_value(color).run()
    assert page.query_params["color"] in (color, [color])
    header, arrays = told(page)
    counts = [int(kind["count"]) for kind in header["kinds"]]
    assert sum(counts) == N_TRAIN
    assert np.bincount(arrays["codes"], minlength=len(counts)).tolist() == counts
    drawn = [kind["color"] for kind in header["kinds"] if kind["color"]]
    assert len(set(drawn)) == len(drawn) > 0
    if color == "group":
        assert arrays["codes"].tolist() == found.clusters.tolist()
    if color == "selected":
        (selection,) = runs.workspace.catalog.selections(runs.predicted)
        assert counts[0] == selection.row_count
        assert page.selectbox(key="chosen").value == selection.id


def test_filter_dims_other_rows_and_narrows_the_area(mapped: tuple[Runs, EmbeddingMap]) -> None:
    runs, _ = mapped
    view = RunView(runs.workspace, runs.predicted)
    name = next(row.subtask for row in view.roles.pool if row.subtask)
    wanted = [row.subtask == name for row in view.roles.pool]
    page = open_map(runs, subtask=name, area=area_text(WHOLE))
    _, arrays = told(page)
    assert arrays["shown"].tolist() == [int(match) for match in wanted]
    assert f"{sum(wanted)} match the filter" in every_text(page)
    assert f"{sum(wanted)} selected pool rows that match the filter" in every_text(page)


def test_area_lists_its_rows_by_page_and_pins_them_all_at_once(
    mapped: tuple[Runs, EmbeddingMap],
) -> None:
    runs, found = mapped
    view = RunView(runs.workspace, runs.predicted)
    expected = rows_in_area(found, LEFT, view.row_mean).tolist()
    assert 50 < len(expected) < N_TRAIN
    page = open_map(runs, area=area_text(LEFT))
    assert f"{len(expected)} selected pool rows" in every_text(page)
    (table,) = page.dataframe
    assert table.value["Row"].tolist() == [i + 1 for i in expected[:50]]
    assert table.value["Mean influence"][0] == number(float(view.row_mean[expected[0]]))
    page.number_input(key="map-page").set_value(2).run()
    assert page.dataframe[0].value["Row"].tolist() == [i + 1 for i in expected[50:100]]
    page.button(key="map-area-pin").click().run()
    (action,) = runs.workspace.catalog.actions(runs.predicted)
    assert action.kind == "pin"
    assert set(action.value.split(",")) == {view.roles.pool[i].id for i in expected}


def test_area_without_rows_says_so(mapped: tuple[Runs, EmbeddingMap]) -> None:
    runs, _ = mapped
    page = open_map(runs, area=area_text([(0, 0), (1, 0), (0, 1)]))
    assert "0 selected pool rows" in every_text(page)
    assert "No pool row lies in the area" in every_text(page)


@pytest.mark.parametrize("side", ["pool", "target"])
def test_opened_row_is_shown_in_full_with_its_neighbours(
    mapped: tuple[Runs, EmbeddingMap], side: str
) -> None:
    runs, found = mapped
    view = RunView(runs.workspace, runs.predicted)
    page = open_map(runs, point="t3" if side == "target" else "3")
    row: Row = (view.roles.pool if side == "pool" else view.roles.target)[2]
    text = every_text(page)
    assert f"{side.title()} row 3" in text
    assert row.response in [element.value for element in page.code]
    (table,) = page.dataframe
    points = found.pool if side == "pool" else found.target
    away = ((found.pool.astype(int) - points[2].astype(int)) ** 2).sum(axis=1)
    if side == "pool":
        away[2] = 10**12
    assert table.value["Row"].tolist() == (np.argsort(away, kind="stable")[:8] + 1).tolist()
    assert told(page)[0]["point"] == {"side": side, "row": 2}
    pins = [button.key for button in page.button if button.key == "map-point-pin"]
    assert bool(pins) == (side == "pool")


@pytest.mark.parametrize(
    "query",
    [
        {"zoom": "9-9", "area": "zz", "point": "0", "color": "<b>", "chosen": "../x"},
        {"zoom": "99999-1-200", "area": "0000", "point": "t999999999", "targets": "?"},
        {"zoom": "1-1-100", "area": "javascript:x", "point": "１", "color": ""},
    ],
)
def test_broken_links_show_the_whole_map(
    mapped: tuple[Runs, EmbeddingMap], query: dict[str, str]
) -> None:
    runs, _ = mapped
    header, _ = told(open_map(runs, **query))
    assert (header["window"], header["area"], header["point"]) == (None, "", None)
    assert header["palette"]


def test_link_brings_everything_back(mapped: tuple[Runs, EmbeddingMap]) -> None:
    runs, _ = mapped
    query = {"zoom": "20000-30000-450", "area": area_text(LEFT), "point": "7", "targets": "hide"}
    page = open_map(runs, **query)
    header, arrays = told(page)
    assert header["window"] == [20_000, 30_000, 4.5]
    assert header["area"] == area_text(LEFT)
    assert header["point"] == {"side": "pool", "row": 6}
    assert arrays["targets"].size == 0
    assert not page.toggle(key="map-targets").value


def test_scores_of_single_rows_have_a_map_too(model_runs: Runs) -> None:
    run_id = model_runs.others["selectit"]
    pipeline.work(create_map(model_runs.workspace, run_id))
    page = open_map(model_runs, run_id, point="1")
    header, _ = told(page)
    assert header["valueWords"] == "score"
    assert header["title"] == "Score"
    assert "Score" in page.dataframe[0].value.columns


def test_hostile_names_go_as_data_and_texts_as_text() -> None:
    name = '<img src=x onerror="alert(1)">' + "x" * 500
    from nncift_core.pipeline.map_colors import Kinds
    from pages._ui.influence.map_component import kind_words

    words = kind_words(Kinds(np.zeros(2, dtype=np.uint8), (name, "‮gnp"), (2, 0)))
    assert len(words["kinds"][0]["name"]) <= 48
    block = packed(words, {"codes": np.array([1, 2, 3], dtype=np.uint16)})
    length = int.from_bytes(block[:4], "little")
    header = json.loads(block[4 : 4 + length])
    assert header["kinds"][0]["name"].startswith("<img")
    assert np.frombuffer(block[4 + length :], "<u2").tolist() == [1, 2, 3]
    script = "".join(
        (Path(map_panel.__file__).parent / "components" / file).read_text("utf-8")
        for file in ("map.js", "map_parts.js")
    )
    assert "innerHTML" not in script and "insertAdjacentHTML" not in script
    assert packed({"a": 1}, {}) != packed({"a": 2}, {})


def answer_script() -> None:
    """A page that gives one event of a browser to the map's state."""
    import streamlit as st

    from pages._ui.influence import map_state

    map_state.answer(st.session_state["event"], "k", 50, 5)


@pytest.mark.parametrize(
    ("event", "query"),
    [
        ({"kind": "point", "side": "pool", "row": 11}, {"point": "12"}),
        ({"kind": "point", "side": "target", "row": 4}, {"point": "t5"}),
        ({"kind": "area", "area": area_text(LEFT)}, {"area": area_text(LEFT)}),
        ({"kind": "window", "window": [100, 200, 3.5]}, {"zoom": "100-200-350"}),
        ({"kind": "window", "window": [-4, 1e9, 1e9]}, {"zoom": f"0-{SIDE}-40000"}),
        ({"kind": "window", "window": [32768, 32768, 1]}, {}),
        ({"kind": "clear"}, {}),
        ({"kind": "point", "side": "pool", "row": 50}, {"point": "3"}),
        ({"kind": "point", "side": "pool", "row": -1}, {"point": "3"}),
        ({"kind": "point", "side": "<b>", "row": 1}, {"point": "3"}),
        ({"kind": "point", "side": "pool", "row": "1"}, {"point": "3"}),
        ({"kind": "area", "area": "zz"}, {"point": "3"}),
        ({"kind": "area", "area": None}, {"point": "3"}),
        ({"kind": "window", "window": ["a", None, {}]}, {"point": "3"}),
        ({"kind": "window", "window": [float("nan"), 1, 2]}, {"point": "3"}),
        ({"kind": "other"}, {"point": "3"}),
        ("text", {"point": "3"}),
        (None, {"point": "3"}),
    ],
)
def test_whatever_a_browser_sends_ends_in_a_valid_address(event: Any, query: Any) -> None:
    page = AppTest.from_function(answer_script)
    page.session_state["event"] = event
    page.query_params[map_state.POINT] = "3"
    page.run()
    assert not page.exception
    found = {name: page.query_params[name] for name in page.query_params}
    found = {name: value[0] if isinstance(value, list) else value for name, value in found.items()}
    kind = event.get("kind") if isinstance(event, dict) else None
    kept = {} if kind == "clear" or "point" in query else {"point": "3"}
    assert found == {**kept, **query}
