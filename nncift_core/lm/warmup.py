"""The warm-up of LESS: a short LoRA training whose epochs each leave a checkpoint.

A step takes `batch_rows` rows; its loss is the mean over the rows of their mean losses. AdamW
without weight decay, so Adam, with a learning rate that falls in a line from its highest value at
the first step to 0 after the last. Only the adapter has dropout, and only here. Order and dropout
depend on seed, epoch and step, and a checkpoint holds the optimizer's state: training that was
stopped goes on exactly, from the last epoch.

Xia et al., "LESS", ICML 2024, sections 3 and 4.1. Knows nothing of influence and of shards.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from nncift_core.config import LessConfig
from nncift_core.errors import WorkspaceError
from nncift_core.files import write_bytes
from nncift_core.lm.gradients import BETA_FIRST, BETA_SECOND, EPSILON, RowGradients, RowTokens
from nncift_core.lm.lora import Adapter
from nncift_core.lm.seeds import generator
from nncift_core.types import FloatArray, Row

LEAST_ROWS = 64
"""Fewest rows of a warm-up, where the pool has that many."""


@dataclass(frozen=True)
class Checkpoint:
    """What an epoch of the warm-up leaves, everything by the weights' names, on the CPU.

    Attributes:
        weights: LoRA weights.
        exp_avg: Adam's mean of gradients.
        exp_avg_sq: Adam's mean of squared gradients.
        steps: Optimizer steps so far.
    """

    weights: Mapping[str, Tensor]
    exp_avg: Mapping[str, Tensor]
    exp_avg_sq: Mapping[str, Tensor]
    steps: int

    def save(self, path: Path) -> None:
        """Write a safetensors file, whole or not at all. Raises: WorkspaceError."""
        tensors = {
            f"{part}:{name}": tensor.contiguous()
            for part in ("weights", "exp_avg", "exp_avg_sq")
            for name, tensor in getattr(self, part).items()
        }
        write_bytes(path, save(tensors, metadata={"nncift": json.dumps({"steps": self.steps})}))

    @classmethod
    def load(cls, path: Path) -> Checkpoint:
        """What ``save`` wrote. Raises: WorkspaceError."""
        parts: dict[str, dict[str, Tensor]] = {"weights": {}, "exp_avg": {}, "exp_avg_sq": {}}
        try:
            with safe_open(path, framework="pt") as file:
                about = json.loads(file.metadata()["nncift"])
                for key in file.keys():
                    part, _, name = key.partition(":")
                    parts[part][name] = file.get_tensor(key)
            return cls(**parts, steps=int(about["steps"]))
        except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
            raise WorkspaceError(f"{path} is not a complete checkpoint.") from error

    @staticmethod
    def is_stored(path: Path) -> bool:
        """Whether a whole file is there; its values are not read."""
        try:
            with safe_open(path, framework="pt") as file:
                return bool(file.keys())
        except (OSError, SafetensorError):
            return False


def draw_warmup_rows(pool: Sequence[Row], share: float, seed: int) -> list[Row]:
    """A seeded random share of the pool, at least ``LEAST_ROWS`` rows or all, in pool order."""
    count = min(len(pool), max(LEAST_ROWS, round(share * len(pool))))
    order = torch.randperm(len(pool), generator=generator(seed, "warm-up rows"))
    return [pool[number] for number in sorted(order[:count].tolist())]


def learning_rate(highest: float, step: int, steps: int) -> float:
    """The rate of a step, counted from 0, when there will be ``steps``."""
    return highest * (steps - step) / steps


def train_epoch(
    gradients: RowGradients,
    adapter: Adapter,
    rows: Sequence[RowTokens],
    epoch: int,
    before: Checkpoint | None,
    settings: LessConfig,
    seed: int,
    look: Callable[[], None],
) -> tuple[Checkpoint, FloatArray]:
    """One epoch of the warm-up.

    Args:
        gradients: Of the adapter's weights.
        adapter: Is trained.
        rows: At least one.
        epoch: Counted from 0.
        before: The checkpoint of the epoch before; None before the first, which begins
            with fresh weights.
        settings: Epochs, learning rate, rows of a step.
        seed: Of order and dropout.
        look: Called after every row; may raise to stop the work.

    Returns:
        The checkpoint, and ``(steps, 3)``: learning rate, loss and rows of each step.

    Raises:
        ModelError: Memory ran out, or the loss is not a number.
    """
    weights = list(adapter.parameters.values())
    optimizer = torch.optim.AdamW(
        weights,
        lr=settings.learning_rate,
        betas=(BETA_FIRST, BETA_SECOND),
        eps=EPSILON,
        weight_decay=0.0,
    )
    done = 0
    if before is None:
        adapter.reset()
    else:
        done = before.steps
        adapter.load(before.weights)
        for name, weight in adapter.parameters.items():
            optimizer.state[weight] = {
                "step": torch.tensor(float(done)),
                "exp_avg": before.exp_avg[name].to(weight.device, copy=True),
                "exp_avg_sq": before.exp_avg_sq[name].to(weight.device, copy=True),
            }
    order = torch.randperm(len(rows), generator=generator(seed, "warm-up order", epoch)).tolist()
    batches = [
        order[start : start + settings.batch_rows]
        for start in range(0, len(order), settings.batch_rows)
    ]
    record: FloatArray = np.zeros((len(batches), 3), dtype=np.float32)
    for number, batch in enumerate(batches):
        rate = learning_rate(settings.learning_rate, done, settings.epochs * len(batches))
        record[number, 2] = len(batch)
        record[number, 0] = optimizer.param_groups[0]["lr"] = rate
        for weight in weights:
            weight.grad = torch.zeros_like(weight)
        for place, row in enumerate(batch):
            with adapter.dropping(seed, epoch, number, place):
                loss, gradient = gradients(rows[row])
            record[number, 1] += loss / len(batch)
            for name, weight in adapter.parameters.items():
                assert weight.grad is not None
                weight.grad.add_(gradient[name], alpha=1 / len(batch))
            look()
        optimizer.step()
        done += 1
    for weight in weights:
        weight.grad = None
    state = {name: optimizer.state[weight] for name, weight in adapter.parameters.items()}
    checkpoint = Checkpoint(
        weights=adapter.copy(),
        exp_avg={name: moments["exp_avg"].cpu() for name, moments in state.items()},
        exp_avg_sq={name: moments["exp_avg_sq"].cpu() for name, moments in state.items()},
        steps=done,
    )
    return checkpoint, record
