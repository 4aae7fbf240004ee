"""The sketch against an explicit dense matrix, and its promises as a random projection."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from nncift_core.lm.seeds import hashed
from nncift_core.lm.sketch import Sketch

# Less than a chunk, exactly two, some and a rest, more than is signed at once.
SIZES = {"b.short": 40, "a.even": 128, "c.rest": 150, "d.long": 64 * 40 + 3}
D = 64


def tensors(seed: int, sizes: dict[str, int] = SIZES) -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    return {name: torch.randn(size, generator=draw) for name, size in sizes.items()}


def dense(sketch: Sketch) -> np.ndarray:
    """(dimensions, coordinates), tensors in the order of their names, from the definition."""
    columns = []
    for name in sorted(sketch.maps):
        signs, shifts = sketch.maps[name]
        for place, sign in enumerate(signs.tolist()):
            column = np.zeros(sketch.dimensions)
            bucket = (place % sketch.dimensions + shifts[place // sketch.dimensions]) % (
                sketch.dimensions
            )
            column[bucket] = sign
            columns.append(column)
    return np.stack(columns, axis=1)


def flat(parts: dict[str, torch.Tensor]) -> np.ndarray:
    return torch.cat([parts[name].reshape(-1) for name in sorted(parts)]).double().numpy()


def test_it_is_the_dense_matrix_of_its_signs_and_shifts() -> None:
    sketch = Sketch(SIZES, D, seed=0)
    matrix = dense(sketch)
    assert set(np.unique(matrix)) == {-1.0, 0.0, 1.0}
    assert (np.abs(matrix).sum(axis=0) == 1).all()
    for seed in range(3):
        parts = tensors(seed)
        assert sketch.project(parts).numpy() == pytest.approx(matrix @ flat(parts), abs=1e-4)


def test_tensors_keep_their_shape_out_of_it() -> None:
    sketch = Sketch({"w": 150}, D, seed=0)
    parts = tensors(0, {"w": 150})
    shaped = {"w": parts["w"].view(10, 15).clone().requires_grad_(True)}
    assert torch.equal(sketch.project(shaped), sketch.project(parts))
    # A view that is not contiguous has the coordinates that it shows.
    turned = {"w": parts["w"].view(10, 15).T.contiguous().T}
    assert torch.equal(sketch.project(turned), sketch.project(parts))


def test_the_order_of_names_does_not_matter() -> None:
    parts = tensors(1)
    turned = {name: parts[name] for name in reversed(parts)}
    sizes = {name: SIZES[name] for name in reversed(SIZES)}
    expected = Sketch(SIZES, D, 0).project(parts)
    assert torch.equal(Sketch(sizes, D, 0).project(turned), expected)


def test_a_tensor_has_its_map_whatever_stands_beside_it() -> None:
    alone = Sketch({"c.rest": 150}, D, 0).maps["c.rest"]
    beside = Sketch(SIZES, D, 0).maps["c.rest"]
    assert torch.equal(alone.signs, beside.signs) and alone.shifts == beside.shifts
    assert alone.signs.dtype == torch.int8


def test_it_depends_on_seed_and_name_only() -> None:
    parts = tensors(2)
    first, again = Sketch(SIZES, D, 7).project(parts), Sketch(SIZES, D, 7).project(parts)
    assert torch.equal(first, again)
    torch.manual_seed(5)
    assert torch.equal(Sketch(SIZES, D, 7).project(parts), first)
    assert not torch.allclose(Sketch(SIZES, D, 8).project(parts), first, atol=0.1)
    signs = [Sketch({name: 500}, D, 7).maps[name].signs.float() for name in "ab"]
    assert abs(float(signs[0] @ signs[1])) < 100


def test_seeds_are_the_same_in_every_process() -> None:
    # Not Python's own hash, which differs from process to process.
    assert hashed(3, "sketch", "w") == 3079320584114136144
    assert hashed(1, "2") != hashed("1", 2) != hashed("12")


def test_it_is_linear() -> None:
    sketch = Sketch(SIZES, D, 0)
    left, right = tensors(3), tensors(4)
    both = {name: 2 * left[name] - 3 * right[name] for name in SIZES}
    expected = 2 * sketch.project(left) - 3 * sketch.project(right)
    assert torch.allclose(sketch.project(both), expected, atol=1e-4)


def test_the_way_of_other_devices_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    sketch = Sketch(SIZES, D, 0)
    parts = tensors(5)
    expected = sketch.project(parts)
    monkeypatch.setattr("nncift_core.lm.sketch.GATHERED_CHUNKS", 7)
    monkeypatch.setattr(sketch, "_add_pieces", sketch._add_gathered)
    assert torch.allclose(sketch.project(parts), expected, atol=1e-5)


def test_projected_cosines_are_off_by_one_over_the_root_of_d() -> None:
    """Unlike, alike, opposite and sparse pairs, each under its own sketch: no bias either."""
    d, sizes = 256, {"a": 1500, "b": 700}
    errors, products = [], []
    for number in range(150):
        draw = np.random.default_rng(number)
        x = draw.standard_normal(2200)
        y = draw.standard_normal(2200)
        share = (0.0, 0.5, 0.9, -0.7)[number % 4]
        y = share * x + math.sqrt(1 - share**2) * y
        if number % 3 == 0:
            # Large values in few places, as gradients have them.
            x[draw.random(2200) < 0.98] *= 0.01
        sketch = Sketch(sizes, d, seed=number)
        projected = []
        for values in (x, y):
            part = torch.from_numpy(values.astype(np.float32))
            projected.append(sketch.project({"a": part[:1500], "b": part[1500:]}).double().numpy())
        norms = np.linalg.norm(x) * np.linalg.norm(y)
        products.append(float(projected[0] @ projected[1] - x @ y) / norms)
        cosine = projected[0] @ projected[1] / np.prod([np.linalg.norm(p) for p in projected])
        errors.append(cosine - x @ y / norms)
    assert math.sqrt(np.mean(np.square(errors))) <= 1.3 / math.sqrt(d)
    # The inner product is unbiased: its mean error is within three of its own standard errors.
    assert abs(np.mean(products)) <= 3 * np.std(products) / math.sqrt(len(products))
    # The bound of the docstring: (|x|² |y|² + <x, y>²) / d, at most 2 / d on unit vectors.
    assert np.mean(np.square(products)) <= 2 / d


def test_coordinates_of_one_chunk_never_meet_and_others_rarely() -> None:
    """Three chunks: a pair of different chunks shares a bucket in 1 of d seeds."""
    d, meetings = 16, 0
    for seed in range(800):
        buckets = np.abs(dense(Sketch({"w": 3 * d}, d, seed))).argmax(axis=0)
        for chunk in range(3):
            assert len(set(buckets[chunk * d : (chunk + 1) * d])) == d
        meetings += int(buckets[3] == buckets[d + 5]) + int(buckets[3] == buckets[2 * d + 3])
    assert 0.7 / d < meetings / 1600 < 1.3 / d


def test_a_tensor_of_another_size_is_refused() -> None:
    sketch = Sketch(SIZES, D, 0)
    parts = tensors(6)
    with pytest.raises(ValueError, match=r"c\.rest has 149"):
        sketch.project(parts | {"c.rest": parts["c.rest"][1:]})
    del parts["a.even"]
    with pytest.raises(KeyError):
        sketch.project(parts)
