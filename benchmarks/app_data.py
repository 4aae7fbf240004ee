"""A workspace for measuring the app: pools of 15,000, 50,000 and 250,000 rows with finished runs.

The texts are drawn word by word (a Zipf vocabulary of 6,000 made-up words, seeded): an instruction
of a question and some context, and an answer, together about 400 characters, as the median of
public instruction collections. Every row belongs to one of 400 topics and names some of its words,
to one of 12 subtasks, and is unlike every other. One row in 50 is a near duplicate of the row
before it, one in 200 is ten times as long, and a few hold markup, emoji and right-to-left text.

Embedding 320,000 rows takes an hour on two cores, and no page sees the encoder. So the cache of the
encoder is filled with unit vectors: a centre for the row's topic, and noise around it. Everything
after that is the product's own pipeline: DELIFT (SE), one percent of each side labelled, ridge
regression, and the optimizer that the product picks for the size.

Nothing here opens a browser; ``app.py`` measures.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from nncift_core import pipeline
from nncift_core.config import RunConfig
from nncift_core.embeddings import open_encoder
from nncift_core.embeddings.cache import EmbeddingCache, text_key
from nncift_core.files import write_json
from nncift_core.pipeline.maps import create_map
from nncift_core.store import Workspace
from nncift_core.types import FloatArray, Row

WIDTH, TOPICS, WORDS = 384, 400, 6_000
SUBTASKS = (
    "summarise", "rewrite", "classify", "extract", "translate", "arithmetic",
    "code", "explain", "plan", "compare", "list", "roleplay",
)  # fmt: skip
ODD_TEXTS = (
    "<b>bold</b> <script>document.title = 'hit'</script> ",
    "![pixel](http://127.0.0.1:9/pixel.png) ",
    "$\\frac{a}{b}$ :red[not red] ",
    "שלום עולם مرحبا بالعالم 🦜 ",
    "=SUM(A1:A9) ",
)
SHARD = 10_000


@dataclass(frozen=True)
class Size:
    """One project to be measured."""

    name: str
    pool: int
    target: int
    network: str
    label_fraction: float


SIZES = (
    Size("15,000 x 5,000", 15_000, 5_000, "ridge", 0.02),
    Size("50,000 x 1,000", 50_000, 1_000, "ridge", 0.02),
    Size("250,000 x 1,000", 250_000, 1_000, "ridge", 0.01),
)


@dataclass(frozen=True)
class Place:
    """A project with a finished run: what a link to it needs."""

    name: str
    project: str
    run: str
    pool: int
    target: int
    seconds: dict[str, float]


def vocabulary(draw: np.random.Generator) -> list[str]:
    """Made-up words of two to four syllables."""
    sounds = [first + vowel for first in "bdfghklmnprstvz" for vowel in "aeiou"]
    found: dict[str, None] = {}
    while len(found) < WORDS:
        found["".join(draw.choice(sounds, size=int(draw.integers(2, 5))))] = None
    return list(found)


def write_rows(path: Path, count: int, seed: int) -> None:
    """Write ``count`` rows as JSON lines with instruction, input, output and subtask."""
    draw = np.random.default_rng(seed)
    words = vocabulary(np.random.default_rng(0))
    share = 1.0 / np.arange(10, WORDS + 10)
    share /= share.sum()
    topic_words = np.random.default_rng(1).integers(0, WORDS, (TOPICS, 12))
    lengths = np.clip(draw.lognormal(3.9, 0.35, count), 12, 160).astype(np.int64)
    lengths[draw.random(count) < 1 / 200] *= 10
    topics = draw.integers(0, TOPICS, count)
    with path.open("w", encoding="utf-8") as out:
        previous = ""
        for row in range(count):
            length, topic = int(lengths[row]), int(topics[row])
            if previous and draw.random() < 1 / 50:
                record = json.loads(previous)
                record["output"] += f" Again {row}."
            else:
                drawn = draw.choice(WORDS, size=length, p=share)
                drawn[::4] = topic_words[topic, draw.integers(0, 12, len(drawn[::4]))]
                said = [words[word] for word in drawn]
                third = length // 3
                odd = ODD_TEXTS[row % len(ODD_TEXTS)] if row % 997 == 3 else ""
                record = {
                    "instruction": f"{odd}How would you {' '.join(said[: third // 2])}?",
                    "input": f"Case {seed}-{row}: {' '.join(said[third // 2 : third])}.",
                    "output": f"{' '.join(said[third:])}.".capitalize(),
                    "subtask": SUBTASKS[topic % len(SUBTASKS)],
                    "topic": topic,
                }
            previous = json.dumps(record, ensure_ascii=False)
            out.write(previous + "\n")


def vectors(topics: np.ndarray, seed: int) -> FloatArray:
    """Unit vectors around the centres of the rows' topics."""
    draw = np.random.default_rng(seed)
    centres = np.random.default_rng(2).standard_normal((TOPICS, WIDTH), dtype=np.float32)
    # Topics of a subtask lie together, as a map of embeddings should show.
    subtasks = np.random.default_rng(3).standard_normal((len(SUBTASKS), WIDTH), dtype=np.float32)
    centres = 0.8 * centres + subtasks[np.arange(TOPICS) % len(SUBTASKS)]
    found = centres[topics] + 0.9 * draw.standard_normal((len(topics), WIDTH), dtype=np.float32)
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    return found


def fill_cache(workspace: Workspace, rows: Sequence[Row], path: Path) -> None:
    """Give every row that the encoder would see a vector, through the cache's own calls."""
    with path.open(encoding="utf-8") as lines:
        topics = np.array([int(json.loads(line)["topic"]) for line in lines])
    if len(topics) != len(rows):
        raise SystemExit(f"{path}: {len(topics):,} rows were written, {len(rows):,} accepted.")
    cache = EmbeddingCache(workspace.embeddings_dir / open_encoder(RunConfig().encoder).key)
    for start in range(0, len(rows), SHARD):
        part = {
            text_key(row.text): topic
            for row, topic in zip(rows[start : start + SHARD], topics[start:], strict=False)
        }
        if not all(key in cache for key in part):
            cache.add(list(part), vectors(np.array(list(part.values())), seed=start))


def ensure_place(workspace: Workspace, folder: Path, size: Size) -> Place:
    """The project of this size and its finished run, made once."""
    marker = folder / f"{size.pool}.json"
    if marker.is_file():
        return with_map(workspace, marker, Place(**json.loads(marker.read_text("utf-8"))))
    seconds: dict[str, float] = {}
    sources, paths = [], []
    for role, count in (("pool", size.pool), ("target", size.target)):
        path = folder / f"{role}_{size.pool}.jsonl"
        if not path.is_file():
            write_rows(path, count, seed=count + (role == "target"))
        start = time.perf_counter()
        sources.append(pipeline.import_files(workspace, [path]).source)
        paths.append(path)
        seconds[f"import {role}"] = time.perf_counter() - start
    project = pipeline.ensure_project(workspace, size.name, sources[0].id, sources[1].id, None)
    config = RunConfig(network=size.network, label_fraction=size.label_fraction, budget="0.1")
    spec = pipeline.RunSpec(config=config, train=sources[0], target=sources[1])
    roles = pipeline.read_roles(workspace, spec)
    fill_cache(workspace, roles.pool, paths[0])
    fill_cache(workspace, roles.target, paths[1])
    run_id = pipeline.create_run(workspace, project.id, spec)
    start = time.perf_counter()
    pipeline.work(workspace.run_dir(run_id))
    seconds["run"] = time.perf_counter() - start
    start = time.perf_counter()
    second = pipeline.create_selection(workspace, run_id, "topk", "0.1", "Best means, 10 %")
    pipeline.work(workspace.selection_dir(run_id, second))
    seconds["second selection"] = time.perf_counter() - start
    place = Place(size.name, project.id, run_id, size.pool, size.target, seconds)
    return with_map(workspace, marker, place)


def with_map(workspace: Workspace, marker: Path, place: Place) -> Place:
    """The place with the map of its rows, made if there is none, and remembered."""
    if "map" not in place.seconds:
        start = time.perf_counter()
        pipeline.work(create_map(workspace, place.run))
        place.seconds["map"] = time.perf_counter() - start
        print(f"{place.name}: {place.seconds}", file=sys.stderr, flush=True)
        write_json(marker, asdict(place))
    return place


def prepare(folder: Path, only: Sequence[int] | None = None) -> tuple[Path, list[Place]]:
    """The workspace with all projects, and where they are. Minutes the first time."""
    folder.mkdir(parents=True, exist_ok=True)
    root = folder / "workspace"
    workspace = Workspace.open(root)
    wanted = [size for size in SIZES if not only or size.pool in only]
    return root, [ensure_place(workspace, folder, size) for size in wanted]


if __name__ == "__main__":
    prepare(Path(sys.argv[1] if len(sys.argv) > 1 else Path(tempfile.gettempdir()) / "appbench"))
