"""What a benchmark is: inputs, one way to compute each implementation's answer, and the answer that is right."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

IMPLEMENTATIONS = ("numpy", "fastff", "sklearn", "torch", "jax")


class WrongAnswerError(AssertionError):
    """An implementation's answer is not the right one; its time would mean nothing."""


class Work(NamedTuple):
    """One implementation of one benchmark, on inputs of its own.

    Attributes
    ----------
    run : callable
        Does the work once: this is what is timed.
    answer : callable
        Returns the arrays to be checked; called after exactly one run.
    """

    run: Callable[[], object]
    answer: Callable[[], Sequence[np.ndarray]]


Inputs = dict[str, Any]


@dataclass(frozen=True)
class Entry:
    """One line of the registry.

    Attributes
    ----------
    name : str
        As the code calls it.
    family : str
        The module of the suite that times it.
    title, text : str
        What it is, for somebody who has never seen the project: a few words, and a sentence.
    params : mapping of str to tuple of str
        Names and values of its parameters.
    inputs : callable
        ``inputs(check, **params)``: written, seeded arrays of the stated dtype; with `check` such that one run can be
        checked (a step large enough to be seen, a training cut short), without it those that are timed.
    works : mapping of str to callable
        By implementation, ``work(inputs) -> Work``.
    expected : callable
        ``expected(inputs, implementation)``: the arrays that `Work.answer` must give, by the definition, in float64.
    tolerance : callable
        ``tolerance(inputs, implementation)``: the largest difference allowed, as a part of the largest number expected.
    operations : callable
        ``operations(**params)``: floating-point operations of the matrix products in one run; 0 where there are none.
    covers : tuple of str
        Public names that this benchmark keeps watch on.
    fast : bool
        Whether the gate runs it.
    by_norm : bool
        Whether differences are measured as Euclidean norms of whole arrays.
    """

    name: str
    family: str
    title: str
    text: str
    params: Mapping[str, tuple[str, ...]]
    inputs: Callable[..., Inputs]
    works: Mapping[str, Callable[[Inputs], Work]]
    expected: Callable[[Inputs, str], Sequence[np.ndarray]]
    tolerance: Callable[[Inputs, str], float]
    operations: Callable[..., float] = lambda **params: 0.0
    covers: tuple[str, ...] = ()
    fast: bool = False
    by_norm: bool = False

    def check(self, impl: str, **params: str) -> None:
        """Compute the answer once and compare it with the definition; raises `WrongAnswerError`."""
        inputs = self.inputs(True, **params)
        expected = [np.array(array, np.float64) for array in self.expected(inputs, impl)]
        work = self.works[impl](self.inputs(True, **params))
        work.run()
        bound = self.tolerance(inputs, impl)
        for number, (given, wanted) in enumerate(zip(work.answer(), expected, strict=True)):
            error = _difference(np.asarray(given, np.float64), wanted, self.by_norm)
            if not error <= bound:
                raise WrongAnswerError(
                    f"{self.name} by {impl} with {params}: result {number} is off by {error:.3g} of its largest "
                    f"number, {bound:.3g} is allowed"
                )

    def prepare(self, impl: str, **params: str) -> Callable[[], object]:
        """Return the work to be timed, checked and warmed up: what is compiled has been compiled.

        Raises
        ------
        NotImplementedError
            The implementation does not do this, or is not installed.
        WrongAnswerError
            It does something else.
        """
        if impl not in self.works or any(params[name] not in values for name, values in self.params.items()):
            raise NotImplementedError(f"{impl} has no {self.name} with {params}")
        if not installed(impl):
            raise NotImplementedError(f"{impl} is not installed")
        self.check(impl, **params)
        run = self.works[impl](self.inputs(False, **params)).run
        run()
        return run


def _difference(given: np.ndarray, wanted: np.ndarray, by_norm: bool) -> float:
    if given.shape != wanted.shape:
        return np.inf
    if by_norm:
        return float(np.linalg.norm(given - wanted) / np.linalg.norm(wanted))
    return float(np.abs(given - wanted).max() / np.abs(wanted).max())


def installed(impl: str) -> bool:
    """Tell whether an implementation can be imported here."""
    return importlib.util.find_spec(impl) is not None
