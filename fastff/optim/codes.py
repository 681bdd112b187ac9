"""The update rules as compiled code knows them."""

PLAIN = 0
MOMENTUM = 1
NESTEROV = 2
ADAM = 3
