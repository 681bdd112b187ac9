"""The trainings of `networks` in PyTorch and JAX."""

from __future__ import annotations

from typing import Any

import numpy as np

from .networks import Adam, BinaryCrossEntropy, CrossEntropy, Job, Start, Training


def torch_network(job: Job, begin: Start) -> Any:
    """Return a `torch.nn.Sequential` of the job's layers with the given parameters; its output is the logits."""
    import torch
    from torch import nn

    layers: list[Any] = []
    for number, (n_in, n_out) in enumerate(zip(job.sizes, job.sizes[1:])):
        linear = nn.Linear(n_in, n_out, bias=job.bias, dtype=getattr(torch, job.dtype))
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(begin.weights[number].T))
            if job.bias:
                linear.bias.copy_(torch.from_numpy(begin.biases[number]))
        layers.append(linear)
        if number < len(job.sizes) - 2 and job.activation != "identity":
            layers.append({"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}[job.activation]())
    return nn.Sequential(*layers)


def torch_optimizer(job: Job, parameters: Any) -> Any:
    """Return PyTorch's fused optimizer of the same rule."""
    from torch import optim

    rule = job.optimizer
    if isinstance(rule, Adam):
        betas = (rule.beta1, rule.beta2)
        kind = optim.AdamW if rule.weight_decay else optim.Adam
        return kind(
            parameters, lr=rule.learning_rate, betas=betas, eps=rule.epsilon, weight_decay=rule.weight_decay, fused=True
        )
    return optim.SGD(parameters, lr=rule.learning_rate, momentum=rule.momentum, nesterov=rule.nesterov, fused=True)


def torch_loss(job: Job) -> Any:
    """Return ``loss(logits, y)``."""
    import torch
    from torch.nn import functional

    loss = job.loss
    if isinstance(loss, CrossEntropy):
        return functional.cross_entropy
    if isinstance(loss, BinaryCrossEntropy):
        return functional.binary_cross_entropy_with_logits
    head = torch.sigmoid if job.output == "sigmoid" else lambda z: z
    if loss.scale == 1.0:
        return lambda z, y: functional.mse_loss(head(z), y, reduction=loss.reduction)
    return lambda z, y: loss.scale * functional.mse_loss(head(z), y, reduction=loss.reduction)


def torch_training(job: Job, begin: Start) -> Training:
    """The usual loop: forward, backward, step."""
    import torch

    if job.optimizer.weight_decay and not isinstance(job.optimizer, Adam):
        raise NotImplementedError("PyTorch's SGD couples the decay to the gradient")
    x, y = torch.from_numpy(begin.x), torch.from_numpy(begin.y)
    loss_of, rows = torch_loss(job), len(begin.x)
    size = min(job.batch_size or rows, rows)

    def train() -> list[np.ndarray]:
        network = torch_network(job, begin)
        optimizer = torch_optimizer(job, network.parameters())
        generator = torch.Generator().manual_seed(1)
        for _ in range(job.epochs):
            order = torch.randperm(rows, generator=generator) if job.shuffle else None
            for first in range(0, rows, size):
                chosen = slice(first, first + size) if order is None else order[first : first + size]
                optimizer.zero_grad(set_to_none=True)
                loss_of(network(x[chosen]), y[chosen]).backward()
                optimizer.step()
        return [p.detach().numpy().T for p in network.parameters() if p.ndim == 2]

    return train


def jax_logits(job: Job) -> Any:
    """Return ``logits(parameters, x)`` on a list of ``(weight, bias)``."""
    import jax
    import jax.numpy as jnp

    hidden = {"identity": lambda z: z, "relu": jax.nn.relu, "tanh": jnp.tanh, "sigmoid": jax.nn.sigmoid}[job.activation]

    def logits(parameters: Any, x: Any) -> Any:
        for layer, (weight, bias) in enumerate(parameters):
            x = x @ weight + bias if job.bias else x @ weight
            if layer < len(parameters) - 1:
                x = hidden(x)
        return x

    return logits


def jax_loss(job: Job) -> Any:
    """Return ``loss(parameters, x, y)`` on a list of ``(weight, bias)``."""
    import jax
    import jax.numpy as jnp

    logits = jax_logits(job)

    def loss(parameters: Any, x: Any, y: Any) -> Any:
        z = logits(parameters, x)
        if isinstance(job.loss, CrossEntropy):
            return -jnp.take_along_axis(jax.nn.log_softmax(z), y[:, None], 1).mean()
        if isinstance(job.loss, BinaryCrossEntropy):
            return (jnp.logaddexp(z, 0) - z * y).mean()
        p = jax.nn.sigmoid(z) if job.output == "sigmoid" else z
        terms = job.loss.scale * (p - y) ** 2
        return terms.mean() if job.loss.reduction == "mean" else terms.sum()

    return loss


def _jax_update(job: Job, parameters: Any, gradient: Any, states: Any, t: Any) -> Any:
    import jax
    import jax.numpy as jnp

    rule, each = job.optimizer, jax.tree.map
    if rule.weight_decay:
        parameters = each(lambda p: p * (1 - rule.learning_rate * rule.weight_decay), parameters)
    if isinstance(rule, Adam):
        mean = each(lambda m, g: rule.beta1 * m + (1 - rule.beta1) * g, states[0], gradient)
        square = each(lambda v, g: rule.beta2 * v + (1 - rule.beta2) * g * g, states[1], gradient)
        root = jnp.sqrt(1 - rule.beta2**t)
        rate = rule.learning_rate * root / (1 - rule.beta1**t)

        def step(p: Any, m: Any, v: Any) -> Any:
            return (p - rate * m / (jnp.sqrt(v) + rule.epsilon * root)).astype(p.dtype)

        return each(step, parameters, mean, square), [mean, square]
    if rule.momentum:
        velocity = each(lambda v, g: rule.momentum * v + g, states[0], gradient)
        gradient = each(lambda v, g: g + rule.momentum * v, velocity, gradient) if rule.nesterov else velocity
        states = [velocity]
    return each(lambda p, g: p - rule.learning_rate * g, parameters, gradient), states


def jax_session(job: Job, begin: Start) -> tuple[Any, Any, Any]:
    """Return what a training starts from, ``epoch(carry, key)`` and ``logits``; parameters are ``carry[0]``."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", job.dtype == "float64")
    gradient_of = jax.value_and_grad(jax_loss(job))
    x, y, rows = jnp.asarray(begin.x), jnp.asarray(begin.y), len(begin.x)
    size = min(job.batch_size or rows, rows)

    def step(carry: Any, xs: Any) -> Any:
        parameters, states, t = carry
        loss, gradient = gradient_of(parameters, *xs)
        parameters, states = _jax_update(job, parameters, gradient, states, t + 1)
        return (parameters, states, t + 1), loss

    def epoch(carry: Any, key: Any) -> Any:
        if size == rows:
            return step(carry, (x, y))[0]
        order = jax.random.permutation(key, rows) if job.shuffle else jnp.arange(rows)
        full = order[: rows // size * size].reshape(-1, size)
        carry, _ = jax.lax.scan(lambda c, chosen: step(c, (x[chosen], y[chosen])), carry, full)
        if rows % size:
            last = order[rows // size * size :]
            carry, _ = step(carry, (x[last], y[last]))
        return carry

    biases = begin.biases or [np.zeros(0, job.dtype)] * len(begin.weights)
    parameters = [(jnp.asarray(w), jnp.asarray(b)) for w, b in zip(begin.weights, biases)]
    states = [jax.tree.map(jnp.zeros_like, parameters) for _ in range(job.optimizer.n_states)]
    return (parameters, states, jnp.zeros((), x.dtype)), jax.jit(epoch), jax.jit(jax_logits(job))


def jax_training(job: Job, begin: Start) -> Training:
    """A whole epoch in one compiled call, a scan over the batches; epochs of one step each are one call together."""
    import jax

    initial, epoch, _ = jax_session(job, begin)
    together = jax.jit(lambda carry, keys: jax.lax.scan(lambda c, key: (epoch(c, key), None), carry, keys)[0])

    def train() -> list[np.ndarray]:
        key = jax.random.PRNGKey(1)
        carry = epoch(initial, key) if job.epochs == 1 else together(initial, jax.random.split(key, job.epochs))
        return [np.asarray(weight) for weight, _ in carry[0]]

    return train
