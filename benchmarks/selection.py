"""Greedy selection against submodlib, in one process on the same matrices.

    python benchmarks/selection.py [--n 3000 6000 15000] [--rounds 3] [--quick]

FL over the pool, budget 30 %, a dense n x n matrix of cosines; FLMI and FLCG at n = 3,000. The rows
imitate sentence embeddings of instruction data: unit vectors of 384 dimensions around topic centres
of unlike size (Zipf), each topic with phrasings around it, cosines clipped at 0. Both programs get
the finished matrix as float32; handing it over ("build") is timed apart, and added to both in "with
build": for this project's side it is a first pass over the matrix. The runs are interleaved and the
medians compared. Values are computed by one float64 function for both. Plain greedy, every gain of
every row at every pick, is timed on a small n, where its order must be ours exactly. apricot-select
takes part where it is installed. Compiling, which happens once a machine, is timed apart.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from submodlib import (
    FacilityLocationConditionalGainFunction,
    FacilityLocationFunction,
    FacilityLocationMutualInformationFunction,
)

from nncift_core.runtime import versions
from nncift_core.selection import Matrices, SelectionResult, maximise, value

RESULT = Path(__file__).parent / "results" / "selection.json"
BUDGET_SHARE = 0.3
WANTED_RATIO = 0.9999
WANTED_SPEED = {3000: 7.0, 6000: 14.0, 15000: 25.0}
OTHERS_N = 3000


def cosines(n: int, seed: int = 0) -> NDArray[np.float32]:
    """A dense matrix of clipped cosines between ``n`` clustered unit vectors."""
    draw = np.random.default_rng(seed)
    topics, phrasings, width = 120, 1200, 384
    share = 1.0 / np.arange(1, topics + 1)
    centres = unit(draw.normal(size=(topics, width)))
    phrasing_topic = draw.choice(topics, size=phrasings, p=share / share.sum())
    noise = draw.normal(size=(phrasings, width)) / np.sqrt(width)
    styles = unit(centres[phrasing_topic] + 0.7 * noise)
    rows = styles[draw.integers(0, phrasings, n)]
    rows = unit(rows + 0.8 * draw.normal(size=(n, width)) / np.sqrt(width)).astype(np.float32)
    return np.maximum(rows @ rows.T, np.float32(0.0))


def unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def covered(matrix: NDArray[np.float32], order: list[int]) -> float:
    """FL of a set of rows in float64: the one judge of all programs."""
    return float(matrix[order].max(axis=0).astype(np.float64).sum())


def timed(work: Callable[[], Any]) -> tuple[Any, float, float]:
    """The result, wall seconds and processor seconds; the latter hold on a busy machine too."""
    start, cpu_start = time.perf_counter(), time.process_time()
    result = work()
    return result, time.perf_counter() - start, time.process_time() - cpu_start


def ours(matrix: NDArray[np.float32], budget: int) -> SelectionResult:
    ids = [f"{row:06d}" for row in range(len(matrix))]
    matrices = Matrices(np.zeros(len(matrix)), pool=matrix)
    return maximise("fl-pool", matrices, budget, row_ids=ids)


def submodlib_order(function: Any, budget: int) -> list[int]:
    picked = function.maximize(
        budget=budget,
        optimizer="LazyGreedy",
        stopIfZeroGain=False,
        stopIfNegativeGain=False,
        show_progress=False,
    )
    return [row for row, _ in picked]


def plain_order(matrix: NDArray[np.float32], budget: int) -> list[int]:
    """Every gain of every row at every pick, in float64; the smaller position wins a tie."""
    wide = matrix.astype(np.float64)
    covered, order = np.zeros(matrix.shape[1]), []
    for _ in range(budget):
        gains = np.maximum(wide - covered, 0.0).sum(axis=1)
        gains[order] = -1.0
        row = int(np.flatnonzero(gains >= gains.max() * (1 - 1e-9))[0])
        order.append(row)
        covered = np.maximum(covered, wide[row])
    return order


def compare(n: int, rounds: int) -> dict[str, Any]:
    """Both programs on one matrix, interleaved."""
    matrix, matrix_seconds, _ = timed(lambda: cosines(n))
    budget = int(BUDGET_SHARE * n)
    build, lazy, own, other = [], [], [], []
    first = []
    for _ in range(rounds):
        function, seconds, _ = timed(
            lambda: FacilityLocationFunction(n=n, mode="dense", sijs=matrix, separate_rep=False)
        )
        build.append(seconds)
        theirs, seconds, _ = timed(lambda function=function: submodlib_order(function, budget))
        lazy.append(seconds)
        del function
        first.append(timed(lambda: ours(matrix, 1))[1])
        result, seconds, _ = timed(lambda: ours(matrix, budget))
        own.append(seconds)
    order = result.order.tolist()
    f_ours, f_theirs = covered(matrix, order), covered(matrix, theirs)
    same = next((k for k, (a, b) in enumerate(zip(order, theirs, strict=True)) if a != b), budget)
    found = {
        "n": n,
        "budget": budget,
        "rounds": rounds,
        "matrix_seconds": matrix_seconds,
        "submodlib_build_seconds": statistics.median(build),
        "submodlib_seconds": statistics.median(lazy),
        "submodlib_all": lazy,
        "ours_seconds": statistics.median(own),
        "ours_all": own,
        "ours_first_pick_seconds": statistics.median(first),
        "speed": statistics.median(lazy) / statistics.median(own),
        "speed_with_build": (statistics.median(build) + statistics.median(lazy))
        / statistics.median(own),
        "value_submodlib": f_theirs,
        "value_ours": f_ours,
        "value_ratio": f_ours / f_theirs,
        "first_picks_equal": same,
        "saturated_at": result.saturated_at,
    }
    if apricot_order is not None and n <= OTHERS_N:
        theirs, seconds, _ = timed(lambda: apricot_order(matrix, budget))
        other = {"seconds": seconds, "value_ratio": f_ours / covered(matrix, theirs)}
        found["apricot"] = other | {"speed": seconds / statistics.median(own)}
    return found


def compare_relative(name: str, rounds: int) -> dict[str, Any]:
    """FLMI or FLCG at n = 3,000, as many picks as still gain something, at most 30 %."""
    n, n_other = OTHERS_N, OTHERS_N // 10
    whole = cosines(n + n_other, seed=2)
    pool = np.ascontiguousarray(whole[:n, :n])
    across = np.ascontiguousarray(whole[:n, n:])
    ids = [f"{row:06d}" for row in range(n)]
    if name == "flmi":
        matrices = Matrices(np.zeros(n), target=across, pool=pool)
    else:
        matrices = Matrices(np.zeros(n), pool=pool, existing=np.ascontiguousarray(across.T))
    budget = int(BUDGET_SHARE * n)
    budget = maximise(name, matrices, budget, row_ids=ids).saturated_at or budget
    kind, count, side = {
        "flmi": (FacilityLocationMutualInformationFunction, "num_queries", "query_sijs"),
        "flcg": (FacilityLocationConditionalGainFunction, "num_privates", "private_sijs"),
    }[name]
    build, lazy, own = [], [], []
    for _ in range(rounds):
        function, seconds, _ = timed(
            lambda: kind(n=n, data_sijs=pool, **{count: n_other, side: across})
        )
        build.append(seconds)
        theirs, seconds, _ = timed(lambda function=function: submodlib_order(function, budget))
        lazy.append(seconds)
        result, seconds, _ = timed(lambda: maximise(name, matrices, budget, row_ids=ids))
        own.append(seconds)
    worth = value(name, matrices, result.order), value(name, matrices, theirs)
    return {
        "objective": name,
        "n": n,
        "budget": budget,
        "submodlib_build_seconds": statistics.median(build),
        "submodlib_seconds": statistics.median(lazy),
        "ours_seconds": statistics.median(own),
        "speed": statistics.median(lazy) / statistics.median(own),
        "value_ratio": worth[0] / worth[1],
    }


def against_plain(n: int) -> dict[str, Any]:
    """Plain greedy on a small matrix: seconds, and whether the order is the same."""
    matrix = cosines(n, seed=1)
    budget = int(BUDGET_SHARE * n)
    expected, plain_seconds, _ = timed(lambda: plain_order(matrix, budget))
    result, own_seconds, _ = timed(lambda: ours(matrix, budget))
    return {
        "n": n,
        "budget": budget,
        "plain_seconds": plain_seconds,
        "ours_seconds": own_seconds,
        "same_order": result.order.tolist() == expected,
    }


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def main() -> int:
    parser = argparse.ArgumentParser(description="Greedy selection against submodlib.")
    parser.add_argument("--n", type=int, nargs="+", default=[3000, 6000, 15000], help="rows")
    parser.add_argument("--rounds", type=int, default=3, help="interleaved runs a size")
    parser.add_argument("--quick", action="store_true", help="n = 1000, one run, no file written")
    arguments = parser.parse_args()
    sizes, rounds = ([1000], 1) if arguments.quick else (arguments.n, arguments.rounds)

    small = cosines(200)
    compiling = timed(lambda: ours(small, 20))[1]
    print(f"first call, with compiling or loading what was compiled: {compiling:.1f} s")
    plain = against_plain(400 if arguments.quick else 1000)
    print(
        f"plain greedy, n = {plain['n']}: {plain['plain_seconds']:.2f} s, "
        f"ours {plain['ours_seconds']:.3f} s, same order: {plain['same_order']}"
    )
    print(
        "     n  budget   build  submodlib      ours  first pass   speed  with build  value ratio"
        "  first picks equal"
    )
    rows = []
    for n in sizes:
        # The largest size takes minutes a run.
        row = compare(n, rounds if n <= 6000 else max(1, rounds - 1))
        rows.append(row)
        print(
            f"{n:6d} {row['budget']:7d} {row['submodlib_build_seconds']:6.2f}s "
            f"{row['submodlib_seconds']:9.2f}s {row['ours_seconds']:8.3f}s "
            f"{row['ours_first_pick_seconds']:10.3f}s {row['speed']:6.1f}x "
            f"{row['speed_with_build']:10.1f}x {row['value_ratio']:12.7f} "
            f"{row['first_picks_equal']:9d} of {row['budget']}",
            flush=True,
        )
        if "apricot" in row:
            other = row["apricot"]
            print(
                f"       apricot-select: {other['seconds']:.2f} s, {other['speed']:.1f}x, "
                f"value ratio {other['value_ratio']:.7f}"
            )
    relative = [] if arguments.quick else [compare_relative(k, rounds) for k in ("flmi", "flcg")]
    for row in relative:
        print(
            f"{row['objective']}, n = {row['n']}, {row['budget']} picks: "
            f"{row['submodlib_seconds']:.3f} s against {row['ours_seconds']:.3f} s, "
            f"{row['speed']:.1f}x, value ratio {row['value_ratio']:.7f}"
        )
    report = {
        "what": "FL (pool), budget 30 %, dense n x n cosines; medians of interleaved runs",
        "command": " ".join(["python", *sys.argv]),
        "wanted": {"speed": WANTED_SPEED, "value_ratio": WANTED_RATIO},
        "first_call_seconds": compiling,
        "plain": plain,
        "sizes": rows,
        "relative": relative,
        "hardware": {
            "processor": processor(),
            "cores": os.cpu_count(),
            "load_average": os.getloadavg(),
        },
        "versions": versions() | {"submodlib-py": _version("submodlib-py")},
    }
    if not arguments.quick:
        RESULT.parent.mkdir(parents=True, exist_ok=True)
        RESULT.write_text(json.dumps(report, indent=2) + "\n", "utf-8")
        print(f"written to {RESULT}")
    met = plain["same_order"] and all(
        row["value_ratio"] >= WANTED_RATIO for row in [*rows, *relative]
    )
    met &= all(row["speed"] >= WANTED_SPEED.get(row["n"], 0.0) for row in rows)
    print("met" if met else "NOT met", f"(speed {WANTED_SPEED}, ratio {WANTED_RATIO})")
    return 0 if met else 1


def _version(package: str) -> str:
    import importlib.metadata

    return importlib.metadata.version(package)


def _find_apricot() -> Callable[[NDArray[np.float32], int], list[int]] | None:
    try:
        from apricot import FacilityLocationSelection
    except ImportError:
        return None

    def order(matrix: NDArray[np.float32], budget: int) -> list[int]:
        selector = FacilityLocationSelection(budget, metric="precomputed", optimizer="lazy")
        return [int(row) for row in selector.fit(matrix.astype(np.float64)).ranking]

    return order


apricot_order = _find_apricot()


if __name__ == "__main__":
    raise SystemExit(main())
