"""Verdicts in the manifest, and what training makes of them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from spatial_trainers.pairs.data import read_manifest
from spatial_trainers.review.export import export_review
from spatial_trainers.review.session import ReviewSession


def judge(session: ReviewSession, name: str, answers: dict[str, str]) -> None:
    """Answer by pair; what is not named stays unanswered."""
    for question in session.questions(name, count=8):
        assignment = session._assignments[question.token]
        answer = answers.get(assignment.pair)
        if answer in ("chosen", "rejected"):
            answer = "1" if (answer == "chosen") == assignment.chosen_first else "2"
        if answer:
            session.answer(question.token, answer, key=f"key-{question.token}", seconds=1.25)


def pair(i: int) -> str:
    return f"pairs-{i:04d}"


@pytest.fixture
def session(open_session: Callable[..., ReviewSession]) -> ReviewSession:
    """Pairs 0 accepted, 1 rejected, 2 disputed, 3 adjudicated, 4 half judged, others not judged."""
    session = open_session(adjudicators=("dora",))
    judge(session, "ann", {pair(0): "chosen", pair(1): "both", pair(2): "chosen", pair(3): "chosen"})
    judge(session, "bob", {pair(0): "chosen", pair(1): "both", pair(2): "unsure", pair(3): "rejected"})
    judge(session, "ann", {pair(4): "chosen"})
    judge(session, "dora", {pair(3): "chosen"})
    return session


def test_verdicts_and_votes(session: ReviewSession, manifest: Path) -> None:
    before = [json.loads(line) for line in manifest.read_text().splitlines()]
    counts = export_review(session, manifest, manifest)
    assert counts == {"accepted": 2, "rejected": 1, "disputed": 1, "open": 4}
    records = [json.loads(line) for line in manifest.read_text().splitlines()]
    reviews = [record.pop("review") for record in records]
    for record in before:
        del record["review"]
    assert records == before, "nothing else changes, in the same order"
    assert [review and review["verdict"] for review in reviews] == [
        "accepted",
        "rejected",
        "disputed",
        "accepted",
        *[None] * 4,
    ]
    assert [review["answer"] for review in reviews[:4]] == ["chosen", "both", None, "chosen"]
    assert {(vote["annotator"], vote["answer"]) for vote in reviews[3]["votes"]} == {
        ("ann", "chosen"),
        ("bob", "rejected"),
    }
    assert reviews[3]["adjudication"]["annotator"] == "dora" and reviews[0]["adjudication"] is None
    assert reviews[0]["votes"][0]["seconds"] == 1.2
    assert reviews[0]["votes"][0]["answered_at"].endswith("+00:00")


def test_training_takes_what_was_accepted_and_what_nobody_judged(
    session: ReviewSession, manifest: Path
) -> None:
    export_review(session, manifest, manifest)
    kept = {found.id for found in read_manifest(manifest).splits["train"]}
    assert kept == {pair(i) for i in (0, 3, 4, 5, 6, 7)}


def test_an_answer_that_is_taken_back_leaves_the_manifest(session: ReviewSession, manifest: Path) -> None:
    export_review(session, manifest, manifest)
    verdict = next(v for v in session.verdicts() if v.assignment.pair == pair(0))
    session.undo(verdict.assignment.annotator, verdict.key)
    export_review(session, manifest, manifest)
    assert json.loads(manifest.read_text().splitlines()[0])["review"] is None


def test_reviews_from_elsewhere_stay(session: ReviewSession, manifest: Path) -> None:
    session.queue.withdraw(pair(7), "not shown here")
    lines = manifest.read_text().splitlines(keepends=True)
    foreign = {"verdict": "rejected", "by": "another tool"}
    lines.append(json.dumps({**json.loads(lines[7]), "id": "new", "review": foreign}) + "\n")
    manifest.write_text("".join(lines))
    export_review(session, manifest, manifest)
    assert json.loads(manifest.read_text().splitlines()[8])["review"] == foreign


def test_the_same_twice_is_the_same_file(session: ReviewSession, manifest: Path) -> None:
    export_review(session, manifest, manifest)
    first = manifest.read_bytes()
    export_review(session, manifest, manifest)
    assert manifest.read_bytes() == first


def test_a_failure_leaves_the_old_manifest(
    session: ReviewSession, manifest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = manifest.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        export_review(session, manifest, manifest)
    assert manifest.read_bytes() == before
    assert not list(manifest.parent.glob(".pairs*")), "no half-written file stays"
