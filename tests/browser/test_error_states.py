"""What goes wrong is said in a sentence with the way on: links, files, jobs."""

from __future__ import annotations

import json

from nncift_core import jobs, pipeline
from nncift_core.config import RunConfig
from nncift_core.jobs import JobError, JobState
from nncift_core.jobs.state import write_state
from tests.browser.steps import opened, settled, upload


def no_traceback(page) -> None:
    shown = page.locator("[data-testid=stMain]").inner_text()
    assert "Traceback" not in shown and "encountered an error" not in shown


def test_a_link_to_what_is_not_there_leads_on(page, reading) -> None:
    opened(page, f"{reading.server.url}/trust?project=nobody-000000")
    page.get_by_text("nobody-000000").first.wait_for()
    no_traceback(page)
    page.get_by_role("button", name="Choose a project").click()
    page.get_by_role("heading", name="Home", exact=True).wait_for()
    page.get_by_role("button", name="1. Data").wait_for()
    opened(page, reading.link("select").replace(reading.prepared.run, "20200101-000000-abcdef"))
    page.get_by_text("is not in this project").first.wait_for()
    no_traceback(page)
    opened(page, reading.link("influence", x="9-2", pair="99999-99999", tab="nothing", q="%%"))
    no_traceback(page)
    opened(page, reading.link("data", row=99999, page=99999, shortest="many"))
    no_traceback(page)


def test_a_broken_file_is_named_with_what_to_do(page, changing, tmp_path) -> None:
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"prompt": "a", "response": "b"}\n{"prompt": "c", \n' * 3, "utf-8")
    binary = tmp_path / "picture.json"
    binary.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)))
    opened(page, f"{changing.server.url}/data?new=Broken")
    upload(page, "Pool files", [binary])
    page.locator("[data-testid=stAlert]", has_text="picture.json").first.wait_for()
    no_traceback(page)
    opened(page, f"{changing.server.url}/data?new=Broken")
    upload(page, "Pool files", [broken])
    upload(page, "Target file", [broken])
    page.get_by_role("button", name="Import").click()
    page.get_by_text("rejected", exact=False).first.wait_for()
    settled(page)
    no_traceback(page)


def test_a_failed_run_says_why_and_can_be_tried_again(page, changing) -> None:
    prepared = changing.prepared
    workspace = prepared.workspace
    project = workspace.catalog.project(prepared.project)
    spec = pipeline.RunSpec(
        config=RunConfig(label_fraction=0.3, network="ridge", seed=5),
        train=pipeline.DataSource(project.pool_id, "demo_pool.jsonl"),
        target=pipeline.DataSource(str(project.target_id), "demo_target.jsonl"),
    )
    run = pipeline.create_run(workspace, project.id, spec)
    problem = JobError("The disk is full <b>now</b>.", "Free some space.", "Traceback: details")
    write_state(workspace.run_dir(run), JobState("failed", stage="label", error=problem))
    workspace.catalog.update_run(run, status="failed")
    opened(page, f"{changing.server.url}/trust?project={project.id}&run={run}")
    page.get_by_text("The disk is full <b>now</b>.").first.wait_for()
    page.get_by_text("Free some space.").first.wait_for()
    page.get_by_role("button", name="Try again").click()
    page.locator(".js-plotly-plot .main-svg").first.wait_for()
    assert jobs.read_state(workspace.run_dir(run)).status == "done"
    assert json.loads((workspace.run_dir(run) / "result.json").read_text("utf-8"))
