"""Seconds of labelling with a language model: the scoring engine against the plain way.

    python benchmarks/labelling.py --rows FILE [FILE ...] [--repeat 3] [--cuda] [--quick]

DELIFT at two ratios of prefix to target (P/Q), SelectIT, logits, peak memory; LESS where its part
is there. ``--only`` keeps the other parts of an earlier call. Runs are interleaved and medians
compared. The plain way gets the batch size that suits
it best, on a quarter of the targets, and is given by pair. --cuda times a model of the shape of
Llama-3.1-8B on a CUDA device instead. Files may also be named in NNCIFT_REAL_ROWS, separated by
commas. Writes ``benchmarks/results/labelling.json`` (``labelling_cuda.json``).
"""

from __future__ import annotations

import argparse
import functools
import importlib.util
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from labelling_plain import plain_choices, plain_log_probs
from labelling_setup import (
    interleaved,
    largest_logits,
    peak_mb,
    random_model,
    read_rows,
    seconds,
)

from nncift_core.influence.selectit import rating_tokens
from nncift_core.lm.loading import LanguageModel
from nncift_core.lm.prompts import flatten
from nncift_core.lm.scoring import Group, ScoringEngine, Target
from nncift_core.runtime import versions
from nncift_core.types import Row

RESULTS = Path(__file__).parent / "results"
RATIOS = {"P/Q about 1.5": 1.5, "P/Q at least 6": 6.5}
BATCHES = (4, 8, 16)
PLAIN_SHARE = 4
"""The plain way does one of this many targets."""
ROWS_VARIABLE = "NNCIFT_REAL_ROWS"


def pairs_at(
    model: LanguageModel, rows: Sequence[Row], ratio: float, helpers: int, targets: int
) -> list[Group]:
    """Real pairs whose prefixes are ``ratio`` times as long as their targets, in the mean."""
    prompter = model.prompter
    rng = np.random.default_rng(0)
    some = [rows[place] for place in rng.permutation(len(rows))[:4000]]
    helped = [
        Target(tuple(flatten(prompter.query(row.prompt))), tuple(prompter.response(row.response)))
        for row in some
    ]
    # Long prefixes are rare in real rows, so a high ratio takes its targets from the short ones.
    helped.sort(key=lambda target: len(target.tokens))
    pool = helped[: len(helped) // (4 if ratio > 3 else 1)]
    chosen = [pool[place] for place in sorted(rng.choice(len(pool), targets, replace=False))]
    wanted = ratio * float(np.mean([len(target.tokens) for target in chosen]))
    prefixes = [
        flatten(prompter.example_prefix([(row.prompt, row.response)])) for row in some[:2000]
    ]
    prefixes.sort(key=lambda prefix: abs(len(prefix) - wanted))
    return [(prefix, chosen) for prefix in prefixes[:helpers]]


def delift(model: LanguageModel, groups: list[Group], repeat: int) -> dict[str, Any]:
    """Engine and plain way on the same prefixes; the plain way on every fourth target."""
    engine = ScoringEngine(model)
    fewer = [(prefix, targets[::PLAIN_SHARE]) for prefix, targets in groups]
    trial = [(prefix, targets[:: PLAIN_SHARE * 2]) for prefix, targets in groups[:1]]
    batch = best_batch(lambda size: plain_log_probs(model.model, trial, size))
    ours = np.concatenate(engine.log_probs_of_groups(fewer)[0])
    plain = torch.cat(plain_log_probs(model.model, fewer[:1], batch)).numpy()
    times = interleaved(
        {
            "engine": lambda: engine.log_probs_of_groups(groups),
            "plain": lambda: plain_log_probs(model.model, fewer, batch),
        },
        repeat,
    )
    count = len(groups[0][1])
    prefix = float(np.mean([len(tokens) for tokens, _ in groups]))
    target = float(np.mean([len(each.tokens) for each in groups[0][1]]))
    plain_target = float(np.mean([len(each.tokens) for each in fewer[0][1]]))
    pair = times["engine"] / (len(groups) * count)
    # By token, since the fourth of the targets is not exactly as long as all.
    plain_pair = times["plain"] / (len(groups) * len(fewer[0][1]))
    plain_pair *= (prefix + target) / (prefix + plain_target)
    ceiling = (prefix + target) / (prefix / count + target)
    return {
        "prefix_tokens": prefix,
        "target_tokens": target,
        "ratio": prefix / target,
        "targets_of_a_prefix": count,
        "plain_batch": batch,
        "engine_pairs_per_second": 1 / pair,
        "plain_pairs_per_second": 1 / plain_pair,
        "speedup": plain_pair / pair,
        "ceiling": ceiling,
        "share_of_ceiling": plain_pair / pair / ceiling,
        "largest_difference": float(np.abs(ours - plain).max()),
        "engine_logits_mb": largest_logits(
            model.model, lambda: engine.log_probs_of_groups(groups[:1])
        ),
        "plain_logits_mb": largest_logits(
            model.model, lambda: plain_log_probs(model.model, fewer[:1], batch)
        ),
    }


def selectit(model: LanguageModel, rows: Sequence[Row], count: int, repeat: int) -> dict[str, Any]:
    """Five rating prompts a row: packed behind their shared start, or padded with last logits."""
    engine = ScoringEngine(model)
    rng = np.random.default_rng(1)
    some = [rows[place] for place in rng.permutation(len(rows))[:count]]
    groups = [rating_tokens(model.prompter, row) for row in some]
    choices = [model.prompter.text_ids(str(score))[0] for score in range(1, 6)]
    whole = [[*prefix, *suffix] for prefix, suffixes in groups for suffix in suffixes]
    batch = best_batch(lambda size: plain_choices(model.model, whole[:20], choices, size))
    ours = np.concatenate(engine.choice_log_probs(groups[:2], choices))
    plain = plain_choices(model.model, whole[: len(ours)], choices, batch).numpy()
    times = interleaved(
        {
            "engine": lambda: engine.choice_log_probs(groups, choices),
            "plain": lambda: plain_choices(model.model, whole, choices, batch),
        },
        repeat,
    )
    return {
        "rows": len(some),
        "prefix_tokens": float(np.mean([len(prefix) for prefix, _ in groups])),
        "suffix_tokens": float(np.mean([len(s) for _, suffixes in groups for s in suffixes])),
        "plain_batch": batch,
        "engine_rows_per_second": len(some) / times["engine"],
        "plain_rows_per_second": len(some) / times["plain"],
        "speedup": times["plain"] / times["engine"],
        "largest_difference": float(np.abs(ours - plain).max()),
    }


def best_batch(work: Callable[[int], Any]) -> int:
    """The batch size that is fastest."""
    work(BATCHES[0])
    found = {size: seconds(functools.partial(work, size)) for size in BATCHES}
    return min(found, key=lambda size: found[size])


def peak_of(way: str, files: Sequence[str]) -> float:
    """MB that a way adds to the peak memory of a fresh process."""
    command = [sys.executable, __file__, "--peak-of", way, "--rows", *files]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout.split()[-1])


def print_peak(way: str, rows: Sequence[Row]) -> None:
    model = random_model()
    engine = ScoringEngine(model)
    groups = pairs_at(model, rows, 1.5, helpers=1, targets=32)
    before = peak_mb()
    if way == "engine":
        engine.log_probs_of_groups(groups)
    else:
        plain_log_probs(model.model, groups, 8)
    print(peak_mb() - before)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    named = [path for path in os.environ.get(ROWS_VARIABLE, "").split(",") if path]
    parser.add_argument("--rows", nargs="+", default=named)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--helpers", type=int, default=1)
    parser.add_argument("--targets", type=int, default=128)
    parser.add_argument("--rated", type=int, default=24, help="rows that SelectIT rates")
    parser.add_argument("--only", choices=("delift", "selectit", "less", "peak"), default=None)
    parser.add_argument("--cuda", action="store_true")
    parser.add_argument("--quick", action="store_true", help="a tiny model, to try the benchmark")
    parser.add_argument("--peak-of", choices=("engine", "plain"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.cuda:
        import labelling_cuda

        if not torch.cuda.is_available():
            sys.exit("There is no CUDA device here; the other figures need none.")
        write("labelling_cuda.json", labelling_cuda.measure(read_rows(options.rows), options))
        return
    rows = read_rows(options.rows)
    if options.peak_of:
        print_peak(options.peak_of, rows)
        return
    tiny = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
            "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 49_152}  # fmt: skip
    model = random_model(tiny if options.quick else None)
    result: dict[str, Any] = {}
    if options.only in (None, "delift"):
        for name, ratio in RATIOS.items():
            groups = pairs_at(model, rows, ratio, options.helpers, options.targets)
            result[name] = delift(model, groups, options.repeat)
            print(name, json.dumps(result[name], indent=2), flush=True)
    if options.only in (None, "selectit"):
        result["SelectIT"] = selectit(model, rows, options.rated, options.repeat)
        print("SelectIT", json.dumps(result["SelectIT"], indent=2), flush=True)
    if options.only in (None, "peak") and not options.quick:
        result["peak_mb"] = {way: peak_of(way, options.rows) for way in ("engine", "plain")}
    if options.only in (None, "less") and importlib.util.find_spec("less") is not None:
        result["LESS"] = importlib.import_module("less").measure(model, rows, options.repeat)
    if not options.quick:
        write("labelling.json", result, keep=options.only is not None)
    show(result)


def show(result: dict[str, Any]) -> None:
    """A line for each figure that is asked for."""
    lines: list[tuple[str, float, str, bool]] = []
    for name, least in zip(RATIOS, (2.5, 6.0), strict=True):
        if name in result:
            found = result[name]
            lines += [
                (f"DELIFT, {name}: times the plain way", found["speedup"], f">= {least}",
                 found["speedup"] >= least),
                ("  share of what reuse can give", found["share_of_ceiling"], ">= 0.90",
                 found["share_of_ceiling"] >= 0.9),
                ("  MB of logits", found["engine_logits_mb"], "< 128",
                 found["engine_logits_mb"] < 128),
                ("  MB of logits, plain way", found["plain_logits_mb"], "", True),
            ]  # fmt: skip
    if "SelectIT" in result:
        speedup = result["SelectIT"]["speedup"]
        lines.append(("SelectIT: times the plain way", speedup, ">= 1.4", speedup >= 1.4))
    for way, peak in result.get("peak_mb", {}).items():
        lines.append((f"MB of memory in use, {way}", peak, "", True))
    for name, figure, wanted, met in lines:
        print(f"{name:48} {figure:9.2f}  {wanted:8} {'' if met else 'MISSED'}")


def write(name: str, result: dict[str, Any], *, keep: bool = False) -> None:
    """Print and keep the figures with what they were measured on; each part has its command."""
    command = f"benchmarks/labelling.py {' '.join(Path(a).name for a in sys.argv[1:])}"
    earlier = {}
    if keep and (RESULTS / name).is_file():
        earlier = json.loads((RESULTS / name).read_text(encoding="utf-8"))
    commands = earlier.get("commands", {}) | dict.fromkeys(result, command)
    whole = earlier | {
        "commands": commands,
        "cpu": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "versions": versions(),
        **result,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / name).write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(whole, indent=2))


if __name__ == "__main__":
    main()
