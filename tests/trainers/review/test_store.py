"""Answers outlive kills, other files are refused, and a full disk loses nothing that was confirmed."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from spatial_trainers.review.store import Assignment, Store

WRITER = """
import sys
from spatial_trainers.review.store import Assignment, Store
store = Store(sys.argv[1])
for i in range(100_000):
    token = f"{sys.argv[2]}-{i}"
    store.assign([Assignment(token, sys.argv[2], "pair", token, "f", True, 0.0)])
    store.answer("key-" + token, token, "chosen", 1.0)
    print(token, flush=True)
"""


def assignment(token: str, *, annotator: str = "ann") -> Assignment:
    return Assignment(token, annotator, "pair", f"pair of {token}", "f", True, 0.0)


def test_kill_minus_nine_loses_no_answer(tmp_path: Path) -> None:
    confirmed: list[str] = []
    for life in ("first", "second", "third"):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path / "a.sqlite"), life],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert writer.stdout is not None
        confirmed += [writer.stdout.readline().strip() for _ in range(7)]
        os.kill(writer.pid, signal.SIGKILL)
        confirmed += writer.stdout.read().split()[:-1]
        writer.wait()
    kept = [verdict.assignment.token for verdict in Store(tmp_path / "a.sqlite").verdicts()]
    assert set(confirmed) <= set(kept) and len(kept) == len(set(kept)) >= 21


def test_one_answer_a_question(tmp_path: Path) -> None:
    store = Store(tmp_path / "a.sqlite")
    store.assign([assignment("t")])
    assert store.answer("key-1", "t", "chosen", 1.0) is not None
    assert store.answer("key-1", "t", "chosen", 1.0) is None
    assert store.answer("key-2", "t", "both", 1.0) is None
    store.undo("key-1")
    assert store.verdicts() == [] and store.verdict("key-1") is None
    assert store.answer("key-1", "t", "chosen", 1.0) is None, "what was taken back stays taken back"
    assert store.answer("key-2", "t", "both", 1.0) is not None


def test_many_threads_at_once(tmp_path: Path) -> None:
    store = Store(tmp_path / "a.sqlite")

    def work(name: str) -> None:
        for i in range(10):
            store.assign([assignment(f"{name}-{i}", annotator=name)])
            store.answer(f"key-{name}-{i}", f"{name}-{i}", "chosen", 1.0)

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.verdicts()) == 40


def test_a_full_disk_refuses_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    store = Store(tmp_path / "a.sqlite")
    store.assign([assignment("t")])
    store.answer("key-1", "t", "chosen", 1.0)
    # SQLite's own limit raises the same error as the disk.
    (pages,) = store._connection.execute("PRAGMA page_count").fetchone()
    store._connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(sqlite3.OperationalError, match="full"):
        store.assign([assignment(f"{'long' * 50}-{i}") for i in range(100)])
    assert [v.key for v in store.verdicts()] == ["key-1"]
    store._connection.execute("PRAGMA max_page_count = 100000")
    store.assign([assignment("u")])
    assert store.answer("key-2", "u", "both", 1.0) is not None


def test_secrets_stay_the_same(tmp_path: Path) -> None:
    first, second = Store(tmp_path / "a.sqlite"), Store(tmp_path / "a.sqlite")
    other = Store(tmp_path / "b.sqlite")
    assert first.secret == second.secret != other.secret
    assert first.link_token == second.link_token != other.link_token


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no answers yet"):
        Store(tmp_path / "a.sqlite", create=False)
    with pytest.raises(ValueError, match="--database"):
        Store(tmp_path / "missing" / "a.sqlite")
    (tmp_path / "text.sqlite").write_text("not a database, but long enough to be one" * 40)
    with pytest.raises(ValueError, match="not a database"):
        Store(tmp_path / "text.sqlite")
    Store(tmp_path / "new.sqlite").set_fact("version", "2")
    with pytest.raises(ValueError, match="newer version"):
        Store(tmp_path / "new.sqlite")
