"""The activations by name, and the code by which compiled code knows them.

====  ==============  ==========================================
code  name            value at z
====  ==============  ==========================================
0     ``identity``    z
1     ``relu``        max(z, 0)
2     ``leaky_relu``  z if z > 0 else 0.01 z
3     ``sigmoid``     1 / (1 + exp(-z))
4     ``tanh``        tanh(z)
5     ``elu``         z if z > 0 else exp(z) - 1
6     ``gelu``        z (1 + erf(z / sqrt(2))) / 2
7     ``silu``        z / (1 + exp(-z))
8     ``softplus``    log(1 + exp(z))
9     ``softmax``     exp(z) / sum of exp(z) over the row; output layer only
====  ==============  ==========================================

A NaN gives NaN in every one of them. At z = 0 the derivative of ``relu`` is 0 and that of ``leaky_relu`` 0.01.
"""

__all__ = [
    "ACTIVATIONS",
    "ELU",
    "GELU",
    "IDENTITY",
    "LEAKY_RELU",
    "LEAKY_SLOPE",
    "OUTPUTS",
    "RELU",
    "RELU_FAMILY",
    "SIGMOID",
    "SILU",
    "SOFTMAX",
    "SOFTPLUS",
    "TANH",
]

IDENTITY = 0
RELU = 1
LEAKY_RELU = 2
SIGMOID = 3
TANH = 4
ELU = 5
GELU = 6
SILU = 7
SOFTPLUS = 8
SOFTMAX = 9

LEAKY_SLOPE = 0.01

ACTIVATIONS: dict[str, int] = {
    "identity": IDENTITY,
    "relu": RELU,
    "leaky_relu": LEAKY_RELU,
    "sigmoid": SIGMOID,
    "tanh": TANH,
    "elu": ELU,
    "gelu": GELU,
    "silu": SILU,
    "softplus": SOFTPLUS,
}
"""Code of every activation that a hidden layer may have."""

OUTPUTS: dict[str, int] = {**ACTIVATIONS, "softmax": SOFTMAX}
"""Code of every activation that the output layer may have."""

RELU_FAMILY = frozenset({"relu", "leaky_relu", "elu", "gelu", "silu", "softplus"})
"""Names of the activations that pass positive values on and hold negative ones back: He's start fits these."""
