"""The jobs in PyTorch and JAX, as a careful user of each would write them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .jobs import Job, Start, batches, shuffled
from .plain import Trained

__all__ = ["jax_trainer", "torch_trainer"]


def _torch_loss(job: Job) -> Callable[[Any, Any], Any]:
    import torch
    from torch.nn import functional

    if job.output == "softmax":
        return functional.cross_entropy
    scale, reduction = job.loss.scale, job.loss.reduction

    def squared(z: Any, y: Any) -> Any:
        value = functional.mse_loss(torch.sigmoid(z) if job.output == "sigmoid" else z, y, reduction=reduction)
        return value if scale == 1 else scale * value

    return squared


def torch_trainer(job: Job, begin: Start) -> Callable[[], Trained]:
    """The usual loop: forward, backward, and a step of the optimizer, Adam in its fused form."""
    import torch
    from torch import nn

    x, y, loss = torch.from_numpy(begin.x), torch.from_numpy(begin.y), _torch_loss(job)
    activation = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}[job.activation]

    def network() -> Any:
        layers: list[Any] = []
        for number, weight in enumerate(begin.weights):
            layer = nn.Linear(*weight.shape, bias=job.bias, dtype=x.dtype)
            with torch.no_grad():
                layer.weight.copy_(torch.from_numpy(weight.T))
                if job.bias:
                    layer.bias.copy_(torch.from_numpy(begin.biases[number]))
            layers += [layer, activation()]
        return nn.Sequential(*layers[:-1])

    def train() -> Trained:
        net, rule = network(), job.optimizer
        if hasattr(rule, "beta1"):
            betas = (rule.beta1, rule.beta2)
            optimizer: Any = torch.optim.Adam(
                net.parameters(), lr=rule.learning_rate, betas=betas, eps=rule.epsilon, fused=True
            )
        else:
            optimizer = torch.optim.SGD(net.parameters(), lr=rule.learning_rate)
        for chosen in batches(job, np.random.default_rng(1)):
            rows = chosen if isinstance(chosen, slice) else torch.from_numpy(chosen)
            optimizer.zero_grad(set_to_none=True)
            loss(net(x[rows]), y[rows]).backward()
            optimizer.step()
        ended = [p.detach().numpy() for p in net.parameters()]
        return Trained([p.T for p in ended if p.ndim == 2], [p for p in ended if p.ndim == 1])

    return train


def _jax_loss(job: Job) -> Callable[[Any, Any, Any], Any]:
    import jax
    import jax.numpy as jnp

    activation = {"relu": jax.nn.relu, "tanh": jnp.tanh, "sigmoid": jax.nn.sigmoid}[job.activation]

    def loss(parameters: Any, x: Any, y: Any) -> Any:
        weights, biases = parameters
        for layer, weight in enumerate(weights):
            x = activation(x) if layer > 0 else x
            x = x @ weight + biases[layer] if job.bias else x @ weight
        if job.output == "softmax":
            return -jnp.take_along_axis(jax.nn.log_softmax(x), y[:, None], axis=1).mean()
        errors = job.loss.scale * jnp.square((jax.nn.sigmoid(x) if job.output == "sigmoid" else x) - y)
        return errors.mean() if job.loss.reduction == "mean" else errors.sum()

    return loss


def _jax_step(job: Job) -> Callable[..., Any]:
    """Return ``step((parameters, means, squares, t), x, y)``, which returns all of them after an update."""
    import jax
    import jax.numpy as jnp

    gradient_of, rule, each = jax.value_and_grad(_jax_loss(job)), job.optimizer, jax.tree.map

    def step(carry: Any, x: Any, y: Any) -> Any:
        parameters, means, squares, t = carry
        loss, gradient = gradient_of(parameters, x, y)
        if not hasattr(rule, "beta1"):
            return (each(lambda p, g: p - rule.learning_rate * g, parameters, gradient), means, squares, t), loss
        t = t + 1
        means = each(lambda m, g: rule.beta1 * m + (1 - rule.beta1) * g, means, gradient)
        squares = each(lambda v, g: rule.beta2 * v + (1 - rule.beta2) * g * g, squares, gradient)
        root = jnp.sqrt(1 - rule.beta2**t)
        rate, epsilon = rule.learning_rate * root / (1 - rule.beta1**t), rule.epsilon * root
        parameters = each(
            lambda p, m, v: (p - rate * m / (jnp.sqrt(v) + epsilon)).astype(p.dtype), parameters, means, squares
        )
        return (parameters, means, squares, t), loss

    return step


def jax_trainer(job: Job, begin: Start) -> Callable[[], Trained]:
    """An epoch in one compiled call, a scan over its batches; all epochs in one where a step takes all rows."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", job.dtype == "float64")
    x, y, step = jnp.asarray(begin.x), jnp.asarray(begin.y), _jax_step(job)
    size = min(job.batch_size or job.rows, job.rows)
    whole = job.rows // size * size

    def full_batches(carry: Any) -> Any:
        return jax.lax.fori_loop(0, job.epochs, lambda _, now: step(now, x, y)[0], carry)

    def epoch(carry: Any, order: Any) -> Any:
        batched = order[:whole].reshape(-1, size)
        carry, _ = jax.lax.scan(lambda now, rows: step(now, x[rows], y[rows]), carry, batched)
        return step(carry, x[order[whole:]], y[order[whole:]])[0] if whole < job.rows else carry

    compiled = jax.jit(full_batches if size == job.rows else epoch)

    def train() -> Trained:
        parameters = [jnp.asarray(w) for w in begin.weights], [jnp.asarray(b) for b in begin.biases]
        zeros = jax.tree.map(jnp.zeros_like, parameters)
        carry: Any = (parameters, zeros, zeros, jnp.zeros((), x.dtype))
        rng = np.random.default_rng(1)
        if size == job.rows:
            carry = compiled(carry)
        else:
            for _ in range(job.epochs):
                order = shuffled(job.rows, rng) if job.shuffle else np.arange(job.rows)
                carry = compiled(carry, order.astype(np.int32))
        weights, biases = carry[0]
        return Trained([np.asarray(w) for w in weights], [np.asarray(b) for b in biases])

    return train
