"""The shapes of the network-size study: which widths, how many layers, how many parameters.

The paper shows 46 networks of 1 to 5 layers without saying which; this list is our own. Each
shape is a run of neighbours on a ladder of twelve widths, so it narrows from layer to layer, and
every number of layers reaches from small to large. Costs no import of torch.
Paper: NN-CIFT, figure 4.
"""

from __future__ import annotations

from collections.abc import Sequence

Shape = tuple[int, ...]
"""Widths of the hidden layers, the first one first."""

WIDTHS = (5, 10, 20, 50, 100, 200, 500, 1000, 2000, 3000, 4000, 5000)

SHAPES: tuple[Shape, ...] = (
    # 1 layer
    (5,),
    (10,),
    (20,),
    (50,),
    (100,),
    (200,),
    (500,),
    (1000,),
    (2000,),
    (3000,),
    (4000,),
    (5000,),
    # 2 layers
    (10, 5),
    (20, 10),
    (50, 20),
    (100, 50),
    (200, 100),
    (500, 200),
    (1000, 500),
    (2000, 1000),
    (3000, 2000),
    (4000, 3000),
    (5000, 4000),
    # 3 layers
    (20, 10, 5),
    (50, 20, 10),
    (100, 50, 20),
    (200, 100, 50),
    (500, 200, 100),
    (1000, 500, 200),
    (2000, 1000, 500),
    (3000, 2000, 1000),
    (4000, 3000, 2000),
    (5000, 4000, 3000),
    # 4 layers
    (50, 20, 10, 5),
    (100, 50, 20, 10),
    (200, 100, 50, 20),
    (500, 200, 100, 50),
    (1000, 500, 200, 100),
    (2000, 1000, 500, 200),
    (5000, 4000, 3000, 2000),
    # 5 layers
    (100, 50, 20, 10, 5),
    (200, 100, 50, 20, 10),
    (500, 200, 100, 50, 20),
    (1000, 500, 200, 100, 50),
    (2000, 1000, 500, 200, 100),
    (5000, 4000, 3000, 2000, 1000),
)

USED_SHAPE: Shape = (100,)
"""The published network's."""

LARGE_PARAMETERS = 30_000_000
"""Shapes with more parameters are trained only on request: the largest takes an hour or more
without a GPU."""

SMALL_PARAMETERS = 1_000_000
"""Most parameters of the small selection."""


def shape_name(shape: Shape) -> str:
    """``500-200-100``."""
    return "-".join(map(str, shape))


def count_parameters(shape: Shape, dimension: int, helped_dimension: int) -> int:
    """Weights and biases of a network with these hidden layers and one output.

    Args:
        shape: Widths of the hidden layers.
        dimension: Length of a helper's embedding.
        helped_dimension: Length of a helped row's; 0 for a pointwise function.
    """
    sides = (dimension + helped_dimension, *shape)
    hidden = sum(inputs * outputs + outputs for inputs, outputs in zip(sides, shape, strict=False))
    return hidden + shape[-1] + 1


def choose_shapes(
    dimension: int, helped_dimension: int, *, small: bool = False, large: bool = False
) -> list[Shape]:
    """The shapes to train, those with the fewest parameters first.

    Args:
        dimension: Length of a helper's embedding.
        helped_dimension: Length of a helped row's.
        small: Only those up to ``SMALL_PARAMETERS``.
        large: Also those above ``LARGE_PARAMETERS``.
    """
    most = SMALL_PARAMETERS if small else None if large else LARGE_PARAMETERS

    def size(shape: Shape) -> int:
        return count_parameters(shape, dimension, helped_dimension)

    return sorted((s for s in SHAPES if most is None or size(s) <= most), key=size)


def label_of(shape: Sequence[int]) -> str:
    """A shape in words: ``3 layers of 500, 200 and 100 units``."""
    *first, last = (f"{width:,}" for width in shape)
    if not first:
        return f"1 layer of {last} units"
    return f"{len(shape)} layers of {', '.join(first)} and {last} units"
