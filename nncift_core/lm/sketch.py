"""The random projection of gradients: a count sketch that shifts blocks.

Each tensor is cut, in its own order, into chunks of d coordinates. Coordinate t of chunk c goes,
with a random sign of its own, to bucket (t + shift_c) mod d of the result, where shift_c is
uniform. A coordinate costs one addition, and contiguous ones at that; a matrix of (parameters x d)
never exists.

It estimates inner products without bias: E<Sx, Sy> = <x, y>, since all signs are independent. Two
coordinates of one chunk never meet in a bucket, two of different chunks with probability exactly
1/d. So the variance is at most that of the count sketch with fully random buckets,
(|x|² |y|² + <x, y>²) / d, and cosines are off by about 1/sqrt(d).

Charikar, Chen, Farach-Colton, "Finding frequent items in data streams", ICALP 2002; Weinberger et
al., "Feature hashing for large scale multitask learning", ICML 2009. Knows nothing of models.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from nncift_core.lm.seeds import generator

CACHED_CHUNKS = 16
"""Chunks that get their signs at once on a CPU: half a MB for 8,192 dimensions."""

GATHERED_CHUNKS = 256
"""Chunks that are shifted at once where indices are needed: 16 MB of them for 8,192 dimensions."""


class TensorMap(NamedTuple):
    """Where one tensor's coordinates go.

    Attributes:
        signs: ``(size,)`` int8, 1 or -1.
        shifts: One for each chunk of ``dimensions`` coordinates.
    """

    signs: Tensor
    shifts: list[int]


class Sketch:
    """One projection for tensors of given names and sizes.

    Args:
        sizes: Coordinates of each tensor by name; the order of the names does not matter.
        dimensions: d, length of the result.
        seed: Of signs and shifts, which also depend on a tensor's name and on nothing else, so
            that all devices project alike.
        device: Where tensors and results are.
    """

    def __init__(
        self,
        sizes: Mapping[str, int],
        dimensions: int,
        seed: int,
        device: torch.device | str = "cpu",
    ) -> None:
        self.dimensions = dimensions
        self.device = torch.device(device)
        self.maps: dict[str, TensorMap] = {}
        for name in sorted(sizes):
            draw = generator(seed, "sketch", name)
            signs = torch.randint(0, 2, (sizes[name],), generator=draw, dtype=torch.int8)
            chunks = -(-sizes[name] // dimensions)
            shifts = torch.randint(0, dimensions, (chunks,), generator=draw)
            self.maps[name] = TensorMap(signs.mul_(2).sub_(1).to(self.device), shifts.tolist())

    def project(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """The sketch of all tensors together, ``(dimensions,)`` float32.

        Args:
            tensors: All tensors by name, of any shape, float32, on the sketch's device.

        Raises:
            KeyError: A tensor is missing.
            ValueError: One has another size than was said.
        """
        # Twice as long, so that a shifted chunk is one piece; folded at the end.
        total = torch.zeros(2 * self.dimensions, device=self.device)
        for name, places in self.maps.items():
            values = tensors[name].detach().reshape(-1)
            if len(values) != len(places.signs):
                raise ValueError(f"{name} has {len(values)} values, not {len(places.signs)}")
            if self.device.type == "cpu":
                self._add_pieces(total, values, places)
            else:
                self._add_gathered(total, values, places)
        return total[: self.dimensions] + total[self.dimensions :]

    def _add_pieces(self, total: Tensor, values: Tensor, places: TensorMap) -> None:
        """Signs for a few chunks, then chunk after chunk: no indices, and all from the cache."""
        width, step = self.dimensions, CACHED_CHUNKS * self.dimensions
        # numpy: its calls cost a third of torch's, and there are thousands of them.
        buckets, sources, signs = total.numpy(), values.numpy(), places.signs.numpy()
        signed = np.empty(min(len(sources), step), dtype=np.float32)
        for first in range(0, len(sources), step):
            part = slice(first, min(len(sources), first + step))
            count = part.stop - first
            np.multiply(sources[part], signs[part], out=signed[:count])
            for start in range(0, count, width):
                piece = signed[start : min(count, start + width)]
                shift = places.shifts[(first + start) // width]
                buckets[shift : shift + len(piece)] += piece

    def _add_gathered(self, total: Tensor, values: Tensor, places: TensorMap) -> None:
        """Many chunks at once, for devices where a call costs more than the work in it.

        Buckets are gathered, not scattered: sums have one order, whatever the device.
        """
        width = self.dimensions
        bucket = torch.arange(width, device=self.device)
        for first in range(0, len(places.shifts), GATHERED_CHUNKS):
            shifts = torch.tensor(places.shifts[first : first + GATHERED_CHUNKS])
            start, count = first * width, len(shifts) * width
            signed = values[start : start + count] * places.signs[start : start + count]
            signed = torch.nn.functional.pad(signed, (0, count - len(signed))).view(-1, width)
            source = (bucket - shifts.to(self.device)[:, None]) % width
            total[:width] += signed.gather(1, source).sum(0)
