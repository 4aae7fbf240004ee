"""Write the demo data: `python data/make_demo.py [--seed 0] [--pool 2000] [--target 400]`.

The committed files are those of seed 0. It knows only arguments and files; the rows come from the
generator in `data/demo`.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

# Run as a script, only this folder is on the path; the packages stand in its parent.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from data.demo import DEMO_SEED, Demo, generate


def write(demo: Demo, folder: Path) -> list[Path]:
    """Write the files of a demo, each complete or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, text in demo.files().items():
        path = folder / name
        partial = path.with_name(f"{name}.partial")
        partial.write_bytes(text.encode("utf-8"))
        partial.replace(path)
        paths.append(path)
    return paths


def main(arguments: list[str] | None = None) -> None:
    """Parse the arguments, write the files, report what is planted."""
    parser = argparse.ArgumentParser(description="Write the demo pool, target and planted truth.")
    parser.add_argument("--seed", type=int, default=DEMO_SEED)
    parser.add_argument("--pool", type=int, default=2000, help="rows of the pool")
    parser.add_argument("--target", type=int, default=400, help="rows of the target")
    parser.add_argument("--output", type=Path, default=Path(__file__).resolve().parent)
    options = parser.parse_args(arguments)
    if options.pool < 20 or options.target < 1:
        parser.error("--pool must be at least 20 and --target at least 1")
    demo = generate(options.seed, options.pool, options.target)
    for path in write(demo, options.output):
        print(path)
    planted = [truth for truth in demo.truth if truth.split == "pool"]
    for fault, count in sorted(Counter(str(truth.fault) for truth in planted).items()):
        print(f"  fault {fault}: {count}")
    print(f"  near duplicates: {sum(t.near_duplicate_of is not None for t in planted)}")
    print(f"  in a family absent from the target: {sum(not t.in_target_family for t in planted)}")
    print(f"  in a context of the target: {sum(t.in_target_context for t in planted)}")


if __name__ == "__main__":
    main()
