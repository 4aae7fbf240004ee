"""Sign-in and roles: who gets in, what a viewer sees, and that he changes nothing anywhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit as st

from nncift_core import callers, jobs
from nncift_core.callers import Caller
from nncift_core.errors import ConfigError
from nncift_core.store import Workspace
from pages._ui import access
from tests.open_databases import databases_stay_open

REPOSITORY = Path(__file__).resolve().parents[2]
SECRETS: dict[str, Any] = {
    "auth": {"redirect_uri": "http://localhost/oauth2callback", "cookie_secret": "x" * 32},
    "nncift": {"curators": ["Ann@Firm.com", "*@owners.com"], "viewers": ["*@firm.com"]},
}
ANN = {"is_logged_in": True, "email": "ann@firm.com"}
VIC = {"is_logged_in": True, "email": "Vic@firm.com"}
EVE = {"is_logged_in": True, "email": "eve@else.com"}


@pytest.fixture(autouse=True)
def _open_databases() -> Iterator[None]:
    with databases_stay_open():
        yield


@pytest.fixture
def visit() -> Callable[..., Any]:
    """``visit(user, page, query)``: a page with sign-in switched on."""
    from streamlit.testing.v1 import AppTest

    def run(
        user: dict[str, Any],
        page: str = "home",
        query: dict[str, str] | None = None,
        secrets: dict[str, Any] = SECRETS,
    ) -> Any:
        app = AppTest.from_file(str(REPOSITORY / "app.py"), default_timeout=60)
        if page != "home":
            app.switch_page(f"pages/{page}.py")
        app.secrets, app.user = secrets, user
        for name, value in (query or {}).items():
            app.query_params[name] = value
        return app.run()

    return run


@pytest.fixture
def words(words: Callable[[Any], str]) -> Callable[[Any], str]:
    """Without the mark that keeps an address from becoming a link."""
    return lambda app: words(app).replace("\u2060", "")


@pytest.fixture
def viewer() -> Iterator[str]:
    """This thread acts for somebody who may change nothing."""
    callers.recognise_by(lambda: Caller("vic@firm.com", "You may only look."))
    yield "You may only look."
    callers.recognise_by(access._caller)


def test_without_secrets_everybody_is_a_curator(open_app, demo_workspace, words, labels) -> None:
    app = open_app()
    assert not app.exception
    assert "Sign out" not in labels(app)
    assert access.VIEWER_SENTENCE not in words(app)


def test_who_has_not_signed_in_sees_one_button_and_no_data(visit, demo_workspace, words) -> None:
    app = visit({"is_logged_in": False}, query=demo_workspace.query)
    assert not app.exception
    assert [button.label for button in app.button] == ["Sign in"]
    assert "Demo" not in words(app)
    assert not app.selectbox


@pytest.mark.parametrize("page", ["home", "data", "run", "select", "export", "jobs"])
def test_who_is_on_no_list_gets_one_sentence(page, visit, demo_workspace, words) -> None:
    app = visit(EVE, page, demo_workspace.query)
    assert not app.exception
    assert [button.label for button in app.button] == ["Sign out"]
    assert words(app) == "eve@else.com has no access to this app; ask its owner for it."


def test_an_unconfirmed_address_opens_nothing(visit, demo_workspace, words) -> None:
    app = visit({**ANN, "email_verified": False}, query=demo_workspace.query)
    assert "is not confirmed" in words(app)
    assert [button.label for button in app.button] == ["Sign out"]


@pytest.mark.parametrize("said", ["False", "0", 0, "no", ""])
def test_every_spelling_of_unconfirmed_opens_nothing(said, visit, demo_workspace, words) -> None:
    app = visit({**ANN, "email_verified": said}, query=demo_workspace.query)
    assert "is not confirmed" in words(app)


@pytest.mark.parametrize(
    "email",
    [
        "owners.com",
        "@owners.com",
        "*@owners.com",
        "eve@else.com@owners.com",
        "an\u212a@firm.com",
        "*",
    ],
)
def test_what_only_looks_like_an_address_of_the_list_opens_nothing(
    email, visit, demo_workspace
) -> None:
    roles = {"curators": ["ank@firm.com", "*@owners.com", "*"][: 3 if email == "*" else 2]}
    user = {"is_logged_in": True, "email": email}
    app = visit(user, query=demo_workspace.query, secrets={**SECRETS, "nncift": roles})
    assert [button.label for button in app.button] == ["Sign out"]


def test_secrets_that_vanish_do_not_switch_the_sign_in_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "secrets.toml"
    file.write_text('[auth]\nredirect_uri = "x"\n[nncift]\ncurators = ["*"]\n')
    option = st.get_option
    files = {"secrets.files": [str(file)]}
    monkeypatch.setattr(st, "get_option", lambda name: files.get(name) or option(name))
    monkeypatch.setattr(access, "_signed_in_by", set())

    class Secrets:
        def load_if_toml_exists(self) -> bool:
            return file.exists()

        def get(self, name: str) -> Any:
            return SECRETS[name]

    monkeypatch.setattr(st, "secrets", Secrets())
    assert access.sign_in_is_on()
    # As an editor does that writes a new file and then gives it the name of the old one.
    file.unlink()
    assert not access.may_change()
    with pytest.raises(ConfigError, match="nobody can be let in"):
        access.sign_in_is_on()


def test_a_curator_works_as_without_sign_in(visit, demo_workspace, words) -> None:
    app = visit(ANN, query=demo_workspace.query)
    assert "ann@firm.com · curator" in words(app)
    app.text_input(key="rename").set_value("Better").run()
    app.button(key="rename-now").click().run()
    assert demo_workspace.workspace.catalog.projects()[0].name == "Better"


def test_a_viewer_sees_the_project_and_cannot_rename_it(visit, demo_workspace, words) -> None:
    app = visit(VIC, query=demo_workspace.query)
    assert not app.exception
    assert "vic@firm.com · viewer" in words(app)
    assert access.VIEWER_SENTENCE in words(app)
    assert "120 pool rows" in words(app)
    assert not [field for field in app.text_input if field.key == "rename"]
    assert demo_workspace.workspace.catalog.projects()[0].name == "Demo"


def test_the_first_visitor_may_be_a_viewer(visit, small_demo, monkeypatch, words) -> None:
    monkeypatch.setenv("NNCIFT_DEMO_DIR", str(small_demo))
    st.cache_resource.clear()
    assert "Demo" in words(visit(VIC))


@pytest.mark.parametrize("roles", [{"curators": "ann@firm.com"}, {"viewers": [1]}, "all"])
def test_roles_that_cannot_be_read_let_nobody_in(roles, visit, demo_workspace, words) -> None:
    app = visit(ANN, query=demo_workspace.query, secrets={**SECRETS, "nncift": roles})
    assert not app.exception
    assert len(app.error) == 1
    assert "Demo" not in words(app)


def test_secrets_that_cannot_be_read_let_nobody_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, open_app, demo_workspace, words
) -> None:
    broken = tmp_path / "secrets.toml"
    broken.write_text("[auth\n")
    option = st.get_option
    files = {"secrets.files": [str(broken)]}
    monkeypatch.setattr(st, "get_option", lambda name: files.get(name) or option(name))
    app = open_app("home", demo_workspace.query)
    assert "nobody can be let in" in app.error[0].value
    assert "Demo" not in words(app)
    assert not access.may_change()


def test_the_catalog_refuses_every_write_of_a_viewer(demo_workspace, viewer) -> None:
    catalog = demo_workspace.workspace.catalog
    before = catalog.projects()
    for write in (
        lambda: catalog.rename_project(demo_workspace.project.id, "New"),
        lambda: catalog.add_project("Other", demo_workspace.project.pool_id),
        lambda: catalog.delete_project(demo_workspace.project.id),
        lambda: catalog.add_run("20260101-000000-abcdef", demo_workspace.project.id, {}),
    ):
        with pytest.raises(ConfigError, match=viewer):
            write()
    # What may not be written is not half written either, and reading goes on.
    assert catalog.projects() == before
    assert catalog.dataset_rows(demo_workspace.project.pool_id)


def test_files_of_a_workspace_are_refused_to_a_viewer(finished_run, viewer) -> None:
    from nncift_core import pipeline
    from nncift_core.pipeline import maps

    workspace, folder = finished_run.workspace, finished_run.job_dir
    spec = pipeline.RunSpec.read(folder / "config.json")
    known = {path for path in workspace.path.rglob("*") if "catalog" not in path.name}
    for change in (
        lambda: workspace.save_upload("a.jsonl", b"{}"),
        lambda: workspace.delete_run(finished_run.run_id),
        lambda: workspace.trash_run(finished_run.run_id),
        lambda: workspace.empty_trash(),
        lambda: workspace.delete_project(finished_run.project.id),
        lambda: jobs.create(workspace.plans_dir / "new", {"kind": "plan"}),
        lambda: jobs.start(folder),
        lambda: jobs.request_cancel(folder),
        lambda: jobs.terminate(folder),
        lambda: pipeline.create_run(workspace, finished_run.project.id, spec),
        lambda: pipeline.import_files(workspace, ["hf:owner/name:train"]),
        lambda: maps.create_map(workspace, finished_run.run_id),
        lambda: workspace.restore_run(finished_run.run_id),
        lambda: pipeline.create_selection(workspace, finished_run.run_id, "fl", "10", "ten"),
        lambda: pipeline.export_selection(
            workspace, f"{finished_run.run_id}-s0", workspace.exports_dir / "x.jsonl"
        ),
    ):
        with pytest.raises(ConfigError, match=viewer):
            change()
    assert {path for path in workspace.path.rglob("*") if "catalog" not in path.name} == known


def test_own_behalf_is_for_the_software_alone(demo_workspace, viewer) -> None:
    workspace: Workspace = demo_workspace.workspace
    with callers.own_behalf():
        workspace.catalog.rename_project(demo_workspace.project.id, "By itself")
    with pytest.raises(ConfigError):
        workspace.catalog.rename_project(demo_workspace.project.id, "By a viewer")
    assert workspace.catalog.projects()[0].name == "By itself"


def test_sign_in_without_its_package_is_one_sentence(visit, demo_workspace, monkeypatch) -> None:
    monkeypatch.setattr(access.importlib.util, "find_spec", lambda name: None)
    app = visit({"is_logged_in": False})
    assert "needs the Python package Authlib" in app.error[0].value
    assert not app.button


def test_several_providers_have_a_button_each(visit, demo_workspace) -> None:
    providers = {"google": {"client_id": "a"}, "entra": {"client_id": "b"}}
    secrets = {**SECRETS, "auth": {**SECRETS["auth"], **providers}}
    app = visit({"is_logged_in": False}, secrets=secrets)
    labels = [button.label for button in app.button]
    assert labels == ["Sign in with Google", "Sign in with Entra"]
