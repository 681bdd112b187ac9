"""What one call of the compiled training loop is told: a record of int64 and float64, by column."""

from __future__ import annotations

# int64
TABLE = 0  # address of the layer table for even chunks
LAYERS = 1
THREADS = 2
BARRIER = 3  # address
ROWS = 4  # of the data
BATCH = 5  # rows of a step
CHUNK = 6  # rows that the workspace holds
BLOCK = 7  # rows that one thread takes through the network at a time
X = 8  # address; X_ROW bytes from row to row
X_ROW = 9
Y = 10
Y_ROW = 11
LABELS = 12  # 1 where y is int64 class labels
ORDER = 13  # address of the orders of the epochs, or 0
FIRST = 14  # number of the first step
STEPS = 15
LOSSES = 16  # address of STEPS float64
ROW_LOSSES = 17  # address of BATCH float64
LOSS = 18  # code
MEAN = 19  # 1: divide by rows, and by outputs except for cross entropy
RULE = 20  # see below
CLOCK = 21  # updates made so far
DONE = 22  # out: steps made
ODD_TABLE = 23  # and of the one for odd chunks: other buffers of gathered rows and of the first layer's outputs
X_BATCH_ROW = 24  # bytes from row to row of gathered rows
Y_BATCH = 25
SCRATCH = 26  # address; SCRATCH_BYTES for each thread
SCRATCH_BYTES = 27
ONE = 28  # address of the number 1 in the dtype
BY_COLUMNS = 29  # layers, from the first on, whose columns the threads own, forward, back and in the update
FEW = 30  # 1 where a batch is so few rows that weights are not transposed for the way back
TINY = 31  # address of the record of a tiny network's buffers, see fastff.training.tiny
# float64
SCALE = 32  # factor of the loss
LEARNING_RATE = 33
DECAY = 34
BETA1 = 35  # or momentum
BETA2 = 36
EPSILON = 37
ONLINE = 38  # int64: address of the record of steps of one row, see fastff.training.online, or 0
SLIM = 39  # int64: address of the record of a slim network's buffers, see fastff.training.slim, or 0
TILES = 40  # int64: address of room for the data in tiles, where each epoch has them in the same order, or 0
FIELDS = 41

# RULE: an optimizer's code, or one of these
GRADIENT_ONLY = -1  # write gradients, change nothing
LOSS_ONLY = -2
