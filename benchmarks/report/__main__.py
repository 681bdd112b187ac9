"""Write the pages from recorded results; with ``--run``, record results of the present commit first."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from .. import conditions, recorded
from . import pages, pictures

ROOT = recorded.HERE.parent


def record(python: str | None, peers: bool, arguments: list[str]) -> None:
    """Run asv on the present commit, in an environment that it makes or in that of a Python, and note the versions."""
    head = ["git", "rev-parse", "HEAD"]
    commit = subprocess.run(head, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    config = "asv.peers.conf.json" if peers else "asv.conf.json"
    where = [f"{commit}^!"] if python is None else ["-E", f"existing:{python}", "--set-commit-hash", commit]
    asv = [sys.executable, "-m", "asv", "--config", config, "run"]
    subprocess.run([*asv, *where, *arguments], cwd=recorded.HERE, check=True)
    for path in recorded.files():
        if path.name.startswith(recorded.short_hash(commit)):
            recorded.note_versions(path, python or environments_python())


def environments_python() -> str:
    """Return the Python of the environment that asv made last."""
    made = (recorded.HERE / ".asv" / "env").glob("*/bin/python")
    return str(max(made, key=lambda path: path.parent.parent.stat().st_mtime))


def write(root: Path = ROOT, results: Path = recorded.RESULTS) -> None:
    """Write the pages of the newest commit's results."""
    newest = recorded.newest(list(recorded.files(results)))
    docs = root / "docs"
    docs.mkdir(exist_ok=True)
    (docs / "benchmarks.md").write_text(pages.document(newest, root), encoding="utf-8")
    pictures.draw_all(newest, docs / "figures")
    readme = root / "README.md"
    readme.write_text(pages.with_figures(readme.read_text(encoding="utf-8"), newest, root), encoding="utf-8")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report", description=__doc__)
    parser.add_argument("--run", action="store_true", help="record results first, in an environment made by asv")
    parser.add_argument("--python", help="with --run: in the environment of this Python instead, with fastff installed")
    parser.add_argument("--peers", action="store_true", help="with --run: with PyTorch and JAX")
    given, rest = parser.parse_known_args()
    if given.run:
        conditions.apply()
        record(given.python, given.peers, rest)
    write()


if __name__ == "__main__":
    main()
