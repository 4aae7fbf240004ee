"""Sign-in: nobody enters without an account, a viewer sees everything and changes nothing.

The account's cookie is signed with the server's own secret, as the server does after a sign-in.
"""

from __future__ import annotations

import json

import pytest

from tests.browser.conftest import open_copy
from tests.browser.steps import opened

SECRET = "a secret of this test that nobody else knows"
SECRETS = f"""
[auth]
redirect_uri = "http://localhost/oauth2callback"
cookie_secret = "{SECRET}"
client_id = "studio"
client_secret = "not used"
server_metadata_url = "http://localhost:9/.well-known/openid-configuration"

[nncift]
curators = ["curator@firm.example"]
viewers = ["*@firm.example"]
"""


@pytest.fixture(name="guarded")
def server_with_sign_in(prepared, browser, tmp_path):
    secrets = tmp_path / "secrets.toml"
    secrets.write_text(SECRETS, "utf-8")
    found = open_copy(prepared, tmp_path, ["--secrets.files", str(secrets)])
    yield found
    found.server.kill()


def sign_in(page, url: str, email: str) -> None:
    from streamlit.web.server.starlette.starlette_app_utils import create_signed_value

    account = {"email": email, "is_logged_in": True, "origin": url, "email_verified": True}
    value = create_signed_value(SECRET, "_streamlit_user", json.dumps(account)).decode()
    page.context.add_cookies([{"name": "_streamlit_user", "value": value, "url": url}])


def test_a_viewer_sees_all_and_changes_nothing(page, guarded) -> None:
    page.goto(guarded.link("select"))
    page.get_by_role("button", name="Sign in").wait_for()
    assert not page.get_by_text("Demo", exact=True).count()
    sign_in(page, guarded.server.url, "ann@firm.example")
    opened(page, guarded.link("select"))
    keep = page.get_by_role("button", name="Keep this selection")
    page.locator("[data-testid=stDataFrame] canvas").first.wait_for()
    assert keep.is_disabled() if keep.count() else True
    opened(page, guarded.link("run"))
    page.get_by_text("signed in as a viewer").first.wait_for()
    opened(page, guarded.link("run", new=1))
    start = page.get_by_role("button", name="Start", exact=True)
    start.wait_for()
    before = len(guarded.prepared.workspace.catalog.runs())
    if start.is_enabled():
        start.click()
        page.get_by_text("viewer").first.wait_for()
    assert len(guarded.prepared.workspace.catalog.runs()) == before
    sign_in(page, guarded.server.url, "curator@firm.example")
    opened(page, guarded.link("run", new=1))
    page.get_by_role("button", name="Start", exact=True).wait_for()
    assert page.get_by_role("button", name="Start", exact=True).is_enabled()
