"""A review: hands pairs out, takes answers, and tells how far it is. Web pages and tests talk to this."""

from __future__ import annotations

import hashlib
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from pathlib import Path

from spatial_trainers.review.answers import to_answer, to_shown
from spatial_trainers.review.changed_words import Segment, mark_changes
from spatial_trainers.review.draws import digest, draw
from spatial_trainers.review.pairs import Picture, ReviewPair, read_pairs
from spatial_trainers.review.queue import Queue
from spatial_trainers.review.store import Assignment, Kind, Store, Verdict

NAME_LIMIT = 40
_CACHED_PICTURES = 128


@dataclass(frozen=True)
class ReviewSettings:
    """How a review goes.

    Attributes:
        votes_wanted: How many reviewers judge each pair.
        gold: Manifest of pairs whose chosen picture is known to be right; None for no gold questions.
        gold_share: Share of gold questions among a reviewer's questions, in [0, 1).
        adjudicators: Who decides about pairs that the votes left undecided. They judge nothing else.
        without: Reviewers whose answers do not count, and who are not let in.
    """

    votes_wanted: int = 2
    gold: Path | None = None
    gold_share: float = 0.05
    adjudicators: tuple[str, ...] = ()
    without: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ValueError: If one is out of range.
        """
        if self.votes_wanted < 1:
            raise ValueError(f"Each pair needs at least one vote; got {self.votes_wanted}.")
        if not 0.0 <= self.gold_share < 1.0:
            raise ValueError(f"The share of gold questions must be in [0, 1); got {self.gold_share}.")


@dataclass(frozen=True)
class Question:
    """What a reviewer's browser is given about one pair; nothing in it tells which picture is the chosen one.

    Attributes:
        token: Names the question.
        prompt: The prompt that is asked about.
        prompt_other: The one that describes the other picture.
        votes: How many reviewers gave each answer, for those who adjudicate; else None.
    """

    token: str
    prompt: tuple[Segment, ...]
    prompt_other: tuple[Segment, ...]
    votes: dict[str, int] | None

    def to_dict(self) -> dict[str, object]:
        """Return what JSON can hold."""
        return asdict(self)


@dataclass(frozen=True)
class Progress:
    """How far a review is.

    Attributes:
        answered: Answers of one reviewer.
        votes: Votes that count, of all reviewers.
        votes_wanted: How many there will be.
        disputed: Pairs that the votes left undecided.
    """

    answered: int
    votes: int
    votes_wanted: int
    disputed: int


class ReviewSession:
    """One review. Its methods may be called from several threads.

    Attributes:
        queue: The votes; hold `lock` to read more than one thing of one moment.
        lock: See there.
        settings: How the review goes.
    """

    def __init__(
        self,
        manifest: str | Path,
        store: Store,
        settings: ReviewSettings,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Read the manifests and what has been answered before.

        Args:
            manifest: JSONL of pair records.
            store: The answers.
            settings: How the review goes.
            clock: Seconds since 1970.

        Raises:
            ValueError: If a manifest is unusable.
        """
        self.settings = settings
        self._store = store
        self._clock = clock
        self.lock = threading.RLock()
        self._pairs = read_pairs(manifest)
        self._gold = read_pairs(settings.gold) if settings.gold else {}
        # In an order that has nothing to do with how the manifest was made.
        order = sorted(self._pairs, key=lambda pair: hashlib.sha256(pair.encode()).digest())
        self.queue = Queue(order, votes_wanted=settings.votes_wanted)
        self._assignments: dict[str, Assignment] = {}
        self._open: dict[str, dict[str, Assignment]] = {}
        self._asked: dict[str, int] = {}
        self._answered: dict[str, int] = {}
        self._votes = 0
        self._broken_gold: set[str] = set()
        self._pictures: OrderedDict[tuple[bool, str, str], Picture] = OrderedDict()
        for assignment in store.assignments():
            self._remember(assignment)
        for verdict in store.verdicts():
            self._count(verdict)

    def join(self, annotator: str) -> str:
        """Return the name under which an annotator's answers are kept.

        Raises:
            ValueError: If it cannot be used, or this reviewer is left out.
        """
        name = " ".join(annotator.split())
        if not 1 <= len(name) <= NAME_LIMIT or not name.isprintable():
            raise ValueError(f"A name has 1 to {NAME_LIMIT} printable characters; got {annotator!r}.")
        if name in self.settings.without:
            raise ValueError(f"The answers of {name} are left out of this review. Use another name.")
        return name

    def questions(self, annotator: str, *, held: Collection[str] = (), count: int = 1) -> list[Question]:
        """Return the next questions for an annotator.

        Args:
            annotator: Who asks.
            held: Tokens of questions that their browser has already and has not answered.
            count: How many, at most; fewer come back where there are no more.

        Raises:
            ValueError: If the name cannot be used.
        """
        annotator = self.join(annotator)
        tokens, found = set(held), list[Question]()
        while len(found) < count:
            with self.lock:
                assignment = self._next(annotator, tokens)
            if assignment is None:
                break
            try:
                for side in ("1", "2"):
                    self._picture(assignment, side)
            except ValueError as error:
                with self.lock:
                    self._withdraw(assignment, str(error))
                continue
            with self.lock:
                self._store.assign([assignment])
                self._remember(assignment)
                found.append(self._question(assignment))
            tokens.add(assignment.token)
        return found

    def answer(self, token: str, shown: str, *, key: str, seconds: float) -> None:
        """Keep an answer; it is on disk when this returns. The same `key` again changes nothing.

        Args:
            token: Of the question.
            shown: One of `spatial_trainers.review.answers.SHOWN_ANSWERS`.
            key: Made by the browser, another one for each answer.
            seconds: From showing to answering.

        Raises:
            ValueError: If the question is not one of this review, or a value is out of range.
            sqlite3.OperationalError: If it cannot be written, e.g. because the disk is full.
        """
        if not 8 <= len(key) <= 64 or not key.isascii():
            raise ValueError(f"An answer's key has 8 to 64 plain characters; got {key!r}.")
        if not (math.isfinite(seconds) and seconds >= 0.0):
            raise ValueError(f"seconds must be finite and >= 0; got {seconds}.")
        with self.lock:
            assignment = self._known(token)
            answer = to_answer(shown, chosen_first=assignment.chosen_first)
            verdict = self._store.answer(key, token, answer, seconds)
            if verdict is not None:
                self._count(verdict)

    def last_key(self, annotator: str) -> str | None:
        """Return the key of an annotator's latest answer, None if there is none to take back."""
        return self._store.last_key(self.join(annotator))

    def undo(self, annotator: str, key: str) -> Question | None:
        """Take an annotator's own answer back and return its question; None if that has been done already.

        Raises:
            ValueError: If the pair of that answer has been changed or taken out.
        """
        with self.lock:
            verdict = self._store.verdict(key)
            if verdict is None or verdict.assignment.annotator != self.join(annotator):
                return None
            assignment = self._known(verdict.assignment.token)
            self._store.undo(key)
            self._open.setdefault(assignment.annotator, {})[assignment.token] = assignment
            self._answered[assignment.annotator] -= 1
            self._change_votes(assignment, None)
            return self._question(assignment)

    def picture(self, token: str, side: str) -> Picture:
        """Return a picture of a question: side "1" or "2".

        Raises:
            ValueError: If the question is not one of this review, or the picture is missing or altered.
        """
        if side not in ("1", "2"):
            raise ValueError(f"A side must be 1 or 2; got {side!r}.")
        with self.lock:
            assignment = self._known(token)
        return self._picture(assignment, side)

    def progress(self, annotator: str) -> Progress:
        """Return how far the review and one annotator are."""
        with self.lock:
            wanted = (len(self._pairs) - len(self.queue.withdrawn)) * self.settings.votes_wanted
            return Progress(
                self._answered.get(annotator, 0), self._votes, wanted, self.queue.number_disputed()
            )

    def verdicts(self) -> list[Verdict]:
        """Return the answers that count, oldest first: of pairs as they are now, by reviewers not left out.

        Answers to gold questions count without their manifest too: the chosen picture is the right one.
        """
        with self.lock:
            return [
                verdict
                for verdict in self._store.verdicts()
                if verdict.assignment.annotator not in self.settings.without
                and (
                    verdict.assignment.token in self._assignments
                    or (verdict.assignment.kind == "gold" and not self._gold)
                )
            ]

    def asked(self) -> set[str]:
        """Return the ids of the pairs that have been shown to anybody."""
        with self.lock:
            return {a.pair for a in self._assignments.values() if a.kind != "gold"}

    def adjudicates(self, annotator: str) -> bool:
        """Whether this person decides what others disagreed about."""
        return annotator in self.settings.adjudicators

    def _next(self, annotator: str, held: Collection[str]) -> Assignment | None:
        now = self._clock()
        # What was handed out and not answered comes first, so a reviewer goes on where they stopped.
        for assignment in self._open.get(annotator, {}).values():
            if assignment.token not in held and self._still_wanted(assignment, now):
                return self._assignment(annotator, assignment.kind, assignment.pair, now)
        pairs = {self._assignments[token].pair for token in held if token in self._assignments}
        if self.adjudicates(annotator):
            pair = self.queue.next_disputed(annotator, now, held=pairs)
            return self._assignment(annotator, "adjudication", pair, now) if pair else None
        gold = self._next_gold(annotator)
        if gold:
            return self._assignment(annotator, "gold", gold, now)
        pair = self.queue.next(annotator, now, held=pairs)
        return self._assignment(annotator, "pair", pair, now) if pair else None

    def _next_gold(self, annotator: str) -> str | None:
        number = self._asked.get(annotator, 0)
        if draw(self._store.secret, "gold", annotator, number) >= self.settings.gold_share:
            return None
        waiting = [
            pair
            for pair in self._gold
            if pair not in self._broken_gold and self._token(annotator, "gold", pair) not in self._assignments
        ]
        return min(waiting, key=lambda pair: draw(self._store.secret, annotator, pair), default=None)

    def _still_wanted(self, assignment: Assignment, now: float) -> bool:
        if assignment.kind == "gold":
            return assignment.pair not in self._broken_gold
        final = assignment.kind == "adjudication"
        if final != self.adjudicates(assignment.annotator):
            return False
        return self.queue.wants(assignment.pair, assignment.annotator, now, final=final)

    def _token(self, annotator: str, kind: Kind, pair: str) -> str:
        pairs = self._gold if kind == "gold" else self._pairs
        return digest(self._store.secret, "token", annotator, kind, pair, pairs[pair].fingerprint)

    def _assignment(self, annotator: str, kind: Kind, pair: str, now: float) -> Assignment:
        pairs = self._gold if kind == "gold" else self._pairs
        first = draw(self._store.secret, "side", annotator, pair) < 0.5
        if kind != "gold":
            # Noted before its pictures are read, so that nobody else is given it meanwhile.
            self.queue.lease(pair, annotator, now, final=kind == "adjudication")
        token = self._token(annotator, kind, pair)
        return Assignment(token, annotator, kind, pair, pairs[pair].fingerprint, first, now)

    def _current(self, assignment: Assignment) -> ReviewPair | None:
        """Return the pair of an assignment if it is still the one that was shown."""
        pairs = self._gold if assignment.kind == "gold" else self._pairs
        pair = pairs.get(assignment.pair)
        return pair if pair and pair.fingerprint == assignment.fingerprint else None

    def _known(self, token: str) -> Assignment:
        assignment = self._assignments.get(token)
        if assignment is None:
            raise ValueError(
                "This question is not one of this review: its pair has been changed or taken out of the "
                "manifest, or it comes from another review."
            )
        return assignment

    def _remember(self, assignment: Assignment) -> None:
        if self._current(assignment) is None:
            return
        if assignment.token not in self._assignments:
            self._asked[assignment.annotator] = self._asked.get(assignment.annotator, 0) + 1
        self._assignments[assignment.token] = assignment
        self._open.setdefault(assignment.annotator, {})[assignment.token] = assignment
        if assignment.kind != "gold" and assignment.annotator not in self.settings.without:
            final = assignment.kind == "adjudication"
            self.queue.lease(assignment.pair, assignment.annotator, assignment.shown_at, final=final)

    def _count(self, verdict: Verdict) -> None:
        assignment = verdict.assignment
        if assignment.token not in self._assignments or assignment.annotator in self.settings.without:
            return
        self._open.get(assignment.annotator, {}).pop(assignment.token, None)
        self._answered[assignment.annotator] = self._answered.get(assignment.annotator, 0) + 1
        self._change_votes(assignment, verdict.answer)

    def _change_votes(self, assignment: Assignment, answer: str | None) -> None:
        pair, annotator, final = assignment.pair, assignment.annotator, assignment.kind == "adjudication"
        if assignment.kind == "gold":
            return
        before = self._counted(pair)
        if answer is None:
            self.queue.take_back(pair, annotator, final=final)
            self.queue.lease(pair, annotator, self._clock(), final=final)
        else:
            self.queue.vote(pair, annotator, answer, final=final)
        self._votes += self._counted(pair) - before

    def _counted(self, pair: str) -> int:
        return min(len(self.queue.votes[pair]), self.settings.votes_wanted)

    def _withdraw(self, assignment: Assignment, reason: str) -> None:
        if assignment.kind == "gold":
            self._broken_gold.add(assignment.pair)
        else:
            self._votes -= self._counted(assignment.pair)
            self.queue.withdraw(assignment.pair, reason)

    def _picture(self, assignment: Assignment, side: str) -> Picture:
        name = "chosen" if (side == "1") == assignment.chosen_first else "rejected"
        pair = self._current(assignment)
        if pair is None:
            raise ValueError("The pair has been changed.")
        key = (assignment.kind == "gold", pair.id, name)
        with self.lock:
            if key in self._pictures:
                self._pictures.move_to_end(key)
                return self._pictures[key]
        picture = pair.read(name)
        with self.lock:
            self._pictures[key] = picture
            while len(self._pictures) > _CACHED_PICTURES:
                self._pictures.popitem(last=False)
        return picture

    def _question(self, assignment: Assignment) -> Question:
        pair = self._current(assignment)
        if pair is None:
            raise ValueError("The pair has been changed.")
        prompt, other = mark_changes(pair.prompt, pair.prompt_rejected)
        votes: dict[str, int] | None = None
        if assignment.kind == "adjudication":
            votes = {}
            for answer in self.queue.votes[pair.id].values():
                shown = to_shown(answer, chosen_first=assignment.chosen_first)
                votes[shown] = votes.get(shown, 0) + 1
        return Question(assignment.token, prompt, other, votes)
