"""How fast every pair is predicted, side by side with the ways it is usually done.

    python benchmarks/predict.py [--quick] [--output benchmarks/results/predict.json]

In one process and in interleaved rounds: a loop over single pairs through the published
layers, batches of concatenated pairs through the same layers, and the factorised form in plain
PyTorch and compiled, projection included. Compile time apart. Besides: memory of a streaming
pass (in a process of its own), growth with pairs, d and hidden, what the machine can add up at
most, and what torch.compile makes of the same sum.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nncift_core.network import native
from nncift_core.network.paper import PaperNetwork
from nncift_core.network.predict import COMPILE_PAIRS, Predictor, project
from nncift_core.network.reducers import Histogram, MemmapWriter, RowMean, RowTopK
from nncift_core.network.tiles import TileMean
from nncift_core.runtime import versions

N_TRAIN, N_TARGET, DIMENSION, HIDDEN = 15_000, 5_000, 1024, 100
LOOP_PAIRS = 1_000
BATCH, BATCHES = 4_096, 4
GOALS = {"loop": 1_000, "batched": 200, "memory_mb": 256}
RESULTS = Path(__file__).parent / "results" / "predict.json"


def seconds_of(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def embeddings(rows: int, dimension: int, seed: int) -> np.ndarray:
    drawn = np.random.default_rng(seed).standard_normal((rows, dimension), dtype=np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


class Setting:
    """A network, embeddings of both sides, and the four ways to predict."""

    def __init__(self, n_train: int, n_target: int, dimension: int, hidden: int) -> None:
        torch.manual_seed(0)
        self.network = PaperNetwork(dimension, hidden)
        self.helpers = embeddings(n_train, dimension, 1)
        self.helped = embeddings(n_target, dimension, 2)
        self.pairs = n_train * n_target
        first, last = torch.nn.Linear(2 * dimension, hidden), torch.nn.Linear(hidden, 1)
        with torch.no_grad():
            halves = [self.network.helper_weight, self.network.helped_weight]
            first.weight.copy_(torch.cat(halves, dim=1))
            first.bias.copy_(self.network.bias)
            last.weight.copy_(self.network.output_weight[None])
            last.bias.copy_(self.network.output_bias)
        self.published = torch.nn.Sequential(first, torch.nn.ReLU(), last)
        self._draw = np.random.default_rng(3)

    def _some(self, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        rows = torch.from_numpy(self._draw.integers(len(self.helpers), size=count))
        columns = torch.from_numpy(self._draw.integers(len(self.helped), size=count))
        return rows, columns

    @torch.no_grad()
    def loop(self, count: int) -> float:
        """Seconds a pair, one pair at a time."""
        rows, columns = (side.tolist() for side in self._some(count))
        helpers, helped = torch.from_numpy(self.helpers), torch.from_numpy(self.helped)
        start = time.perf_counter()
        for i, j in zip(rows, columns, strict=True):
            self.published(torch.cat([helpers[i], helped[j]])).item()
        return (time.perf_counter() - start) / count

    @torch.no_grad()
    def batched(self, batches: int) -> float:
        """Seconds a pair, in batches of concatenated pairs."""
        helpers, helped = torch.from_numpy(self.helpers), torch.from_numpy(self.helped)
        drawn = [self._some(BATCH) for _ in range(batches)]
        start = time.perf_counter()
        for rows, columns in drawn:
            self.published(torch.cat([helpers[rows], helped[columns]], dim=1))
        return (time.perf_counter() - start) / (batches * BATCH)

    def factorised(self, compile: str) -> float:
        """Seconds a pair for all pairs: project both sides, then one pass over the blocks."""

        def work() -> None:
            projected = project(self.network, self.helpers, self.helped)
            Predictor(projected, compile=compile).stream([])

        return seconds_of(work) / self.pairs

    def blocks(self) -> float:
        """Seconds a pair of the pass alone, compiled."""
        projected = project(self.network, self.helpers, self.helped)
        predictor = Predictor(projected, compile="always")
        predictor.prepare()
        return seconds_of(lambda: predictor.stream([])) / self.pairs

    def projection(self) -> float:
        """Seconds a pair of the projection alone."""
        return seconds_of(lambda: project(self.network, self.helpers, self.helped)) / self.pairs

    def largest_difference(self) -> float:
        """Between plain and compiled, over 500 rows."""
        projected = project(self.network, self.helpers[:500], self.helped)
        plain, compiled = (
            Predictor(projected, compile=c).block(0, 500) for c in ("never", "always")
        )
        return float(np.abs(plain - compiled).max())


def medians(ways: dict[str, Callable[[], float]], rounds: int) -> dict[str, dict[str, float]]:
    """Nanoseconds a pair of each way; the order turns by one every round."""
    for work in ways.values():
        work()  # once unmeasured
    measured: dict[str, list[float]] = {name: [] for name in ways}
    names = list(ways)
    for turn in range(rounds):
        for place in range(len(names)):
            name = names[(turn + place) % len(names)]
            measured[name].append(1e9 * ways[name]())
    return {
        name: {"median": statistics.median(n), "least": min(n), "most": max(n), "rounds": len(n)}
        for name, n in measured.items()
    }


LIMIT_SOURCE = r"""
#include <cstdint>
// Eight independent chains in registers, one operand from the first-level cache: what the
// ports give at most.
#if defined(__AVX512F__)
constexpr int LANES = 16;
#elif defined(__AVX__)
constexpr int LANES = 8;
#else
constexpr int LANES = 4;
#endif
typedef float Vector __attribute__((vector_size(LANES * 4), aligned(4), may_alias));
constexpr int CHAINS = 8, STEPS = 64;
template <bool with_add> float run(const float* data, int64_t repeats) {
    Vector sum[CHAINS] = {}, h[CHAINS];
    const Vector zero = {};
#pragma GCC unroll 8
    for (int c = 0; c < CHAINS; c++) h[c] = data[c] - zero;
    for (int64_t n = 0; n < repeats; n++) {
        for (int k = 0; k < STEPS; k++) {
            const Vector t = *(const Vector*)(data + k * LANES), w = data[k] - zero;
#pragma GCC unroll 8
            for (int c = 0; c < CHAINS; c++) {
                const Vector x = h[c] + t;
                if (with_add) sum[c] += w * (x > zero ? x : zero);
                else sum[c] += w * (h[c] > t ? h[c] : t);
            }
        }
        asm volatile("" ::: "memory");  // or the second repeat would be the first
    }
    Vector total = {};
#pragma GCC unroll 8
    for (int c = 0; c < CHAINS; c++) total += sum[c];
    return total[0];
}
extern "C" int64_t terms() { return (int64_t)CHAINS * STEPS * LANES; }
extern "C" float max_multiply_add(const float* data, int64_t n) { return run<false>(data, n); }
extern "C" float add_max_multiply_add(const float* data, int64_t n) { return run<true>(data, n); }
"""


def arithmetic_limit(rounds: int) -> dict[str, Any]:
    """Operations a second that all threads reach together on data in their first-level caches."""
    compiler = native.find_compiler()
    if compiler is None:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder) / "limit.cpp", Path(folder) / "limit.so"
        source.write_text(LIMIT_SOURCE)
        native.compile_library(compiler, source, library)
        functions = ctypes.CDLL(str(library))
    threads, repeats = torch.get_num_threads(), 20_000
    data = native.aligned((64 * 16 + 16,))
    data[:] = 0.5
    functions.terms.restype = ctypes.c_int64
    terms = functions.terms() * repeats * threads
    found: dict[str, Any] = {"threads": threads}
    with ThreadPoolExecutor(threads) as pool:
        for name, operations in (("max_multiply_add", 2), ("add_max_multiply_add", 3)):
            function = getattr(functions, name)
            function.restype, function.argtypes = (
                ctypes.c_float,
                [ctypes.c_void_p, ctypes.c_int64],
            )

            def all_threads(function: Any = function) -> None:
                list(pool.map(lambda _: function(data.ctypes.data, repeats), range(threads)))

            # The limit is the best that was ever seen, not the median.
            least = min(seconds_of(all_threads) for _ in range(4 * rounds))
            found[name] = {
                "billion_operations_per_second": operations * terms / least / 1e9,
                "ns_per_hidden_unit": least / terms * 1e9,
            }
    return found


def inductor(rounds: int) -> dict[str, Any]:
    """The same sum through torch.compile, in the best form found for it, beside the kernel.

    Sixteen rows unrolled in the expression, columns in tiles of sixteen, add + ReLU: its max
    of two tensors also carries NaN and is slower.
    """
    import torch._inductor.config as settings

    settings.cpp.enable_floating_point_contract_flag = "fast"
    rows, columns, unroll, width = 1536, 5120, 16, 16
    setting = Setting(rows, columns, DIMENSION, HIDDEN)
    projected = project(setting.network, setting.helpers, setting.helped)
    helpers, weight = (
        torch.from_numpy(projected.helpers),
        torch.from_numpy(projected.output_weight),
    )
    helped = torch.from_numpy(projected.helped)
    tiles = helped.view(columns // width, width, HIDDEN).transpose(1, 2).contiguous()

    def scores(h: torch.Tensor, tiles: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        grouped = h.view(rows // unroll, unroll, HIDDEN)
        return torch.stack(
            [
                (
                    torch.relu(grouped[:, None, r, :, None] + tiles[None])
                    * weight[None, None, :, None]
                ).sum(2)
                for r in range(unroll)
            ],
            1,
        )

    compiled = torch.compile(scores, dynamic=False, fullgraph=True)
    predictor = Predictor(projected, compile="always")
    with tempfile.TemporaryDirectory() as cache, torch.no_grad():
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = cache
        seconds = seconds_of(lambda: compiled(helpers, tiles, weight))
        ways = {
            "torch.compile": lambda: seconds_of(lambda: compiled(helpers, tiles, weight)),
            "scores.cpp": lambda: seconds_of(lambda: predictor.block(0, rows)),
        }
        pairs = rows * columns
        measured = medians({name: lambda w=way: w() / pairs for name, way in ways.items()}, rounds)
    return {"compile_seconds": seconds, "ns_per_pair": measured}


def memory(compile: str) -> dict[str, float]:
    """Peak resident memory above what was there before the pass, in MiB (Linux)."""
    setting = Setting(N_TRAIN, N_TARGET, 64, HIDDEN)  # the pass itself never sees embeddings
    projected = project(setting.network, setting.helpers, setting.helped)
    Predictor(projected, compile=compile).block(0, 100)  # libraries and threads are loaded

    def resident(field: str) -> float:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(x.split()[1]) / 1024 for x in lines if x.startswith(field))

    with tempfile.TemporaryDirectory() as folder:
        Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
        before = resident("VmRSS")
        reducers = [
            RowMean(),
            RowTopK(10),
            Histogram(-1, 1),
            TileMean(np.arange(N_TRAIN), np.arange(N_TARGET)),
            MemmapWriter(Path(folder) / "predictions.npy"),
        ]
        Predictor(projected, compile=compile).stream(reducers)
        peak = resident("VmHWM")
    return {"before_mb": before, "peak_mb": peak, "extra_mb": peak - before}


def memory_apart(compile: str) -> dict[str, float]:
    command = [sys.executable, __file__, "--memory", compile]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def growth(rounds: int, quick: bool) -> dict[str, list[dict[str, float]]]:
    """Nanoseconds a pair, projection included, as one size changes and the others stay."""
    base = {"n_train": 3_000, "n_target": 2_000, "dimension": DIMENSION, "hidden": HIDDEN}
    grid = {
        "n_train": [500, 3_000, 15_000],
        "n_target": [500, 2_000, 8_000],
        "dimension": [256, 512, 1024, 2048],
        "hidden": [25, 50, 100, 200, 400],
    }
    found: dict[str, list[dict[str, float]]] = {}
    for name, sizes in grid.items():
        found[name] = []
        for size in sizes[:2] if quick else sizes:
            setting = Setting(**{**base, name: size})
            ways = {c: lambda c=c, s=setting: s.factorised(c) for c in ("never", "always")}
            measured = medians(ways, rounds)
            found[name].append(
                {
                    "size": size,
                    "pairs": setting.pairs,
                    "eager_ns": measured["never"]["median"],
                    "compiled_ns": measured["always"]["median"],
                }
            )
    return found


def compile_seconds() -> dict[str, float]:
    """The first compilation on a machine, and loading what was compiled before."""
    before = os.environ.get("XDG_CACHE_HOME")
    with tempfile.TemporaryDirectory() as cache:
        os.environ["XDG_CACHE_HOME"] = cache
        native.load.cache_clear()
        first = seconds_of(native.load)
        native.load.cache_clear()
        again = seconds_of(native.load)
    if before is None:
        del os.environ["XDG_CACHE_HOME"]
    else:
        os.environ["XDG_CACHE_HOME"] = before
    return {"first": first, "from_cache": again}


def hardware() -> dict[str, Any]:
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": names[0] if names else "unknown",
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "vectors": torch.backends.cpu.get_cpu_capability(),
        "load_average_before": os.getloadavg()[0],
    }


def measure(quick: bool) -> dict[str, Any]:
    rounds = 3 if quick else 7
    result: dict[str, Any] = {
        "command": " ".join(["python", "benchmarks/predict.py", *sys.argv[1:]]),
        "date": time.strftime("%Y-%m-%d"),
        "hardware": hardware(),
        "versions": versions(),
        "sizes": {
            "n_train": 3_000 if quick else N_TRAIN,
            "n_target": N_TARGET,
            "d": DIMENSION,
            "hidden": HIDDEN,
        },
        "compile_seconds": compile_seconds(),
    }
    setting = Setting(result["sizes"]["n_train"], N_TARGET, DIMENSION, HIDDEN)
    result["largest_difference_plain_compiled"] = setting.largest_difference()
    ways: dict[str, Callable[[], float]] = {
        "loop": lambda: setting.loop(LOOP_PAIRS),
        "batched": lambda: setting.batched(BATCHES),
        "eager": lambda: setting.factorised("never"),
        "compiled": lambda: setting.factorised("always"),
        "projection": setting.projection,
        "blocks": setting.blocks,
    }
    times = medians(ways, rounds)
    result["ns_per_pair"] = times
    result["ratio"] = {
        f"{slow}/{fast}": times[slow]["median"] / times[fast]["median"]
        for slow in ("loop", "batched")
        for fast in ("eager", "compiled")
    } | {"eager/compiled": times["eager"]["median"] / times["compiled"]["median"]}
    gain = (times["eager"]["median"] - times["compiled"]["median"]) / 1e9
    result["crossover_pairs"] = {
        "first": result["compile_seconds"]["first"] / gain,
        "from_cache": result["compile_seconds"]["from_cache"] / gain,
        "auto_compiles_from": COMPILE_PAIRS,
    }
    result["arithmetic_limit"] = limit = arithmetic_limit(rounds)
    if limit:
        result["share_of_limit"] = {
            form: {
                "limit_ns": (ns := HIDDEN * limit[form]["ns_per_hidden_unit"]),
                "median": ns / times["blocks"]["median"],
                "best_round": ns / times["blocks"]["least"],
            }
            for form in ("max_multiply_add", "add_max_multiply_add")
        }
    result["growth"] = growth(3, quick)
    result["memory"] = {c: memory_apart(c) for c in ("never", "always")}
    if not quick:
        result["torch_compile"] = inductor(rounds)
    result["hardware"]["load_average_after"] = os.getloadavg()[0]
    return result


def show(result: dict[str, Any]) -> str:
    """The result as Markdown tables."""
    times, ratio = result["ns_per_pair"], result["ratio"]
    machine, sizes = result["hardware"], result["sizes"]
    lines = [
        f"{sizes['n_train']:,} x {sizes['n_target']:,} pairs, d = {sizes['d']}, hidden = "
        f"{sizes['hidden']}; {machine['processor']}, {machine['cores']} cores, load average "
        f"{machine['load_average_before']:.1f} before and {machine['load_average_after']:.1f} "
        "after.",
        "",
        "| way | ns a pair (median) | least | most | times faster than the loop | than batches |",
        "|---|---|---|---|---|---|",
    ]
    for name, title in (
        ("loop", "loop over single pairs"),
        ("batched", f"batches of {BATCH:,} concatenated pairs"),
        ("eager", "factorised, plain PyTorch"),
        ("compiled", "factorised, compiled"),
        ("projection", "of these, the projection"),
        ("blocks", "of these, the blocks"),
    ):
        against = [f"{ratio[k]:,.0f}" if (k := f"{slow}/{name}") in ratio else ""
                   for slow in ("loop", "batched")]  # fmt: skip
        t = times[name]
        lines.append(
            f"| {title} | {t['median']:,.2f} | {t['least']:,.2f} | {t['most']:,.2f} "
            f"| {against[0]} | {against[1]} |"
        )
    seconds, crossover = result["compile_seconds"], result["crossover_pairs"]
    lines += [
        "",
        f"Goals: {GOALS['loop']:,} times over the loop, {GOALS['batched']} times over batches, "
        f"at most {GOALS['memory_mb']} MB.",
        f"Compile time: {seconds['first']:.2f} s once, {seconds['from_cache']:.3f} s from the "
        f"cache; repaid from {crossover['first'] / 1e6:.1f} and "
        f"{crossover['from_cache'] / 1e6:.2f} million pairs.",
        f"Largest difference between the two: {result['largest_difference_plain_compiled']:.1e}.",
    ]
    for compile, name in (("never", "plain"), ("always", "compiled")):
        extra = result["memory"][compile]["extra_mb"]
        lines.append(f"Extra memory of a pass with five reducers, {name}: {extra:.0f} MB.")
    for form, share in result.get("share_of_limit", {}).items():
        reached = result["arithmetic_limit"][form]["billion_operations_per_second"]
        lines.append(
            f"Arithmetic limit, {form.replace('_', ' ')}: {reached:.0f} billion operations a "
            f"second, {share['limit_ns']:.2f} ns a pair; reached {share['median']:.0%} "
            f"(best round {share['best_round']:.0%})."
        )
    if "torch_compile" in result:
        other = result["torch_compile"]
        ns = other["ns_per_pair"]
        lines.append(
            f"torch.compile: {other['compile_seconds']:.1f} s to compile, "
            f"{ns['torch.compile']['median']:.2f} ns a pair, beside "
            f"{ns['scores.cpp']['median']:.2f} for scores.cpp on the same block "
            f"(least {ns['torch.compile']['least']:.2f} and {ns['scores.cpp']['least']:.2f})."
        )
    lines += [
        "",
        "| what grows | to | million pairs | plain ns | compiled ns |",
        "|---|---|---|---|---|",
    ]
    for name, points in result["growth"].items():
        for point in points:
            lines.append(
                f"| {name} | {point['size']:,} | {point['pairs'] / 1e6:.1f} "
                f"| {point['eager_ns']:.1f} | {point['compiled_ns']:.2f} |"
            )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds and pairs")
    parser.add_argument("--output", type=Path, help="where to write JSON and a table beside it")
    parser.add_argument("--memory", choices=["never", "always"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory:
        print(json.dumps(memory(options.memory)))
        return
    result = measure(options.quick)
    table = show(result)
    print(table)
    output = options.output or (None if options.quick else RESULTS)
    if output:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(json.dumps(result, indent=1) + "\n")
        output.with_suffix(".md").write_text(table)


if __name__ == "__main__":
    main()
