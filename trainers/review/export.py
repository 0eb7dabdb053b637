"""Verdicts, written back into the manifest's key `review`."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from spatial_trainers.pairs.records import Record, iter_records, write_records
from spatial_trainers.review.session import ReviewSession
from spatial_trainers.review.store import Verdict


def export_review(session: ReviewSession, manifest: str | Path, output: str | Path) -> dict[str, int]:
    """Write the manifest with what reviewers said; the old file stays until the new one is whole.

    A reviewed record's `review` becomes

        {"verdict": "accepted", "rejected" or "disputed",
         "answer": what was decided: "chosen", "rejected", "both", "neither" or "unsure"; null if disputed,
         "votes": [{"annotator", "answer", "seconds", "answered_at"}],
         "adjudication": one such vote, or null}

    A pair is accepted where the decision is "chosen". Records with too few votes get null; records that
    nobody has been shown keep what they had. No record is dropped.

    Returns:
        How many records have each verdict, "open" for those without one.

    Raises:
        ValueError: If the manifest is unusable.
        OSError: If it cannot be written; then nothing has changed.
    """
    counts = Counter[str]()
    write_records(output, _reviewed(session, Path(manifest), counts))
    return dict(counts)


def _reviewed(session: ReviewSession, manifest: Path, counts: Counter[str]) -> Iterator[Record]:
    votes: defaultdict[str, list[Verdict]] = defaultdict(list)
    finals: dict[str, Verdict] = {}
    for verdict in session.verdicts():
        if verdict.assignment.kind == "pair":
            votes[verdict.assignment.pair].append(verdict)
        elif verdict.assignment.kind == "adjudication":
            finals[verdict.assignment.pair] = verdict
    asked = session.asked()
    for _, record in iter_records(manifest):
        pair = record["id"]
        if pair in asked:
            record["review"] = _review(session, pair, votes[pair], finals.get(pair))
        counts[(record.get("review") or {}).get("verdict", "open")] += 1
        yield record


def _review(
    session: ReviewSession, pair: str, votes: list[Verdict], final: Verdict | None
) -> dict[str, Any] | None:
    decision = session.queue.decision(pair)
    if decision.state == "open":
        return None
    if decision.state == "disputed":
        verdict = "disputed"
    else:
        verdict = "accepted" if decision.answer == "chosen" else "rejected"
    return {
        "verdict": verdict,
        "answer": decision.answer,
        "votes": [_vote(vote) for vote in votes],
        "adjudication": _vote(final) if final else None,
    }


def _vote(verdict: Verdict) -> dict[str, Any]:
    at = datetime.fromtimestamp(verdict.answered_at, timezone.utc)
    return {
        "annotator": verdict.assignment.annotator,
        "answer": verdict.answer,
        "seconds": round(verdict.seconds, 1),
        "answered_at": at.isoformat(timespec="seconds"),
    }
