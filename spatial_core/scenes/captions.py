"""Writes prompts about a scene: natural sentences, and the scene graph they state with exact spans.

Writing has two steps. A `CaptionPlan` fixes everything that is not content: which sentence takes which form,
which paraphrase, what filler. `write` fills it with statements. So two different contents written from one
plan, a true one and an altered one, read alike but for the words that differ in meaning.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Literal

from spatial_core.language.relations import RELATIONS
from spatial_core.language.scene_graph import PICTURE, Entity, Relation, SceneGraph, Span
from spatial_core.scenes.closure import FLOOR, WALL, Statement
from spatial_core.scenes.objects import OBJECT_KINDS
from spatial_core.scenes.scene import Scene
from spatial_core.scenes.wordings import (
    FILLER,
    HANGING_VERBS,
    LISTS,
    OPENERS,
    PHRASES,
    VERBS,
    Phrase,
    Wordings,
)

Mode = Literal["short", "long", "fronted", "list", "mixed"]
Form = Literal["plain", "fronted", "inverted", "there", "join", "bare", "list"]
MODES: tuple[Mode, ...] = ("short", "long", "fronted", "list", "mixed")


@dataclass(frozen=True)
class Clause:
    """How one or more statements are worded.

    Attributes:
        statements: Indices into the statements; more than one for an ordered list.
        form: Sentence form.
        picks: Numbers in [0, 1) that choose paraphrase, verb, pronoun and joint.
    """

    statements: tuple[int, ...]
    form: Form
    picks: tuple[float, float, float, float]


@dataclass(frozen=True)
class CaptionPlan:
    """Everything about a caption that is not content.

    Attributes:
        clauses: In text order.
        mode: What kind of prompt it is.
        wordings: Which paraphrases may be used.
        colored: Objects that are called by their colour although their kind would do.
        indefinite: Whether first mentions take "a" rather than "the".
        opener: A sentence before everything, or empty.
        filler: Sentences after everything.
    """

    clauses: tuple[Clause, ...]
    mode: Mode
    wordings: Wordings
    colored: frozenset[int]
    indefinite: bool
    opener: str = ""
    filler: tuple[str, ...] = ()


@dataclass(frozen=True)
class Caption:
    """A prompt with what it says.

    Attributes:
        text: The prompt.
        graph: Its entities and relations; `graph.relations[i]` states `statements[i]`.
        statements: In text order.
        objects: The scene's object index of each entity of the graph.
    """

    text: str
    graph: SceneGraph
    statements: tuple[Statement, ...]
    objects: tuple[int, ...]


def plan_caption(
    scene: Scene,
    statements: Sequence[Statement],
    *,
    seed: int,
    mode: Mode | None = None,
    wordings: Wordings = "train",
    lists: Sequence[range] | None = None,
) -> CaptionPlan:
    """Return a plan for wording `statements` about `scene`.

    Args:
        scene: Names and colours come from here.
        statements: What to say, in the order to say it.
        seed: Decides the wording.
        mode: Kind of prompt; drawn where None.
        wordings: "train", or "held_out" for paraphrases that training never uses.
        lists: Ranges of statements said as ordered lists ("from left to right: A, B and C"). Where None,
            consecutive `left_of` statements that form a chain are, in most modes.

    Raises:
        ValueError: If there is nothing to say.
    """
    if not statements:
        raise ValueError("A caption needs at least one statement; got none.")
    rng = Random(seed)
    mode = mode or rng.choices(MODES, weights=(0.18, 0.32, 0.15, 0.1, 0.25))[0]
    if mode == "short" and (len(statements) > 4 or lists):
        mode = "mixed"
    clauses: list[Clause] = []
    at = 0
    while at < len(statements):
        if lists is None:
            chain = _chain_length(statements, at)
            listed = chain >= 2 and (mode == "list" or rng.random() < 0.5)
        else:
            chain = next((len(span) for span in lists if span.start == at), 0)
            listed = chain > 0
        span = tuple(range(at, at + (chain if listed else 1)))
        form = "list" if listed else _draw_form(rng, mode, after=clauses[-1].form if clauses else None)
        clauses.append(Clause(span, form, (rng.random(), rng.random(), rng.random(), rng.random())))
        at += len(span)
    fillers = FILLER[wordings]
    count = rng.choice((1, 2, 2, 3)) if mode == "long" else int(mode == "mixed" and rng.random() < 0.3)
    opener = rng.choice(OPENERS[wordings]) if mode == "long" and rng.random() < 0.6 else ""
    return CaptionPlan(
        clauses=tuple(clauses),
        mode=mode,
        wordings=wordings,
        colored=frozenset(i for i in range(len(scene.objects)) if rng.random() < 0.6),
        indefinite=rng.random() < 0.65,
        opener=opener,
        filler=tuple(rng.sample(fillers, k=min(count, len(fillers)))),
    )


def _chain_length(statements: Sequence[Statement], at: int) -> int:
    """Return how many statements from `at` on form one left-to-right chain."""
    count = 0
    for k in range(at, len(statements)):
        if statements[k].relation != "left_of":
            break
        if count and statements[k].subject != statements[k - 1].objects[0]:
            break
        count += 1
    return count


def _draw_form(rng: Random, mode: Mode, *, after: Form | None) -> Form:
    if mode == "short":
        return "bare"
    if mode == "fronted":
        return rng.choice(("fronted", "inverted", "fronted", "inverted", "plain"))
    forms: tuple[Form, ...] = ("plain", "plain", "there", "fronted", "inverted", "join", "join")
    form = rng.choice(forms)
    return "plain" if after in (None, "join", "list") and form == "join" else form


def caption_scene(
    scene: Scene,
    statements: Sequence[Statement],
    *,
    seed: int,
    mode: Mode | None = None,
    wordings: Wordings = "train",
) -> Caption:
    """Return a prompt that says `statements`; arguments as in `plan_caption`."""
    return write(plan_caption(scene, statements, seed=seed, mode=mode, wordings=wordings), scene, statements)


def write(plan: CaptionPlan, scene: Scene, statements: Sequence[Statement]) -> Caption:
    """Return the prompt that words `statements` by `plan`.

    The statements may differ from those that the plan was made for, as long as there are as many.

    Raises:
        ValueError: If there are more or fewer statements than the plan words.
    """
    planned = sum(len(clause.statements) for clause in plan.clauses)
    if planned != len(statements):
        raise ValueError(f"The plan words {planned} statements; got {len(statements)}.")
    writer = _Writer(plan, scene)
    if plan.opener:
        writer.text += plan.opener + " "
    for k, clause in enumerate(plan.clauses):
        following = plan.clauses[k + 1] if k + 1 < len(plan.clauses) else None
        writer.clause(clause, [statements[i] for i in clause.statements])
        writer.end(joined=following is not None and following.form == "join")
    writer.text = writer.text.rstrip()
    if plan.filler:
        writer.text += " " + " ".join(plan.filler)
    return writer.caption()


@dataclass
class _Mentions:
    name: str
    attributes: tuple[str, ...]
    spans: list[Span] = field(default_factory=lambda: [])


class _Writer:
    """Emits text and notes where everything stands."""

    def __init__(self, plan: CaptionPlan, scene: Scene):
        self.plan = plan
        self.scene = scene
        self.text = ""
        self.entities: dict[int, _Mentions] = {}
        self.stated: list[tuple[Statement, Relation]] = []
        self.kinds = [o.kind for o in scene.objects]
        self.last: Statement | None = None
        self.new_sentence = True

    # ---- words ----------------------------------------------------------------------------------------

    def _emit(self, words: str) -> Span:
        if self.new_sentence and words:
            first = next((i for i, c in enumerate(words) if c != " "), 0)
            if self.plan.mode != "short":
                words = words[:first] + words[first].upper() + words[first + 1 :]
            self.new_sentence = False
        start = len(self.text)
        self.text += words
        return (start, len(self.text))

    def _describe(self, index: int) -> tuple[str, tuple[str, ...]]:
        """Return the name and the attributes that single an object out."""
        if index in (WALL, FLOOR):
            return ("wall" if index == WALL else "floor"), ()
        state = self.scene.objects[index]
        if OBJECT_KINDS[state.kind].category == "furniture":
            return state.kind, ()
        if self.kinds.count(state.kind) == 1 and index not in self.plan.colored:
            return state.kind, ()
        pattern = () if state.pattern == "plain" else (state.pattern,)
        return state.kind, (*pattern, state.color)

    def _mention(self, index: int) -> Span:
        """Write a full mention, "a" at first and "the" later, and note it."""
        name, attributes = self._describe(index)
        known = self.entities.get(index)
        words = " ".join((*attributes, name))
        unique = index < 0 or OBJECT_KINDS[self.kinds[index]].category == "furniture"
        article = "the"
        if known is None and self.plan.indefinite and not unique:
            article = "an" if words[0] in "aeiou" else "a"
        span = self._emit(f"{article} {words}")
        if known is None:
            self.entities[index] = known = _Mentions(name, attributes)
        known.spans.append(span)
        return span

    def _pronoun(self, index: int) -> Span:
        span = self._emit("it")
        self.entities[index].spans.append(span)
        return span

    def _phrase(self, statement: Statement, pick: float) -> Phrase:
        options = PHRASES[statement.relation][self.plan.wordings]
        return options[int(pick * len(options))]

    def _predicate(self, phrase: Phrase, statement: Statement, *, it: int | None = None) -> tuple[Span, Span]:
        """Write the phrase with its objects; return the spans of the relation words and of all of it."""
        head, _, rest = phrase.text.partition("{0}")
        start, end = self._emit(head.rstrip() if not rest and "{0}" not in phrase.text else head)
        trigger = (start, end - (1 if head.endswith(" ") else 0))
        if statement.objects:
            if it is not None and it == statement.objects[0]:
                self._pronoun(it)
            else:
                self._mention(statement.objects[0])
        if len(statement.objects) > 1:
            joint, _, _ = rest.partition("{1}")
            self._emit(joint)
            self._mention(statement.objects[1])
        return trigger, (start, len(self.text))

    def _verb(self, statement: Statement, phrase: Phrase, pick: float) -> str:
        if phrase.verbal:
            return "is"
        subject = self.scene.objects[statement.subject]
        table = HANGING_VERBS if OBJECT_KINDS[subject.kind].wall else VERBS
        verbs = table[self.plan.wordings]
        return verbs[int(pick * len(verbs))]

    # ---- clauses --------------------------------------------------------------------------------------

    def clause(self, clause: Clause, statements: Sequence[Statement]) -> None:
        """Write one clause and note its relations."""
        if clause.form == "list":
            self._list(clause, statements)
            return
        statement = statements[0]
        phrase = self._phrase(statement, clause.picks[0])
        verb = self._verb(statement, phrase, clause.picks[1])
        # "It" stands for what the sentence before was about.
        it = None
        if (
            self.last is not None
            and statement.objects[:1] == (self.last.subject,)
            and clause.picks[2] < 0.45
            and len(statement.objects) == 1
        ):
            it = self.last.subject
        form = clause.form
        if form in ("fronted", "inverted") and not phrase.front:
            form = "plain"
        # "There is" introduces: of something known already it would be odd.
        if statement.subject in self.entities:
            form = {"there": "plain", "fronted": "inverted"}.get(form, form)
        if form not in ("fronted", "inverted"):
            it = None
        begin = len(self.text)
        if form == "fronted":
            trigger, span = self._predicate(phrase, statement, it=it)
            self._emit(", there is " if not phrase.verbal else " there is ")
            self._mention(statement.subject)
        elif form == "inverted":
            trigger, span = self._predicate(phrase, statement, it=it)
            self._emit(f" {verb} ")
            self._mention(statement.subject)
        elif form == "bare":
            self._mention(statement.subject)
            self._emit(" ")
            trigger, span = self._predicate(phrase, statement)
            span = (begin, span[1])
        elif form == "there":
            self._emit("there is ")
            begin = len(self.text)
            self._mention(statement.subject)
            self._emit(" ")
            trigger, span = self._predicate(phrase, statement, it=it)
            span = (begin, span[1])
        elif form == "join" and self.last is not None and self.last.subject == statement.subject:
            trigger, span = self._predicate(phrase, statement)
        else:
            self._mention(statement.subject)
            self._emit(f" {verb} ")
            trigger, span = self._predicate(phrase, statement, it=it)
            span = (begin, span[1])
        self._state(statement, span, trigger)
        self.last = statement

    def _list(self, clause: Clause, statements: Sequence[Statement]) -> None:
        options = LISTS[self.plan.wordings]
        before, after = options[int(clause.picks[0] * len(options))]
        members = [statements[0].subject, *(s.objects[0] for s in statements)]
        words = "from left to right"
        start = len(self.text)
        self._emit(before)
        spans: list[Span] = []
        for k, member in enumerate(members):
            if k:
                self._emit(", and " if k == len(members) - 1 else ", ")
            spans.append(self._mention(member))
        self._emit(after)
        at = self.text.lower().index(words, start)
        for k, statement in enumerate(statements):
            self._state(statement, (spans[k][0], spans[k + 1][1]), (at, at + len(words)), order=k)
        self.last = None

    def _state(self, statement: Statement, span: Span, trigger: Span, *, order: int | None = None) -> None:
        place = RELATIONS[statement.relation].frame == "picture"
        relation = Relation(
            relation=statement.relation,
            subject=statement.subject,
            objects=(PICTURE,) if place else statement.objects,
            span=span,
            frame="picture" if place else "",
            order=order,
            trigger=trigger,
        )
        self.stated.append((statement, relation))

    def end(self, *, joined: bool) -> None:
        """Write what separates this clause from the next."""
        if self.plan.mode == "short":
            self.text += ", "
        elif joined:
            self.text += ", and "
        else:
            self.text += ". "
            self.new_sentence = True

    def caption(self) -> Caption:
        """Return what was written."""
        text = self.text.rstrip().rstrip(",") if self.plan.mode == "short" else self.text.rstrip()
        order = sorted(self.entities, key=lambda i: self.entities[i].spans[0])
        ids = {index: k for k, index in enumerate(order)}
        entities = tuple(
            Entity(
                id=k,
                name=self.entities[index].name,
                span=self.entities[index].spans[0],
                attributes=self.entities[index].attributes,
                mentions=tuple(self.entities[index].spans[1:]),
            )
            for k, index in enumerate(order)
        )
        relations = tuple(
            Relation(
                relation=r.relation,
                subject=ids[s.subject],
                objects=(PICTURE,) if r.objects == (PICTURE,) else tuple(ids[o] for o in s.objects),
                span=r.span,
                frame=r.frame,
                order=r.order,
                trigger=r.trigger,
            )
            for s, r in self.stated
        )
        return Caption(
            text=text,
            graph=SceneGraph(text, entities, relations),
            statements=tuple(s for s, _ in self.stated),
            objects=tuple(order),
        )
