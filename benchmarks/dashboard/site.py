"""asv's site with a page in front of it: the speedup over NumPy of everything that is measured.

asv's own page becomes ``graphs.html``. Its scripts come from the network, or, where ``npm install`` was run in this
folder, from ``vendor/`` beside it: then the site works without a network.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from .. import recorded
from .page import render

HERE = Path(__file__).resolve().parent
ASV_PAGE = "graphs.html"
# what asv's page loads from the network, and the file of the npm package that is the same
VENDOR = {
    "jquery-3.3.1.min.js": "jquery/dist/jquery.min.js",
    "jquery.flot.min.js": "flot/jquery.flot.js",
    "jquery.flot.time.min.js": "flot/jquery.flot.time.js",
    "jquery.flot.selection.min.js": "flot/jquery.flot.selection.js",
    "jquery.flot.categories.min.js": "flot/jquery.flot.categories.js",
    "jquery.flot.orderBars.js": "flot-orderbars/js/jquery.flot.orderBars.js",
    "stupidtable.min.js": "stupid-table-plugin/stupidtable.min.js",
    "md5.min.js": "blueimp-md5/js/md5.min.js",
    "bootstrap.min.js": "bootstrap/dist/js/bootstrap.min.js",
    "bootstrap.min.css": "bootstrap/dist/css/bootstrap.min.css",
}


def put_in_front(html: Path, results: Path, modules: Path = HERE / "node_modules") -> None:
    """Write the front page into asv's site, and give asv's own page another name."""
    (html / "index.html").replace(html / ASV_PAGE)
    if modules.is_dir():
        use_local_scripts(html, modules)
    machines = sorted({path.parent.name for path in recorded.files(results)})
    histories = [recorded.history(results, machine) for machine in machines]
    (html / "index.html").write_text(render(histories), encoding="utf-8")


def use_local_scripts(html: Path, modules: Path) -> None:
    """Copy asv's scripts beside its page, and have it load them from there."""
    page, vendor = html / ASV_PAGE, html / "vendor"
    vendor.mkdir(exist_ok=True)

    def local(match: re.Match[str]) -> str:
        name = match["name"]
        if name not in VENDOR:
            return match[0]
        shutil.copyfile(modules / VENDOR[name], vendor / name)
        if name.endswith(".css"):
            return f'<link rel="stylesheet" href="vendor/{name}">'
        return f'<script src="vendor/{name}" onerror="js_load_failure()"></script>'

    text = re.sub(
        r'<script src="https://[^"]*/(?P<name>[^"/]+)"[^>]*></script>', local, page.read_text(encoding="utf-8")
    )
    page.write_text(
        re.sub(r'<link rel="stylesheet" href="https://[^"]*/(?P<name>[^"/]+)"[^>]*>', local, text), encoding="utf-8"
    )
