"""Training of an InfluenceNetwork on labelled pairs.

The network learns on the min-max scale of its training labels; whatever leaves this module is
in the labels' own units or says that it is scaled. Knows nothing of how labels were made, of
quadrant tables or of storage. Settings: NN-CIFT, section 4 (Adam, 1e-4, batch 64, 20 epochs,
mean squared error, no early stopping).
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from nncift_core.errors import WorkspaceError
from nncift_core.files import replacing
from nncift_core.influence.label import together
from nncift_core.network import NETWORKS
from nncift_core.network.paper import PaperNetwork
from nncift_core.network.predict import Projected, project
from nncift_core.progress import Progress
from nncift_core.types import FloatArray, Pairs


@dataclass(frozen=True)
class TrainingSettings:
    """How the network is trained."""

    epochs: int = 20
    """Passes over the training pairs."""

    learning_rate: float = 1e-4
    """Step size of Adam."""

    batch_pairs: int = 64
    """Pairs of one step."""


@dataclass(frozen=True)
class LabelScale:
    """Min-max scale of the training labels: lo becomes 0, hi becomes 1, nothing is clipped."""

    lo: float
    hi: float

    @classmethod
    def of(cls, training: Pairs) -> LabelScale:
        """The scale that the training labels set."""
        return cls(float(training.value.min()), float(training.value.max()))

    @property
    def width(self) -> float:
        """Hi - lo, above 0."""
        return self.hi - self.lo


@dataclass(frozen=True)
class TrainedNetwork:
    """A trained network with the scale that its outputs are on.

    Attributes:
        name: Its name in the registry.
        network: The module, in evaluation mode.
        scale: Outputs are on this scale.
        history: One mapping an epoch, epoch 0 before training: ``epoch`` and, by role, the
            scaled mean squared error.
    """

    name: str
    network: PaperNetwork
    scale: LabelScale
    history: tuple[Mapping[str, float], ...]

    def project(self, helpers: FloatArray, helped: FloatArray) -> Projected:
        """Both sides through the first layer: what prediction of all pairs needs.

        Args:
            helpers: ``(n_train, d)`` embeddings.
            helped: ``(n_target, d)`` embeddings.
        """
        return project(self.network, helpers, helped, scale=self.scale.width, offset=self.scale.lo)

    def save(self, path: Path) -> None:
        """Write weights, name and scale as one safetensors file."""
        about = {
            "network": self.name,
            "dimension": self.network.dimension,
            "helped_dimension": self.network.helped_dimension,
            "hidden": self.network.hidden,
            "lo": self.scale.lo,
            "hi": self.scale.hi,
            "history": [dict(point) for point in self.history],
        }
        tensors = {name: value.contiguous() for name, value in self.network.state_dict().items()}
        with replacing(path) as file:
            file.write(save(tensors, metadata={"nncift": json.dumps(about)}))

    @classmethod
    def load(cls, path: Path) -> TrainedNetwork:
        """Read what ``save`` wrote. Raises: WorkspaceError."""
        try:
            data = path.read_bytes()
            header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
            about = json.loads(header["__metadata__"]["nncift"])
            network = NETWORKS[about["network"]].load()(
                about["dimension"],
                about["hidden"],
                about.get("helped_dimension", about["dimension"]),
            )
            network.load_state_dict(load(data))
        except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
            raise WorkspaceError(
                f"The network {path.name} cannot be read: {error}.", "Run it again."
            ) from error
        return cls(
            about["network"],
            network.eval(),
            LabelScale(about["lo"], about["hi"]),
            tuple(about["history"]),
        )


def train(
    name: str,
    helpers: FloatArray,
    helped: FloatArray,
    by_role: Mapping[str, Pairs],
    seed: int,
    progress: Progress,
    settings: TrainingSettings | None = None,
    *,
    more: Pairs | None = None,
) -> TrainedNetwork:
    """Train the network ``name`` on the pairs of role ``q1``; the others are only measured.

    Args:
        name: Its name in the registry of networks.
        helpers: ``(n_helpers, d)`` embeddings of the rows that help: the pool, and after it
            whatever ``more`` speaks of.
        helped: ``(n_helped, d)`` embeddings of the rows that are helped, likewise; ``(1, 0)``
            for a pointwise function.
        by_role: Labelled pairs. The scale is that of ``q1``.
        seed: Of the start weights and of the order of pairs.
        progress: Told of stage ``train`` in epochs, and of a point ``epoch`` after each one.
        settings: The paper's, unless given.
        more: Further pairs to train on, of other matrices.

    Raises:
        Cancelled: Between epochs.
    """
    settings = settings or TrainingSettings()
    scale = LabelScale.of(by_role["q1"])
    training = by_role["q1"] if more is None else together([by_role["q1"], more])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network: PaperNetwork = NETWORKS[name].load()(
            helpers.shape[1], helped_dimension=helped.shape[1]
        )
    order = torch.Generator().manual_seed(seed)
    # The fused step takes two thirds of the time of the default one on a CPU (10,000 pairs:
    # 3.9 s against 5.4 s).
    optimizer = torch.optim.Adam(network.parameters(), lr=settings.learning_rate, fused=True)
    helper_rows, helped_rows = torch.from_numpy(helpers), torch.from_numpy(helped)
    i, j = torch.from_numpy(training.helper), torch.from_numpy(training.helped)
    target = (torch.from_numpy(training.value) - scale.lo) / scale.width

    progress.stage("train", settings.epochs, "epochs")
    history: list[Mapping[str, float]] = []

    def measure(epoch: int) -> None:
        point = {"epoch": epoch} | {
            role: _scaled_error(network, helper_rows, helped_rows, pairs, scale)
            for role, pairs in by_role.items()
        }
        history.append(point)
        progress.point("epoch", point)

    with _one_thread():
        measure(0)
        for epoch in range(1, settings.epochs + 1):
            network.train()
            shuffled = torch.randperm(len(target), generator=order)
            for start in range(0, len(target), settings.batch_pairs):
                batch = shuffled[start : start + settings.batch_pairs]
                optimizer.zero_grad(set_to_none=True)
                predicted = network(helper_rows[i[batch]], helped_rows[j[batch]])
                loss = torch.nn.functional.mse_loss(predicted, target[batch])
                torch.autograd.backward(loss)
                optimizer.step()
            network.eval()
            measure(epoch)
            progress.advance()
    return TrainedNetwork(name, network.eval(), scale, tuple(history))


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Work on one core: a step of 64 pairs is too small to share.

    Two threads wait for each other longer than they work (on two cores busy with other programs
    640 steps took 114 s with two threads and 10 s with one), and the result would depend on
    their number.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@torch.inference_mode()
def predict_pairs(
    network: PaperNetwork,
    helper_rows: torch.Tensor,
    helped_rows: torch.Tensor,
    pairs: Pairs,
    chunk: int = 65_536,
) -> FloatArray:
    """Scaled predictions of some pairs, ``(len(pairs),)``; each row is projected once."""
    helpers, i = np.unique(pairs.helper, return_inverse=True)
    helped, j = np.unique(pairs.helped, return_inverse=True)
    left = network.project_helpers(helper_rows[torch.from_numpy(helpers)])
    right = network.project_helped(helped_rows[torch.from_numpy(helped)])
    result = np.empty(len(pairs), dtype=np.float32)
    for start in range(0, len(pairs), chunk):
        part = slice(start, start + chunk)
        result[part] = network.combine(
            left[torch.from_numpy(i[part])], right[torch.from_numpy(j[part])]
        ).numpy()
    return result


def _scaled_error(
    network: PaperNetwork,
    helper_rows: torch.Tensor,
    helped_rows: torch.Tensor,
    pairs: Pairs,
    scale: LabelScale,
) -> float:
    predicted = predict_pairs(network, helper_rows, helped_rows, pairs).astype(np.float64)
    truth = (pairs.value.astype(np.float64) - scale.lo) / scale.width
    return float(np.mean((predicted - truth) ** 2))
