"""Which pair each reviewer judges next.

Everybody goes through the pairs in one order, so that pairs are finished one after the other instead of all
at the end. A pair that was handed out counts as judged for a while: of two reviewers who both load pairs
ahead, none judges what the other is about to.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from spatial_trainers.review.decisions import Decision, decide

LEASE_SECONDS = 900.0


class Queue:
    """The votes, and what is still to be judged. Not safe to be called from several threads at once."""

    def __init__(self, order: Sequence[str], *, votes_wanted: int) -> None:
        """Start without votes.

        Args:
            order: Ids of the pairs.
            votes_wanted: How many reviewers judge each pair.
        """
        self.votes_wanted = votes_wanted
        self.votes: dict[str, dict[str, str]] = {pair: {} for pair in order}
        self.finals: dict[str, dict[str, str]] = {}
        self.withdrawn: dict[str, str] = {}
        self._order = tuple(order)
        self._places = {pair: place for place, pair in enumerate(self._order)}
        self._leases: dict[tuple[str, bool], dict[str, float]] = {}
        # Before an annotator's place nothing is left to judge; so finding the next pair takes no longer at
        # the end of a long list.
        self._begin: dict[str, int] = {}
        self._disputed: dict[str, None] = {}

    def vote(self, pair: str, annotator: str, answer: str, *, final: bool = False) -> None:
        """Count an answer; a `final` one adjudicates."""
        votes = self.finals.setdefault(pair, {}) if final else self.votes[pair]
        votes[annotator] = answer
        self._leases.get((pair, final), {}).pop(annotator, None)
        self._update(pair)

    def take_back(self, pair: str, annotator: str, *, final: bool = False) -> None:
        """Count an answer no longer."""
        votes = self.finals.get(pair, {}) if final else self.votes[pair]
        votes.pop(annotator, None)
        place = self._places[pair]
        self._begin = {name: min(begin, place) for name, begin in self._begin.items()}
        self._update(pair)

    def lease(self, pair: str, annotator: str, now: float, *, final: bool = False) -> None:
        """Note that a pair was handed out at `now`, in seconds."""
        self._leases.setdefault((pair, final), {})[annotator] = now

    def withdraw(self, pair: str, reason: str) -> None:
        """Hand a pair out no more."""
        self.withdrawn[pair] = reason

    def wants(self, pair: str, annotator: str, now: float, *, final: bool = False) -> bool:
        """Whether an annotator's answer about a pair is still wanted."""
        if pair in self.withdrawn or annotator in self.votes[pair]:
            return False
        leases = self._leases.get((pair, final), {})
        held = sum(name != annotator and now - at < LEASE_SECONDS for name, at in leases.items())
        if final:
            return pair in self._disputed and not held
        return len(self.votes[pair]) + held < self.votes_wanted

    def next(self, annotator: str, now: float, *, held: Collection[str] = ()) -> str | None:
        """Return the next pair for an annotator who has those of `held` already, None if there is none."""
        begin = self._begin.get(annotator, 0)
        for place in range(begin, len(self._order)):
            pair = self._order[place]
            if self._settled(pair, annotator):
                if place == begin:
                    begin = self._begin[annotator] = place + 1
            elif pair not in held and self.wants(pair, annotator, now):
                return pair
        return None

    def next_disputed(self, annotator: str, now: float, *, held: Collection[str] = ()) -> str | None:
        """Return the next pair that somebody else's votes left undecided, None if there is none."""
        waiting = (p for p in self._disputed if p not in held and self.wants(p, annotator, now, final=True))
        return next(waiting, None)

    def number_disputed(self) -> int:
        """Return how many pairs wait for somebody to adjudicate."""
        return sum(pair not in self.withdrawn for pair in self._disputed)

    def decision(self, pair: str) -> Decision:
        """Return what the votes decide."""
        final = next(reversed(self.finals.get(pair, {}).values()), None)
        return decide(self.votes[pair].values(), votes_wanted=self.votes_wanted, final=final)

    def _settled(self, pair: str, annotator: str) -> bool:
        votes = self.votes[pair]
        return pair in self.withdrawn or annotator in votes or len(votes) >= self.votes_wanted

    def _update(self, pair: str) -> None:
        if self.decision(pair).state == "disputed":
            self._disputed.setdefault(pair)
        else:
            self._disputed.pop(pair, None)
