"""How often intervals of estimates hold, on matrices of which every value is known.

What a predictor missed is drawn: row effects, column effects, noise and a part of low rank, in
eight mixtures, 200 matrices each. Intervals are calibrated on half of the reserved rows and
columns, by the rank that the product chooses (each pair covered by the residuals that share neither
its row nor its column) and by the plain rank of independent residuals. Coverage is the share of all
pairs of other rows and columns that they hold. Row scores: 32 reserved rows with 16 seen and 16
unseen columns, and the means of all other rows.

    python benchmarks/interval_coverage.py [--seeds 200]
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

import numpy as np

from nncift_core.files import write_json
from nncift_core.network.conformal import calibrate, calibrate_run, halves, residuals
from nncift_core.runtime import versions
from nncift_core.types import Pairs

STRUCTURES = {
    "noise": (0.0, 0.0, 1.0, 0.0, False),
    "rows": (1.0, 0.0, 0.5, 0.0, False),
    "columns": (0.0, 1.0, 0.5, 0.0, False),
    "rows and columns": (1.0, 1.0, 1.0, 0.0, False),
    "low rank": (0.0, 0.0, 0.3, 1.0, False),
    "everything": (0.5, 0.5, 0.7, 0.7, False),
    "everything, heavy tails": (0.5, 0.5, 0.7, 0.7, True),
    "strong rows and columns": (1.0, 1.0, 0.2, 0.3, False),
}
"""Sizes of row effects, column effects, noise and low rank; whether noise has heavy tails."""

HALVES = ((16, 8), (8, 8), (6, 4))
LEVELS = (0.9, 0.8)
N_ROWS, N_COLUMNS = 300, 150


def missed(structure: str, seed: int) -> np.ndarray:
    """``(N_ROWS, N_COLUMNS)``: what a predictor missed."""
    row, column, noise, low_rank, heavy = STRUCTURES[structure]
    rng = np.random.default_rng(seed)
    shape = N_ROWS, N_COLUMNS
    drawn = rng.standard_t(4, shape) / math.sqrt(2) if heavy else rng.standard_normal(shape)
    return (
        row * rng.standard_normal((N_ROWS, 1))
        + column * rng.standard_normal((1, N_COLUMNS))
        + noise * drawn
        + low_rank * rng.standard_normal((N_ROWS, 2)) @ rng.standard_normal((2, N_COLUMNS)) / 2**0.5
    )


def plain_width(rows: Any, columns: Any, off: np.ndarray, seed: int, level: float) -> float | None:
    """Half width of the rank that independent residuals would ask for."""
    rng = np.random.default_rng(seed)
    here = np.sort(off[halves(rows, rng)[0] & halves(columns, rng)[0]])
    rank = math.ceil(round((len(here) + 1) * level, 9))
    return float(here[rank - 1]) if rank <= len(here) else None


def of_pairs(structure: str, half: tuple[int, int], level: float, seeds: int) -> dict[str, Any]:
    n_rows, n_columns = 2 * half[0], 2 * half[1]
    rows, columns = (grid.ravel() for grid in np.indices((n_rows, n_columns)))
    held: dict[str, list[float]] = {"product": [], "plain": [], "checked": []}
    for seed in range(seeds):
        truth = missed(structure, seed)
        args = rows, columns, truth[rows, columns], np.zeros(len(rows)), seed, level
        rest = np.abs(truth[n_rows:, n_columns:])
        found = calibrate(*args)
        if found.half_width is not None and found.coverage is not None:
            held["product"].append(float(np.mean(rest <= found.half_width)))
            held["checked"].append(found.coverage)
        width = plain_width(rows, columns, residuals(*args[2:4]), seed, level)
        if width is not None:
            held["plain"].append(float(np.mean(rest <= width)))
    means = {name: float(np.mean(values)) if values else None for name, values in held.items()}
    spread = float(np.std(held["product"])) if held["product"] else None
    return {"structure": structure, "half": half, "level": level, **means, "spread": spread}


def block(rows: range, columns: range, truth: np.ndarray) -> Pairs:
    i, j = (part.ravel() for part in np.meshgrid(rows, columns, indexing="ij"))
    return Pairs(i.astype(np.int64), j.astype(np.int64), truth[i, j].astype(np.float32))


def of_rows(structure: str, level: float, seeds: int) -> dict[str, Any]:
    held, checked = [], []
    for seed in range(seeds):
        truth = missed(structure, seed)
        by_role = {
            "q2": block(range(32), range(16), truth),
            "q4": block(range(32), range(16, 32), truth),
        }
        none = {role: np.zeros(len(pairs), np.float32) for role, pairs in by_role.items()}
        found = calibrate_run(by_role, none, seed, pointwise=False, level=level)["rows"]["unseen"]
        held.append(float(np.mean(np.abs(truth[32:].mean(axis=1)) <= found["half_width"])))
        checked.append(found["coverage"])
    return {
        "structure": structure,
        "level": level,
        "all_columns": float(np.mean(held)),
        "labelled_columns": float(np.mean(checked)),
    }


def _share(value: float | None) -> str:
    return "    -" if value is None else f"{value:5.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args()
    seeds, output = options.seeds, options.output
    pairs = []
    print(f"pairs, {seeds} matrices: product | plain rank | product, as checked")
    for half in HALVES:
        for level in LEVELS:
            for structure in STRUCTURES:
                found = of_pairs(structure, half, level, seeds)
                pairs.append(found)
                print(
                    f"{half[0]:3} x {half[1]}  {level}  {structure:24} "
                    f"{_share(found['product'])} | {_share(found['plain'])} | "
                    f"{_share(found['checked'])}",
                    flush=True,
                )
    rows = []
    print("row scores, 16 rows: the mean over all columns | over the labelled ones")
    for level in LEVELS:
        for structure in STRUCTURES:
            of = of_rows(structure, level, seeds)
            rows.append(of)
            print(
                f"{level}  {structure:24} {_share(of['all_columns'])} | "
                f"{_share(of['labelled_columns'])}",
                flush=True,
            )
    command = f"python benchmarks/interval_coverage.py --seeds {seeds}"
    found = {"command": command, "versions": versions()}
    write_json(output / "interval_coverage.json", {**found, "pairs": pairs, "rows": rows})


if __name__ == "__main__":
    main()
