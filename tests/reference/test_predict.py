"""Factorised prediction against the definition: concatenate, Linear, ReLU, Linear, pair by pair."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from nncift_core.errors import Cancelled
from nncift_core.network import native, predict
from nncift_core.network.paper import PaperNetwork
from nncift_core.network.predict import Predictor, Projected, project
from nncift_core.network.reducers import MemmapWriter, RowMean
from nncift_core.progress import SilentProgress

N_TRAIN, N_TARGET, DIMENSION = 61, 131, 24  # no multiple of a row group or of a tile
SCALE, OFFSET = 0.7, -0.2
TOLERANCE = 1e-6

needs_compiler = pytest.mark.skipif(
    native.find_compiler() is None, reason="there is no C++ compiler"
)
PATHS = ["never", pytest.param("always", marks=needs_compiler)]


@pytest.fixture(scope="module", autouse=True)
def own_kernel_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Compile in a folder of our own, and leave no kernel behind for other tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        native.load.cache_clear()
        yield
    native.load.cache_clear()


def embeddings(count: int, seed: int, dimension: int = DIMENSION) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((count, dimension)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def trained_like(hidden: int, dimension: int = DIMENSION) -> PaperNetwork:
    """A network whose outputs spread over the labels' range, both signs in every layer."""
    torch.manual_seed(hidden)
    network = PaperNetwork(dimension, hidden)
    with torch.no_grad():
        network.helper_weight.mul_(5)
        network.helped_weight.mul_(5)
        network.bias.add_(0.1)
        network.output_bias.add_(0.3)
    return network


def by_definition(network: PaperNetwork, helpers: np.ndarray, helped: np.ndarray) -> np.ndarray:
    """Every pair by itself, in float64, through the published layers."""
    first = torch.nn.Linear(2 * network.dimension, network.hidden, dtype=torch.float64)
    last = torch.nn.Linear(network.hidden, 1, dtype=torch.float64)
    with torch.no_grad():
        first.weight.copy_(torch.cat([network.helper_weight, network.helped_weight], dim=1))
        first.bias.copy_(network.bias)
        last.weight.copy_(network.output_weight[None])
        last.bias.copy_(network.output_bias)
        influence = np.empty((len(helpers), len(helped)))
        for i, x in enumerate(torch.from_numpy(helpers).double()):
            for j, y in enumerate(torch.from_numpy(helped).double()):
                influence[i, j] = OFFSET + SCALE * float(last(torch.relu(first(torch.cat([x, y])))))
    return influence


class Case:
    """A network, embeddings, what the definition says and what the predictor is given."""

    def __init__(self, hidden: int) -> None:
        self.network = trained_like(hidden)
        self.helpers, self.helped = embeddings(N_TRAIN, 1), embeddings(N_TARGET, 2)
        self.truth = by_definition(self.network, self.helpers, self.helped)
        self.projected = project(
            self.network, self.helpers, self.helped, scale=SCALE, offset=OFFSET
        )


@pytest.fixture(scope="module")
def case() -> Case:
    return Case(hidden=100)


def assert_predicts(projected: Projected, compile: predict.Compile, truth: np.ndarray) -> None:
    predictor = Predictor(projected, compile=compile)
    assert predictor.compiled == (compile == "always")
    block = predictor.block(0, predictor.n_train)
    assert block.dtype == np.float32
    np.testing.assert_allclose(block, truth, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("compile", PATHS)
@pytest.mark.parametrize("hidden", [1, 7, 33, 100])
def test_blocks_equal_the_definition(compile: predict.Compile, hidden: int) -> None:
    case = Case(hidden)
    assert case.truth.std() > 1e-3  # a constant would prove nothing
    assert_predicts(case.projected, compile, case.truth)


@pytest.mark.parametrize("compile", PATHS)
@pytest.mark.parametrize(
    "mistake", ["halves swapped", "bias on both sides", "no offset", "no scale", "no output bias"]
)
def test_the_classic_mistakes_would_be_seen(
    case: Case, compile: predict.Compile, mistake: str
) -> None:
    right = case.projected
    bias = case.network.bias.detach().numpy()
    wrong = {
        "bias on both sides": replace(right, helpers=right.helpers + bias),
        "no offset": replace(right, offset=0.0),
        "no scale": replace(right, scale=1.0),
        "no output bias": replace(right, output_bias=0.0),
    }
    if mistake == "halves swapped":
        swapped = project(case.network, case.helped, case.helpers, scale=SCALE, offset=OFFSET)
        wrong[mistake] = replace(right, helpers=swapped.helped, helped=swapped.helpers)
    with pytest.raises(AssertionError):
        assert_predicts(wrong[mistake], compile, case.truth)


@pytest.mark.parametrize("compile", PATHS)
def test_a_transposed_matrix_would_be_seen(case: Case, compile: predict.Compile) -> None:
    size = min(N_TRAIN, N_TARGET)
    square = Predictor(case.projected, compile=compile).subset(np.arange(size), np.arange(size))
    assert_predicts(square.projected, compile, case.truth[:size, :size])
    with pytest.raises(AssertionError):
        assert_predicts(square.projected, compile, case.truth[:size, :size].T)


@pytest.mark.parametrize("compile", PATHS)
@pytest.mark.parametrize("block_rows", [1, 3, 17, 61, 1000])
def test_a_stream_of_any_block_size_is_the_same(
    case: Case, compile: predict.Compile, block_rows: int, tmp_path: Path
) -> None:
    predictor = Predictor(case.projected, compile=compile)
    writer, mean = MemmapWriter(tmp_path / "m.npy"), RowMean()
    predictor.stream([writer, mean], block_rows=block_rows)
    written = np.load(writer.result(), mmap_mode="r")
    np.testing.assert_array_equal(written, predictor.block(0, N_TRAIN))
    np.testing.assert_allclose(mean.result(), case.truth.mean(axis=1), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("compile", PATHS)
@pytest.mark.parametrize(
    "columns", [slice(5, 9), slice(64, 128), slice(3, 120, 7), slice(9, 9), slice(None, None, -1)]
)
def test_windows_of_a_block(case: Case, compile: predict.Compile, columns: slice) -> None:
    block = Predictor(case.projected, compile=compile).block(10, 31, columns)
    np.testing.assert_allclose(block, case.truth[10:31, columns], rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("compile", PATHS)
def test_a_subset_keeps_order_and_bits(case: Case, compile: predict.Compile) -> None:
    generator = np.random.default_rng(5)
    rows, columns = generator.permutation(N_TRAIN)[:20], generator.permutation(N_TARGET)[:70]
    predictor = Predictor(case.projected, compile=compile)
    part = predictor.subset(rows, columns)
    np.testing.assert_array_equal(
        part.block(0, 20), predictor.block(0, N_TRAIN)[np.ix_(rows, columns)]
    )


def test_single_pairs(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predict, "PAIR_ROWS", 13)
    generator = np.random.default_rng(6)
    rows, columns = generator.integers(N_TRAIN, size=90), generator.integers(N_TARGET, size=90)
    kept = case.projected.helpers.copy()
    found = Predictor(case.projected).pairs(rows, columns)
    np.testing.assert_allclose(found, case.truth[rows, columns], rtol=0, atol=TOLERANCE)
    np.testing.assert_array_equal(case.projected.helpers, kept)


@needs_compiler
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_compiled_equals_plain_whatever_the_threads(threads: int) -> None:
    network = trained_like(100, dimension=384)
    projected = project(network, embeddings(501, 3, 384), embeddings(777, 4, 384))
    plain = Predictor(projected, compile="never").block(0, 501)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        compiled = Predictor(projected, compile="always").block(0, 501)
    finally:
        torch.set_num_threads(before)
    np.testing.assert_allclose(compiled, plain, rtol=0, atol=TOLERANCE)


@needs_compiler
def test_size_alone_decides_whether_auto_compiles(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predict, "COMPILE_PAIRS", N_TRAIN * N_TARGET)
    whole = Predictor(case.projected)
    assert whole.compiled
    assert whole.subset(np.arange(2), np.arange(2)).compiled  # the same bits as the whole
    monkeypatch.setattr(predict, "COMPILE_PAIRS", N_TRAIN * N_TARGET + 1)
    assert not Predictor(case.projected).compiled


class Warnings(SilentProgress):
    def __init__(self) -> None:
        self.messages: list[str] = []

    def warn(self, message: str) -> None:
        self.messages.append(message)


@pytest.fixture
def fresh_kernel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """No kernel loaded or cached, and a path on which only ``bin`` lies."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("CXX", raising=False)
    native.load.cache_clear()
    yield folder
    native.load.cache_clear()


def install_compiler(folder: Path, script: str) -> None:
    compiler = folder / "g++"
    compiler.write_text(f"#!/bin/sh\n{script}\n")
    compiler.chmod(compiler.stat().st_mode | stat.S_IXUSR)


FAILURES = {
    "missing": (None, "no C++ compiler was found"),
    "failing": ("echo 'fatal error: no stdint.h' >&2; exit 1", "no stdint.h"),
    "writing rubbish": (
        'while [ "$1" != -o ]; do shift; done; echo rubbish > "$2"',
        "cannot be used",
    ),
    "writing nothing": ("exit 0", "cannot be used"),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_without_a_working_compiler_the_numbers_are_the_same_and_it_says_so_once(
    case: Case, fresh_kernel: Path, failure: str
) -> None:
    script, reason = FAILURES[failure]
    if script:
        install_compiler(fresh_kernel, script)
    predictor, progress, mean = Predictor(case.projected, compile="always"), Warnings(), RowMean()
    predictor.stream([mean], progress)
    predictor.stream([RowMean()], progress)
    assert not predictor.compiled
    assert len(progress.messages) == 1
    assert "slower" in progress.messages[0] and reason in progress.messages[0]
    np.testing.assert_allclose(predictor.block(0, N_TRAIN), case.truth, rtol=0, atol=TOLERANCE)


def test_no_warning_where_no_compiler_is_wanted(case: Case, fresh_kernel: Path) -> None:
    progress = Warnings()
    Predictor(case.projected, compile="auto").stream([RowMean()], progress)  # small: not repaid
    Predictor(case.projected, compile="never").stream([RowMean()], progress)
    assert progress.messages == []


@needs_compiler
def test_a_kernel_that_adds_up_wrongly_is_not_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    wrong = tmp_path / "scores.cpp"
    right = native.SOURCE.read_text()
    wrong.write_text(right.replace("(h > negated[v] ? h", "(h < negated[v] ? h"))
    assert wrong.read_text() != right
    monkeypatch.setattr(native, "SOURCE", wrong)
    native.load.cache_clear()
    kernel = native.load()
    native.load.cache_clear()
    assert isinstance(kernel, native.Unavailable) and "wrongly" in kernel.reason


@needs_compiler
def test_a_closed_cache_folder_does_not_matter(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    native.load.cache_clear()
    kernel = native.load()
    native.load.cache_clear()
    assert isinstance(kernel, native.Kernel)


@needs_compiler
def test_the_second_process_does_not_compile(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    native.load.cache_clear()
    assert isinstance(native.load(), native.Kernel)
    assert [path.suffix for path in (tmp_path / "nncift" / "kernels").iterdir()] == [".so"]
    monkeypatch.setattr(native, "compile_library", None)  # calling it would fail
    native.load.cache_clear()
    assert isinstance(native.load(), native.Kernel)
    native.load.cache_clear()


@needs_compiler
def test_a_damaged_file_in_the_cache_is_replaced(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    native.load.cache_clear()
    native.load()
    (library,) = (tmp_path / "nncift" / "kernels").iterdir()
    size = library.stat().st_size
    library.unlink()  # not overwritten in place: it is mapped into this process
    library.write_bytes(b"cut off")
    native.load.cache_clear()
    assert isinstance(native.load(), native.Kernel)
    assert library.stat().st_size == size
    native.load.cache_clear()


def test_cancelling_stops_the_pass_and_leaves_no_file(case: Case, tmp_path: Path) -> None:
    class Stopped(SilentProgress):
        done = 0

        def advance(self, count: int = 1) -> None:
            self.done += count
            if self.done >= 20 * N_TARGET:
                raise Cancelled

    progress = Stopped()
    with pytest.raises(Cancelled):
        Predictor(case.projected).stream([MemmapWriter(tmp_path / "m.npy")], progress, 10)
    assert progress.done == 20 * N_TARGET
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["helpers", "helped", "output_weight", "offset"])
def test_numbers_that_are_not_finite_are_refused(case: Case, name: str) -> None:
    value = np.array(getattr(case.projected, name), np.float32)
    value.reshape(-1)[0] = np.nan
    with pytest.raises(ValueError, match=name):
        replace(case.projected, **{name: value if value.ndim else float(value)})


def published(dimension: int, hidden: int) -> torch.nn.Sequential:
    return torch.nn.Sequential(
        torch.nn.Linear(2 * dimension, hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, 1)
    )


def test_the_paper_network_starts_and_learns_like_the_published_layers() -> None:
    torch.manual_seed(3)
    network = PaperNetwork(DIMENSION)
    torch.manual_seed(3)
    layers = published(DIMENSION, 100)
    x, y = torch.from_numpy(embeddings(40, 7)), torch.from_numpy(embeddings(40, 8))
    found, expected = network(x, y), layers(torch.cat([x, y], dim=1)).squeeze(1)
    torch.testing.assert_close(found, expected, rtol=0, atol=TOLERANCE)
    found.square().mean().backward()
    expected.square().mean().backward()
    first, last = layers[0], layers[2]
    halves = torch.cat([network.helper_weight.grad, network.helped_weight.grad], dim=1)
    torch.testing.assert_close(halves, first.weight.grad)
    torch.testing.assert_close(network.bias.grad, first.bias.grad)
    torch.testing.assert_close(network.output_weight.grad, last.weight.grad.squeeze(0))
    torch.testing.assert_close(network.output_bias.grad, last.bias.grad)


def test_the_paper_network_has_the_paper_s_size() -> None:
    network = PaperNetwork(1024)
    assert sum(part.numel() for part in network.parameters()) == 205_001
    assert all(part.is_contiguous() for part in network.state_dict().values())
