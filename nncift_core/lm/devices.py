"""Which device and number format a model gets, and whose turn it is on a device.

Two runs that work on one device at once are slower than one after the other, or run out of
memory; so each takes a lock that the system drops when the process ends. Knows no model.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from nncift_core.errors import ModelError, WorkspaceError
from nncift_core.files import named_errors
from nncift_core.progress import Progress

if TYPE_CHECKING:
    import torch

LOCKS_VARIABLE = "NNCIFT_LOCKS"
"""Environment variable that names the folder of the locks."""

POLL_SECONDS = 0.25

_held = threading.local()


def choose_device(name: str) -> torch.device:
    """The device of a name; ``auto`` takes a GPU where there is one.

    Raises:
        ModelError: There is no such device here.
    """
    import torch

    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", torch.cuda.current_device())
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    if not re.fullmatch(r"cpu|mps|cuda(:\d{1,3})?", name):
        raise ModelError(
            f"The device {name[:40]!r} is unknown.", "Choose auto, cpu, cuda, cuda:1 or mps."
        )
    if name == "mps" and not torch.backends.mps.is_available():
        raise ModelError(
            "This machine has no MPS device.", "Choose the device auto, which takes what there is."
        )
    if name.startswith("cuda"):
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if count == 0:
            raise ModelError(
                "This machine has no CUDA device, or torch was installed without CUDA.",
                "Choose the device auto, which takes what there is.",
            )
        index = int(name.partition(":")[2] or torch.cuda.current_device())
        if index >= count:
            raise ModelError(
                f"There is no device {name}: this machine has {count} CUDA device"
                f"{'s' if count > 1 else ''}.",
                f"Choose cuda:{count - 1} or lower.",
            )
        return torch.device("cuda", index)
    return torch.device(name)


def choose_dtype(name: str, device: torch.device) -> torch.dtype:
    """The number format of a name; ``auto`` is bfloat16 on a GPU and float32 on a CPU.

    bfloat16 is slow on most CPUs, and moves distances by about 0.001.

    Raises:
        ModelError: The device cannot compute in it.
    """
    import torch

    formats = {
        "float32": torch.float32,
        "bfloat16": torch.bfloat16,
        "float16": torch.float16,
    }
    if name == "auto":
        if device.type != "cuda":
            return torch.float32 if device.type == "cpu" else torch.float16
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    if name not in formats:
        raise ModelError(
            f"The number format {name[:40]!r} is unknown.", f"Choose auto, {', '.join(formats)}."
        )
    return formats[name]


@contextlib.contextmanager
def device_lock(device: torch.device | str, progress: Progress) -> Iterator[None]:
    """Have a device to oneself, after whoever has it now; the CPU counts as a device.

    May be taken again by the thread that holds it.

    Args:
        device: As ``LanguageModel.device``.
        progress: Told once that there is a wait; its ``advance(0)`` is called meanwhile, so
            that a waiting run can be cancelled.

    Raises:
        Cancelled: While waiting.
        WorkspaceError: The folder of the locks cannot be written.
    """
    name = _device_name(str(device))
    depths: dict[str, int] = _held.__dict__.setdefault("depths", {})
    if depths.get(name):
        depths[name] += 1
        try:
            yield
        finally:
            depths[name] -= 1
        return
    with _lock_file(name) as file:
        _wait_for(file, name, progress)
        depths[name] = 1
        try:
            yield
        finally:
            depths[name] = 0
            _unlock(file)


def _device_name(device: str) -> str:
    """One name for one device, also across processes that number their GPUs differently."""
    kind, _, index = device.partition(":")
    if kind != "cuda":
        return kind
    visible = [part.strip() for part in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")]
    number = int(index or 0)
    physical = visible[number] if number < len(visible) and visible[number] else str(number)
    return f"cuda-{re.sub(r'[^0-9A-Za-z-]', '_', physical)}"


@contextlib.contextmanager
def _lock_file(name: str) -> Iterator[IO[str]]:
    named = os.environ.get(LOCKS_VARIABLE)
    user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")
    folder = Path(named) if named else Path(tempfile.gettempdir()) / f"nncift-locks-{user}"
    path = folder / f"{name}.lock"
    try:
        with named_errors(path):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            file = path.open("a+", encoding="ascii")
    except WorkspaceError as error:
        error.hint = f"Name a folder for the locks of devices in {LOCKS_VARIABLE}."
        raise
    with file:
        yield file


def _wait_for(file: IO[str], name: str, progress: Progress) -> None:
    waiting = False
    while not _try_lock(file):
        if not waiting:
            progress.warn(f"Waiting until {name} is free: {_holder(file)} uses it.")
            waiting = True
        progress.advance(0)
        time.sleep(POLL_SECONDS)
    file.seek(0)
    file.truncate()
    file.write(str(os.getpid()))
    file.flush()


def _holder(file: IO[str]) -> str:
    file.seek(0)
    process = file.read(20).strip()
    return f"another run (process {process})" if process.isdigit() else "another run"


def _try_lock(file: IO[str]) -> bool:
    module: Any
    try:
        import fcntl as module
    except ImportError:  # Windows has no flock; there, runs on one device are not queued.
        return True
    try:
        module.flock(file, module.LOCK_EX | module.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _unlock(file: IO[str]) -> None:
    with contextlib.suppress(ImportError):
        import fcntl

        file.seek(0)
        file.truncate()
        file.flush()
        fcntl.flock(file, fcntl.LOCK_UN)
