"""Files that are whole or absent: written beside their place, synced, then renamed.

Knows nothing of what the files mean. Every operating-system error that a person can mend
(disk full, read-only folder, a file where a folder should be) leaves as a WorkspaceError.
"""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path, PurePath
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from nncift_core.errors import WorkspaceError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN = {errno.EROFS, errno.EACCES, errno.EPERM}


def is_machine_state(error: OSError) -> bool:
    """Whether a full disk or missing permissions are the cause, rather than a fault of ours."""
    return error.errno in _FULL | _FORBIDDEN


def workspace_error(error: OSError, path: Path) -> WorkspaceError:
    """The sentence for an operating-system error at ``path``."""
    if error.errno in _FULL:
        return WorkspaceError(
            f"The disk is full: {path} could not be written.",
            "Free some space and try again; everything finished before is kept.",
        )
    if error.errno in _FORBIDDEN:
        return WorkspaceError(
            f"{path} may not be written ({error.strerror}).",
            "Choose another workspace folder or change its permissions.",
        )
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        return WorkspaceError(
            f"{path} cannot be created: a file stands where a folder is needed.",
            "Choose another workspace folder or move that file away.",
        )
    if error.errno == errno.ENOENT:
        return WorkspaceError(f"{path} does not exist and cannot be created.")
    return WorkspaceError(f"{path} could not be used: {error.strerror or error}.")


@contextlib.contextmanager
def named_errors(path: Path) -> Iterator[None]:
    """Turn operating-system errors inside into WorkspaceErrors that name ``path``."""
    try:
        yield
    except OSError as error:
        raise workspace_error(error, path) from error


@contextlib.contextmanager
def replacing(
    path: Path | str, *, durable: bool = True, make_folder: bool = True
) -> Iterator[IO[bytes]]:
    """A file to write that appears at ``path`` only once it is complete.

    Until then it is ``path`` plus a random part and ``.partial``: two writers of one path never
    mix, and the last one to finish wins.

    Args:
        path: Where the file shall stand.
        durable: Whether it must survive a power cut. Without it the file still survives
            kill -9, which is enough for progress that is written several times a second.
        make_folder: Whether to create the folder if it is missing.

    Raises:
        WorkspaceError: It cannot be written; nothing half-written is left.
    """
    path = Path(path)
    partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}.partial")
    if make_folder:
        with named_errors(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with partial.open("xb") as file:
            yield file
            file.flush()
            if durable:
                os.fsync(file.fileno())
        partial.replace(path)
        if durable:
            _sync_folder(path.parent)
    except BaseException as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        # An error of some other file that the block was reading is not ours to name.
        foreign = getattr(error, "filename", None) not in (None, str(partial))
        if isinstance(error, OSError) and not foreign:
            raise workspace_error(error, path) from error
        raise


def _sync_folder(folder: Path) -> None:
    """Make a rename inside ``folder`` survive a power cut, where the system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_bytes(path: Path | str, content: bytes | memoryview) -> None:
    """Write ``content`` to ``path``, whole or not at all. Raises: WorkspaceError."""
    with replacing(path) as file:
        file.write(content)


def write_text(path: Path | str, content: str) -> None:
    """Write ``content`` as UTF-8 to ``path``, whole or not at all. Raises: WorkspaceError."""
    write_bytes(path, content.encode())


def plain(value: Any) -> Any:
    """``value`` as JSON types: dataclasses, arrays, paths and tuples unfolded.

    A float that is not finite becomes ``None``: what cannot be computed is null, never NaN.
    """
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return [plain(item) for item in sorted(value)]
    if isinstance(value, Sequence):
        return [plain(item) for item in value]
    if isinstance(value, PurePath):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def json_text(value: Any, *, indent: int | None = None) -> str:
    """``value`` as JSON, non-ASCII unescaped except lone surrogates, which UTF-8 cannot hold."""
    text = json.dumps(plain(value), ensure_ascii=False, allow_nan=False, indent=indent)
    # The escape that Python writes for a lone surrogate is the one that JSON reads.
    return text.encode("utf-8", "backslashreplace").decode()


def write_json(
    path: Path | str, content: Any, *, durable: bool = True, make_folder: bool = True
) -> None:
    """Write ``content`` as indented JSON, whole or not at all. Raises: WorkspaceError."""
    data = (json_text(content, indent=2) + "\n").encode()
    with replacing(path, durable=durable, make_folder=make_folder) as file:
        file.write(data)


def read_json(path: Path) -> Any:
    """What :func:`write_json` wrote.

    Raises:
        WorkspaceError: The file is missing, unreadable or no JSON.
    """
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise WorkspaceError(f"{path} is missing.") from error
    except OSError as error:
        raise WorkspaceError(f"{path} cannot be read ({error.strerror}).") from error
    except ValueError as error:
        raise WorkspaceError(f"{path} is not valid JSON.") from error


def save_array(path: Path | str, array: NDArray[Any]) -> None:
    """Write an array as ``.npy``, whole or not at all, never pickled.

    Raises:
        WorkspaceError: It cannot be written.
        ValueError: The array holds Python objects.
    """
    if array.dtype.hasobject:
        raise ValueError("arrays of Python objects are not stored")
    array = np.asarray(array, order="C")
    with replacing(path) as file:
        header = np.lib.format.header_data_from_array_1_0(array)
        np.lib.format.write_array_header_2_0(file, header)
        # Not np.save: its error on a full disk carries no error number.
        file.write(array.reshape(-1).view(np.uint8).data)


def load_array(path: Path, *, memmap: bool = False) -> NDArray[Any]:
    """An array that :func:`save_array` wrote; with ``memmap`` read from disk as it is used.

    Raises:
        WorkspaceError: The file is missing or no array.
    """
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r" if memmap else None, allow_pickle=False)
    except FileNotFoundError as error:
        raise WorkspaceError(f"{path} is missing.") from error
    except (OSError, ValueError, EOFError) as error:
        raise WorkspaceError(f"{path} is not a complete array file.") from error
    return array


def remove_partials(folder: Path, *, older_than: float = 0.0) -> None:
    """Delete what killed writers left in ``folder``, if untouched for ``older_than`` seconds."""
    limit = time.time() - older_than
    for partial in folder.glob("*.partial"):
        with contextlib.suppress(OSError):
            if partial.stat().st_mtime <= limit:
                partial.unlink()


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files below a folder; 0 if it does not exist."""
    if path.is_dir() and not path.is_symlink():
        return sum(size_of(child) for child in path.iterdir())
    try:
        return path.lstat().st_size
    except OSError:
        return 0
