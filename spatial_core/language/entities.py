"""The things a prompt names, and which later words point back to them."""

from __future__ import annotations

from dataclasses import dataclass, field

from spatial_core.language import lexicon as lx
from spatial_core.language.noun_phrases import NounPhrase
from spatial_core.language.scene_graph import Entity, Span

_RECENT = 24
"""How many earlier things of one name a later mention is compared with; keeps parsing linear."""
_PERSONAL = frozenset(("he", "him", "himself", "his", "she", "her", "herself"))
_PLURAL = frozenset(("they", "them", "themselves", "their"))


@dataclass(slots=True)
class _Draft:
    name: str
    head: str
    span: Span
    count: int
    attributes: tuple[str, ...]
    label: str
    plural: bool
    part_of: int | None = None
    mentions: list[Span] = field(default_factory=lambda: [])


class EntityTable:
    """Collects entities in text order and resolves definite phrases and pronouns to them."""

    def __init__(self) -> None:
        self._drafts: list[_Draft] = []
        self._by_head: dict[str, list[int]] = {}
        self._parts: dict[tuple[int, str, str], int] = {}
        self._last_plural: list[int] = []
        self._last_person: list[int] = []
        self._last_thing: list[int] = []
        self._last_room: list[int] = []
        self._last_surface: list[int] = []

    def __len__(self) -> int:
        return len(self._drafts)

    def head(self, entity: int) -> str:
        """Return an entity's head noun."""
        return self._drafts[entity].head

    def plural(self, entity: int) -> bool:
        """Return whether an entity stands for several things."""
        draft = self._drafts[entity]
        return draft.plural or draft.count > 1

    def is_person(self, entity: int) -> bool:
        """Return whether an entity acts (a person or an animal)."""
        head = self._drafts[entity].head
        return head in lx.PERSONS or head in lx.ANIMALS

    @property
    def room(self) -> list[int]:
        """The last room named, as a list of one or none."""
        return self._last_room

    @property
    def surface(self) -> list[int]:
        """The last thing named that carries others (a table, a shelf), as a list of one or none."""
        return self._last_surface

    def known(self, head: str) -> bool:
        """Return whether something with this head noun has been named."""
        return head in self._by_head

    def build(self) -> tuple[Entity, ...]:
        """Return the finished entities."""
        return tuple(
            Entity(i, d.name, d.span, d.count, d.attributes, d.label, tuple(d.mentions), d.part_of)
            for i, d in enumerate(self._drafts)
        )

    def resolve(self, phrase: NounPhrase, topic: list[int], placed: list[int] | None = None) -> list[int]:
        """Return the entities a noun phrase stands for, adding a new one where it names something new.

        Args:
            phrase: The phrase.
            topic: What the text is about at this point; the first choice for a pronoun.
            placed: What the phrase with a pronoun places, and so is not meant by it.
        """
        if phrase.pronoun:
            found = self.pronoun(phrase.pronoun, topic, placed)
            for entity in found:
                self.mention(entity, (phrase.start, phrase.end))
            return found
        if not phrase.name:
            return self._headless(phrase, topic, placed or [])
        owner = self._owner(phrase, topic, placed)
        if owner is not None:
            key = (owner, phrase.name, phrase.label)
            known = self._parts.get(key)
            if known is not None:
                self.mention(known, (phrase.start, phrase.end))
                return [known]
        elif phrase.definite or phrase.determiner == "both":
            found = self._recall(phrase)
            if found:
                for entity in found:
                    self.mention(entity, (phrase.start, phrase.end))
                self._remember(found)
                return found
        elif phrase.determiner in ("one", "each") and not phrase.attributes:
            pass
        entity = self._add(phrase, owner)
        return [entity]

    def pronoun(self, word: str, topic: list[int], placed: list[int] | None = None) -> list[int]:
        """Return what a pronoun or possessive stands for, the topic first; empty if nothing fits.

        Args:
            word: The pronoun.
            topic: What the text is about.
            placed: What is being placed by the phrase with the pronoun, and so is not meant by it.
        """
        if word in _PERSONAL:
            human = any(self._drafts[e].head in lx.PERSONS for e in self._last_person)
            if topic and self.is_person(topic[-1]):
                if not human or self._drafts[topic[-1]].head in lx.PERSONS:
                    return [topic[-1]]
            if human:
                others = [e for e in self._last_person if self._drafts[e].head in lx.PERSONS]
                return [e for e in others if not placed or e not in placed][-1:] or topic[-1:]
            others = [e for e in self._last_person if not placed or e not in placed]
            return others[-1:] or topic[-1:]
        if word in _PLURAL:
            if len(topic) > 1 or (topic and self.plural(topic[0])):
                return list(topic)
            return self._last_plural or topic
        if word in ("it", "its", "itself", "this", "that"):
            if (
                topic
                and len(topic) == 1
                and not (self._drafts[topic[0]].head in lx.PERSONS and self._last_thing)
            ):
                return list(topic)
            others = [e for e in self._last_thing if not placed or e not in placed]
            return others[-1:] or topic[-1:]
        return []

    def _headless(self, phrase: NounPhrase, topic: list[int], placed: list[int]) -> list[int]:
        """Resolve "the two", "one", "the red one", "another", "the other"."""
        if phrase.owner is not None and phrase.part:
            return self._whole(phrase, topic)
        group = self._last_plural or self._last_thing or self._last_person or topic
        if (
            phrase.determiner in ("the", "these", "those", "both", "its")
            and phrase.count > 1
            or phrase.determiner == "both"
        ):
            if len(group) == 1 and not self.plural(group[0]) and len(self._drafts) >= 2:
                group = [
                    e for e in range(max(0, len(self._drafts) - 4), len(self._drafts)) if e not in placed
                ][-2:]
            for entity in group:
                self.mention(entity, (phrase.start, phrase.end))
            return list(group)
        if phrase.determiner in ("this", "that", "these", "those", "all") and not phrase.attributes:
            return list(topic)
        if not group or phrase.owner is not None:
            return []
        if not (
            phrase.label
            or phrase.counted
            or (phrase.attributes and phrase.determiner)
            or phrase.determiner in ("another", "each", "one")
        ):
            return []
        source = self._drafts[self._sibling(phrase, group, placed)]
        if phrase.label == "first" and placed and source is self._drafts[placed[-1]]:
            for known in self._by_head.get(source.head, [])[-_RECENT:]:
                if not self._drafts[known].label and known not in placed:
                    self.mention(known, (phrase.start, phrase.end))
                    return [known]
        label = phrase.label or ("another" if phrase.determiner == "another" else "")
        if not label and not phrase.attributes and phrase.count == 1:
            label = "one"
        if phrase.determiner == "each":
            return list(group)
        for known in reversed(self._by_head.get(source.head, [])[-_RECENT:]):
            draft = self._drafts[known]
            if (
                draft.label == label
                and draft.attributes[: len(phrase.attributes)] == tuple(phrase.attributes)
                and (label not in ("", "one", "another"))
            ):
                self.mention(known, (phrase.start, phrase.end))
                return [known]
        span = (phrase.start, phrase.end)
        attributes = tuple(phrase.attributes)
        draft = _Draft(source.name, source.head, span, phrase.count, attributes, label, phrase.count > 1)
        return [self._store(draft, ())]

    def _sibling(self, phrase: NounPhrase, group: list[int], placed: list[int]) -> int:
        """Return the entity whose kind "the lower one" or "the first" takes its name from."""
        if placed and self._drafts[placed[-1]].label in lx.ORDINALS and phrase.label in lx.ORDINALS:
            return placed[-1]
        if phrase.label in lx.ORDINALS:
            for entity in range(len(self._drafts) - 1, max(-1, len(self._drafts) - 8), -1):
                if self._drafts[entity].label in lx.ORDINALS and entity not in placed:
                    return entity
        if phrase.label and not self._last_plural:
            for entity in range(len(self._drafts) - 1, max(-1, len(self._drafts) - 8), -1):
                if self._drafts[entity].label and entity not in placed:
                    return entity
        others = [e for e in (*group, *self._last_thing) if e not in placed]
        return (others or group)[-1] if group[-1] in placed else group[-1]

    def _whole(self, phrase: NounPhrase, topic: list[int]) -> list[int]:
        owner = phrase.owner
        if isinstance(owner, NounPhrase):
            return self.resolve(owner, topic)
        return self.pronoun(owner, topic) if owner else []

    def owner_of(self, phrase: NounPhrase, topic: list[int]) -> list[int]:
        """Return the whole that a part phrase belongs to."""
        return self._whole(phrase, topic)

    def whole(self, entity: int) -> int | None:
        """Return the whole that an entity is part of, or None."""
        return self._drafts[entity].part_of

    def _owner(self, phrase: NounPhrase, topic: list[int], placed: list[int] | None) -> int | None:
        owner = phrase.owner
        if owner is None:
            return None
        found = (
            self.resolve(owner, topic)
            if isinstance(owner, NounPhrase)
            else self.pronoun(owner, topic, placed)
        )
        if isinstance(owner, str) and found and owner == phrase.determiner:
            self.mention(found[-1], (phrase.start, phrase.start + len(owner)))  # "their" of "their case"
        return found[-1] if found else None

    def _recall(self, phrase: NounPhrase) -> list[int]:
        """Return earlier entities that a definite phrase points back to."""
        candidates = self._by_head.get(phrase.head)
        if not candidates:
            return []
        fitting = [c for c in candidates[-_RECENT:] if self._fits(phrase, self._drafts[c])]
        if not fitting:
            return []
        if phrase.count > 1:
            whole = [c for c in fitting if self._drafts[c].count == phrase.count]
            if whole:
                return whole[-1:]
            return fitting[-phrase.count :] if len(fitting) >= phrase.count else []
        if phrase.plural:
            several = [c for c in fitting if self.plural(c)]
            return several[-1:] or fitting
        exact = [
            c
            for c in fitting
            if self._drafts[c].name == phrase.name and self._drafts[c].label == phrase.label
        ]
        best = exact or fitting
        if phrase.attributes:
            wanted = set(phrase.attributes)
            same = [c for c in best if wanted & set(self._drafts[c].attributes)]
            best = same or best
        if len(best) > 1 and not phrase.attributes:
            single = [c for c in best if not self.plural(c)]
            best = single or best
        return best[-1:]

    @staticmethod
    def _fits(phrase: NounPhrase, draft: _Draft) -> bool:
        if phrase.label and phrase.label != draft.label and not draft.label.startswith(f"{phrase.label} "):
            return False
        if not phrase.label and draft.label and draft.label not in ("one", "another"):
            return False
        if draft.count > 1 and not phrase.plural and not phrase.pronoun:
            return False  # "the orange cat" is one of the "two cats"
        if draft.name != phrase.name:
            shorter, longer = sorted((draft.name, phrase.name), key=len)
            if not (
                longer.endswith(" " + shorter)
                or longer.startswith(shorter + " of ")
                or draft.head != phrase.head
            ):
                return False
        if phrase.attributes and draft.attributes:
            colors = lx.COLORS.intersection(phrase.attributes)
            known = lx.COLORS.intersection(draft.attributes)
            if colors and known and not colors & known:
                return False
            if not set(phrase.attributes) & set(draft.attributes):
                return not (colors and known) and len(draft.attributes) < 2 and bool(colors) != bool(known)
        return True

    def _add(self, phrase: NounPhrase, owner: int | None) -> int:
        span = (phrase.start, phrase.end)
        draft = _Draft(
            phrase.name,
            phrase.head,
            span,
            phrase.count,
            tuple(phrase.attributes),
            phrase.label,
            phrase.plural,
            owner,
        )
        entity = self._store(draft, phrase.aliases)
        if owner is not None:
            self._parts[owner, phrase.name, phrase.label] = entity
        return entity

    def _store(self, draft: _Draft, aliases: tuple[str, ...]) -> int:
        entity = len(self._drafts)
        self._drafts.append(draft)
        for head in (draft.head, *aliases):
            self._by_head.setdefault(head, []).append(entity)
        self._remember([entity])
        return entity

    def _remember(self, entities: list[int]) -> None:
        last = self._drafts[entities[-1]]
        if len(entities) > 1 or last.plural or last.count > 1:
            self._last_plural = list(entities)
        if last.head in lx.PERSONS or last.head in lx.ANIMALS:
            self._last_person = [*self._last_person[-3:], entities[-1]]
        if last.head not in lx.PERSONS:
            self._last_thing = [*self._last_thing[-3:], entities[-1]]
        if last.head in lx.FURNITURE_TOPS:
            self._last_surface = [entities[-1]]
        if last.head in lx.ROOMS:
            self._last_room = [entities[-1]]

    def group(self, entities: list[int]) -> None:
        """Note that these entities were named together ("a cup and a plate"), for "them" and "the two"."""
        if len(entities) > 1:
            self._last_plural = list(entities)

    def mention(self, entity: int, span: Span) -> None:
        """Note that the words at `span` point at an entity."""
        draft = self._drafts[entity]
        if span != draft.span and (not draft.mentions or draft.mentions[-1] != span):
            draft.mentions.append(span)
