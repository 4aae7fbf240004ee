"""Compile ``scores.cpp`` for this processor, once, and call it from Python threads.

The C++ compiler is called directly rather than through ``torch.compile``: half the time a pair
(2.7 ns against 5.2), half a second of compiling instead of 18, and no compilation for new shapes
or another number of hidden units (benchmarks/predict.py). Without a compiler, or where it fails
for any reason, ``load`` says why instead of raising. Knows nothing of networks or influence.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import functools
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nncift_core.types import FloatArray

SOURCE = Path(__file__).with_name("scores.cpp")

# Finite arithmetic lets the comparison become one max instruction. -ffast-math would do so
# too, but linking with it makes loading the library switch off denormals for the process.
FLAGS = ("-O3", "-shared", "-fPIC", "-std=c++17", "-ffinite-math-only", "-fno-signed-zeros")
TUNED = ("-march=native",)
COMPILE_SECONDS = 120
"""Longest time a compiler may take; it takes half a second."""

PARTS = 4
"""Parts of a block for each thread: one that is held up leaves the rest to the others."""

LEAST_ROWS = 16
"""Rows of a part at least: fewer do not repay handing it to a thread."""

BROKEN = (OSError, AttributeError, ArithmeticError)
"""What a library raises that is no library, lacks a function or adds up wrongly."""

ALIGNMENT = 64
"""A vector never straddles two cache lines."""


@dataclass(frozen=True)
class Unavailable:
    """Why there is no compiled kernel, as half a sentence."""

    reason: str


class Kernel:
    """The compiled functions of ``scores.cpp``."""

    def __init__(self, path: Path) -> None:
        library = ctypes.CDLL(str(path))
        self.tile_columns = int(library.tile_columns())
        self._pair_scores = library.pair_scores
        self._pair_scores.restype = None
        self._pair_scores.argtypes = [ctypes.c_void_p] * 5 + [ctypes.c_int64] * 3

    def tiles(self, helped: FloatArray) -> FloatArray:
        """``(n, hidden)`` as the kernel wants it: negated, ``(tiles, hidden, columns)``."""
        count, hidden = helped.shape
        width = self.tile_columns
        tiles = aligned((-(-count // width), hidden, width))
        for index, start in enumerate(range(0, count, width)):
            part = helped[start : start + width]
            np.negative(part.T, out=tiles[index, :, : len(part)])
            tiles[index, :, len(part) :] = 0
        return tiles

    def scores(
        self,
        helpers: FloatArray,
        tiles: FloatArray,
        weight: FloatArray,
        base: FloatArray,
        columns: int,
        threads: int,
    ) -> FloatArray:
        """``base[j] + sum_k weight[k] * max(helpers[i, k], -helped[j, k])``.

        Args:
            helpers: ``(rows, hidden)`` contiguous.
            tiles: From ``tiles``.
            weight: ``(hidden,)``.
            base: ``(columns,)``, padded to whole tiles.
            columns: Columns of the result, without the padding.
            threads: Python threads to share the rows; the result does not depend on it.
        """
        rows, hidden = helpers.shape
        scores = np.empty((rows, columns), np.float32)
        parts = 1 if threads == 1 else max(1, min(PARTS * threads, rows // LEAST_ROWS))
        bounds = [rows * part // parts for part in range(parts + 1)]

        def work(part: int) -> None:
            start, stop = bounds[part], bounds[part + 1]
            self._pair_scores(
                helpers.ctypes.data + 4 * hidden * start,
                tiles.ctypes.data,
                weight.ctypes.data,
                base.ctypes.data,
                scores.ctypes.data + 4 * columns * start,
                stop - start,
                columns,
                hidden,
            )

        if parts == 1:
            work(0)
        else:
            list(_pool(threads).map(work, range(parts)))  # ctypes lets go of the interpreter
        return scores


def aligned(shape: tuple[int, ...]) -> FloatArray:
    """An uninitialised float32 array that begins on a cache line."""
    size = 4 * int(np.prod(shape))
    memory = np.empty(size + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + size].view(np.float32).reshape(shape)


@functools.cache
def load() -> Kernel | Unavailable:
    """The kernel, compiled in the first process that needs it and kept in a cache folder."""
    compiler = find_compiler()
    if compiler is None:
        return Unavailable("no C++ compiler was found")
    try:
        library = _cache_folder() / _library_name(compiler)
        if library.exists():
            with contextlib.suppress(*BROKEN):
                return _checked(Kernel(library))
        with tempfile.TemporaryDirectory(dir=library.parent) as folder:
            built = Path(folder) / library.name
            compile_library(compiler, SOURCE, built)
            kernel = _checked(Kernel(built))
            built.replace(library)  # two processes may compile at once; either result will do
            return kernel
    except subprocess.CalledProcessError as error:
        first = (error.stderr or "").strip().splitlines()[:1]
        return Unavailable(f"the C++ compiler failed ({' '.join([compiler, *first])})")
    except (subprocess.TimeoutExpired, *BROKEN) as error:
        return Unavailable(f"the compiled kernel cannot be used ({error})")


def find_compiler() -> str | None:
    """The C++ compiler on the path, ``$CXX`` first."""
    names = (os.environ.get("CXX", ""), "g++", "clang++")
    return next((found for name in names if name and (found := shutil.which(name))), None)


def _checked(kernel: Kernel) -> Kernel:
    """The kernel, after a small sum it must get right. Raises: ArithmeticError."""
    generator = np.random.default_rng(0)
    helpers = generator.standard_normal((5, 37)).astype(np.float32)
    helped = generator.standard_normal((67, 37)).astype(np.float32)
    weight = generator.standard_normal(37).astype(np.float32)
    tiles = kernel.tiles(helped)
    base = np.zeros(tiles.shape[0] * tiles.shape[2], np.float32)
    found = kernel.scores(helpers, tiles, weight, base, len(helped), threads=1)
    expected = np.maximum(helpers[:, None], -helped[None]) @ weight
    if not np.allclose(found, expected, rtol=1e-4, atol=1e-4):
        raise ArithmeticError("it adds up wrongly")
    return kernel


def _library_name(compiler: str) -> str:
    # What was tuned for one processor may crash on another that shares the home folder.
    identity = [SOURCE.read_text(), compiler, *FLAGS, *TUNED, platform.platform(), _processor()]
    return f"{SOURCE.stem}-{hashlib.sha256(chr(0).join(identity).encode()).hexdigest()[:16]}.so"


def compile_library(compiler: str, source: Path, target: Path) -> None:
    """Compile ``source``, tuned for this processor where the compiler knows how."""
    command = [compiler, *FLAGS, str(source), "-o", str(target)]
    try:
        _call([*command, *TUNED])
    except subprocess.CalledProcessError:
        _call(command)


def _call(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=COMPILE_SECONDS)


def _processor() -> str:
    """What distinguishes processors for a compiler: their instruction sets."""
    information = Path("/proc/cpuinfo")
    if not information.exists():
        return f"{platform.machine()} {platform.processor()} {platform.node()}"
    kept = ("flags", "Features", "model name", "CPU part")
    lines = information.read_text(errors="replace").splitlines()
    return "\n".join(sorted({line for line in lines if line.startswith(kept)}))


def _cache_folder() -> Path:
    """The user's cache folder for compiled kernels, or one for this process if that is closed."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser())
    folder = home / "nncift" / "kernels"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError:
        private = Path(tempfile.mkdtemp(prefix="nncift-"))
        atexit.register(shutil.rmtree, private, ignore_errors=True)
        return private


@functools.cache
def _pool(threads: int) -> ThreadPoolExecutor:
    """Threads that live as long as the process; each waits without spinning."""
    return ThreadPoolExecutor(threads, thread_name_prefix="nncift-scores")
