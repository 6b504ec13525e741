"""ATen: graphs of PyTorch's core operators evaluated by JAX; torch itself is not needed.

`graph` says what a graph is, as plain data. `evaluate` walks one. `table` holds the operators by name; the
other modules fill it, one for each kind of operator.
"""
