"""The dashboard: a front page for what ``asv publish`` writes, see `site`.

asv imports this folder as a plugin (``asv.conf.json``), under a name of its own; then the suite must be found first.
"""

import sys
from pathlib import Path

if __name__ == "dashboard":
    sys.path.append(str(Path(__file__).resolve().parent.parent.parent))
    from benchmarks.dashboard.site import FrontPage

    __all__ = ["FrontPage"]
