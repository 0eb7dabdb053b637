"""A file that was there before a failed write is there after it, byte for byte."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from spatial_core.atomic_files import atomic_folder, atomic_path, write_bytes, write_text


def test_writes_and_replaces(tmp_path: Path) -> None:
    path = tmp_path / "card.json"
    write_text(path, "old")
    write_text(path, "caf\u00e9\n")
    assert path.read_bytes() == b"caf\xc3\xa9\n"
    assert list(tmp_path.iterdir()) == [path]


def test_temporary_name_keeps_the_suffix_and_the_folder(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "sheet.png") as temporary:
        assert (temporary.suffix, temporary.parent) == (".png", tmp_path)
        assert not (tmp_path / "sheet.png").exists()


def test_an_error_in_the_body_leaves_the_old_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    write_bytes(path, b"old")
    with pytest.raises(KeyboardInterrupt), atomic_path(path) as temporary:
        temporary.write_bytes(b"half of the ne")
        raise KeyboardInterrupt
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_takes_new_files_only_when_all_are_written(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("old")
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(OSError, match="No space"), atomic_folder(folder) as temporary:
        (temporary / "config.json").write_text("new")
        raise OSError(28, "No space left on device")
    assert sorted(file.name for file in folder.iterdir()) == ["config.json", "notes.txt"]
    assert (folder / "config.json").read_text() == "old"
    with atomic_folder(folder) as temporary:
        (temporary / "config.json").write_text("new")
        (temporary / "parts").mkdir()
        (temporary / "parts" / "weights").write_bytes(b"1")
    assert (folder / "config.json").read_text() == "new" and (folder / "notes.txt").read_text() == "mine"
    assert (folder / "parts" / "weights").read_bytes() == b"1"


def test_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        write_bytes(tmp_path / "nowhere" / "a.bin", b"")


@pytest.mark.skipif(sys.platform == "win32", reason="needs setrlimit")
def test_a_full_disk_leaves_the_old_file_alone(tmp_path: Path) -> None:
    """The kernel refuses to write past 1000 bytes, as on a full disk: a real error from a real write."""
    path = tmp_path / "weights.bin"
    path.write_bytes(b"old" * 100)
    script = textwrap.dedent("""
        import resource, signal, sys
        from spatial_core.atomic_files import write_bytes
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        try:
            write_bytes(sys.argv[1], b"new" * 1_000_000)
        except OSError as error:
            sys.exit(f"refused: {error}")
    """)
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1 and done.stderr.startswith("refused:"), done.stderr
    assert path.read_bytes() == b"old" * 100
    assert list(tmp_path.iterdir()) == [path]
