"""What a pair's votes decide."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Decision:
    """What has been decided about a pair.

    Attributes:
        state: "open" while votes are missing; "disputed" where they decide nothing, until somebody
            adjudicates; "decided".
        answer: One of `spatial_trainers.review.answers.ANSWERS` if decided.
    """

    state: Literal["open", "disputed", "decided"]
    answer: str | None = None


def decide(votes: Collection[str], *, votes_wanted: int, final: str | None = None) -> Decision:
    """Return what votes decide: the answer that more than half of them give, if it is not "unsure".

    Args:
        votes: One answer a reviewer.
        votes_wanted: How many there must be.
        final: What somebody who adjudicates has answered; it holds whatever the votes are.
    """
    if final is not None:
        return Decision("decided", final)
    if len(votes) < votes_wanted:
        return Decision("open")
    answer, number = Counter(votes).most_common(1)[0]
    if answer == "unsure" or 2 * number <= len(votes):
        return Decision("disputed")
    return Decision("decided", answer)
