"""True influence of fixed samples of rows: what ``fidelity.py`` measures estimates against.

    python benchmarks/fidelity_truth.py [--real POOL ... TARGET] [--cache DIR] [--write DIR]

Language-model methods use the demo model on demo rows. Everything is kept in the cache folder and
computed once: DELIFT's 600 x 200 pairs take about ten minutes on two cores. Beside each matrix
stands a second, independent labelling of a part of it (other words of the prompt, or another
seed): how far the two agree is how reliable a label is at all.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from unittest import mock

import numpy as np

from nncift_core.config import LanguageModelConfig
from nncift_core.datasets import demo_paths, load_files
from nncift_core.embeddings import embed_groups, open_encoder
from nncift_core.influence import create, rating_prompts
from nncift_core.influence.base import Rows
from nncift_core.influence.row_states import RowStates
from nncift_core.influence.shards import FolderShards
from nncift_core.lm import prompts
from nncift_core.lm.loading import open_model
from nncift_core.progress import SilentProgress
from nncift_core.types import FloatArray, Row

DEMO_ROWS = (600, 200)
REAL_ROWS = (3000, 1000)
RATED_ROWS = 1500
SECOND_ROWS = (150, 100)
"""Rows of the second labelling of a matrix."""

CACHE = Path(tempfile.gettempdir()) / "nncift-fidelity"


@dataclass(frozen=True, eq=False)
class Truth:
    """A fully known influence with the inputs that networks see.

    Attributes:
        name: Of the influence function and the data.
        values: ``(n_train, n_target)`` true influence, ``(n_train, 1)`` of a pointwise function.
        helpers: ``(n_train, d)`` embeddings.
        helped: ``(n_target, d)`` embeddings, ``(1, 0)`` of a pointwise function.
        second: A second labelling of the first rows and columns.
        rows: Pool and target rows.
        states: ``(n, d + states)`` and ``(m, d + states)`` inputs with the language model's states
            of each row, None where no language model labels.
        tokens: Tokens that the language model reads of each row: a pool row as a prefix, a target
            row as query and response. None where none does.
    """

    name: str
    values: FloatArray
    helpers: FloatArray
    helped: FloatArray
    second: FloatArray | None
    rows: tuple[Rows, Rows]
    states: tuple[FloatArray, FloatArray] | None = None
    tokens: tuple[FloatArray, FloatArray] | None = None

    @property
    def pointwise(self) -> bool:
        """Whether rows are scored alone."""
        return self.helped.shape[1] == 0


def sample(rows: Sequence[Row], count: int) -> list[Row]:
    """A seeded sample, in input order."""
    chosen = sorted(Random(0).sample(range(len(rows)), min(count, len(rows))))
    return [rows[i] for i in chosen]


def demo_rows(pool: int, target: int) -> tuple[list[Row], list[Row]]:
    """Rows of the demo data."""
    paths = demo_paths()
    return (
        sample(load_files([str(paths.pool)]).rows, pool),
        sample(load_files([str(paths.target)]).rows, target),
    )


def kept(cache: Path, name: str, compute: Callable[[], FloatArray]) -> FloatArray:
    """The stored array, or what ``compute`` gives, stored."""
    path = cache / f"{name}.npy"
    if not path.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        start = time.perf_counter()
        array = compute()
        print(f"{name}: {array.shape} in {time.perf_counter() - start:.0f} s", file=sys.stderr)
        np.save(path, array)
    found: FloatArray = np.load(path)
    return found


def embedded(texts: Sequence[str], cache: Path) -> FloatArray:
    """Embeddings by the default encoder."""
    return embed_groups(
        open_encoder("all-MiniLM-L6-v2"), [list(texts)], cache / "embeddings", SilentProgress()
    )[0]


def inputs(rows: tuple[Rows, Rows], cache: Path) -> tuple[FloatArray, FloatArray]:
    """Embeddings of prompt and response of both sides."""
    pool, target = (embedded([row.text for row in side], cache) for side in rows)
    return pool, target


def states(
    rows: tuple[Rows, Rows], text: tuple[FloatArray, FloatArray], cache: Path
) -> tuple[FloatArray, FloatArray]:
    """Embeddings with the demo model's states of each row behind them."""
    reader = RowStates("demo")
    shards = FolderShards(cache / "states", SilentProgress())
    found = [
        np.concatenate([some, reader.states(side, shards)], axis=1) if some.shape[1] else some
        for side, some in zip(rows, text, strict=True)
    ]
    return found[0], found[1]


def tokens(rows: tuple[Rows, Rows]) -> tuple[FloatArray, FloatArray]:
    """What the demo model reads of each row."""
    prompter = open_model(LanguageModelConfig()).prompter
    as_prefix = [
        len(prompts.flatten(prompter.example_prefix([(row.prompt, row.response)])))
        for row in rows[0]
    ]
    as_target = [
        len(prompts.flatten(prompter.query(row.prompt))) + len(prompter.response(row.response))
        for row in rows[1]
    ]
    return np.array(as_prefix, np.float32), np.array(as_target, np.float32)


def delift_se_demo(cache: Path) -> Truth:
    """Cosines of prompt and response; the network sees the same: an identity."""
    rows = demo_rows(*DEMO_ROWS)
    helpers, helped = inputs(rows, cache)
    return Truth("delift-se, demo, same input", helpers @ helped.T, helpers, helped, None, rows)


def delift_se_prompts(cache: Path, rows: tuple[Rows, Rows], name: str) -> Truth:
    """Cosines of prompt and response; the network sees the prompts only."""
    helpers, helped = inputs(rows, cache)
    seen = [embedded([row.prompt for row in side], cache) for side in rows]
    return Truth(name, helpers @ helped.T, seen[0], seen[1], None, rows)


def delift(cache: Path) -> Truth:
    """DELIFT of the demo model; the second labelling words its instructions otherwise."""
    rows = demo_rows(*DEMO_ROWS)

    def truth(part: tuple[Rows, Rows]) -> FloatArray:
        values: FloatArray = create("delift").matrix(*part)
        return values

    values = kept(cache, "delift", lambda: truth(rows))
    some = rows[0][: SECOND_ROWS[0]], rows[1][: SECOND_ROWS[1]]

    def otherwise() -> FloatArray:
        with (
            mock.patch.object(prompts, "ANSWER", "Reply to the prompt."),
            mock.patch.object(prompts, "FOLLOW", "Reply to the last prompt like the example."),
        ):
            return truth(some)

    second = kept(cache, "delift-second", otherwise)
    text = inputs(rows, cache)
    return Truth(
        "delift, demo", values, *text, second, rows, states(rows, text, cache), tokens(rows)
    )


def less(cache: Path) -> Truth:
    """LESS of the demo model; the second labelling has another seed throughout."""
    rows = demo_rows(*DEMO_ROWS)
    pool = load_files([str(demo_paths().pool)]).rows

    def truth(part: tuple[Rows, Rows], seed: int) -> FloatArray:
        method = create("less", pool=pool, seed=seed)
        shards = FolderShards(cache / f"less-{seed}", SilentProgress())
        method.prepare([part], shards)
        values: FloatArray = method.matrix(*part)
        return values

    values = kept(cache, "less", lambda: truth(rows, 0))
    some = rows[0][: SECOND_ROWS[0]], rows[1][: SECOND_ROWS[1]]
    second = kept(cache, "less-second", lambda: truth(some, 1))
    text = inputs(rows, cache)
    return Truth("less, demo", values, *text, second, rows, states(rows, text, cache), tokens(rows))


def selectit(cache: Path) -> Truth:
    """SelectIT of the demo model; the second labelling asks in other words."""
    rows = demo_rows(RATED_ROWS, 1)

    def truth(part: Rows) -> FloatArray:
        values: FloatArray = create("selectit").scores(part)[:, None]
        return values

    values = kept(cache, "selectit", lambda: truth(rows[0]))

    def otherwise() -> FloatArray:
        asked = tuple(
            f"{words} Answer with a number from 1 to 5."
            for words in (
                "What grade does this response earn?",
                "How helpful is the response to whoever asked?",
                "Score the accuracy of the response.",
                "How well written and complete is the response?",
                "Would you keep this pair for training? 5 means by all means.",
            )
        )
        with mock.patch.object(rating_prompts, "RATING_PROMPTS", asked):
            return truth(rows[0][:500])

    second = kept(cache, "selectit-second", otherwise)
    helpers = embedded([row.text for row in rows[0]], cache)
    none: FloatArray = np.empty((1, 0), dtype=np.float32)
    return Truth(
        "selectit, demo",
        values,
        helpers,
        none,
        second,
        rows,
        states(rows, (helpers, none), cache),
        tokens(rows),
    )


def real_rows(files: Sequence[str]) -> tuple[Rows, Rows]:
    """A seeded sample of the accepted rows of some files; the last one is the target."""
    return (
        sample(load_files(list(files[:-1])).rows, REAL_ROWS[0]),
        sample(load_files([files[-1]]).rows, REAL_ROWS[1]),
    )


def write(rows: Rows, path: Path) -> None:
    """Rows as a file that the command line reads."""
    lines = [
        json.dumps({"prompt": row.prompt, "response": row.response, "subtask": row.subtask})
        for row in rows
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_samples(folder: Path, files: Sequence[str]) -> None:
    """The rows that the studies of docs/results.md were made with."""
    pool, target = demo_rows(*DEMO_ROWS)
    write(pool, folder / "demo_pool.jsonl")
    write(target, folder / "demo_target.jsonl")
    if files:
        write(sample(load_files(list(files[:-1])).rows, 1000), folder / "real_pool.jsonl")
        write(sample(load_files([files[-1]]).rows, 300), folder / "real_target.jsonl")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--real", nargs="+", metavar="FILE", help="pools, and last the target")
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--write", type=Path, metavar="DIR", help="only write the sampled rows")
    options = parser.parse_args()
    if options.write:
        write_samples(options.write, options.real or [])
        return
    for truth in (selectit, less, delift, delift_se_demo):
        found = truth(options.cache)
        print(found.name, found.values.shape, f"sd {np.nanstd(found.values):.4g}")
    if options.real:
        found = delift_se_prompts(options.cache, real_rows(options.real), "delift-se, real")
        print(found.name, found.values.shape)


if __name__ == "__main__":
    main()
