"""What the demo language model learnt, on contexts and rows that it never saw.

    python benchmarks/demo_lm.py [--model DIR] [--targets 10]

Writes ``benchmarks/results/demo_lm.json``. The requirements beside the figures are those that the
model was made for; a figure that misses one is marked.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from data.demo_quality import Quality, measure
from nncift_core.config import LanguageModelConfig
from nncift_core.lm.loading import open_model
from nncift_core.lm.scoring import ScoringEngine
from nncift_core.runtime import versions

RESULTS = Path(__file__).parent / "results" / "demo_lm.json"


def requirements(quality: Quality) -> list[tuple[str, float, str, bool]]:
    """What is asked of the model: (name, figure, requirement, met)."""
    lowest = min(quality.auc_by_family.values())
    ratio = quality.loss_with / quality.loss_without
    return [
        ("same context over other family, AUC", quality.auc, ">= 0.95", quality.auc >= 0.95),
        ("the same, lowest family", lowest, ">= 0.85", lowest >= 0.85),
        (
            "right over wrong, hidden rules",
            quality.right_over_wrong_hidden,
            ">= 0.80",
            quality.right_over_wrong_hidden >= 0.80,
        ),
        ("right over wrong, the others", quality.right_over_wrong_rest, "reported", True),
        ("response loss with / without example", ratio, "<= 0.50", ratio <= 0.50),
        ("standard deviation of DELIFT", quality.spread, ">= 0.05", quality.spread >= 0.05),
    ]


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default="demo")
    parser.add_argument("--targets", type=int, default=10, help="target rows of each family")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    language_model = open_model(LanguageModelConfig(model=options.model))
    start = time.monotonic()
    quality = measure(
        ScoringEngine(language_model), language_model.prompter, targets=options.targets
    )
    seconds = time.monotonic() - start
    for name, figure, wanted, met in requirements(quality):
        print(f"{name:42} {figure:6.3f}  {wanted:9} {'' if met else 'MISSED'}")
    result = {
        "command": f"python benchmarks/demo_lm.py --targets {options.targets}",
        "model": language_model.description,
        "quality": asdict(quality),
        "seconds": round(seconds, 1),
        "versions": versions(),
    }
    options.output.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
