"""Mini-batches and epochs on real data: a classifier of scanned digits and a regressor of the course of diabetes.

Needs scikit-learn, for its embedded data: ``pip install 'fastff[sklearn]'``.
"""

import numpy as np
from sklearn.datasets import load_diabetes, load_digits

import fastff as ff


def classify() -> float:
    """Return the share of held-out digits that the network names rightly."""
    x, labels = load_digits(return_X_y=True)
    x = x / 16
    held_out = np.arange(len(x)) % 5 == 0

    net = ff.Network((64, 64, 10), "relu", "softmax", random_state=0)
    trainer = ff.Trainer(net, optimizer=ff.Adam(3e-3), batch_size=32, random_state=0)
    for _ in range(3):
        history = trainer.fit(x[~held_out], labels[~held_out], 10)
        print(f"loss {history.loss[-1]:.4f}")
    return float((net.predict(x[held_out]).argmax(axis=1) == labels[held_out]).mean())


def regress() -> float:
    """Return the share of the held-out variance that the network explains."""
    x, y = load_diabetes(return_X_y=True)
    held_out = np.arange(len(x)) % 5 == 0
    x = x / x[~held_out].std(axis=0)
    mean, std = y[~held_out].mean(), y[~held_out].std()

    net = ff.Network((10, 16, 1), "tanh", random_state=0)
    optimizer = ff.SGD(0.01, momentum=0.9, weight_decay=0.1)
    net.fit(x[~held_out], (y[~held_out] - mean) / std, optimizer=optimizer, epochs=40, batch_size=16, random_state=0)
    error = net.predict(x[held_out])[:, 0] * std + mean - y[held_out]
    return float(1 - np.mean(error**2) / np.var(y[held_out]))


def main() -> None:
    print(f"digits: {classify():.1%} of the held-out scans are right")
    print(f"diabetes: {regress():.2f} of the held-out variance is explained")


if __name__ == "__main__":
    main()
