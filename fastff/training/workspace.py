"""The buffers of one network's training, laid out once: what the layer table and the frame lead to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from fastff import _threads
from fastff._cpu import L2_BYTES
from fastff.gemm.pack import pack_panels, transpose_rows, unpack_panels
from fastff.gemm.product import PANEL_BYTES, TILE_BYTES
from fastff.gemm.strip import strip_columns, strip_product
from fastff.network import layers as line_
from fastff.network.layers import NEEDS_LINEAR, layer_table
from fastff.network.memory import address_of, aligned, padded_row
from fastff.network.plan import Plan
from fastff.network.rows import PACKED_ROWS, panels_together
from fastff.ops.activations import OUTPUTS
from fastff.simd.barrier import BARRIER_BYTES
from fastff.simd.tile import MAX_ROWS
from fastff.training import frame as frame_
from fastff.training.weights import NEAR_DELTA_BYTES, transpose_strip, update_strip

#: Rows of a chunk: batches of more than WHOLE_ROWS take several, and add their gradients up. All that a chunk touches
#: is then near, which is worth more than passing the gradients once for each.
CHUNK_ROWS = 256
WHOLE_ROWS = 640
#: Rows of a chunk of small networks, up to so many, are more: as make this many operations.
CHUNK_OPERATIONS = 2.5e7
#: And where weights do not stand in panels, as they are large, for to pass their gradients costs more.
LARGE_CHUNK_ROWS = 1024
#: Tiles for which a panel of the delta is worth fetching from far.
_TILES = 8
#: And of a block of a row-major weight whose numbers and state are asked for while its gradient is made.
ASKED_TILES = 4
#: Bytes of activations and deltas from which chunks become smaller.
CHUNK_BYTES = 80 << 20
#: Rows of a step from which weights are kept in panels while training.
PANEL_ROWS = 5
#: And from which they are where panels cost more: where each step is a call of its own, which packs and unpacks them;
#: and where a small network has optimizer state, up to so many bytes of both, whose padding is updated, too.
DEAR_PANEL_ROWS, SMALL_STATE = 24, 1 << 20
#: Bytes of parameters and optimizer state up to which they are. Packing larger weights group by group at each step
#: costs no more, and less memory: panels are a copy of the weights, their transposes one more.
PANEL_LIMIT = 8 << 20
#: Up to so many rows of a step it does cost more, and the limit is another.
PACKING_ROWS, LARGE_PANEL_LIMIT = 64, 64 << 20


@dataclass(frozen=True)
class Layout:
    """How parameters stand in the buffers of compiled code.

    Attributes
    ----------
    panels : bool
        Weights stand in panels, and their transposes beside them. Otherwise they stay where the user sees them.
    strips : tuple of int
        Columns of each layer whose weights stand as rows behind the panels, see `fastff.gemm.strip`.
    weight_bytes, bias_bytes : tuple of int
        Room of each layer's weight, and of its bias.
    """

    panels: bool
    strips: tuple[int, ...]
    weight_bytes: tuple[int, ...]
    bias_bytes: tuple[int, ...]

    @property
    def n_bytes(self) -> int:
        """Room of all parameters."""
        return sum(self.weight_bytes) + sum(self.bias_bytes)

    @classmethod
    def of(cls, plan: Plan, rows: int, single_rows: int, n_states: int) -> Layout:
        """The layout for steps of so many rows, for single ones of so many, and a rule with so many arrays of state."""
        size = plan.dtype.itemsize
        n_bytes = plan.n_parameters * size * (1 + n_states)
        least = DEAR_PANEL_ROWS if n_states > 0 and n_bytes < SMALL_STATE else PANEL_ROWS
        limit = LARGE_PANEL_LIMIT if rows >= least and max(rows, single_rows) <= PACKING_ROWS else PANEL_LIMIT
        panels = (rows >= least or single_rows >= DEAR_PANEL_ROWS) and n_bytes <= limit
        pairs = list(zip(plan.sizes, plan.sizes[1:], strict=False))
        strips = [strip_columns(inputs, width, size) if panels else 0 for inputs, width in pairs]
        weights = [
            inputs * panel_count(width - strip, size) * PANEL_BYTES + strip * padded_row(inputs, size)
            if panels
            else inputs * width * size
            for (inputs, width), strip in zip(pairs, strips, strict=True)
        ]
        return cls(panels, tuple(strips), tuple(weights), tuple(padded_row(width, size) for width in plan.sizes[1:]))

    def place(self, table: np.ndarray, start: int, weight: int, bias: int) -> int:
        """Write addresses of a set of parameters from `start` on into two columns of a table; returns the end."""
        for line, weight_bytes, bias_bytes in zip(table, self.weight_bytes, self.bias_bytes, strict=True):
            line[weight], line[bias] = start, start + weight_bytes
            start += weight_bytes + bias_bytes
        return start


def panel_count(width: int, size: int) -> int:
    """Panels of so many columns."""
    return -(-width * size // PANEL_BYTES)


class Workspace:
    """Buffers, layer tables and frame for steps of at most `rows` rows.

    The frame is there at once. Tables and buffers are made when parameters are bound: tiny and slim networks have their
    own, and a short fit feels what it takes to make these.
    """

    def __init__(self, plan: Plan, layout: Layout, rows: int, n_states: int) -> None:
        self.plan, self.layout, self.rows, self._n_states = plan, layout, rows, n_states
        size = plan.dtype.itemsize
        self.threads = _threads.get_num_threads()
        self.table = self.odd_table = np.empty((0, line_.FIELDS), np.int64)
        self.record = np.zeros(frame_.FIELDS, np.int64)
        # single entries of a memoryview cost a third of an array's
        self.frame: Any = self.record.data
        self.numbers: Any = self.record.view(np.float64).data
        self.address = address_of(self.record)
        self.barrier = aligned(BARRIER_BYTES)
        self._one = np.ones(1, plan.dtype)
        self._row_losses = np.zeros(rows)
        self._hidden_rows = [padded_row(width, size) for width in plan.sizes[1:]]
        self._x_row = padded_row(plan.sizes[0], size)
        # threads that own columns of the first layer run ahead of each other by one chunk
        self._ahead = self.threads > 1 and (layout.panels or rows >= PACKED_ROWS)
        # the number of threads has no say here: where a sum is cut shows in its bits
        per_row = 2 * (sum(self._hidden_rows) + max(plan.sizes[1:]) * size) + self._x_row
        usual = LARGE_CHUNK_ROWS
        if layout.panels and rows > WHOLE_ROWS:
            usual = max(CHUNK_ROWS, min(usual, int(CHUNK_OPERATIONS / (6 * plan.n_parameters))))
        self.chunk = min(rows, usual, max(256, CHUNK_BYTES // per_row))
        self.buffer = np.empty(0, np.uint8)
        self._is_furnished = False
        self._describe_frame()
        self.parameters: np.ndarray | None = None
        self.padded = False
        self._tiles: np.ndarray | None = None
        self._copies: list[tuple[np.ndarray, np.ndarray]] = []
        self._packing: list[Callable[[], int]] = []
        self._unpacking: list[Callable[[], int]] = []

    @property
    def n_bytes(self) -> int:
        """Bytes of the buffers that grow with the rows of a step."""
        return int(self.buffer.nbytes + self._row_losses.nbytes)

    def _describe_layers(self) -> None:
        size, plan = self.plan.dtype.itemsize, self.plan
        self.table = layer_table(plan.sizes, plan.activations)
        if any(self.layout.strips):
            for each in (strip_product, update_strip, transpose_strip):
                each[plan.dtype]
        layers = zip(self.table, plan.sizes, plan.sizes[1:], self.layout.strips, self._hidden_rows, strict=False)
        for line, inputs, width, strip, row in layers:
            line[line_.HIDDEN_ROW] = row
            line[line_.TRANSPOSED_PANEL] = width * PANEL_BYTES
            if self.layout.panels:
                line[line_.WEIGHT_ROW], line[line_.WEIGHT_PANEL] = PANEL_BYTES, inputs * PANEL_BYTES
                line[line_.STRIP], line[line_.STRIP_ROW] = strip, padded_row(inputs, size)
            else:
                line[line_.WEIGHT_ROW], line[line_.WEIGHT_PANEL] = width * size, PANEL_BYTES
            # a packed block of rows and its gradient take a quarter of the second level, or half where panels of the
            # delta would pass by for a few tiles only
            per_row = self.chunk * size + (TILE_BYTES if self.layout.panels else width * size)
            most = L2_BYTES // (per_row * MAX_ROWS)
            tiles = max(1, min(-(-inputs // MAX_ROWS), max(most // 4, min(most // 2, _TILES))))
            if not self.layout.panels and self._n_states > 0 and self.chunk * width * size <= NEAR_DELTA_BYTES:
                tiles = min(tiles, ASKED_TILES)
            line[line_.WEIGHT_BLOCK] = tiles * MAX_ROWS
        self.odd_table = self.table.copy()
        self.frame[frame_.TABLE], self.frame[frame_.ODD_TABLE] = address_of(self.table), address_of(self.odd_table)

    def _allocate(self) -> None:
        """Cut one buffer into activations, deltas, panels, gathered rows and the threads' scratch."""
        plan, chunk, rows = self.plan, self.chunk, self._hidden_rows
        size, first, last = plan.dtype.itemsize, self.odd_table[0], len(rows) - 1
        pieces: list[tuple[Any, int, int]] = []
        for layer, line in enumerate(self.table):
            pieces += [(line, line_.HIDDEN, chunk * rows[layer]), (line, line_.DELTA, chunk * rows[layer])]
            if layer > 0 and self.layout.panels:
                room = panel_count(plan.sizes[layer], size) * plan.sizes[layer + 1] * PANEL_BYTES
                pieces.append((line, line_.TRANSPOSED, room))
            if self.layout.panels:
                pieces.append((line, line_.WEIGHT, self.layout.weight_bytes[layer]))
            if OUTPUTS[plan.activations[layer]] in NEEDS_LINEAR and layer < last:
                pieces.append((line, line_.LINEAR, chunk * rows[layer]))
                if layer == 0 and self._ahead:
                    pieces.append((first, line_.LINEAR, chunk * rows[0]))
        if not self.layout.panels:
            # row-major weights are for few rows, or large: transposes are made where they are used, or not at all
            self.table[:, line_.TRANSPOSED] = 0
        pieces.append((self.table[0], line_.GATHERED, chunk * self._x_row))
        if self._ahead:
            pieces.append((first, line_.GATHERED, chunk * self._x_row))
            pieces.append((first, line_.HIDDEN, chunk * rows[0]))
        pieces.append((self.frame, frame_.Y_BATCH, chunk * max(8, plan.sizes[-1] * size)))
        self.frame[frame_.SCRATCH_BYTES] = scratch = -(-self._scratch_bytes() // 4096) * 4096 + 128
        pieces.append((self.frame, frame_.SCRATCH, scratch * self.threads))
        # pieces begin at lines of their own, not at the same place of a page
        self.buffer = aligned(sum(-(-n_bytes // 128) * 128 + 128 for _, _, n_bytes in pieces))
        place = address_of(self.buffer)
        for target, column, n_bytes in pieces:
            target[column] = place
            place += -(-n_bytes // 128) * 128 + 128
        if self.layout.panels and any(width * size % PANEL_BYTES for width in plan.sizes[1:]):
            # gradients of the last panel are summed up here, and what stands beside them goes into the optimizer's
            # state, which is to be the same bytes in every run
            self.buffer[self.frame[frame_.SCRATCH] - address_of(self.buffer) :] = 0
        self._clear_padding()
        for line in (*self.table, first):
            if line[line_.LINEAR] == 0:
                line[line_.LINEAR] = line[line_.HIDDEN]
        self._odd = first[[line_.GATHERED, line_.HIDDEN, line_.LINEAR]].copy()

    def _clear_padding(self) -> None:
        """Zero what stands beside the numbers in padded rows, which sweeps compute with.

        Denormal numbers that happened to be there made a step of 3-4-1 take ten times as long.
        """
        start = address_of(self.buffer)
        for line in (*self.table, self.odd_table[0]):
            row, numbers = int(line[line_.HIDDEN_ROW]), int(line[line_.WIDTH]) * self.plan.dtype.itemsize
            for column in (line_.HIDDEN, line_.DELTA, line_.LINEAR):
                if line[column] != 0:
                    place = int(line[column]) - start
                    self.buffer[place : place + self.chunk * row].reshape(self.chunk, row)[:, numbers:] = 0

    def _scratch_bytes(self) -> int:
        size, chunk = self.plan.dtype.itemsize, self.chunk
        return max(
            max(
                panel_count(width, size) * chunk * PANEL_BYTES
                + (int(line[line_.WEIGHT_BLOCK]) + MAX_ROWS) * (chunk * size + max(width * size, TILE_BYTES))
                + 4 * PANEL_BYTES,
                int(line[line_.STRIP] * line[line_.STRIP_ROW]),
                panels_together(inputs) * inputs * PANEL_BYTES,
                panels_together(width) * width * PANEL_BYTES,
            )
            for inputs, width, line in zip(self.plan.sizes, self.plan.sizes[1:], self.table, strict=False)
        )

    def _describe_frame(self) -> None:
        plan, frame, size = self.plan, self.frame, self.plan.dtype.itemsize
        frame[frame_.LAYERS] = len(self._hidden_rows)
        frame[frame_.BARRIER], frame[frame_.ONE] = address_of(self.barrier), address_of(self._one)
        frame[frame_.CHUNK], frame[frame_.ROW_LOSSES] = self.chunk, address_of(self._row_losses)
        frame[frame_.X_ROW], frame[frame_.X_BATCH_ROW] = plan.sizes[0] * size, self._x_row
        # a product's operand and result stay in the second level while its weights pass by; row-major ones are packed
        # as they are used, and so for many rows at once
        widest = max(i + o for i, o in zip(plan.sizes, plan.sizes[1:], strict=False))
        frame[frame_.BLOCK] = max(MAX_ROWS, L2_BYTES * 3 // 4 // (size * widest)) if self.layout.panels else self.chunk

    def bind(self, parameters: np.ndarray, padded: bool) -> None:
        """Point the table to a flat vector of parameters, or to a copy of row-major weights with padded rows.

        Rows that begin at a line are worth a copy where many steps follow: vectors across two lines cost a step of one
        row a third of its time.
        """
        plan, size = self.plan, self.plan.dtype.itemsize
        self.parameters = None  # until all is as it should be: Ctrl-C may break this off
        if not self._is_furnished:
            self._describe_layers()
            self._allocate()
            self._is_furnished = True
        self._copies = []
        self._packing, self._unpacking = [], []
        for line, weight in zip(self.table, plan.weights(parameters), strict=True):
            inputs, width = weight.shape
            if self.layout.panels:
                self._packing += self._copies_of(line, line_.WEIGHT, weight, back=False)
                self._unpacking += self._copies_of(line, line_.WEIGHT, weight, back=True)
            elif padded:
                row = padded_row(width, size)
                room = aligned(inputs * row)
                copy = room[: inputs * row].view(plan.dtype).reshape(inputs, -1)[:, :width]
                self._copies.append((copy, weight))
                line[line_.WEIGHT], line[line_.WEIGHT_ROW] = address_of(copy), row
            else:
                line[line_.WEIGHT], line[line_.WEIGHT_ROW] = address_of(weight), width * size
        for line, bias in zip(self.table, plan.biases(parameters), strict=False):
            line[line_.BIAS] = address_of(bias)
        self.copy_to_odd()
        self.parameters, self.padded = parameters, padded

    def _copies_of(self, line: np.ndarray, column: int, weight: np.ndarray, back: bool) -> list[Callable[[], int]]:
        """Calls that copy a row-major weight, or its gradient, to where a line's column says, or back."""
        (inputs, width), size, dtype = weight.shape, weight.itemsize, self.plan.dtype
        strip = int(line[line_.STRIP])
        whole, here = width - strip, (address_of(weight), width * size)
        panels = int(line[column]), int(line[line_.WEIGHT_PANEL])
        beside = here[0] + whole * size, here[1]
        rows = panels[0] + panel_count(whole, size) * panels[1], int(line[line_.STRIP_ROW])
        transpose = transpose_rows[dtype]
        if back:
            calls: list[Callable[[], int]] = [partial(unpack_panels[dtype], 0.0, inputs, whole, *panels, *here)]
            strips = partial(transpose, 0.0, strip, inputs, *rows, *beside)
        else:
            calls = [partial(pack_panels[dtype], 0.0, inputs, whole, *here, *panels)]
            strips = partial(transpose, 0.0, inputs, strip, *beside, *rows)
        return [*calls, strips] if strip > 0 else calls

    def copy_to_odd(self) -> None:
        """Bring the table for odd chunks up to date; its first layer keeps buffers of its own."""
        self.odd_table[...] = self.table
        self.odd_table[0, [line_.GATHERED, line_.HIDDEN, line_.LINEAR]] = self._odd

    def pack(self) -> None:
        """Copy the weights to where compiled code wants them."""
        for copy in self._packing:
            copy()
        for inside, outside in self._copies:
            inside[...] = outside

    def unpack(self) -> None:
        """Copy the weights back to where the user sees them."""
        for copy in self._unpacking:
            copy()
        for inside, outside in self._copies:
            outside[...] = inside

    def place_gradients(self) -> np.ndarray:
        """Point the table to buffers for gradients of the weights' layout, and return what must be kept alive."""
        room = aligned(self.layout.n_bytes)
        if self.layout.panels:
            room[...] = 0  # as scratch is
        self.layout.place(self.table, address_of(room), line_.GRADIENT, line_.BIAS_GRADIENT)
        self.copy_to_odd()
        return room

    def place_tiles(self, rows: int) -> int:
        """Address of room for so many rows of data in tiles."""
        height = self.plan.sizes[0] + MAX_ROWS * (self.threads + 1)
        n_bytes = height * rows * self.plan.dtype.itemsize
        if self._tiles is None or self._tiles.nbytes < n_bytes:
            self._tiles = aligned(n_bytes)
        return address_of(self._tiles)

    def copy_gradients(self, room: np.ndarray, gradient: np.ndarray) -> None:
        """Copy gradients from the buffers into a flat vector."""
        plan, base = self.plan, address_of(room)
        parts = list(zip(self.table[:, line_.BIAS_GRADIENT], plan.biases(gradient), strict=False))
        weights = list(zip(self.table, plan.weights(gradient), strict=True))
        if self.layout.panels:
            for line, array in weights:
                for copy in self._copies_of(line, line_.GRADIENT, array, back=True):
                    copy()
        else:
            parts += [(line[line_.GRADIENT], array) for line, array in weights]
        for address, array in parts:
            offset = int(address) - base
            array[...] = room[offset : offset + array.nbytes].view(plan.dtype).reshape(array.shape)
