"""Devices and number formats, and runs that take turns on one device."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from nncift_core.errors import Cancelled, ModelError, WorkspaceError
from nncift_core.lm import devices
from nncift_core.lm.devices import LOCKS_VARIABLE, choose_device, choose_dtype, device_lock
from nncift_core.progress import SilentProgress

CPU = torch.device("cpu")


class Listener(SilentProgress):
    """Keeps warnings; cancels after some calls of ``advance``."""

    def __init__(self, cancel_after: int | None = None) -> None:
        self.warnings: list[str] = []
        self.looks = 0
        self._cancel_after = cancel_after

    def warn(self, message: str) -> None:
        self.warnings.append(message)

    def advance(self, count: int = 1) -> None:
        assert count == 0
        self.looks += 1
        if self._cancel_after is not None and self.looks >= self._cancel_after:
            raise Cancelled


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "POLL_SECONDS", 0.01)


def with_cuda(monkeypatch: pytest.MonkeyPatch, count: int, bf16: bool = True) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: bf16)


def test_auto_takes_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    with_cuda(monkeypatch, 2)
    assert choose_device("auto") == torch.device("cuda", 0)
    assert choose_device("cuda") == torch.device("cuda", 0)
    assert choose_device("cuda:1") == torch.device("cuda", 1)
    with_cuda(monkeypatch, 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert choose_device("auto").type == choose_device("mps").type == "mps"
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert choose_device("auto") == choose_device("cpu") == CPU


def test_a_device_that_is_not_there_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with_cuda(monkeypatch, 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    for name, pattern in [
        ("cuda", "no CUDA device"),
        ("cuda:3", "no CUDA device"),
        ("mps", "no MPS device"),
        ("gpu", "'gpu' is unknown"),
        ("cuda:x", "'cuda:x' is unknown"),
        ("", "'' is unknown"),
    ]:
        with pytest.raises(ModelError, match=pattern) as caught:
            choose_device(name)
        assert "auto" in caught.value.hint
    with_cuda(monkeypatch, 2)
    with pytest.raises(ModelError, match=r"no device cuda:2: this machine has 2 CUDA devices"):
        choose_device("cuda:2")


def test_number_formats(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_dtype("auto", CPU) == torch.float32
    assert choose_dtype("auto", torch.device("mps")) == torch.float16
    with_cuda(monkeypatch, 1)
    assert choose_dtype("auto", torch.device("cuda", 0)) == torch.bfloat16
    with_cuda(monkeypatch, 1, bf16=False)
    assert choose_dtype("auto", torch.device("cuda", 0)) == torch.float16
    assert choose_dtype("float16", CPU) == torch.float16
    with pytest.raises(ModelError, match="'int4' is unknown"):
        choose_dtype("int4", CPU)


# Locks


def test_one_at_a_time(own_locks: Path) -> None:
    order: list[str] = []
    first_holds, second = threading.Event(), Listener()

    def wait() -> None:
        first_holds.wait()
        with device_lock(CPU, second):
            order.append("second")

    thread = threading.Thread(target=wait)
    thread.start()
    with device_lock("cpu", SilentProgress()):
        first_holds.set()
        while second.looks < 3:
            time.sleep(0.005)
        order.append("first")
    thread.join(timeout=30)
    assert order == ["first", "second"]
    # Once, however long it takes.
    (warning,) = second.warnings
    assert warning.startswith("Waiting until cpu is free: another run (process ")
    assert [path.name for path in own_locks.iterdir()] == ["cpu.lock"]


def test_whoever_waits_can_be_cancelled() -> None:
    with device_lock(CPU, SilentProgress()):
        caught: list[BaseException] = []

        def wait() -> None:
            try:
                with device_lock(CPU, Listener(cancel_after=2)):
                    caught.append(AssertionError("it did not wait"))
            except Cancelled as error:
                caught.append(error)

        thread = threading.Thread(target=wait)
        thread.start()
        thread.join(timeout=30)
        assert [type(error) for error in caught] == [Cancelled]
    free = Listener()
    with device_lock(CPU, free):
        assert free.warnings == []


def test_the_holder_may_take_it_again_and_an_error_gives_it_back() -> None:
    again = Listener()
    with pytest.raises(ZeroDivisionError), device_lock(CPU, again):
        with device_lock(CPU, again):
            pass
        assert devices._held.__dict__["depths"]["cpu"] == 1
        raise ZeroDivisionError
    with device_lock(CPU, again):
        pass
    assert again.looks == 0


def test_different_devices_do_not_wait_for_each_other() -> None:
    other = Listener()
    with device_lock(CPU, other), device_lock("mps", other), device_lock("cuda:1", other):
        assert other.looks == 0


HOLDER = """
import sys, time
from nncift_core.lm.devices import device_lock
from nncift_core.progress import SilentProgress
with device_lock("cpu", SilentProgress()):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder(own_locks: Path, repository: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the CPU; it gets the folder of the locks by its environment."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER], stdout=subprocess.PIPE, text=True, cwd=repository
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def test_a_killed_process_holds_nothing(holder: subprocess.Popen[str]) -> None:
    waiting = Listener()
    timer = threading.Timer(0.1, holder.kill)
    timer.start()
    with device_lock(CPU, waiting):
        pass
    assert waiting.warnings == [
        f"Waiting until cpu is free: another run (process {holder.pid}) uses it."
    ]


@pytest.mark.parametrize(
    ("visible", "device", "expected"),
    [
        (None, "cuda:1", "cuda-1"),
        ("", "cuda", "cuda-0"),
        ("3,5", "cuda:1", "cuda-5"),
        ("3", "cuda:0", "cuda-3"),
        ("GPU-8932/f937", "cuda:0", "cuda-GPU-8932_f937"),
        ("3,5", "cpu", "cpu"),
    ],
)
def test_gpus_are_told_apart_across_processes(
    monkeypatch: pytest.MonkeyPatch, visible: str | None, device: str, expected: str
) -> None:
    if visible is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert devices._device_name(device) == expected


def test_a_folder_of_locks_that_cannot_be_made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(LOCKS_VARIABLE, str(tmp_path / "file" / "locks"))
    with pytest.raises(WorkspaceError, match=LOCKS_VARIABLE), device_lock(CPU, SilentProgress()):
        pass


def test_two_runs_of_a_function_on_one_device_take_turns(tiny_models: dict[str, Path]) -> None:
    """Two DELIFT runs in two threads: the second begins when the first is through."""
    from nncift_core import influence
    from nncift_core.types import Row

    rows = [Row(f"{number:016x}-0", f"word {number}", "the answer") for number in range(4)]
    passes: list[str] = []
    first_works, second_waits = threading.Event(), threading.Event()

    class First(Listener):
        def advance(self, count: int = 1) -> None:
            passes.append("first")
            first_works.set()
            assert second_waits.wait(60)

    class Second(Listener):
        def warn(self, message: str) -> None:
            super().warn(message)
            second_waits.set()

        def advance(self, count: int = 1) -> None:
            # While it waits it only looks whether it was cancelled.
            passes.extend(["second"] * done.is_set())

    done = threading.Event()
    first, second = First(), Second()

    def run(progress: Listener) -> None:
        influence.create("delift", model=str(tiny_models["llama"])).matrix(
            rows[:2], rows[2:], progress
        )
        done.set()

    one, two = (threading.Thread(target=run, args=(told,)) for told in (first, second))
    one.start()
    assert first_works.wait(60)
    two.start()
    one.join(60)
    two.join(60)
    # Each scores the targets alone, then the pairs.
    assert passes[:2] == ["first", "first"]
    assert passes[2:] == ["second", "second"] or passes[2:] == ["second"] * 3
    assert not first.warnings and len(second.warnings) == 1
