"""The network a user holds: a plan, one flat parameter vector with views into it, and what can be asked of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..init import initialise
from .arguments import generator
from .arrays import as_rows
from .forward import forward, forward_again
from .plan import Plan, make_plan

if TYPE_CHECKING:
    from ..ops.losses import Loss
    from ..optim import Optimizer
    from ..training.evaluation import Gradients
    from ..training.history import History

__all__ = ["Network"]


class Network:
    """A feed-forward network: ``h = activation(h @ W + b)``, layer by layer.

    Parameters
    ----------
    sizes : sequence of int
        Widths of the layers, the input's first: at least two.
    activation : str or sequence of str
        One name for every hidden layer, or one each: ``identity relu leaky_relu sigmoid tanh elu gelu silu softplus``.
    output : str
        Activation of the last layer: any of these, or ``softmax``.
    bias : bool
        Whether layers have biases.
    init : str, float, list of arrays or initialiser
        How the parameters start: see `fastff.init`. ``"auto"`` takes He's for layers of the ReLU family, else Xavier's.
    dtype : {"float32", "float64"}
        Of the parameters, and of all that is computed.
    random_state : int, None or numpy.random.Generator
        Where `init` draws from.

    Attributes
    ----------
    plan : Plan
        Sizes, activations, bias and dtype; read-only.
    parameters : ndarray of shape (n_parameters,)
        All: ``W1, b1, W2, b2, ...``, each ``W`` ``(in, out)`` in C order. ``net.parameters[...] = v`` sets them.
    weights, biases : list of ndarray
        Views of it, ``(in, out)`` and ``(out,)``: ``net.weights[0][...] = w`` sets them. No biases: an empty list.

    Raises
    ------
    ValueError, TypeError
        If an argument is not as above; the message names it, and lists the known names.

    Examples
    --------
    >>> import fastff as ff
    >>> net = ff.Network(sizes=(3, 4, 2), activation="tanh", output="softmax")
    >>> net.parameters.shape, [weight.shape for weight in net.weights]
    ((26,), [(3, 4), (4, 2)])
    >>> net.predict([[1, 2, 3]]).sum()
    np.float32(1.0)
    """

    plan: Plan
    _parameters: np.ndarray
    _weights: list[np.ndarray]
    _biases: list[np.ndarray]

    def __init__(
        self,
        sizes: Iterable[int],
        activation: str | Iterable[str] = "relu",
        output: str = "identity",
        bias: bool = True,
        init: object = "auto",
        dtype: object = "float32",
        random_state: object = 0,
    ) -> None:
        plan = make_plan(sizes, activation, output, bias, dtype)
        self._adopt(plan, initialise(plan, init, generator(random_state)))

    def _adopt(self, plan: Plan, values: np.ndarray) -> None:
        """Become a network of this plan with a copy of these parameters."""
        self.plan = plan
        self._parameters = plan.empty()
        self._parameters[...] = values
        self._weights = plan.weights(self._parameters)
        self._biases = plan.biases(self._parameters)

    @property
    def parameters(self) -> np.ndarray:
        """The flat vector that holds everything."""
        return self._parameters

    @property
    def weights(self) -> list[np.ndarray]:
        """Views of each layer's weights, ``(in, out)``."""
        return list(self._weights)

    @property
    def biases(self) -> list[np.ndarray]:
        """Views of each layer's biases, ``(out,)``; empty without biases."""
        return list(self._biases)

    @property
    def dtype(self) -> np.dtype:
        """Of the parameters, and of all that is computed."""
        return self.plan.dtype

    def predict(self, X: object) -> np.ndarray:
        """Return the output activation's values.

        Parameters
        ----------
        X : array-like of shape (rows, sizes[0])
            Numbers, finite. Read; converted to the network's dtype where it is another.

        Returns
        -------
        ndarray of shape (rows, sizes[-1])
            New, of the network's dtype.

        Raises
        ------
        ValueError, TypeError
            If X is not as above.
        """
        again = forward_again(self._parameters, X)
        if again is not None:
            return again
        x = as_rows(X, self.plan)
        out = np.empty((x.shape[0], self.plan.sizes[-1]), self.plan.dtype)
        forward(self.plan, self._parameters, x, out)
        return out

    def loss(self, X: object, y: object, loss: str | Loss = "squared_error") -> float:
        """Return the loss on these rows.

        Parameters
        ----------
        X : array-like of shape (rows, sizes[0])
            Inputs, finite. Read.
        y : array-like of shape (rows, sizes[-1]), or (rows,) for one output or for class labels
            Targets: see `fit`. Read.
        loss : str or loss object
            A name, ``"auto"``, or an object of `fastff.losses`, which says what the mean or sum is over.

        Raises
        ------
        ValueError, TypeError
            If the arrays or the loss are not as above.
        """
        from ..training.evaluation import evaluate

        return evaluate(self, X, y, loss)

    def loss_and_gradients(self, X: object, y: object, loss: str | Loss = "squared_error") -> tuple[float, Gradients]:
        """Return the loss on these rows and its derivatives by the parameters.

        Parameters
        ----------
        X, y, loss
            As in `loss`.

        Returns
        -------
        loss : float
        gradients : Gradients
            ``gradients.weights`` and ``gradients.biases``, lists of arrays shaped as the network's; views of
            ``gradients.flat``, which is laid out as `parameters`.

        Examples
        --------
        >>> import fastff as ff
        >>> net = ff.Network((1, 1), init="ones", dtype="float64")
        >>> loss, gradients = net.loss_and_gradients([[2.0]], [5.0])
        >>> loss, gradients.weights[0], gradients.biases[0]
        (9.0, array([[-12.]]), array([-6.]))
        """
        from ..training.evaluation import evaluate_with_gradients

        return evaluate_with_gradients(self, X, y, loss)

    def fit(
        self,
        X: object,
        y: object,
        loss: str | Loss = "auto",
        optimizer: Optimizer | None = None,
        epochs: int = 10,
        batch_size: int | None = 64,
        shuffle: bool = True,
        random_state: object = 0,
        callback: Callable[[int, float], Any] | None = None,
    ) -> History:
        """Train on these rows; the parameters are updated in place.

        It is ``Trainer(self, ...).fit(X, y, epochs)``; keep a `Trainer` to go on later with the optimizer's state.

        Parameters
        ----------
        X : array-like of shape (rows, sizes[0])
            Inputs, finite. Read, and copied only where dtype or layout are not the network's.
        y : array-like of shape (rows, sizes[-1]), or (rows,) for one output or for class labels
            Targets, finite. Cross entropy takes integer labels from 0 or probabilities. Read.
        loss : str or loss object
            ``"squared_error"``, ``"cross_entropy"``, ``"binary_cross_entropy"``, an object of `fastff.losses`, or
            ``"auto"``: by the output, softmax cross entropy, sigmoid binary cross entropy, else squared error.
        optimizer : optimizer object, optional
            ``fastff.Adam()`` if not given.
        epochs : int
            How often every row is trained on.
        batch_size : int or None
            Rows of a step; None, or more than there are, takes all. The last batch of an epoch may be smaller.
        shuffle : bool
            Whether each epoch takes the rows in a new order. Where one step takes all rows there is nothing to order.
        random_state : int, None or numpy.random.Generator
            Where the orders come from.
        callback : function, optional
            ``callback(epochs_done, loss)``, called some ten times a second, in long epochs also in their middle, with
            the mean loss of the last epoch, or of the first one so far.

        Returns
        -------
        History
            ``history.loss``, ``(epochs,)``: mean over the epoch's steps of the loss each step started from.

        Raises
        ------
        DivergedError
            If the loss or the parameters stop being finite; the network keeps the parameters of the last good epoch.
        ValueError, TypeError
            If an argument is not as above; nothing has been written then.

        Warns
        -----
        UserWarning
            If Ctrl-C ended it. It returns within a second then: the network keeps the last complete epoch, and the
            history, whose ``interrupted`` is true, holds what was done.

        Examples
        --------
        >>> import fastff as ff
        >>> net = ff.Network((1, 1), init="zeros", dtype="float64")
        >>> history = net.fit([[1.0], [2.0]], [3.0, 5.0], optimizer=ff.SGD(0.1), epochs=500, batch_size=None)
        >>> net.parameters
        array([2.0, 1.0])
        """
        from ..training.trainer import Trainer

        trainer = Trainer(self, loss, optimizer, batch_size, shuffle, random_state)
        return trainer.fit(X, y, epochs, callback)

    def copy(self) -> Network:
        """Return a network of the same plan with a copy of the parameters."""
        twin = type(self).__new__(type(self))
        twin._adopt(self.plan, self._parameters)
        return twin

    def summary(self) -> str:
        """Return a table of the layers, to print.

        Examples
        --------
        >>> import fastff as ff
        >>> print(ff.Network((784, 128, 10), output="softmax").summary())
        layer  weights    activation  parameters
            1  784 x 128  relu           100,480
            2  128 x 10   softmax          1,290
        total  float32                   101,770
        """
        plan = self.plan
        cells = [("layer", "weights", "activation", "parameters")]
        for layer, activation in enumerate(plan.activations):
            count = plan.offsets[layer + 1] - plan.offsets[layer]
            weights = f"{plan.sizes[layer]} x {plan.sizes[layer + 1]}"
            cells.append((str(layer + 1), weights, activation, f"{count:,}"))
        cells.append(("total", plan.dtype.name, "", f"{plan.n_parameters:,}"))
        a, b, c, d = (max(map(len, column)) for column in zip(*cells))
        return "\n".join(f"{p:>{a}}  {q:<{b}}  {r:<{c}}  {s:>{d}}" for p, q, r, s in cells)

    def __repr__(self) -> str:
        *hidden, output = self.plan.activations
        activation = hidden[0] if len(set(hidden)) == 1 else tuple(hidden)
        return (
            f"Network(sizes={self.plan.sizes}, activation={activation!r}, output={output!r}, "
            f"bias={self.plan.bias}, dtype={self.plan.dtype.name!r})"
        )

    # Pickled, the views would become arrays of their own.
    def __getstate__(self) -> dict[str, Any]:
        return {"plan": self.plan, "parameters": np.array(self._parameters)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._adopt(state["plan"], state["parameters"])
