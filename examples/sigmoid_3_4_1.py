"""The sigmoid tutorial: 3-4-1, no bias, five rows, half the squared error, 60,000 steps.

Prints the mean of the half squared errors every 10,000 steps, from ``np.random.seed(1)``:
0.121479, 0.00164288, 0.000469889, 0.000257786, 0.000173722, 0.000129528.
"""

import numpy as np

import fastff as ff

X = np.array([[0, 0, 1], [0, 0, 1], [0, 1, 1], [1, 0, 1], [1, 1, 1]])
Y = np.array([0, 0, 1, 1, 0])


def main() -> None:
    random = np.random.RandomState(1).random_sample
    weights = [2 * random((3, 4)) - 1, 2 * random((4, 1)) - 1]

    net = ff.Network((3, 4, 1), "sigmoid", "sigmoid", bias=False, init=weights, dtype="float64")
    half = ff.losses.SquaredError(reduction="sum", scale=0.5)
    history = net.fit(X, Y, loss=half, optimizer=ff.SGD(0.1), epochs=60_000, batch_size=None)
    for step in range(0, 60_000, 10_000):
        print(f"step {step:5d}: mean error {history.loss[step] / len(X):.6g}")
    print("predictions:", net.predict(X)[:, 0].round(3))


if __name__ == "__main__":
    main()
