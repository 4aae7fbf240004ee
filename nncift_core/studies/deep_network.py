"""Plain networks of several ReLU layers on two embeddings side by side, and their training.

They are what the network-size study compares: the published network with more, fewer, wider or
narrower layers. The first layer of a concatenation is a sum, ``W [x; y] = W_a x + W_b y``, so its
halves are kept apart and a row is projected once, however many pairs of a batch it is in. Deeper
layers work on pairs. Knows nothing of how labels were made. Paper: NN-CIFT, section 4, figure 4.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import numpy as np
import torch

from nncift_core.network.training import PAPER, TrainingSettings
from nncift_core.progress import Progress
from nncift_core.studies.shapes import Shape
from nncift_core.types import FloatArray, Pairs

ONE_THREAD_PARAMETERS = 500_000
"""Up to so many parameters a step of 64 pairs is too small to share between cores."""

PREDICTED_NUMBERS = 16_000_000
"""Hidden values in memory while predicting: 64 MB."""


class DeepNetwork(torch.nn.Module):
    """Concatenation, then for each width ``Linear`` and ReLU, then one output.

    Drawn from the same random numbers as those PyTorch layers would be, one after the other, so
    shape ``(100,)`` starts as the published network does.

    Args:
        shape: Widths of the hidden layers, at least one.
        dimension: Length of a helper's embedding.
        helped_dimension: Length of a helped row's; 0 for a pointwise function.
    """

    def __init__(self, shape: Shape, dimension: int, helped_dimension: int) -> None:
        super().__init__()
        self.shape = shape
        first = torch.nn.Linear(dimension + helped_dimension, shape[0])
        self.helper_weight = torch.nn.Parameter(first.weight.detach()[:, :dimension].clone())
        self.helped_weight = torch.nn.Parameter(first.weight.detach()[:, dimension:].clone())
        self.bias = torch.nn.Parameter(first.bias.detach().clone())
        widths = (*shape, 1)
        self.layers = torch.nn.ModuleList(
            torch.nn.Linear(widths[place], widths[place + 1]) for place in range(len(shape))
        )

    @property
    def parameter_count(self) -> int:
        """Weights and biases."""
        return sum(parameter.numel() for parameter in self.parameters())

    def project_helpers(self, embeddings: torch.Tensor) -> torch.Tensor:
        """The helper half of the first layer: ``(n, d)`` to ``(n, width)``, no bias."""
        return embeddings @ self.helper_weight.T

    def project_helped(self, embeddings: torch.Tensor) -> torch.Tensor:
        """The helped half: ``(n, d)`` to ``(n, width)``, the bias included."""
        return torch.addmm(self.bias, embeddings, self.helped_weight.T)

    def combine(self, helpers: torch.Tensor, helped: torch.Tensor) -> torch.Tensor:
        """Score pairs of projected rows: two ``(n, width)`` to ``(n,)``."""
        hidden = torch.relu(helpers + helped)
        for layer in self.layers[:-1]:
            hidden = torch.relu(layer(hidden))
        scores: torch.Tensor = self.layers[-1](hidden)
        return scores.squeeze(1)

    def forward(
        self,
        helper_rows: torch.Tensor,
        helped_rows: torch.Tensor,
        i: torch.Tensor,
        j: torch.Tensor,
    ) -> torch.Tensor:
        """Score the pairs ``(i, j)`` of rows of two ``(n, d)`` arrays: ``(len(i),)``."""
        helpers, to_helper = torch.unique(i, return_inverse=True)
        helped, to_helped = torch.unique(j, return_inverse=True)
        left = self.project_helpers(helper_rows[helpers])
        right = self.project_helped(helped_rows[helped])
        return self.combine(left[to_helper], right[to_helped])


def train_deep(
    shape: Shape,
    helpers: FloatArray,
    helped: FloatArray,
    training: Pairs,
    seed: int,
    progress: Progress,
    settings: TrainingSettings = PAPER,
) -> DeepNetwork:
    """Train a shape as the paper trains its network: Adam, batches, mean squared error.

    The same seed gives the same network on the same machine; with many parameters all cores
    share the work, and their number may change the last bits.

    Args:
        shape: Widths of the hidden layers.
        helpers: ``(n_train, d)`` embeddings.
        helped: ``(n_target, d)``; ``(1, 0)`` for a pointwise function.
        training: Labelled pairs, original units; learned on their min-max scale.
        seed: Of the start weights and of the order of pairs.
        progress: Advanced by one after each epoch, and asked in between whether to stop.
        settings: Epochs, step size and batch; Adam without weight decay.

    Raises:
        Cancelled: By ``progress``.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = DeepNetwork(shape, helpers.shape[1], helped.shape[1])
    order = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(network.parameters(), lr=settings.learning_rate, fused=True)
    helper_rows, helped_rows = torch.from_numpy(helpers), torch.from_numpy(helped)
    i, j = torch.from_numpy(training.helper), torch.from_numpy(training.helped)
    lo, hi = float(training.value.min()), float(training.value.max())
    target = (torch.from_numpy(training.value) - lo) / (hi - lo)
    with _threads_for(network.parameter_count):
        network.train()
        for _ in range(settings.epochs):
            shuffled = torch.randperm(len(target), generator=order)
            for start in range(0, len(target), settings.batch_pairs):
                batch = shuffled[start : start + settings.batch_pairs]
                optimizer.zero_grad(set_to_none=True)
                predicted = network(helper_rows, helped_rows, i[batch], j[batch])
                loss = torch.nn.functional.mse_loss(predicted, target[batch])
                torch.autograd.backward(loss)
                optimizer.step()
                progress.advance(0)
            progress.advance()
    return network.eval()


@torch.inference_mode()
def predict_deep(
    network: DeepNetwork, helpers: FloatArray, helped: FloatArray, pairs: Pairs
) -> FloatArray:
    """Predictions of some pairs on the scale of the training labels, ``(len(pairs),)``."""
    rows, i = np.unique(pairs.helper, return_inverse=True)
    columns, j = np.unique(pairs.helped, return_inverse=True)
    result = np.empty(len(pairs), dtype=np.float32)
    with _threads_for(network.parameter_count):
        left = network.project_helpers(torch.from_numpy(helpers[rows]))
        right = network.project_helped(torch.from_numpy(helped[columns]))
        step = max(1, PREDICTED_NUMBERS // (4 * max(network.shape)))
        for start in range(0, len(pairs), step):
            part = slice(start, start + step)
            scores = network.combine(
                left[torch.from_numpy(i[part])], right[torch.from_numpy(j[part])]
            )
            result[part] = scores.numpy()
    return result


@contextlib.contextmanager
def _threads_for(parameters: int) -> Iterator[None]:
    """One core for a small network, all for a large one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1 if parameters <= ONE_THREAD_PARAMETERS else _cores())
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _cores() -> int:
    """Cores that this process may use; what the user set for all programs comes first."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    if wanted.isdigit() and int(wanted):
        return int(wanted)
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
