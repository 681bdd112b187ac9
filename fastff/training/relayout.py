"""An optimizer's state in another order: what a training takes along when its steps come to have more rows."""

from __future__ import annotations

import numpy as np

from fastff.gemm.product import PANEL_BYTES
from fastff.network.memory import padded_row
from fastff.network.plan import Plan
from fastff.training.workspace import Layout

__all__ = ["converted"]


def converted(state: np.ndarray, plan: Plan, old: Layout, new: Layout) -> np.ndarray:
    """Return the optimizer's state in another layout.

    Parameters
    ----------
    state : ndarray
        Sets of numbers, one of each parameter, in the layout `old`, one behind the other. Read.
    plan : Plan
        The network.
    old, new : Layout
        How the numbers stand, and how they are to stand.

    Returns
    -------
    ndarray
        As many sets; what stands between the numbers is zero.
    """
    size = plan.dtype.itemsize
    sets = state.reshape(-1, old.n_bytes // size)
    result = np.zeros((len(sets), new.n_bytes // size), plan.dtype)
    for source, target in zip(sets, result, strict=True):
        for taken, given in zip(_pieces(source, plan, old), _pieces(target, plan, new), strict=True):
            given[...] = taken
    return result.reshape(-1)


def _pieces(numbers: np.ndarray, plan: Plan, layout: Layout) -> list[np.ndarray]:
    """Views of each layer's bias and of its weight, cut along the edges of panels."""
    size = plan.dtype.itemsize
    columns = PANEL_BYTES // size
    pieces, place = [], 0
    for layer, (inputs, width) in enumerate(zip(plan.sizes, plan.sizes[1:], strict=False)):
        room = layout.weight_bytes[layer] // size
        weight, strip = numbers[place : place + room], layout.strips[layer]
        place += room
        edges = range(0, width, columns)
        if layout.panels:
            row = padded_row(inputs, size) // size
            panels = weight[: room - strip * row].reshape(-1, inputs, columns)
            pieces += [panel[:, : width - strip - j] for j, panel in zip(edges, panels, strict=False)]
            if strip > 0:
                pieces.append(weight[room - strip * row :].reshape(strip, row)[:, :inputs].T)
        else:
            pieces += [weight.reshape(inputs, width)[:, j : j + columns] for j in edges]
        if plan.bias:
            pieces.append(numbers[place : place + width])
        place += layout.bias_bytes[layer] // size
    return pieces
