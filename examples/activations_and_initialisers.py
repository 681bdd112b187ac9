"""Every initialiser's weights, and every activation on the XOR problem."""

import numpy as np

import fastff as ff

INITIALISERS = [
    "zeros",
    "ones",
    0.25,
    "uniform",
    "normal",
    "kaiming_uniform",
    "kaiming_normal",
    "xavier_uniform",
    "xavier_normal",
    ff.init.XavierNormal(gain=5 / 3),
    ff.init.Uniform(-0.5, 0.5),
]
ACTIVATIONS = ["relu", "leaky_relu", "sigmoid", "tanh", "elu", "gelu", "silu", "softplus"]


def main() -> None:
    print("weights of a layer of 400 inputs and 100 outputs")
    for init in INITIALISERS:
        weight = ff.Network((400, 100), init=init, random_state=0).weights[0]
        print(f"{init!s:32s} mean {weight.mean():8.4f}  std {weight.std():7.4f}  largest {np.abs(weight).max():7.4f}")

    print("XOR after 400 steps of Adam")
    x, y = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0, 1, 1, 0])
    for activation in ACTIVATIONS:
        net = ff.Network((2, 16, 1), activation, "sigmoid", random_state=0)
        history = net.fit(x, y, optimizer=ff.Adam(0.05), epochs=400, batch_size=None)
        print(f"{activation:12s} loss {history.loss[-1]:.5f}  outputs {net.predict(x)[:, 0].round(2)}")


if __name__ == "__main__":
    main()
