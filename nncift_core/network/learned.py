"""Architectures as estimators: inputs are prepared, networks trained, projections joined.

``paper`` is trained as published, on sentence embeddings alone. The others see whitened inputs and
stop early by labels kept out. Each member of an ensemble keeps out a tenth of its own. Knows no
units and no files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from nncift_core.network.ensemble import EnsembleNetwork
from nncift_core.network.estimators import Check, Estimator, Task
from nncift_core.network.holdout import kinds, take
from nncift_core.network.pair_network import PairNetwork
from nncift_core.network.paper import PaperNetwork
from nncift_core.network.predict import Projected, project
from nncift_core.network.products import ProductNetwork
from nncift_core.network.towers import TowersNetwork
from nncift_core.network.training import (
    LONGER,
    PAPER,
    TrainingSettings,
    predict_pairs,
    settings_for,
    train,
)
from nncift_core.network.whitening import Whitening
from nncift_core.types import FloatArray, Pairs

INPUT_LENGTH = 2.0
"""Length of a whitened input: with it, layers start out with outputs of a fair size."""


class Learned(Estimator):
    """A network with the preparation of its inputs.

    Attributes:
        network: In evaluation mode.
        whitening: Of the inputs, None where they are taken as they are.
    """

    network_type: ClassVar[Any]
    settings: ClassVar[TrainingSettings] = LONGER

    def __init__(
        self, network: PairNetwork, whitening: Whitening | None, text: int, setting: Any
    ) -> None:
        self.network = network.eval()
        self.whitening = whitening
        self.text = text
        self.setting = setting

    @classmethod
    def fit(cls, task: Task) -> Learned:
        """Train; with checks, stop early by them."""
        whitening = cls._whitening(task)
        helpers, helped = (
            torch.from_numpy(_prepared(rows, whitening, task.text))
            for rows in (task.helpers, task.helped)
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(task.seed)
            network = cls.network_type(helpers.shape[1], helped_dimension=helped.shape[1])

        def predict(part: PairNetwork) -> Callable[[Pairs], FloatArray]:
            return lambda pairs: predict_pairs(part, helpers, helped, pairs)

        epochs = cls._train(network, helpers, helped, task, predict)
        return cls(network, whitening, task.text, epochs)

    @classmethod
    def _whitening(cls, task: Task) -> Whitening | None:
        return Whitening.of(task.sides)

    @classmethod
    def _train(
        cls,
        network: PairNetwork,
        helpers: torch.Tensor,
        helped: torch.Tensor,
        task: Task,
        predict: Callable[[PairNetwork], Callable[[Pairs], FloatArray]],
    ) -> int | None:
        guess = predict(network)
        return train(
            network,
            helpers,
            helped,
            task.pairs,
            task.seed,
            settings_for(cls.settings, len(task.pairs)),
            rounds=task.setting,
            error=(lambda: task.error(guess)) if task.checks else None,
            tell=lambda epoch: task.tell(epoch, guess),
        )

    def project(self, helpers: FloatArray, helped: FloatArray, *, known: bool) -> Projected:
        """Both sides; rows are judged by their inputs alone, known or not."""
        del known
        return project(
            self.network,
            _prepared(helpers, self.whitening, self.text),
            _prepared(helped, self.whitening, self.text),
        )

    @property
    def parameters(self) -> int:
        """Weights of the network."""
        return sum(weight.numel() for weight in self.network.parameters())

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Weights, and the whitening."""
        found: dict[str, NDArray[Any]] = {
            f"network.{name}": value.numpy() for name, value in self.network.state_dict().items()
        }
        if self.whitening is not None:
            found |= {"mean": self.whitening.mean, "weight": self.whitening.weight}
        return found

    def about(self) -> dict[str, Any]:
        """Dimensions."""
        network: Any = self.network
        return {
            "dimension": network.dimension,
            "helped_dimension": network.helped_dimension,
            "text": self.text,
            "epochs": self.setting,
        }

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]], about: Mapping[str, Any]) -> Learned:
        """The trained network."""
        with torch.random.fork_rng(devices=[]):
            network: Any = cls.network_type(
                about["dimension"], helped_dimension=about["helped_dimension"]
            )
        network.load_state_dict(
            {
                name.removeprefix("network."): torch.from_numpy(value.copy())
                for name, value in arrays.items()
                if name.startswith("network.")
            }
        )
        whitening = Whitening(arrays["mean"], arrays["weight"]) if "mean" in arrays else None
        return cls(network, whitening, about["text"], about["epochs"])


def _prepared(rows: FloatArray, whitening: Whitening | None, text: int) -> FloatArray:
    if not rows.shape[1]:
        return rows
    if whitening is None:
        plain = np.ascontiguousarray(rows[:, :text], dtype=np.float32)
        # PyTorch wants memory it could write to; a map of a file is often read-only.
        return plain if plain.flags.writeable else plain.copy()
    return whitening.apply(rows) * np.float32(INPUT_LENGTH)


class Paper(Learned):
    """The published network, trained as published: nothing is kept out."""

    network_type = PaperNetwork
    settings = PAPER
    uses_states = False

    @classmethod
    def _whitening(cls, task: Task) -> Whitening | None:
        return None

    @classmethod
    def _train(
        cls,
        network: PairNetwork,
        helpers: torch.Tensor,
        helped: torch.Tensor,
        task: Task,
        predict: Callable[[PairNetwork], Callable[[Pairs], FloatArray]],
    ) -> int | None:
        guess = predict(network)
        return train(
            network,
            helpers,
            helped,
            task.pairs,
            task.seed,
            PAPER,
            tell=lambda epoch: task.tell(epoch, guess),
        )


class Product(Learned):
    """Hidden units, a low-rank product and the cosine."""

    network_type = ProductNetwork


class Towers(Learned):
    """Two towers."""

    network_type = TowersNetwork


class Ensemble(Learned):
    """Small two-tower networks, each stopped by a tenth of the labels of its own."""

    network_type = EnsembleNetwork

    @classmethod
    def _train(
        cls,
        network: PairNetwork,
        helpers: torch.Tensor,
        helped: torch.Tensor,
        task: Task,
        predict: Callable[[PairNetwork], Callable[[Pairs], FloatArray]],
    ) -> int | None:
        assert isinstance(network, EnsembleNetwork)
        whole = predict(network)
        network.eval()
        task.tell(0, whole)
        for number, member in enumerate(network.each()):
            seed = task.seed + 1000 * (number + 1)
            learned, checks = _members_share(task, number, len(network.members))
            part = predict(member)

            def error(
                part: Callable[[Pairs], FloatArray] = part, checks: tuple[Check, ...] = checks
            ) -> float:
                return Task.error(_with(task, checks), part)

            train(
                member,
                helpers,
                helped,
                learned,
                seed,
                settings_for(cls.settings, len(learned)),
                error=error if checks else None,
            )
            network.eval()
            task.tell(number + 1, whole)
        return None

    def member_predictions(
        self, helpers: FloatArray, helped: FloatArray
    ) -> list[tuple[FloatArray, FloatArray, float]]:
        """Each member's factors of both sides, and its bias: their products are its scores."""
        assert isinstance(self.network, EnsembleNetwork)
        found = []
        for member in self.network.each():
            sides = project(
                member,
                _prepared(helpers, self.whitening, self.text),
                _prepared(helped, self.whitening, self.text),
            )
            found.append((sides.helpers, sides.helped, sides.output_bias))
        return found


def _with(task: Task, checks: tuple[Check, ...]) -> Task:
    return Task(task.helpers, task.helped, task.text, task.pairs, task.seed, checks)


def _members_share(task: Task, number: int, members: int) -> tuple[Pairs, tuple[Check, ...]]:
    """A member's labels, and the tenth of rows and columns that it is stopped by.

    Tenths of different members do not overlap.
    """
    rng = np.random.default_rng((task.seed, 99))
    rows, columns = (
        rng.permutation(np.unique(side)) for side in (task.pairs.helper, task.pairs.helped)
    )
    share = max(10, members)
    known_rows = np.delete(rows, np.s_[number::share]) if len(rows) > share else rows
    known_columns = np.delete(columns, np.s_[number::share]) if len(columns) > share else columns
    found = kinds(task.pairs, known_rows, known_columns)
    known = found.pop("q1u")
    if not len(known):
        return task.pairs, ()
    checks = [Check(kind, take(task.pairs, at), len(at)) for kind, at in found.items() if len(at)]
    return take(task.pairs, known), tuple(checks)
