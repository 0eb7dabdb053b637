"""Files that are either the old one or the whole new one, whatever happens while they are written."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Generator[Path, None, None]:
    """Yield an empty new file's path to write to; on leaving without an error it takes the place of `path`.

    The new file lies in the same folder, so that the rename cannot cross a file system, and ends like `path`,
    so that writers which choose the format by the name keep working. If the body raises (a full disk,
    Ctrl-C), the new file is deleted and `path` is untouched.

    Raises:
        OSError: From creating, syncing or renaming the file, e.g. `FileNotFoundError` for a missing folder.
    """
    target = Path(path)
    temporary = target.with_name(f".{target.stem}-{secrets.token_hex(4)}{target.suffix}")
    # "x" fails on an existing file; the permissions are those of any new file.
    temporary.open("xb").close()
    try:
        yield temporary
        # Some file systems report a full disk only here; without it the rename could precede the data.
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: str | os.PathLike[str]) -> Generator[Path, None, None]:
    """Yield an empty folder to write files to; on leaving without an error they take their places in `path`.

    `path` is made if it is missing; what else lies in it stays. If the body raises, nothing changes.

    Raises:
        OSError: From creating, syncing or renaming files.
    """
    target = Path(path)
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".saving-", dir=target) as temporary:
        yield Path(temporary)
        files = [file for file in Path(temporary).rglob("*") if file.is_file()]
        for file in files:
            with file.open("rb+") as stream:
                os.fsync(stream.fileno())
        for file in files:
            place = target / file.relative_to(temporary)
            place.parent.mkdir(parents=True, exist_ok=True)
            os.replace(file, place)


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write `data` to `path` as `atomic_path` does."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write `text` to `path` in UTF-8, line ends as given, as `atomic_path` does."""
    write_bytes(path, text.encode("utf-8"))
