"""Pushes against a hub that is not there: what is uploaded, and a sentence for each refusal."""

from __future__ import annotations

import types

import pytest
import yaml

from nncift_core.errors import ConfigError, NNCIFTError, WorkspaceError
from nncift_core.export import ExportFile, build_manifest, chosen_rows, hub
from nncift_core.export.card import dataset_card

TOKEN = "hf_secret"


class Refusal(Exception):
    """An answer of the hub with a status."""

    def __init__(self, status):
        super().__init__(f"{status} for url https://user:{TOKEN}@huggingface.co")
        self.response = types.SimpleNamespace(status_code=status)


class FakeHub:
    """Records what ``HfApi`` would be asked; ``problems`` are raised by call."""

    def __init__(self, *, private=None, **problems):
        self.private, self.problems = private, problems
        self.calls, self.files = [], {}

    def _ask(self, call):
        self.calls.append(call)
        if call in self.problems:
            raise self.problems[call]

    def create_repo(self, repo_id, *, repo_type, private, exist_ok):
        assert repo_type == "dataset" and exist_ok is False
        self._ask("create_repo")
        if self.private is not None:
            raise Refusal(409)
        self.private = private

    def repo_info(self, repo_id, *, repo_type):
        self._ask("repo_info")
        return types.SimpleNamespace(private=self.private)

    def upload_file(self, *, path_or_fileobj, path_in_repo, repo_id, repo_type, commit_message):
        self._ask("upload_file")
        content = path_or_fileobj
        self.files[path_in_repo] = content if isinstance(content, bytes) else content.read_bytes()


@pytest.fixture
def files(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b"{}\n")
    (tmp_path / "a.manifest.json").write_bytes(b"{}")
    return tmp_path / "a.jsonl", tmp_path / "a.manifest.json"


def test_file_manifest_and_card_go_to_a_private_repository(files):
    api, told = FakeHub(), []
    address = hub.push_files("ann/sub-set", *files, "# card", api=api, done=told.append)
    assert address == "https://huggingface.co/datasets/ann/sub-set"
    assert api.private is True and told == [1, 2, 3]
    assert api.files == {"a.jsonl": b"{}\n", "a.manifest.json": b"{}", "README.md": b"# card"}


def test_a_public_repository_is_not_filled_by_mistake(files):
    api = FakeHub(private=False)
    with pytest.raises(ConfigError, match="everybody can see it"):
        hub.push_files("ann/x", *files, "", api=api)
    assert not api.files
    hub.push_files("ann/x", *files, "", private=False, api=api)
    assert len(api.files) == 3
    again = FakeHub(private=True)
    hub.push_files("ann/x", *files, "", api=again)
    assert len(again.files) == 3


class LocalTokenNotFoundError(OSError):
    pass


class ConnectError(Exception):
    pass


class OfflineModeIsEnabled(ConnectionError):
    pass


@pytest.mark.parametrize(
    ("call", "problem", "kind", "words"),
    [
        ("create_repo", LocalTokenNotFoundError("no"), ConfigError, "no token"),
        ("create_repo", Refusal(401), ConfigError, "does not accept the token"),
        ("create_repo", Refusal(403), ConfigError, "may not write to ann/x"),
        ("create_repo", Refusal(400), ConfigError, "does not take the name"),
        ("create_repo", ConnectError("dns"), WorkspaceError, "cannot be reached"),
        ("create_repo", OfflineModeIsEnabled("off"), WorkspaceError, "cannot be reached"),
        ("upload_file", Refusal(404), ConfigError, "has no ann/x"),
        ("upload_file", Refusal(403), ConfigError, "may not write"),
        ("upload_file", Refusal(429), WorkspaceError, "patience"),
        ("upload_file", Refusal(503), WorkspaceError, "HTTP 503"),
        ("upload_file", TimeoutError("slow"), WorkspaceError, "cannot be reached"),
        ("upload_file", KeyError("odd"), WorkspaceError, "KeyError"),
    ],
)
def test_each_refusal_is_a_sentence_without_the_token(files, call, problem, kind, words):
    with pytest.raises(kind, match=words) as caught:
        hub.push_files("ann/x", *files, "", api=FakeHub(**{call: problem}))
    assert TOKEN not in str(caught.value)
    assert caught.value.hint and "\n" not in str(caught.value)


def test_real_error_classes_are_known():
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError

    request = httpx2.Request("POST", "https://huggingface.co")
    refused = HfHubHTTPError("no", response=httpx2.Response(403, request=request))
    assert "may not write" in str(hub._refusal(refused, "a/b"))
    for error in (httpx2.ConnectError("x"), httpx2.ReadTimeout("x")):
        assert "cannot be reached" in str(hub._refusal(error, "a/b"))


def test_without_a_token_nothing_is_asked(files, monkeypatch):
    monkeypatch.setattr(hub, "has_token", lambda: False)
    with pytest.raises(ConfigError, match="no token") as caught:
        hub.push_files("ann/x", *files, "")
    assert "HF_TOKEN" in caught.value.hint


def test_a_file_that_is_gone_is_said_before_anything_is_made(files):
    files[0].unlink()
    api = FakeHub()
    with pytest.raises(WorkspaceError, match="missing"):
        hub.push_files("ann/x", *files, "", api=api)
    assert not api.calls


def test_what_stops_the_push_passes_on(files):
    class Stopped(NNCIFTError):
        pass

    def stop(count):
        raise Stopped("stop")

    with pytest.raises(Stopped):
        hub.push_files("ann/x", *files, "", api=FakeHub(), done=stop)


@pytest.mark.parametrize(
    "name",
    ["", "x", "a/b/c", "/b", "a/", "a b/c", "a/..", "a/b--c", "../b", "a/b.git", "a/é", "-a/b"],
)
def test_names_that_are_none(name):
    with pytest.raises(ConfigError, match="not the name of a repository"):
        hub.checked_repository(name)


def test_spaces_around_a_name_do_not_matter():
    assert hub.checked_repository(" ann/My_set-1.0 ") == "ann/My_set-1.0"


def manifest(tmp_path, **more):
    return (
        build_manifest(
            export=ExportFile(tmp_path / "s.jsonl", "ab" * 32, 120, 2),
            schema="sharegpt",
            datasets=[{"role": "train", "name": "`x` ![i](http://e) | <b>.jsonl", "accepted": 10}],
            config={"config": {"method": "delift", "seed": 3, "encoder": "a`b\n# c"}},
            seed=3,
            metrics={},
            objective="fl",
            budget=2,
            n_train=10,
            saturated_at=None,
            value=1.0,
            selected=chosen_rows(["a", "b"], [1, 1], [1.0, 0.5], ["why", "why"]),
        )
        | more
    )


def test_the_card_says_what_it_is_and_stays_what_it_is(tmp_path):
    text = dataset_card(manifest(tmp_path, notes=["x [y](z)"]), "s.manifest.json")
    _, header, body = text.split("---\n", 2)
    (config,) = yaml.safe_load(header)["configs"]
    assert config["data_files"] == [{"split": "train", "path": "s.jsonl"}]
    assert "2 rows chosen from a pool of 10" in body and "ShareGPT" in body
    assert "| method | `delift` |" in body and "`s.manifest.json`" in body
    # Names stand in code spans, on one line, without cells of their own.
    assert "- `train`: `` `x` ![i](http://e) ¦ <b>.jsonl ``, 10 rows" in body
    assert "| encoder | ``a`b # c`` |" in body
    assert "`x [y](z)`" in body
    rest = dataset_card(manifest(tmp_path, which="rest", columns={"c": "m"}), "m.json")
    assert "that a selection of 2 rows left out of a pool of 10" in rest and "- `c`: m." in rest
