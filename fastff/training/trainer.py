"""The training of one network: optimizer state, epoch count and random stream, kept from call to call."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from .._jit import prepare
from ..errors import DivergedError
from ..network import Network
from ..network.arguments import generator, integer
from ..network.arrays import all_finite, as_rows, as_targets, require_finite
from ..network.memory import address_of
from ..ops.losses import Loss
from ..ops.losses import resolve as resolve_loss
from ..optim import Adam, Optimizer
from ..optim import resolve as resolve_optimizer
from .divergence import explain
from .engine import Engine
from .epochs import Epochs, NotFiniteError
from .history import History
from .interrupt import interrupts

__all__ = ["Trainer"]

# Looking for NaN in X reads all of it: 7 ms for MNIST on two threads, where an epoch of 784-128-10 takes 115. A fit
# of fewer multiplications a number of X than this looks afterwards, and only if something went wrong: a row that is not
# finite makes the first layer's gradient so, whatever the activations, and with it the weights.
_QUICK = 1000


class Trainer:
    """Trains a network, and goes on where it stopped: ``fit(5)`` twice is ``fit(10)``, to the last bit.

    Parameters
    ----------
    network : Network
        Its parameters are updated in place.
    loss : str or loss object
        See `Network.fit`.
    optimizer : optimizer object, optional
        ``fastff.Adam()`` if not given.
    batch_size : int or None
        Rows of a step; None, or more than there are, takes all.
    shuffle : bool
        Whether each epoch takes the rows in a new order. Where one step takes all rows there is nothing to order.
    random_state : int, None or numpy.random.Generator
        Where the orders come from.

    Attributes
    ----------
    network, loss, optimizer, batch_size, shuffle
        As given; loss and optimizer as objects.
    epochs : int
        Complete epochs so far.
    steps : int
        Updates so far: Adam's clock.
    history : History
        Of the latest `fit`.

    Raises
    ------
    ValueError, TypeError
        If an argument is not as above; the message names it, and lists the known names.

    Notes
    -----
    One trainer is used by one thread at a time; two trainers of two networks may run at once.

    Examples
    --------
    >>> import fastff as ff
    >>> net = ff.Network((1, 1), init="zeros", dtype="float64")
    >>> trainer = ff.Trainer(net, optimizer=ff.SGD(0.5))
    >>> trainer.step([[1.0]], [2.0]), trainer.step([[1.0]], [2.0])
    (4.0, 4.0)
    >>> trainer.steps
    2
    """

    def __init__(
        self,
        network: Network,
        loss: str | Loss = "auto",
        optimizer: Optimizer | None = None,
        batch_size: int | None = 64,
        shuffle: bool = True,
        random_state: object = 0,
    ) -> None:
        if not isinstance(network, Network):
            raise TypeError(f"network must be a fastff.Network, not {network!r} of type {type(network).__name__}")
        if not isinstance(shuffle, (bool, np.bool_)):
            raise TypeError(f"shuffle must be True or False, not {shuffle!r} of type {type(shuffle).__name__}")
        self.network = network
        self.loss = resolve_loss(loss, network.plan.activations[-1])
        self.optimizer = Adam() if optimizer is None else resolve_optimizer(optimizer)
        self.batch_size = None if batch_size is None else integer("batch_size", batch_size, 1)
        self.shuffle = bool(shuffle)
        self.epochs = 0
        self.history = History()
        # a generator takes as long to make as the steps of a small fit, which may never ask for its numbers
        self._stream = random_state if type(random_state) is int and random_state >= 0 else generator(random_state)
        self._engine: Engine | None = None
        self._step_loss = np.empty(1)

    @property
    def steps(self) -> int:
        """Updates so far."""
        return 0 if self._engine is None else self._engine.t

    @property
    def _rng(self) -> np.random.Generator:
        """The random stream, which begins where it is first asked for."""
        if isinstance(self._stream, int):
            self._stream = generator(self._stream)
        return self._stream

    def step(self, X: object, y: object) -> float:
        """Make one update on these rows and return the loss it started from.

        Parameters
        ----------
        X : array-like of shape (rows, inputs)
            Inputs, finite. Read.
        y : array-like of shape (rows, outputs), or (rows,) for one output or for class labels
            Targets: see `Network.fit`. Read.

        Raises
        ------
        DivergedError
            If the loss is not finite. The update has not been made then.
        ValueError, TypeError
            If the arrays are not as above; nothing has been written then.
        """
        network, engine = self.network, self._engine
        if engine is not None and engine.again is not None:
            loss = engine.again(network.parameters, X, y)
            if loss is not None:
                return loss
        x = as_rows(X, network.plan)
        rows = x.shape[0]
        targets = as_targets(y, rows, network.plan, self.loss)
        engine = self._engine_for(rows, single=True)
        losses = self._step_loss
        if not engine.run(network.parameters, x, targets, None, rows, 0, 1, losses):
            step = self.steps + 1
            message = explain(losses.item(), 0, step, x, targets, self.loss, self.optimizer)
            raise DivergedError(f"{message}. The update was not made.", self.epochs + 1, step)
        if x is X and isinstance(y, np.ndarray) and address_of(targets) == address_of(y):
            engine.keep(network.parameters, x, y, losses)
        return losses.item()

    def fit(
        self, X: object, y: object, epochs: int = 10, callback: Callable[[int, float], Any] | None = None
    ) -> History:
        """Train for some epochs more.

        Parameters
        ----------
        X, y
            The rows: see `Network.fit`. Read.
        epochs : int
            How often every row is trained on.
        callback : function, optional
            ``callback(epochs_done, loss)``, between compiled calls, some ten times a second. An exception it raises
            ends the training at the last complete epoch.

        Returns
        -------
        History
            Of these epochs.

        Raises
        ------
        DivergedError
            If the loss or the parameters stop being finite. Network, optimizer state (up to 32 MB; a larger one starts
            anew) and random stream are then where the last good epoch left them.
        ValueError, TypeError
            If an argument is not as above; nothing has been written then.

        Warns
        -----
        UserWarning
            If Ctrl-C ended it: all is where the last complete epoch left it, and ``history.interrupted`` is true.
        """
        network, begin = self.network, time.perf_counter()
        epochs = integer("epochs", epochs, 0)
        looks_later = self.steps == 0 and epochs * network.plan.n_parameters < _QUICK * network.plan.n_inputs
        x = as_rows(X, network.plan, finite=looks_later)
        y = as_targets(y, len(x), network.plan, self.loss)
        if not all_finite(network.parameters):
            raise ValueError("network.parameters must be finite before a training; they hold NaN or infinity")
        batch = min(self.batch_size or len(x), len(x))
        engine = self._engine_for(batch, single=False)
        prepare(network.dtype)  # here a KeyboardInterrupt may break it off
        ordered = self.shuffle and batch < len(x)
        run = Epochs(engine, network.parameters, x, y, batch, self._rng if ordered else None)
        bad: NotFiniteError | None = None
        interrupted = False
        try:
            with interrupts() as pressed:
                run.run(epochs, pressed, callback)
                interrupted = pressed()
        except NotFiniteError as error:
            bad = error
        except KeyboardInterrupt:
            run.go_back()
            interrupted = True
        except BaseException:
            run.go_back()
            raise
        finally:
            before, self.epochs = self.epochs, self.epochs + run.done
            seconds = time.perf_counter() - begin
            self.history = History(run.loss, seconds, run.steps_per_epoch, interrupted, bad is not None)
        if bad is not None:
            if looks_later and run.done == 0:
                require_finite("X", x, x)
            raise self._diverged(bad, before, x, y)
        if interrupted:
            warnings.warn(f"fit was interrupted; {run.done} of {epochs} epochs are complete", stacklevel=2)
        return self.history

    def _engine_for(self, rows: int, single: bool) -> Engine:
        """Return the engine, made at the first use, which tells how many rows a step has; it grows for more."""
        if self._engine is None:
            self._engine = Engine(self.network.plan, self.loss, self.optimizer, rows, single)
        else:
            self._engine.grow(rows, single)
        return self._engine

    def _diverged(self, bad: NotFiniteError, before: int, x: np.ndarray, y: np.ndarray) -> DivergedError:
        """Return the error that says where, why and what was kept."""
        epoch, step = before + bad.epoch + 1, bad.step + 1
        message = explain(bad.loss, epoch, step, x, y, self.loss, self.optimizer)
        kept = f"the end of epoch {self.epochs}" if self.epochs else "before the first epoch"
        return DivergedError(f"{message}. The network keeps the parameters from {kept}.", epoch, step, self.history)
