"""Pushes an exported file, its manifest and a card to a repository of the Hugging Face hub.

The token is the hub's own: from the environment or from ``hf auth login``. It is never asked for,
stored or shown. Every refusal of the hub leaves as one sentence. Knows nothing of selections.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nncift_core.errors import ConfigError, NNCIFTError, WorkspaceError

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9])?")
_TOKEN_HINT = (
    "Set HF_TOKEN where the app was started, or run hf auth login there, with a token that may "
    "write."
)
NO_TOKEN = "There is no token of the Hugging Face hub on this machine."
FILES = 3
"""Files of a push: the data, the manifest, the card."""


def has_token() -> bool:
    """Whether the hub's own settings hold a token; asks nobody over the network."""
    from huggingface_hub import get_token

    return bool(get_token())


def no_token() -> ConfigError:
    """The sentence for a missing token, and how to get there."""
    return ConfigError(NO_TOKEN, _TOKEN_HINT)


def checked_repository(name: str) -> str:
    """``owner/name`` if the hub takes such a name. Raises: ConfigError."""
    parts = name.strip().split("/")
    well_formed = (
        len(parts) == 2
        and all(_NAME.fullmatch(part) for part in parts)
        and not any(pair in name for pair in ("--", ".."))
        and not name.strip().endswith(".git")
    )
    if not well_formed:
        raise ConfigError(
            f"{name[:200]!r} is not the name of a repository.",
            "Write OWNER/NAME in letters, digits, hyphens, dots and underscores.",
        )
    return "/".join(parts)


def push_files(
    repository: str,
    file: Path,
    manifest: Path,
    card: str,
    *,
    private: bool = True,
    api: Any = None,
    done: Callable[[int], None] = lambda files: None,
) -> str:
    """Upload three files; a repository that does not exist is made.

    Args:
        repository: ``owner/name`` of a dataset repository.
        file: The exported file.
        manifest: Its manifest.
        card: Text of README.md.
        private: Whether only its owner may see it. A repository that is public already is
            refused then, so that nothing becomes public by mistake.
        api: Stands in for ``HfApi``.
        done: Told how many files are there; what it raises ends the push.

    Returns:
        The address of the repository.

    Raises:
        ConfigError: No token, a bad name, no right, or the repository is public already.
        WorkspaceError: The hub cannot be reached, or a file is missing.
    """
    repository = checked_repository(repository)
    for path in (file, manifest):
        if not path.is_file():
            raise WorkspaceError(f"{path} is missing.", "Build the file again.")
    if api is None:
        if not has_token():
            raise no_token()
        from huggingface_hub import HfApi

        api = HfApi()
    try:
        _make(api, repository, private)
        contents: list[tuple[str, Any]] = [
            (file.name, file),
            (manifest.name, manifest),
            ("README.md", card.encode("utf-8", "backslashreplace")),
        ]
        for count, (name, content) in enumerate(contents, start=1):
            api.upload_file(
                path_or_fileobj=content,
                path_in_repo=name,
                repo_id=repository,
                repo_type="dataset",
                commit_message=f"Add {name}",
            )
            done(count)
    except NNCIFTError:
        raise
    # The package raises whatever its network layers raise.
    except Exception as error:
        # Its own words stay behind, since a traceback is kept with the job: they may quote the
        # request, token and all.
        raise _refusal(error, repository) from None
    return f"https://huggingface.co/datasets/{repository}"


def _make(api: Any, repository: str, private: bool) -> None:
    """Make the repository, or make sure that the one that is there may be used."""
    try:
        api.create_repo(repository, repo_type="dataset", private=private, exist_ok=False)
        return
    except Exception as error:
        if _status(error) != 409:
            raise
    known = api.repo_info(repository, repo_type="dataset")
    if private and not known.private:
        raise ConfigError(
            f"{repository} exists and everybody can see it.",
            "Choose another name, or say that the push may be public.",
        )


def _refusal(error: Exception, repository: str) -> NNCIFTError:
    """The sentence for what the hub or the network said; never with a token in it."""
    status, name = _status(error), type(error).__name__
    if name == "LocalTokenNotFoundError":
        return no_token()
    if status == 401:
        return ConfigError("The Hugging Face hub does not accept the token.", _TOKEN_HINT)
    if status == 403:
        return ConfigError(
            f"The token may not write to {repository}.",
            "Use a token with the right to write, or a name of your own account.",
        )
    if status == 404:
        return ConfigError(
            f"The hub has no {repository}, or the token may not see it.",
            "Check the owner: your own account, or an organisation that you belong to.",
        )
    if name == "HFValidationError" or status == 400:
        return ConfigError(f"The hub does not take the name {repository}.", "Choose another one.")
    if status == 429:
        return WorkspaceError("The hub asks for patience: too many requests.", "Try again later.")
    if status is not None:
        return WorkspaceError(f"The hub could not take the files (HTTP {status}).", "Try again.")
    if isinstance(error, OSError) or any(
        word in name.lower() for word in ("connect", "timeout", "offline", "network", "protocol")
    ):
        return WorkspaceError(
            "The Hugging Face hub cannot be reached.",
            "Check the connection and push again; the file stays where it is.",
        )
    return WorkspaceError(f"The push to {repository} failed ({name}).", "Try again.")


def _status(error: Exception) -> int | None:
    """The HTTP status of an answer of the hub, None where there was no answer."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    return status if isinstance(status, int) else None
