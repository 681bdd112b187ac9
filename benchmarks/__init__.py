"""The asv suite of fastff: speed against the plain NumPy loop, scikit-learn, PyTorch and JAX.

`benchmarks.registry` lists what is measured, how each implementation does it, and what the right answer is; the modules
beside this one are asv's view of it. README.md tells how to run it.
"""

import os

if "ASV_ENV_NAME" in os.environ:  # asv imports this package before anything that imports NumPy
    from benchmarks import conditions

    conditions.apply()
