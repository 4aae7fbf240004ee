"""Hugging Face ids: parsed strictly, loaded through ``datasets``, refused in one sentence."""

from __future__ import annotations

import json
import sys
from types import ModuleType
from typing import Any

import pytest

from nncift_core.datasets import is_hub_name, load_hub
from nncift_core.datasets.hub import parse_hub_name
from nncift_core.errors import ConfigError, DataError


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("hf:owner/name:train", ("owner/name", None, "train")),
        ("hf:owner/name:test[:10%]", ("owner/name", None, "test[:10%]")),
        ("hf:name:train", None),
        ("hf:openai/gsm8k:main:test", ("openai/gsm8k", "main", "test")),
        ("hf:owner/name", None),
        ("hf:owner/name:", None),
        ("hf:a/b/c:train", None),
        ("hf:../x:train", None),
        ("owner/name:train", None),
    ],
)
def test_names(text: str, parts: tuple[str, str | None, str] | None) -> None:
    assert is_hub_name(text) == text.startswith("hf:")
    if parts is None:
        with pytest.raises(ConfigError, match="is not a Hugging Face dataset id"):
            parse_hub_name(text)
    else:
        assert parse_hub_name(text) == parts


def fake_hub(monkeypatch: pytest.MonkeyPatch, answer: Any) -> list[tuple[Any, dict[str, Any]]]:
    calls: list[tuple[Any, dict[str, Any]]] = []

    def load_dataset(*arguments: Any, **options: Any) -> Any:
        calls.append((arguments, options))
        if isinstance(answer, Exception):
            raise answer
        return answer

    module = ModuleType("datasets")
    module.load_dataset = load_dataset  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "datasets", module)
    return calls


def test_a_split_is_read_like_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    rows = [{"b": i, "question": f"q{i}", "answer": "" if i == 3 else f"é{i}"} for i in range(2500)]
    calls = fake_hub(monkeypatch, datasets.Dataset.from_list(rows))
    dataset = load_hub("hf:owner/name:main:test")
    assert calls == [(("owner/name", "main"), {"split": "test"})], "no code of theirs is trusted"
    assert len(dataset) == 2499
    assert [(one.line, one.kind) for one in dataset.report.rejected] == [(4, "empty response")]
    assert dataset.raw[2499 - 1] == json.dumps(rows[-1], ensure_ascii=False)
    assert dataset.sources[0].format == "hf"
    assert dataset.name == "hf:owner/name:main:test"
    assert load_hub("hf:owner/name:main:test").id == dataset.id
    other = load_hub("hf:owner/name:main:test", overrides={"group": "b"})
    assert other.rows[5].group == "6" and other.id != dataset.id


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ConnectionError("Couldn't reach 'a/b' on the Hub"), "hub cannot be reached."),
        (OSError("offline mode is enabled"), "hub cannot be reached."),
        (ValueError("Config name is missing.\nPick one"), r"(Config name is missing)."),
        (RuntimeError(""), "(RuntimeError)."),
    ],
)
def test_what_cannot_be_had(
    monkeypatch: pytest.MonkeyPatch, error: Exception, message: str
) -> None:
    fake_hub(monkeypatch, error)
    with pytest.raises(DataError) as caught:
        load_hub("hf:a/b:train")
    assert caught.value.message.startswith("hf:a/b:train cannot be loaded")
    assert caught.value.message.endswith(message)
    assert caught.value.hint


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DataError, match="needs the package datasets") as caught:
        load_hub("hf:a/b:train")
    assert "pip install datasets" in caught.value.hint


@pytest.mark.parametrize(
    "words",
    [
        "Illegal header value b'Bearer hf_secret'",
        "Illegal header value b'Bearer secret'",
        "Bad answer of http://ann:secret@proxy:80/",
        "401 for hf_secret",
    ],
)
def test_no_sentence_quotes_a_token(words: str) -> None:
    import traceback

    from nncift_core.datasets.hub import _unavailable

    error = _unavailable("hf:a/b:train", ValueError(words))
    assert "secret" not in str(error)
    assert "secret" not in "".join(traceback.format_exception(error))
