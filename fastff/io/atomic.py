"""Files that appear whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def check_place(path: Path) -> None:
    """Raise the OSError that writing a file would end with, before the work that fills it.

    Examples
    --------
    >>> check_place(Path("no such folder", "file"))
    Traceback (most recent call last):
    FileNotFoundError: the folder 'no such folder' does not exist
    """
    if not path.parent.is_dir():
        raise FileNotFoundError(f"the folder {str(path.parent)!r} does not exist")
    if path.is_dir():
        raise IsADirectoryError(f"{str(path)!r} is a folder, a file is wanted")
    if not os.access(path.parent, os.W_OK):
        raise PermissionError(f"the folder {str(path.parent)!r} cannot be written to")


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a path to write to; the file takes the place of `path` when the block ends well, else it is removed.

    Parameters
    ----------
    path : path-like
        The file to appear. What is there stays until the new file is complete.

    Yields
    ------
    Path
        A name of the same folder and suffix that does not exist yet.

    Raises
    ------
    OSError
        If the folder does not exist or cannot be written, or `path` is a folder.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "answer.txt"
    ...     with replacing(path) as part:
    ...         _ = part.write_text("42")
    ...     path.read_text(), len(list(Path(folder).iterdir()))
    ('42', 1)
    """
    path = Path(path)
    check_place(path)
    # the process number keeps two processes that write the same file apart; the last one wins, whole
    part = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
