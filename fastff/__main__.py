"""``python -m fastff`` and the ``fastff`` command."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line, or say which extra brings it."""
    try:
        from fastff.cli import run
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "fastff":
            raise
        print(f"fastff: the command line needs {error.name}: pip install 'fastff[cli]'", file=sys.stderr)
        raise SystemExit(2) from None
    raise SystemExit(run())


if __name__ == "__main__":
    main()
