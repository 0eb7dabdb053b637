"""What reviewers were shown and what they answered, in one SQLite file that a kill does not harm.

Every answer is a transaction that is on disk before the reviewer is told so. Nothing is deleted: an answer
that is taken back stays, with the time it was taken back.
"""

from __future__ import annotations

import secrets
import sqlite3
import threading
import time
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Kind = Literal["pair", "gold", "adjudication"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS assignments (
    token TEXT PRIMARY KEY,
    annotator TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('pair', 'gold', 'adjudication')),
    pair TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    chosen_first INTEGER NOT NULL CHECK (chosen_first IN (0, 1)),
    shown_at REAL NOT NULL,
    UNIQUE (annotator, kind, pair, fingerprint)
);
CREATE TABLE IF NOT EXISTS verdicts (
    key TEXT PRIMARY KEY,
    token TEXT NOT NULL REFERENCES assignments (token),
    answer TEXT NOT NULL CHECK (answer IN ('chosen', 'rejected', 'both', 'neither', 'unsure')),
    seconds REAL NOT NULL CHECK (seconds >= 0),
    answered_at REAL NOT NULL,
    undone_at REAL
);
CREATE UNIQUE INDEX IF NOT EXISTS one_verdict ON verdicts (token) WHERE undone_at IS NULL;
"""
_VERSION = "1"


@dataclass(frozen=True)
class Assignment:
    """One pair shown to one reviewer.

    Attributes:
        token: Names it to the reviewer's browser, and tells nothing about the pair.
        annotator: Who.
        kind: "pair" for an ordinary question, "gold" for one whose answer is known, "adjudication" for one
            that others disagreed about.
        pair: Id of the pair.
        fingerprint: Of the prompts and pictures that were shown.
        chosen_first: Whether the chosen picture is the first.
        shown_at: When it was last handed out, in seconds since 1970.
    """

    token: str
    annotator: str
    kind: Kind
    pair: str
    fingerprint: str
    chosen_first: bool
    shown_at: float


@dataclass(frozen=True)
class Verdict:
    """An answer that has not been taken back.

    Attributes:
        key: Names it; made by the browser, so that an answer that is sent twice is kept once.
        assignment: What was answered.
        answer: One of `spatial_trainers.review.answers.ANSWERS`.
        seconds: From showing to answering, by the browser's clock.
        answered_at: Seconds since 1970.
    """

    key: str
    assignment: Assignment
    answer: str
    seconds: float
    answered_at: float


class Store:
    """The SQLite file. Its methods may be called from several threads."""

    def __init__(self, path: str | Path, *, create: bool = True) -> None:
        """Open the file.

        Args:
            path: The file.
            create: Whether it is made where it is missing.

        Raises:
            ValueError: If it is missing and not to be made, cannot be written, or is not a review database.
        """
        self.path = Path(path)
        if not create and not self.path.is_file():
            raise ValueError(
                f"There are no answers yet: {path} does not exist. Collect some with `spatial review`, or "
                "name the file with --database."
            )
        self._lock = threading.RLock()
        try:
            self._connection = sqlite3.connect(
                self.path, isolation_level=None, check_same_thread=False, timeout=30.0
            )
            self._connection.row_factory = sqlite3.Row
            # WAL lets figures be read while people answer; FULL means an answer survives a power cut too.
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.execute("PRAGMA foreign_keys = ON")
            self._connection.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise ValueError(
                f"Cannot use {path} as the file of answers: {error}. Name another with --database."
            ) from error
        if self.fact("version", _VERSION) != _VERSION:
            raise ValueError(f"{path} was written by a newer version. Update spatial-diffusion.")
        self.secret = self.fact("secret", secrets.token_hex(16))
        self.link_token = self.fact("link_token", secrets.token_urlsafe(24))
        self.review_id = self.fact("review_id", secrets.token_hex(8))

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def fact(self, name: str, default: str) -> str:
        """Return what is stored under `name`, storing `default` where nothing is."""
        with self._transaction() as connection:
            connection.execute("INSERT OR IGNORE INTO facts VALUES (?, ?)", (name, default))
            return connection.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()[0]

    def set_fact(self, name: str, value: str) -> None:
        """Store `value` under `name`."""
        with self._transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    def assign(self, assignments: Iterable[Assignment]) -> None:
        """Keep what is being shown; for what was shown before, when it is shown again."""
        with self._transaction() as connection:
            connection.executemany(
                "INSERT INTO assignments VALUES (?, ?, ?, ?, ?, ?, ?) "
                "ON CONFLICT (token) DO UPDATE SET shown_at = excluded.shown_at",
                [
                    (a.token, a.annotator, a.kind, a.pair, a.fingerprint, int(a.chosen_first), a.shown_at)
                    for a in assignments
                ],
            )

    def answer(self, key: str, token: str, answer: str, seconds: float) -> Verdict | None:
        """Keep an answer; None if it is here already, or its question has been answered otherwise."""
        now = time.time()
        with self._transaction() as connection:
            kept = connection.execute(
                "INSERT OR IGNORE INTO verdicts VALUES (?, ?, ?, ?, ?, NULL)",
                (key, token, answer, seconds, now),
            ).rowcount
            return self._verdicts("v.key = ?", key)[0] if kept else None

    def verdict(self, key: str) -> Verdict | None:
        """Return an answer; None if there is none, or it has been taken back."""
        with self._lock:
            return next(iter(self._verdicts("v.key = ?", key)), None)

    def undo(self, key: str) -> None:
        """Take an answer back."""
        with self._transaction() as connection:
            connection.execute(
                "UPDATE verdicts SET undone_at = ? WHERE key = ? AND undone_at IS NULL", (time.time(), key)
            )

    def last_key(self, annotator: str) -> str | None:
        """Return the key of an annotator's latest answer."""
        with self._lock:
            row = self._connection.execute(
                "SELECT v.key FROM verdicts v JOIN assignments a USING (token) "
                "WHERE a.annotator = ? AND v.undone_at IS NULL ORDER BY v.rowid DESC LIMIT 1",
                (annotator,),
            ).fetchone()
            return row[0] if row else None

    def verdicts(self) -> list[Verdict]:
        """Return all answers that have not been taken back, oldest first."""
        with self._lock:
            return self._verdicts("TRUE")

    def assignments(self) -> list[Assignment]:
        """Return everything that was ever shown, oldest first."""
        with self._lock:
            rows = self._connection.execute("SELECT * FROM assignments ORDER BY rowid").fetchall()
            return [_assignment(row) for row in rows]

    def _verdicts(self, condition: str, *values: Any) -> list[Verdict]:
        rows = self._connection.execute(
            "SELECT * FROM verdicts v JOIN assignments a USING (token) "
            f"WHERE v.undone_at IS NULL AND {condition} ORDER BY v.rowid",
            values,
        ).fetchall()
        return [
            Verdict(row["key"], _assignment(row), row["answer"], row["seconds"], row["answered_at"])
            for row in rows
        ]

    @contextmanager
    def _transaction(self) -> Generator[sqlite3.Connection, None, None]:
        with self._lock:
            # Immediate: two processes on one file wait for each other here, instead of failing midway.
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                # SQLite has rolled back by itself after some errors, such as a full disk.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise


def _assignment(row: sqlite3.Row) -> Assignment:
    return Assignment(
        token=row["token"],
        annotator=row["annotator"],
        kind=row["kind"],
        pair=row["pair"],
        fingerprint=row["fingerprint"],
        chosen_first=bool(row["chosen_first"]),
        shown_at=row["shown_at"],
    )
