"""What every test relies on: the tree itself is what child processes import, and plots need no display."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
os.environ["MPLBACKEND"] = "Agg"
