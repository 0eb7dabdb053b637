"""The figures of a review: how far it is, how well reviewers agree, and how they do on gold questions."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from statistics import median
from typing import Any

from spatial_core.statistics import wilson_interval
from spatial_trainers.review.agreement import (
    cohen_kappa,
    count_answers,
    fleiss_kappa,
    krippendorff_alpha,
    pairwise_agreement,
)
from spatial_trainers.review.answers import ANSWERS
from spatial_trainers.review.session import ReviewSession


@dataclass(frozen=True)
class Share:
    """A share of counted things.

    Attributes:
        right: How many of them.
        total: Of how many.
        low, high: 95 % Wilson interval of the share.
    """

    right: int
    total: int
    low: float
    high: float

    @property
    def share(self) -> float:
        """The share itself, NaN of nothing."""
        return self.right / self.total if self.total else math.nan


@dataclass(frozen=True)
class ReviewerFigures:
    """One reviewer.

    Attributes:
        name: The name they gave.
        answers: How often they gave each answer to ordinary questions.
        seconds: Median time an answer took them.
        gold: Gold questions answered right.
    """

    name: str
    answers: dict[str, int]
    seconds: float
    gold: Share


@dataclass(frozen=True)
class TwoReviewers:
    """Two reviewers on the pairs that both have judged.

    Attributes:
        first, second: Their names.
        agreement: The same answers they gave.
        kappa: Cohen's kappa, NaN where it is undefined.
    """

    first: str
    second: str
    agreement: Share
    kappa: float


@dataclass(frozen=True)
class Figures:
    """A review.

    Attributes:
        pairs: How many pairs there are.
        decisions: How many of them are open or disputed, or have been decided as each answer.
        adjudicated: How many of the decided ones somebody adjudicated.
        damaged: Pairs whose pictures cannot be shown, with the reason.
        compared: Pairs with two votes or more, on which the next three are computed.
        agreement: Share of pairs of votes that are equal.
        fleiss, krippendorff: Agreement beyond chance, NaN where undefined.
        reviewers: Each reviewer.
        twos: Each two reviewers who have judged the same pairs.
    """

    pairs: int
    decisions: dict[str, int]
    adjudicated: int
    damaged: dict[str, str]
    compared: int
    agreement: float
    fleiss: float
    krippendorff: float
    reviewers: tuple[ReviewerFigures, ...]
    twos: tuple[TwoReviewers, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold; figures that are undefined are null."""
        return _plain(asdict(self))

    def to_markdown(self) -> str:
        """Return the figures as text with tables."""
        done = ", ".join(f"{count} {name}" for name, count in self.decisions.items() if count)
        adjudicated = f" ({self.adjudicated} adjudicated)" if self.adjudicated else ""
        lines = [f"**{self.pairs} pairs**: {done}{adjudicated}.", ""]
        if self.compared:
            lines += [
                f"Agreement on the {self.compared} pairs with two votes or more:",
                "",
                "| pairs of votes that are equal | Fleiss' kappa | Krippendorff's alpha |",
                "|---|---|---|",
                f"| {_number(self.agreement)} | {_number(self.fleiss)} | {_number(self.krippendorff)} |",
                "",
            ]
        if self.reviewers:
            lines += [
                f"| reviewer | {' | '.join(ANSWERS)} | median seconds | gold right |",
                "|---|" + "---|" * (len(ANSWERS) + 2),
            ]
            lines += [
                f"| {_cell(r.name)} | {' | '.join(str(r.answers[a]) for a in ANSWERS)} | "
                f"{_number(r.seconds, 1)} | {_interval(r.gold)} |"
                for r in self.reviewers
            ]
            lines.append("")
        if self.twos:
            lines += ["| two reviewers | same answer | Cohen's kappa |", "|---|---|---|"]
            lines += [
                f"| {_cell(t.first)}, {_cell(t.second)} | {_interval(t.agreement)} | {_number(t.kappa)} |"
                for t in self.twos
            ]
            lines.append("")
        if self.damaged:
            lines += [f"{len(self.damaged)} pairs cannot be shown:", ""]
            lines += [f"- {_cell(pair)}: {_cell(reason)}" for pair, reason in self.damaged.items()]
        return "\n".join(lines).rstrip() + "\n"


def review_figures(session: ReviewSession) -> Figures:
    """Return the figures of a review as it is now."""
    with session.lock:
        return _figures(session)


def _figures(session: ReviewSession) -> Figures:
    verdicts = session.verdicts()
    votes = [list(votes.values()) for votes in session.queue.votes.values()]
    table = count_answers(votes)
    decided = Counter[str]()
    for pair in session.queue.votes:
        decision = session.queue.decision(pair)
        decided[decision.answer or decision.state] += 1
    names = sorted({verdict.assignment.annotator for verdict in verdicts})
    reviewers = [_reviewer(name, [v for v in verdicts if v.assignment.annotator == name]) for name in names]
    return Figures(
        pairs=len(votes),
        decisions={name: decided[name] for name in ("open", "disputed", *ANSWERS)},
        adjudicated=sum(bool(finals) for finals in session.queue.finals.values()),
        damaged=dict(session.queue.withdrawn),
        compared=sum(len(given) >= 2 for given in votes),
        agreement=pairwise_agreement(table),
        fleiss=fleiss_kappa(table),
        krippendorff=krippendorff_alpha(table),
        reviewers=tuple(reviewers),
        twos=tuple(t for a, b in combinations(names, 2) if (t := _two(a, b, session)).agreement.total),
    )


def _reviewer(name: str, verdicts: Sequence[Any]) -> ReviewerFigures:
    gold = [v.answer == "chosen" for v in verdicts if v.assignment.kind == "gold"]
    answers = Counter(v.answer for v in verdicts if v.assignment.kind != "gold")
    return ReviewerFigures(
        name=name,
        answers={answer: answers[answer] for answer in ANSWERS},
        seconds=median(v.seconds for v in verdicts),
        gold=_share(sum(gold), len(gold)),
    )


def _two(first: str, second: str, session: ReviewSession) -> TwoReviewers:
    both = [
        (votes[first], votes[second])
        for votes in session.queue.votes.values()
        if first in votes and second in votes
    ]
    kappa = cohen_kappa([a for a, _ in both], [b for _, b in both])
    return TwoReviewers(first, second, _share(sum(a == b for a, b in both), len(both)), kappa)


def _share(right: int, total: int) -> Share:
    return Share(right, total, *wilson_interval(right, total))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _number(value: float, digits: int = 3) -> str:
    return "undefined" if math.isnan(value) else f"{value:.{digits}f}"


def _interval(share: Share) -> str:
    if not share.total:
        return "none yet"
    return f"{share.right} of {share.total} ({share.share:.2f}, 95 % {share.low:.2f} - {share.high:.2f})"


def _cell(text: str) -> str:
    """Names and ids come from outside: they must not break a table or become HTML."""
    return "".join(f"&#{ord(char)};" if char in "|<>&`*_[]\\\n" else char for char in text)
