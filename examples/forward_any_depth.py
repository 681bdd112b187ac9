"""Any number of layers with biases, forward only: the output of each activation, and the losses that go with it."""

import numpy as np

import fastff as ff


def main() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((4, 5))
    sizes = (5, 8, 7, 6, 3)

    for output in ("identity", "sigmoid", "tanh", "relu", "softmax"):
        net = ff.Network(sizes, ["sigmoid", "tanh", "relu"], output, dtype="float64", random_state=0)
        print(f"{output:8s}", net.predict(x)[0].round(4))

    regressor = ff.Network(sizes, "tanh", "identity", random_state=0)
    half = ff.losses.SquaredError(reduction="sum", scale=0.5)
    print(f"half squared error: {regressor.loss(x, np.ones((4, 3)), loss=half):.4f}")

    two_classes = ff.Network((5, 8, 1), "relu", "sigmoid", random_state=0)
    print(f"cross entropy, two classes: {two_classes.loss(x, [0, 1, 1, 0], loss='binary_cross_entropy'):.4f}")

    many_classes = ff.Network(sizes, "relu", "softmax", random_state=0)
    print(f"cross entropy, three classes: {many_classes.loss(x, [0, 1, 2, 0], loss='cross_entropy'):.4f}")


if __name__ == "__main__":
    main()
