"""Which pair comes next, and what votes decide."""

from __future__ import annotations

import time

import pytest

from spatial_trainers.review.decisions import Decision, decide
from spatial_trainers.review.queue import LEASE_SECONDS, Queue


@pytest.mark.parametrize(
    ("votes", "final", "expected"),
    [
        ([], None, Decision("open")),
        (["chosen"], None, Decision("open")),
        (["chosen", "chosen"], None, Decision("decided", "chosen")),
        (["chosen", "rejected"], None, Decision("disputed")),
        (["chosen", "unsure"], None, Decision("disputed")),
        (["unsure", "unsure"], None, Decision("disputed")),
        (["both", "both", "chosen"], None, Decision("decided", "both")),
        (["both", "neither", "chosen"], None, Decision("disputed")),
        (["chosen", "rejected"], "rejected", Decision("decided", "rejected")),
        (["chosen", "rejected"], "unsure", Decision("decided", "unsure")),
    ],
)
def test_decisions(votes: list[str], final: str | None, expected: Decision) -> None:
    assert decide(votes, votes_wanted=2, final=final) == expected


def test_everybody_goes_through_one_order_until_votes_suffice() -> None:
    queue = Queue("abc", votes_wanted=2)
    assert [queue.next(name, 0.0) for name in ("ann", "bob", "cid")] == ["a"] * 3
    queue.vote("a", "ann", "chosen")
    assert queue.next("ann", 0.0) == "b" and queue.next("bob", 0.0) == "a"
    queue.vote("a", "bob", "chosen")
    assert queue.next("bob", 0.0) == "b" and queue.next("cid", 0.0) == "b"
    assert queue.next("cid", 0.0, held={"b", "c"}) is None


def test_pairs_that_were_handed_out_are_not_handed_out_too_often() -> None:
    queue = Queue("ab", votes_wanted=1)
    queue.lease("a", "ann", 0.0)
    assert queue.next("ann", 1.0) == "a", "one's own pair comes back"
    assert queue.next("bob", 1.0) == "b"
    assert queue.next("bob", LEASE_SECONDS + 1.0) == "a", "nobody waits for ever"


def test_taking_back_opens_a_pair_again_for_everybody() -> None:
    queue = Queue("ab", votes_wanted=1)
    queue.vote("a", "ann", "chosen")
    assert queue.next("ann", 0.0) == queue.next("bob", 0.0) == "b"
    queue.take_back("a", "ann")
    assert queue.next("ann", 0.0) == queue.next("bob", 0.0) == "a"


def test_disagreements_go_to_somebody_else() -> None:
    queue = Queue("ab", votes_wanted=2)
    queue.vote("b", "ann", "chosen")
    queue.vote("b", "bob", "both")
    assert queue.next_disputed("ann", 0.0) is None, "who has voted does not decide between the votes"
    assert queue.next_disputed("dora", 0.0) == "b"
    queue.lease("b", "dora", 0.0, final=True)
    assert queue.next_disputed("eve", 1.0) is None, "two people do not decide the same pair"
    queue.vote("b", "dora", "both", final=True)
    assert queue.decision("b") == Decision("decided", "both") and queue.number_disputed() == 0
    queue.take_back("b", "dora", final=True)
    assert queue.decision("b") == Decision("disputed") and queue.next_disputed("dora", 0.0) == "b"
    queue.take_back("b", "bob")
    assert queue.decision("b") == Decision("open") and queue.next_disputed("dora", 0.0) is None


def test_withdrawn_pairs_are_handed_out_to_nobody() -> None:
    queue = Queue("ab", votes_wanted=1)
    queue.withdraw("a", "its picture is missing")
    assert queue.next("ann", 0.0) == "b"


def test_the_end_of_a_long_list_is_found_as_fast_as_its_beginning() -> None:
    pairs = [f"{i:05d}" for i in range(80_000)]
    queue = Queue(pairs, votes_wanted=1)
    started = time.perf_counter()
    for pair in pairs:
        assert queue.next("ann", 0.0) == pair
        queue.vote(pair, "ann", "chosen")
    # Looking through all of them each time would take hours.
    assert time.perf_counter() - started < 30.0
    assert queue.next("ann", 0.0) is None
