"""Models and data on disk.

`save` and `load` need nothing but the core. `read_data` and `prepare` turn tables and images into a network's arrays;
they need the extra ``fastff[cli]`` (pyarrow for CSV and Parquet, scikit-learn for scaling and encoding).
"""

from __future__ import annotations

from .atomic import replacing
from .data import Data, read_data
from .model import Model, load, read_model, save
from .preparation import Preparation, prepare

__all__ = ["Data", "Model", "Preparation", "load", "prepare", "read_data", "read_model", "replacing", "save"]
