"""A small workspace with a finished run, made once and copied: rows, vectors and what lies in it.

The rows are the first of the demo with some hostile ones among them. Their vectors are written to
the encoder's cache, so that neither the tests nor a server loads a model. Everything else is what
the product itself makes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import numpy as np

from nncift_core import pipeline
from nncift_core.config import RunConfig
from nncift_core.embeddings import open_encoder
from nncift_core.embeddings.cache import EmbeddingCache, text_key
from nncift_core.embeddings.projection import Projection
from nncift_core.pipeline.maps import create_map
from nncift_core.progress import Progress
from nncift_core.store import Workspace
from nncift_core.types import Row

ROOT = Path(__file__).resolve().parents[2]
POOL_ROWS, TARGET_ROWS = 150, 60
WIDTH = 384

SCRIPT = "<script>document.title='hit'</script><img src=x onerror=\"document.title='hit'\">"
PICTURE = "![pixel](http://pixel.invalid/pixel.png)"
HOSTILE: tuple[tuple[str, str], ...] = (
    (f"Hostile {SCRIPT}", f"{PICTURE} <iframe src='http://pixel.invalid/'></iframe>"),
    (f"Hostile {PICTURE}", "[link](javascript:alert(1)) :red[red] $x^2$ \x1b[31mansi\x1b[0m"),
    ("=HYPERLINK('http://pixel.invalid/') hostile", "@SUM(A1) +1 -1 \u202eabc\u202c שלום 🦜"),
)
"""Prompt and response of rows that want to be more than text; the first stand at the top."""


@dataclass(frozen=True)
class Prepared:
    """A workspace and what is in it.

    Attributes:
        root: Its folder.
        demo: Folder of the rows it was made of.
        project: Its one project.
        run: The newest finished run.
    """

    root: Path
    demo: Path
    project: str
    run: str

    @property
    def workspace(self) -> Workspace:
        """It, opened."""
        return Workspace.open(self.root)

    def query(self, **more: object) -> str:
        """The query of a link to its run."""
        parts = {"project": self.project, "run": self.run, **more}
        return "&".join(f"{name}={value}" for name, value in parts.items())


def write_demo(folder: Path, pool: int = POOL_ROWS, target: int = TARGET_ROWS) -> Path:
    """The first rows of the demo, as the demo's folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, count in (("demo_pool.jsonl", pool), ("demo_target.jsonl", target)):
        lines = (ROOT / "data" / name).read_text("utf-8").splitlines()[:count]
        if name == "demo_pool.jsonl":
            kinds = {"subtask": json.loads(lines[0])["subtask"]}
            texts = [{"prompt": prompt, "response": response} for prompt, response in HOSTILE]
            lines = [json.dumps(text | kinds, ensure_ascii=False) for text in texts] + lines
        (folder / name).write_text("\n".join(lines) + "\n", "utf-8")
    return folder


def fill_cache(workspace: Workspace, rows: Sequence[Row]) -> None:
    """Vectors that depend on the subtask and the text, through the cache's own calls."""
    cache = EmbeddingCache(workspace.embeddings_dir / open_encoder(RunConfig().encoder).key)
    texts = {text_key(row.text): (row.subtask or "", row.text) for row in rows}
    vectors = np.stack(
        [_direction(subtask) + 0.7 * _direction(text) for subtask, text in texts.values()]
    )
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    cache.add(list(texts), vectors.astype(np.float32))


def _direction(text: str) -> np.ndarray:
    seed = int.from_bytes(text_key(text)[:8], "little")
    return np.random.default_rng(seed).standard_normal(WIDTH)


def flat_map(pool: np.ndarray, target: np.ndarray, progress: Progress) -> Projection:
    """Rows on the two main axes of the pool: the product's layout compiles for ten seconds."""
    del progress
    axes = np.linalg.svd(pool - pool.mean(axis=0), full_matrices=False)[2][:2].T
    every = np.concatenate([pool, target]) @ axes
    # Ranks spread the rows over the whole map.
    places = (every.argsort(axis=0).argsort(axis=0) / len(every)).astype(np.float32)
    n_pool = len(pool)
    return Projection(places[:n_pool], places[n_pool:], len(every), 0, 0.5, 0.1, n_pool)


def prepare(folder: Path, demo: Path) -> Prepared:
    """Make the workspace: the demo project, a run with a network, a second selection and a map.

    The environment must name ``demo`` as the folder of the demo.
    """
    root = folder / "workspace"
    workspace = Workspace.open(root)
    project = pipeline.ensure_demo(workspace)
    assert project.target_id is not None
    spec = pipeline.RunSpec(
        config=RunConfig(label_fraction=0.3, network="ridge"),
        train=pipeline.DataSource(project.pool_id, "demo_pool.jsonl"),
        target=pipeline.DataSource(project.target_id, "demo_target.jsonl"),
    )
    roles = pipeline.read_roles(workspace, spec)
    fill_cache(workspace, [*roles.pool, *roles.target])
    run = pipeline.create_run(workspace, project.id, spec)
    pipeline.work(workspace.run_dir(run))
    second = pipeline.create_selection(workspace, run, "topk", "0.1", "Best means")
    pipeline.work(workspace.selection_dir(run, second))
    with mock.patch("nncift_core.embeddings.projection.project", flat_map):
        pipeline.work(create_map(workspace, run))
    return Prepared(root, demo, project.id, run)
