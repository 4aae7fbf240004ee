"""Training of a pair network on labelled pairs by gradient descent.

Works on the scale of the labels it is given. Knows nothing of how labels were made or kept out,
of quadrant tables or of storage. The paper's settings (NN-CIFT, section 4) are Adam, 1e-4, batch
64, 20 epochs, mean squared error, no early stopping.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from nncift_core.network.pair_network import PairNetwork
from nncift_core.types import FloatArray, Pairs

MOST_STEPS = 24_000
"""Steps of one training at most; with many labels the batches grow before the epochs shrink."""


@dataclass(frozen=True)
class TrainingSettings:
    """How a network is trained."""

    epochs: int = 20
    """Passes over the training pairs."""

    learning_rate: float = 1e-4
    """Step size of Adam."""

    batch_pairs: int = 64
    """Pairs of one step."""

    weight_decay: float = 0.0
    """Decoupled from the gradient, as in AdamW."""

    anneal: bool = False
    """Whether the step size falls to 0 in a line."""


PAPER = TrainingSettings()
LONGER = TrainingSettings(epochs=60, learning_rate=1e-3, weight_decay=0.1, anneal=True)


def settings_for(settings: TrainingSettings, labels: int) -> TrainingSettings:
    """The same settings with at most ``MOST_STEPS`` steps on so many labels."""
    if settings == PAPER:
        return settings
    batch, epochs = settings.batch_pairs, settings.epochs
    while batch < 512 and epochs * labels / batch > MOST_STEPS:
        batch *= 2
    epochs = max(5, min(epochs, int(MOST_STEPS * batch / max(1, labels))))
    return TrainingSettings(
        epochs, settings.learning_rate, batch, settings.weight_decay, settings.anneal
    )


def train(
    network: PairNetwork,
    helpers: torch.Tensor,
    helped: torch.Tensor,
    pairs: Pairs,
    seed: int,
    settings: TrainingSettings,
    *,
    rounds: int | None = None,
    error: Callable[[], float] | None = None,
    tell: Callable[[int], None] = lambda epoch: None,
) -> int:
    """Train the network in place.

    Args:
        network: On the scale of ``pairs.value``.
        helpers: ``(n, d)`` inputs.
        helped: ``(m, d)`` inputs.
        pairs: What is learned from.
        seed: Of the order of pairs and of dropout.
        settings: Of the optimizer; ``epochs`` is also where an annealed step size reaches 0.
        rounds: Stop after so many epochs, or after all if there are fewer.
        error: Asked after each epoch; the weights of the lowest error are kept.
        tell: Told of each epoch, 0 before the first.

    Returns:
        The epoch whose weights the network has.
    """
    order = torch.Generator().manual_seed(seed)
    # The fused step takes two thirds of the time of the default one on a CPU (10,000 pairs:
    # 3.9 s against 5.4 s).
    if settings.weight_decay:
        optimizer: torch.optim.Optimizer = torch.optim.AdamW(
            network.parameters(),
            lr=settings.learning_rate,
            weight_decay=settings.weight_decay,
            fused=True,
        )
    else:
        optimizer = torch.optim.Adam(network.parameters(), lr=settings.learning_rate, fused=True)
    i, j = torch.from_numpy(pairs.helper), torch.from_numpy(pairs.helped)
    target = torch.from_numpy(pairs.value.astype(np.float32))
    per_epoch = -(-len(target) // settings.batch_pairs)
    steps, step = settings.epochs * per_epoch, 0
    # More labels may have fewer epochs than those by which the rounds were counted.
    rounds = min(rounds or settings.epochs, settings.epochs)
    best, best_epoch, best_weights = np.inf, rounds, None
    with one_thread(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network.eval()
        tell(0)
        for epoch in range(1, rounds + 1):
            network.train()
            shuffled = torch.randperm(len(target), generator=order)
            for start in range(0, len(target), settings.batch_pairs):
                if settings.anneal:
                    rate = settings.learning_rate * min(1.0, (step + 1) / 50) * (1 - step / steps)
                    for group in optimizer.param_groups:
                        group["lr"] = rate
                batch = shuffled[start : start + settings.batch_pairs]
                optimizer.zero_grad(set_to_none=True)
                predicted = network(helpers[i[batch]], helped[j[batch]])
                loss = torch.nn.functional.mse_loss(predicted, target[batch])
                torch.autograd.backward(loss)
                optimizer.step()
                step += 1
            network.eval()
            if error is not None and (found := error()) < best:
                best, best_epoch = found, epoch
                best_weights = copy.deepcopy(network.state_dict())
            tell(epoch)
    if best_weights is not None:
        network.load_state_dict(best_weights)
    return best_epoch


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
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
    network: PairNetwork,
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
