"""Eight pairs, and sessions on them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from review_pairs import Clock, write_pairs

from spatial_trainers.review.session import ReviewSession, ReviewSettings
from spatial_trainers.review.store import Store


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Eight pairs."""
    return write_pairs(tmp_path, 8)


@pytest.fixture
def clock() -> Clock:
    """A clock."""
    return Clock()


@pytest.fixture
def open_session(manifest: Path, clock: Clock) -> Callable[..., ReviewSession]:
    """Opens a session on the eight pairs; opened again it goes on with the same answers."""

    def start(**settings: Any) -> ReviewSession:
        store = Store(manifest.with_name("answers.sqlite"))
        return ReviewSession(manifest, store, ReviewSettings(**settings), clock=clock)

    return start
