"""A network's training as one compiled call: what a trainer drives."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

from fastff import _threads
from fastff._jit import prepare
from fastff._together import together
from fastff.gemm.one_row import rows_transposed
from fastff.network import layers as line_
from fastff.network.alike import SMALL
from fastff.network.memory import PEEKS, address_of
from fastff.network.plan import Plan
from fastff.network.rows import PACKED_ROWS, packed_product
from fastff.optim import SGD, Adam
from fastff.optim.codes import PLAIN
from fastff.simd.barrier import YIELDS
from fastff.simd.tile import MAX_VECTORS
from fastff.training import frame as frame_
from fastff.training.again import Again
from fastff.training.columns import columns_back, columns_there
from fastff.training.loop import keep_tiles, run
from fastff.training.online import OnlineRoom, run_online
from fastff.training.relayout import converted
from fastff.training.slim import SlimRoom, is_slim
from fastff.training.slim_loop import prepare_slim, run_slim
from fastff.training.team import STEP_OPERATIONS, Team
from fastff.training.tiny import TinyRoom, flat_layout, is_tiny
from fastff.training.tiny_loop import prepare_tiny, run_tiny
from fastff.training.weights import pack_inputs
from fastff.training.workspace import Layout, Workspace, panel_count

#: Rows of a step up to which the way back goes along the rows of a weight instead of transposing it.
FEW_ROWS = 4
#: Steps of one call from which few rows train on a copy of the weights with padded rows.
PADDED_STEPS = 16
#: Rows of a step up to which plain descent has a loop of its own.
ONLINE_ROWS = 1
#: Parameters up to which a row is faster by itself in the lanes of a tiny network.
ONLINE_PARAMETERS = 40
#: Bytes of data up to which a copy of them is kept in tiles, where they come in the same order in each epoch.
LARGEST_TILES = 16 << 20
#: By how much the largest share of a layer's panels may exceed an equal one.
UNEVEN = 1.35
#: Learning rates up to which a dtype of so many bytes rounds them to 0: half of its smallest number.
LEAST_RATE = {4: 2.0**-150, 8: 0.0}
#: Layers, but a first one in panels, are shared out by columns where weights have so many times their activations'
#: numbers.
ROWS_SHARED = 2.0

# Units of what a frame may ask for and most trainings do without.
_RARE = {
    frame_.BY_COLUMNS: (columns_there, columns_back),
    frame_.FEW: (rows_transposed,),
    frame_.TILES: (keep_tiles, pack_inputs),
}


def come_again(order: np.ndarray | None, rows: int, batch: int, steps: int) -> bool:
    """Whether steps of a call see the same batches a second time."""
    return order is None and steps > -(-rows // batch)


class Engine:
    """Workspace, optimizer state and compiled loop of one network's training.

    Parameters
    ----------
    plan : Plan
        The network.
    loss : loss object
        See `fastff.losses`.
    optimizer : optimizer object
        See `fastff.optim`.
    rows : int
        The most rows that a step is expected to have; more are possible, and grow the workspace.
    single : bool
        Whether each call of `run` makes one step, and so has to leave the weights where the user sees them.

    Attributes
    ----------
    state : ndarray
        The optimizer's state, in an order of the engine's own; copy it and write it back to go on from there.
    t : int
        Updates made so far.
    again : Again or None
        The latest call's step, where `keep` has found it to be one that may be made again with other rows.

    Notes
    -----
    An engine is used by one thread at a time; several engines may run at once. The GIL is released meanwhile.
    """

    def __init__(self, plan: Plan, loss: Any, optimizer: Any, rows: int, single: bool = False) -> None:
        self.plan, self.loss_object, self.optimizer = plan, loss, optimizer
        self.t = 0
        self._most_rows = {False: 0, True: 0}  # of steps of which a call makes many, and of single ones
        self._choose(rows, single)
        self.state = np.zeros(optimizer.n_states * self._layout.n_bytes // plan.dtype.itemsize, plan.dtype)
        self._workspace: Workspace | None = None
        self._bound_state: np.ndarray | None = None
        self._tiny_room: TinyRoom | None = None
        self._online_room: OnlineRoom | None = None
        self._is_online = optimizer.code == PLAIN and optimizer.weight_decay == 0.0
        self._slim_room: SlimRoom | None = None
        self.again: Again | None = None
        self._holds = self._is_ahead = False
        self._team = Team()

    def __getstate__(self) -> dict[str, Any]:
        rooms = dict.fromkeys(("_workspace", "_bound_state", "_tiny_room", "_online_room", "_slim_room", "again"))
        return {**self.__dict__, **rooms}

    def grow(self, rows: int, single: bool = False) -> None:
        """Be ready for such steps, too: the layout becomes theirs, and `state` an array in the order of that."""
        if rows <= self._most_rows[single]:
            return
        before = self._layout
        self._choose(rows, single)
        if before != self._layout:
            self.state = converted(self.state, self.plan, before, self._layout)
            self._workspace, self.again = None, None

    def _choose(self, rows: int, single: bool) -> None:
        """Choose the way that steps of so many rows are made, and the layout."""
        self._most_rows[single] = rows
        self.rows = max(self._most_rows.values())
        self._tiny = is_tiny(self.plan, self.loss_object, self.rows)
        self._slim = not self._tiny and is_slim(self.plan, self.loss_object, self.rows)
        if self._tiny or self._slim:
            self._layout = flat_layout(self.plan)
        else:
            many, single_rows = self._most_rows[False], self._most_rows[True]
            self._layout = Layout.of(self.plan, many, single_rows, self.optimizer.n_states)

    def run(
        self,
        parameters: np.ndarray,
        x: np.ndarray,
        y: np.ndarray,
        order: np.ndarray | None,
        rows_per_step: int,
        first: int,
        steps: int,
        losses: np.ndarray,
    ) -> int:
        """Make steps of training.

        Step s uses the rows of batch ``s % steps_per_epoch`` of epoch ``s // steps_per_epoch``.

        Parameters
        ----------
        parameters : ndarray (n_parameters,)
            *Updated.*
        x : ndarray (rows, in)
            C-contiguous, of the plan's dtype. *Read.*
        y : ndarray (rows, out) of the dtype, or int64 (rows,)
            Targets, or class labels. *Read.*
        order : int64 ndarray (epochs, rows) or None
            Row numbers of each epoch in their order; None for the rows as they stand. *Read.*
        rows_per_step : int
            Batch size; an epoch's last batch may be smaller.
        first, steps : int
            Number of the first step, and how many.
        losses : float64 ndarray (steps,)
            The loss that each step started from. *Written.*

        Returns
        -------
        int
            Steps made: fewer than `steps` where a loss was not finite; that loss is written and its update not made.
        """
        rows = min(rows_per_step, len(x))
        online = rows <= ONLINE_ROWS and self._is_online
        tiny = self._tiny and rows <= self.rows and not (online and self.plan.n_parameters > ONLINE_PARAMETERS)
        # the rows of the optimizer's state are not padded
        in_place = not self._layout.panels and self.optimizer.n_states == 0
        padded = steps >= PADDED_STEPS and rows <= FEW_ROWS and in_place and not tiny
        slim = self._slim and rows > FEW_ROWS
        in_tables = not (tiny or slim)
        if in_tables:
            workspace = self._ready(parameters, rows, padded)
        else:
            self._release()
            workspace = self._room(rows)
        workspace.frame[frame_.TINY] = self._place_tiny(parameters) if tiny else 0
        repeats = come_again(order, len(x), rows, steps)
        workspace.frame[frame_.SLIM] = self._place_slim(parameters, len(x), rows, repeats) if slim else 0
        online = online and not (tiny or self._layout.panels)
        workspace.frame[frame_.ONLINE] = self._place_online() if online else 0
        room = workspace.place_gradients() if in_tables and rows > workspace.chunk else None
        done = self._call(self.optimizer.code, workspace, x, y, order, rows, first, steps, losses)
        del room
        self.t += done
        self._is_ahead = in_tables
        if not self._holds:
            self._release()
        return done

    @property
    def n_bytes(self) -> int:
        """Bytes of its workspace."""
        return 0 if self._workspace is None else self._workspace.n_bytes

    @property
    def patience(self) -> float:
        """Seconds that the next call should take at most: fewer where it is not known how many threads are best."""
        return self._team.patience

    def keep(self, parameters: np.ndarray, x: np.ndarray, y: np.ndarray, losses: np.ndarray) -> None:
        """Keep the call that has just made one step of these parameters on all of these rows, if it is a small one."""
        workspace = self._workspace
        if (
            PEEKS
            and workspace is not None
            and not self._layout.panels
            and len(x) <= workspace.chunk
            and workspace.frame[frame_.THREADS] == 1
            and x.size + y.size <= SMALL
            and self._operations(len(x)) <= STEP_OPERATIONS
        ):
            self.again = Again(self, workspace, parameters, x, y, losses)

    @contextmanager
    def holding(self) -> Iterator[None]:
        """Leave the weights where compiled code wants them between the calls of `run` inside.

        All of them are given the same parameters, whose values are undefined until the end, when they are *written*.
        """
        self._holds = True
        try:
            yield
        finally:
            self._holds = False
            self._release()

    def _release(self) -> None:
        """Bring weights that are ahead of the parameters back to where the user sees them."""
        if self._is_ahead and self._workspace is not None:
            self._workspace.unpack()
        self._is_ahead = False

    def loss(self, parameters: np.ndarray, x: np.ndarray, y: np.ndarray) -> float:
        """Loss of all rows together; nothing is changed."""
        losses = np.zeros(1)
        self._call(frame_.LOSS_ONLY, self._ready(parameters, len(x)), x, y, None, len(x), 0, 1, losses)
        return float(losses[0])

    def loss_and_gradients(self, parameters: np.ndarray, x: np.ndarray, y: np.ndarray, gradient: np.ndarray) -> float:
        """Loss of all rows together, and its gradient by the flat parameters. *gradient* is written."""
        losses = np.zeros(1)
        workspace = self._ready(parameters, len(x))
        room = workspace.place_gradients()
        self._call(frame_.GRADIENT_ONLY, workspace, x, y, None, len(x), 0, 1, losses)
        workspace.copy_gradients(room, gradient)
        return float(losses[0])

    def _room(self, rows: int) -> Workspace:
        """The workspace, large enough."""
        self.again = None
        workspace = self._workspace
        if workspace is None or rows > workspace.rows or workspace.threads < _threads.get_num_threads():
            self._release()
            workspace = self._workspace = self._make_workspace(max(rows, self.rows))
        return workspace

    def _ready(self, parameters: np.ndarray, rows: int, padded: bool = False) -> Workspace:
        """The workspace, with its weights those of `parameters`."""
        workspace = self._room(rows)
        if workspace.parameters is not parameters or workspace.padded != padded:
            self._release()
            workspace.bind(parameters, padded)
        if self._bound_state is not self.state:
            self._bind_state(workspace)
        if not self._is_ahead:
            workspace.pack()
        return workspace

    def _make_workspace(self, rows: int) -> Workspace:
        prepare(self.plan.dtype)
        workspace = Workspace(self.plan, self._layout, rows, self.optimizer.n_states)
        loss: Any = self.loss_object
        optimizer = self.optimizer
        frame, numbers = workspace.frame, workspace.numbers
        frame[frame_.LOSS], frame[frame_.MEAN] = loss.code, int(loss.reduction == "mean")
        numbers[frame_.SCALE] = loss.scale
        numbers[frame_.LEARNING_RATE], numbers[frame_.DECAY] = optimizer.learning_rate, optimizer.weight_decay
        if optimizer.learning_rate <= LEAST_RATE[self.plan.dtype.itemsize]:
            # The dtype rounds it to 0, and to a product a factor of 0 means to write: with a decay, of which nothing
            # comes at this rate, the rule is a pass of its own.
            numbers[frame_.DECAY] = max(1.0, optimizer.weight_decay)
        if isinstance(optimizer, Adam):
            numbers[frame_.BETA1], numbers[frame_.BETA2] = optimizer.beta1, optimizer.beta2
            numbers[frame_.EPSILON] = optimizer.epsilon
        elif isinstance(optimizer, SGD):
            numbers[frame_.BETA1] = optimizer.momentum
        self._bound_state = None
        return workspace

    def _place_tiny(self, parameters: np.ndarray) -> int:
        """Address of the record of a tiny network's buffers."""
        room = self._tiny_room
        if room is None or self.rows > room.rows:
            prepare_tiny(self.plan.dtype, self.optimizer.code)
            room = self._tiny_room = TinyRoom(self.plan, self.loss_object, self.rows)
        room.bind(address_of(parameters), address_of(self.state))
        return room.address

    def _place_online(self) -> int:
        """Address of the record of steps of one row."""
        if self._online_room is None:
            run_online[self.plan.dtype]  # in Python, where Ctrl-C is heard
            self._online_room = OnlineRoom(self.plan)
        return self._online_room.address

    def _place_slim(self, parameters: np.ndarray, rows: int, batch: int, kept: bool) -> int:
        """Address of the record of a slim network's buffers."""
        room = self._slim_room
        if room is None or room.threads < _threads.get_num_threads():
            prepare_slim(self.plan.dtype)
            room = self._slim_room = SlimRoom(self.plan, self.loss_object)
        room.bind(address_of(parameters), address_of(self.state))
        room.plan_steps(rows, batch, kept)
        return room.address

    def _bind_state(self, workspace: Workspace) -> None:
        place = address_of(self.state)
        columns = ((line_.MOMENT, line_.BIAS_MOMENT), (line_.SQUARE, line_.BIAS_SQUARE))
        for weight, bias in columns[: self.optimizer.n_states]:
            place = self._layout.place(workspace.table, place, weight, bias)
        workspace.copy_to_odd()
        self._bound_state = self.state

    def _call(
        self,
        rule: int,
        workspace: Workspace,
        x: np.ndarray,
        y: np.ndarray,
        order: np.ndarray | None,
        batch: int,
        first: int,
        steps: int,
        losses: np.ndarray,
    ) -> int:
        frame, plan = workspace.frame, self.plan
        labels = y.ndim == 1
        most = min(_threads.get_num_threads(), workspace.threads)
        team = self._team.size(most, self._operations(batch), steps)
        frame[frame_.RULE], frame[frame_.CLOCK], frame[frame_.THREADS] = rule, self.t, team
        frame[frame_.ROWS], frame[frame_.BATCH], frame[frame_.FIRST], frame[frame_.STEPS] = len(x), batch, first, steps
        frame[frame_.X], frame[frame_.Y], frame[frame_.LABELS] = address_of(x), address_of(y), labels
        frame[frame_.Y_ROW] = 8 if labels else plan.sizes[-1] * plan.dtype.itemsize
        frame[frame_.ORDER] = 0 if order is None else address_of(order)
        frame[frame_.LOSSES], frame[frame_.DONE] = address_of(losses), 0
        frame[frame_.FEW] = not self._layout.panels and batch <= FEW_ROWS
        frame[frame_.BY_COLUMNS] = self._by_columns(team, batch, workspace.chunk)
        keeps = self._layout.panels and x.nbytes <= LARGEST_TILES and come_again(order, len(x), batch, steps)
        frame[frame_.TILES] = workspace.place_tiles(len(x)) if keeps else 0
        if rule >= 0 and frame[frame_.TINY] != 0:
            run_tiny[plan.dtype](0.0, workspace.address)
            return frame[frame_.DONE]
        if rule >= 0 and frame[frame_.ONLINE] != 0:
            run_online[plan.dtype](0.0, workspace.address)
            return frame[frame_.DONE]
        if rule >= 0 and frame[frame_.SLIM] != 0:
            loop = run_slim[plan.dtype]
        else:
            self._prepare_rare(frame)
            loop = run[plan.dtype]
        begin = time.perf_counter()
        if team > 1:
            workspace.barrier[:] = 0
            together(*(partial(loop, 0.0, workspace.address, t) for t in range(team)))
        else:
            loop(0.0, workspace.address, 0)
        yields = int(workspace.barrier[YIELDS : YIELDS + 8].view(np.int64)[0])
        self._team.record(team, self._operations(batch), steps, yields, time.perf_counter() - begin)
        return frame[frame_.DONE]

    def _prepare_rare(self, frame: Any) -> None:
        """Compile or load what most trainings do without and this frame asks for: in Python, where Ctrl-C is heard."""
        for place, units in _RARE.items():
            if frame[place] != 0:
                for each in units:
                    each[self.plan.dtype]
        if not self._layout.panels and frame[frame_.FEW] == 0:
            packed_product[self.plan.dtype]

    def _operations(self, batch: int) -> float:
        """Floating-point operations of a step."""
        return 6.0 * self.plan.n_parameters * batch

    def _by_columns(self, team: int, rows: int, chunk: int) -> int:
        """Number of layers, from the first on, whose columns the threads own.

        Their panels can be shared out evenly enough; and that activations change cores costs less than that weights do,
        of which a thread that owns rows of the batch needs all: half of the weight and half of its transposition.
        """
        panels, size = self._layout.panels, self.plan.dtype.itemsize
        if team == 1 or not panels and not PACKED_ROWS <= rows <= chunk:
            return 0
        layers = 0
        strips = self._layout.strips
        for inputs, width, strip in zip(self.plan.sizes, self.plan.sizes[1:], strips, strict=False):
            count = panel_count(width - strip, size)
            uneven = count < MAX_VECTORS * team - 1 or -(-count // team) * team > UNEVEN * count
            small = rows > chunk or ROWS_SHARED * rows * (inputs + width) > inputs * width
            if uneven or small and (layers > 0 or not panels):
                break
            layers += 1
        return layers
