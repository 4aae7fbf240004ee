"""Who visits, and what the visitor may do: optional sign-in with the roles viewer and curator.

Sign-in is on where ``.streamlit/secrets.toml`` has ``[auth]``; without it everybody is a curator.
Importing this module tells ``nncift_core.callers`` how to recognise visitors, and from then on the
catalog, jobs, uploads, deletions and exports refuse what a viewer asks for, whatever a page forgot.
Knows nothing of what pages do.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import streamlit as st
from streamlit.errors import StreamlitAuthError, StreamlitMissingAuthlibError
from streamlit.runtime.scriptrunner import get_script_run_ctx

from nncift_core.callers import Caller, recognise_by
from nncift_core.errors import ConfigError
from pages._ui.errors import error_box
from pages._ui.format import plain

Role = Literal["curator", "viewer", ""]
"""What a visitor may do; empty for nothing at all."""

VIEWER_SENTENCE = "You are signed in as a viewer: you see everything and change nothing."
_NO_ROLE = "Your account has no access to this app."
_SECRETS = ".streamlit/secrets.toml"
_signed_in_by: set[Path] = set()
"""Files of secrets that switched the sign-in on since the server started."""


@dataclass(frozen=True)
class Visitor:
    """Who looks at a page.

    Attributes:
        email: Address of the account, in lower case; empty without sign-in.
        role: What the visitor may do.
    """

    email: str
    role: Role


def sign_in_is_on() -> bool:
    """Whether visitors must sign in. Raises: ConfigError for secrets that cannot be read."""
    return _section("auth") is not None


def visitor() -> Visitor:
    """Who runs this script. Raises: ConfigError for secrets that cannot be used."""
    if not sign_in_is_on():
        return Visitor("", "curator")
    if get_script_run_ctx() is None or not st.user.get("is_logged_in"):
        return Visitor("", "")
    email = _lower(str(st.user.get("email") or "").strip())
    if not _is_address(email) or _unproved():
        return Visitor(email, "")
    roles = _section("nncift") or {}
    if _listed(email, _patterns(roles, "curators")):
        return Visitor(email, "curator")
    return Visitor(email, "viewer" if _listed(email, _patterns(roles, "viewers")) else "")


def may_change() -> bool:
    """Whether the visitor may change anything: always without sign-in, else for a curator."""
    return not _caller().refusal


def viewer_note() -> None:
    """One caption for who may only look; nothing for everybody else."""
    if not may_change():
        st.caption(f":material/visibility: {VIEWER_SENTENCE}")


def require_access() -> None:
    """Stop the page for who has not signed in or has no role; goes before anything is shown."""
    try:
        if not sign_in_is_on():
            return
        who = visitor()
    except ConfigError as error:
        error_box(error)
        st.stop()
    if who.role:
        return
    if not st.user.get("is_logged_in"):
        _draw_sign_in()
    else:
        _draw_no_role(who)
    st.stop()


def draw_account() -> None:
    """Account, role and the way out, for the sidebar; nothing without sign-in."""
    if not sign_in_is_on():
        return
    who = visitor()
    st.caption(f"{plain(who.email)} · {who.role}")
    st.button("Sign out", key="sign-out", icon=":material/logout:", on_click=st.logout)


def _draw_sign_in() -> None:
    with st.container(border=True, key="sign-in", width=520):
        st.markdown("##### NN-CIFT Studio")
        if importlib.util.find_spec("authlib") is None:
            error_box(
                ConfigError(
                    "Sign-in needs the Python package Authlib.",
                    "Install it on the server, then start the app again.",
                )
            )
            return
        st.markdown("Sign in with your account to see the projects of this app.")
        for provider in _providers():
            label = f"Sign in with {plain(provider.title())}" if provider else "Sign in"
            if st.button(label, type="primary", key=f"sign-in-{provider}"):
                try:
                    st.login(provider or None)
                except (StreamlitAuthError, StreamlitMissingAuthlibError) as error:
                    error_box(ConfigError(" ".join(str(error).split()), f"See {_SECRETS}."))


def _draw_no_role(who: Visitor) -> None:
    with st.container(border=True, key="no-access", width=520):
        if not who.email:
            reason = "Your account gives no e-mail address, so this app cannot tell who you are."
        elif _unproved():
            reason = f"The address {plain(who.email)} is not confirmed, so it opens nothing here."
        else:
            reason = f"{plain(who.email)} has no access to this app; ask its owner for it."
        st.markdown(reason)
        st.button("Sign out", type="primary", key="sign-out", on_click=st.logout)


def _providers() -> list[str]:
    """Names of the providers in ``[auth]``; an empty name for a single one without a name."""
    section = _section("auth") or {}
    named = [
        name
        for name, value in section.items()
        if isinstance(value, Mapping) and "client_id" in value
    ]
    return named or [""]


def _caller() -> Caller:
    """The visitor as the software below sees him; unreadable secrets open nothing."""
    try:
        who = visitor()
    except ConfigError as error:
        return Caller("", str(error))
    refusals = {"curator": "", "viewer": f"{VIEWER_SENTENCE} Ask a curator to do it."}
    return Caller(who.email, refusals.get(who.role, _NO_ROLE))


def _section(name: str) -> Mapping[str, Any] | None:
    """A table of the secrets, None where there is none. Raises: ConfigError."""
    if not st.secrets.load_if_toml_exists():
        # A file that cannot be read, or is gone while an editor writes it, must not switch the
        # sign-in off.
        for path in map(Path, st.get_option("secrets.files")):
            if path.exists() or path in _signed_in_by:
                raise ConfigError(
                    f"The file {path} cannot be read, so nobody can be let in.",
                    "Correct it (the server's log says where it is wrong) and start again.",
                )
        return None
    value = st.secrets.get(name)
    if value is None:
        return None
    if name == "auth":
        _signed_in_by.update(p for p in map(Path, st.get_option("secrets.files")) if p.exists())
    if not isinstance(value, Mapping):
        raise ConfigError(f"{name!r} in {_SECRETS} is no table.", f"Write [{name}] on a line.")
    return value


def _patterns(roles: Mapping[str, Any], name: str) -> list[str]:
    """The addresses of a role. Raises: ConfigError."""
    found = roles.get(name, [])
    if not isinstance(found, list) or not all(isinstance(entry, str) for entry in found):
        raise ConfigError(
            f"{name} under [nncift] in {_SECRETS} is no list of addresses.",
            f'Write {name} = ["ann@firm.com", "*@firm.com"].',
        )
    return [_lower(entry.strip()) for entry in found]


def _lower(text: str) -> str:
    """ASCII letters in lower case; the Kelvin sign must not become somebody else's k."""
    return "".join(letter.lower() if letter.isascii() else letter for letter in text)


def _is_address(email: str) -> bool:
    """Whether an address has one @ with something on both sides, and is no pattern itself."""
    name, _, domain = email.partition("@")
    return bool(name and domain) and "@" not in domain and "*" not in email


def _unproved() -> bool:
    """Whether the provider says that nobody has proved to own the address; some hand such out."""
    said = st.user.get("email_verified")
    return said is not None and str(said).strip().lower() not in ("true", "1")


def _listed(email: str, patterns: Iterable[str]) -> bool:
    """Whether an address is meant: itself, ``*@its.domain``, or ``*`` for every account."""
    domain = email.rpartition("@")[2]
    return any(pattern in (email, f"*@{domain}", "*") for pattern in patterns if pattern)


recognise_by(_caller)
