"""The dashboard: a front page for what ``asv publish`` writes, see `site`.

asv imports this folder as a plugin (``asv.conf.json``), by the name it has from there; the suite imports it by its own.
"""

import sys
from pathlib import Path
from typing import Any

if __name__ == "dashboard":
    from asv.publishing import OutputPublisher

    class FrontPage(OutputPublisher):
        """What asv calls at the end of ``asv publish``."""

        name = "speedup"
        button_label = "Speedup"
        description = "Speedup over NumPy"
        order = 1000

        @classmethod
        def publish(cls, conf: Any, repo: Any, benchmarks: Any, graphs: Any, revisions: Any) -> None:
            """Put the front page in front."""
            sys.path.append(str(Path(__file__).resolve().parent.parent.parent))
            from benchmarks.dashboard.site import put_in_front

            put_in_front(Path(conf.html_dir), Path(conf.results_dir))
