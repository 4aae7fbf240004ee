"""Where a language model comes from, and its identity, without loading a weight.

A model or an adapter is a folder or an id on the model hub; an id is pinned to one commit, the
one in this machine's cache where there is one. Only safetensors are accepted. Knows nothing of
devices; weights are looked at only in samples.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from nncift_core.config import DEFAULT_MODEL
from nncift_core.errors import ModelError
from nncift_core.lm.failures import load_failure

MODEL_FILE, ADAPTER_FILE = "config.json", "adapter_config.json"

SAMPLES, SAMPLE_BYTES = 16, 4096
"""Places of a weight file that its identity looks at; tuning changes weights everywhere."""

_HUB_NAME = re.compile(r"[\w.-]{1,96}(/[\w.-]{1,96})?")
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.pkl", "*.ckpt")
_READ_FILES = (
    "config.json",
    "adapter_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
    "chat_template.json",
)


@dataclass(frozen=True)
class Source:
    """A model or adapter that was found.

    Attributes:
        name: As the user named it.
        folder: Its folder, or None for a hub id.
        commit: The commit of a hub id, else empty.
    """

    name: str
    folder: Path | None
    commit: str = ""

    @property
    def location(self) -> str:
        """What the loading libraries are given."""
        return str(self.folder) if self.folder is not None else self.name

    @property
    def revision(self) -> str | None:
        """The commit to load, None for a folder."""
        return self.commit or None


def demo_model_dir() -> Path:
    """The folder of the demo language model.

    Raises:
        ModelError: It is missing.
    """
    folder = Path(__file__).resolve().parents[2] / "data" / "demo_lm"
    if not (folder / MODEL_FILE).is_file():
        raise ModelError(
            f"The demo language model is missing from {folder}.",
            "Train it with python data/train_demo_lm.py, or name another model.",
        )
    return folder


def resolve_model(name: str) -> Path | str:
    """``demo`` and folders as paths, anything else as an id on the model hub.

    Raises:
        ModelError: The name is neither, or looks like a folder that does not exist.
    """
    if name == DEFAULT_MODEL:
        return demo_model_dir()
    return _folder_or_id(name, "model")


def resolve_adapter(name: str) -> Path | str:
    """The same for a LoRA adapter. Raises: ModelError."""
    return _folder_or_id(name, "adapter")


def _folder_or_id(name: str, kind: str) -> Path | str:
    is_file = False
    # A home that does not exist, or a name longer than any path: nothing is there.
    with contextlib.suppress(OSError, RuntimeError):
        folder = Path(name).expanduser()
        if name.strip() and folder.is_dir():
            return folder
        is_file = folder.is_file()
    looks_like_path = name.startswith((".", "~", "/")) or name.count("/") > 1 or "\\" in name
    if is_file or looks_like_path or not _HUB_NAME.fullmatch(name):
        what = "is a file, not a folder" if is_file else "does not exist"
        raise ModelError(
            f"The {kind} folder {name[:200]!r} {what}.",
            "Give the folder that holds its config.json, or an id on the model hub.",
        )
    return name


def find_model(name: str) -> Source:
    """The source of a model, checked as far as files tell.

    Raises:
        ModelError: It does not exist, is not a model, or has pickled weights only.
    """
    return _found(name, resolve_model(name), MODEL_FILE, "model")


def find_adapter(name: str) -> Source:
    """The source of a LoRA adapter, as for a model. Raises: ModelError."""
    return _found(name, resolve_adapter(name), ADAPTER_FILE, "adapter")


def _found(name: str, place: Path | str, settings_file: str, kind: str) -> Source:
    if isinstance(place, str):
        return Source(name, None, hub_commit(place, settings_file))
    if not (place / settings_file).is_file():
        raise ModelError(
            f"The folder {name!r} holds no {kind} ({settings_file} is missing).",
            "Give the folder that save_pretrained wrote.",
        )
    if not any(place.glob("*.safetensors")):
        if any(path for pattern in _PICKLES for path in place.glob(pattern)):
            raise ModelError(
                f"The {kind} in {name!r} has pickled weights only.",
                "Convert them to safetensors: pickles can run code and are not loaded.",
            )
        raise ModelError(
            f"The folder {name!r} holds no weights (*.safetensors).",
            "Copy the whole model folder.",
        )
    return Source(name, place)


def hub_commit(name: str, settings_file: str = MODEL_FILE) -> str:
    """The commit of a hub id: the one in the cache, else the newest on the hub.

    Raises:
        ModelError: It is in neither, or the hub cannot be reached.
    """
    import huggingface_hub
    from huggingface_hub import constants

    cached = huggingface_hub.try_to_load_from_cache(
        name, settings_file, cache_dir=constants.HF_HUB_CACHE
    )
    if isinstance(cached, str):
        return Path(cached).parent.name
    try:
        return str(huggingface_hub.HfApi().model_info(name).sha)
    except Exception as error:  # The hub's client raises what its HTTP library raises, too.
        raise load_failure(error, name) from error


def source_digest(source: Source) -> str:
    """Changes with what a model or adapter computes; files elsewhere named change nothing."""
    if source.folder is None:
        return f"{source.name}@{source.commit}"
    state = hashlib.sha256()
    for path in sorted(source.folder.glob("*")):
        if path.name in _READ_FILES or path.suffix == ".py":
            _add(state, path.name, path.read_bytes())
        elif path.suffix == ".safetensors":
            _add(state, path.name, str(path.stat().st_size).encode())
            for part in _weight_samples(path):
                _add(state, "", part)
    return state.hexdigest()


def _add(state: Any, name: str, content: bytes) -> None:
    state.update(f"{name}:{len(content)}:".encode())
    state.update(content)


def _weight_samples(path: Path) -> Iterator[bytes]:
    """The header of a safetensors file and slices from its start to its end."""
    with _opened(path) as (file, header):
        yield header
        start = file.tell()
        room = max(0, path.stat().st_size - start - SAMPLE_BYTES)
        for number in range(SAMPLES):
            file.seek(start + room * number // (SAMPLES - 1))
            yield file.read(SAMPLE_BYTES)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[tuple[IO[bytes], bytes]]:
    """A safetensors file behind its header, and the header.

    Raises:
        ModelError: It is not one, ends early, or cannot be read.
    """
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            (length,) = struct.unpack("<Q", file.read(8))
            if length > size:
                raise ValueError("the header is longer than the file")
            header = file.read(length)
            if 8 + length + max(map(_end, _tensors(header)), default=0) > size:
                raise ValueError("the file ends before its last weight")
            yield file, header
    except (struct.error, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ModelError(
            f"The weight file {path} is broken.", "Copy or download the model again."
        ) from error
    except OSError as error:
        raise ModelError(f"The weight file {path} cannot be read ({error.strerror}).") from error


def _tensors(header: bytes) -> list[dict[str, Any]]:
    return [tensor for name, tensor in json.loads(header).items() if name != "__metadata__"]


def _end(tensor: dict[str, Any]) -> int:
    return int(tensor["data_offsets"][1])


def loaded_bytes(source: Source, itemsize: int) -> int:
    """Bytes that the weights of a folder take in memory; 0 for a hub id.

    Args:
        source: Where they are.
        itemsize: Bytes of a number once it is loaded; weights stored as integers or in eight bits
            stay as they are.

    Raises:
        ModelError: A weight file is broken.
    """
    if source.folder is None:
        return 0
    # Some folders hold the same weights a second time, under another name.
    paths = sorted(source.folder.glob("model*.safetensors"))
    total = 0
    for path in paths or sorted(source.folder.glob("*.safetensors")):
        with _opened(path) as (_, header):
            for tensor in _tensors(header):
                start, end = tensor["data_offsets"]
                whole = tensor["dtype"] in ("F64", "F32", "F16", "BF16")
                total += math.prod(tensor["shape"]) * itemsize if whole else end - start
    return total
