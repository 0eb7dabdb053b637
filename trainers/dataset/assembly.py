"""From shards to a manifest: checks that look at all pairs together, and the pairs that remain."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spatial_core.atomic_files import write_text
from spatial_core.language.relations import RELATIONS
from spatial_trainers.dataset.build_recipe import BuildRecipe
from spatial_trainers.dataset.checks import edited_relations, near_duplicates, verdict_faults
from spatial_trainers.dataset.shards import BuildFolder, Shard
from spatial_trainers.pairs.records import SPLITS, Record, write_records

Combination = tuple[str, tuple[str, ...], tuple[str, ...]]

_DETAILS = re.compile(r"\b(?:train|validation|test)-\d+|\d+(?:\.\d+)?")

_STRICTEST_FIRST = ("test", "validation", "train")
"""Where two pairs exclude each other, the one of the earlier split stays."""


@dataclass(frozen=True)
class Assembly:
    """What a build has come to.

    Attributes:
        accepted: Ids of the pairs that passed and are wanted.
        faults: Of the pairs that did not pass, by id.
        failures: What could not be drawn, by id.
        surplus: Pairs that passed and are not needed.
    """

    accepted: frozenset[str]
    faults: Mapping[str, list[str]]
    failures: tuple[dict[str, Any], ...]
    surplus: int

    def counts(self) -> dict[str, int]:
        """Return the number of accepted pairs of each split."""
        found = Counter(pair.rpartition("-")[0] for pair in self.accepted)
        return {split: found[split] for split in SPLITS}

    def reasons(self) -> dict[str, int]:
        """Return how often each reason was given, without the numbers and ids in it."""
        given = [
            *(reason for faults in self.faults.values() for reason in faults),
            *(failure["reason"] for failure in self.failures),
        ]
        return dict(Counter(_DETAILS.sub("...", reason).strip() for reason in given).most_common())


@dataclass(frozen=True)
class _Entry:
    """What checks across pairs need of a record; 80,000 whole ones would take gigabytes."""

    id: str
    split: str
    faults: list[str]
    hashes: list[str]
    prompts: bytes
    stated: frozenset[int]
    concerned: frozenset[int]


def assemble(folder: BuildFolder, shards: Mapping[str, Sequence[Shard]], recipe: BuildRecipe) -> Assembly:
    """Return which pairs of all shards pass, judged together.

    Args:
        folder: Where the shards are.
        shards: Of each split, in order.
        recipe: How many pairs are wanted, and what they must pass.
    """
    entries: list[_Entry] = []
    failures: list[dict[str, Any]] = []
    numbers: dict[Combination, int] = {}
    for split in _STRICTEST_FIRST:
        for row in _rows(folder, shards[split], recipe):
            if "failure" in row:
                failures.append(row["failure"])
            else:
                entries.append(_entry(row["record"], numbers))
    _mark_repeated_prompts(entries)
    if recipe.checks.max_distance >= 0:
        sound = [e for e in entries if not e.faults]
        repeats = near_duplicates([e.hashes for e in sound], recipe.checks.max_distance)
        for row, earlier in repeats.items():
            sound[row].faults.append(f"a picture nearly repeats one of {sound[earlier].id}")
    _mark_shared_combinations(entries)
    accepted: dict[str, list[str]] = {split: [] for split in SPLITS}
    for entry in entries:
        if not entry.faults:
            accepted[entry.split].append(entry.id)
    wanted = recipe.wanted()
    return Assembly(
        accepted=frozenset(pair for split in SPLITS for pair in accepted[split][: wanted[split]]),
        faults={entry.id: entry.faults for entry in entries if entry.faults},
        failures=tuple(sorted(failures, key=lambda failure: failure["id"])),
        surplus=sum(max(0, len(accepted[split]) - wanted[split]) for split in SPLITS),
    )


def write_assembly(
    folder: BuildFolder, shards: Mapping[str, Sequence[Shard]], recipe: BuildRecipe, assembly: Assembly
) -> str:
    """Write manifest.jsonl, rejected.jsonl and failures.jsonl; return the sha256 of the manifest."""

    def records(*, accepted: bool) -> Iterator[Record]:
        for split in SPLITS:
            for row in _rows(folder, shards[split], recipe):
                record = row.get("record")
                if record is None:
                    continue
                if accepted and record["id"] in assembly.accepted:
                    yield record
                elif not accepted and record["id"] in assembly.faults:
                    yield record | {"checks": record["checks"] | {"faults": assembly.faults[record["id"]]}}

    lines = (json.dumps(failure) + "\n" for failure in assembly.failures)
    write_text(folder.path / "failures.jsonl", "".join(lines))
    write_records(folder.path / "rejected.jsonl", records(accepted=False))
    # Last: whoever finds a manifest finds a finished build.
    return write_records(folder.path / "manifest.jsonl", records(accepted=True))


def _rows(folder: BuildFolder, shards: Sequence[Shard], recipe: BuildRecipe) -> Iterator[dict[str, Any]]:
    """Yield what was drawn, with a scorer's verdicts where one was asked."""
    for shard in shards:
        rows = folder.rows("shards", shard)
        verdicts = folder.rows("verdicts", shard) if recipe.checks.scorer else [None] * len(rows)
        for row, found in zip(rows, verdicts, strict=True):
            if found is not None:
                record = row["record"]
                record["checks"] |= {"scorer": recipe.checks.scorer, "verdicts": found}
                record["checks"]["faults"] += verdict_faults(
                    found, edited_relations(record), recipe.checks.min_satisfied
                )
            yield row


def _entry(record: Record, numbers: dict[Combination, int]) -> _Entry:
    combinations = combinations_of(record)
    index = {c: numbers.setdefault(c, len(numbers)) for c in combinations}
    prompts = sorted(" ".join(record[key].lower().split()) for key in ("prompt", "prompt_rejected"))
    return _Entry(
        id=record["id"],
        split=record["split"],
        faults=list(record["checks"]["faults"]),
        hashes=record["checks"]["perceptual_hashes"],
        prompts=hashlib.sha256("\n".join(prompts).encode()).digest(),
        stated=frozenset(index.values()),
        concerned=frozenset(index[c] for c, concerned in combinations.items() if concerned),
    )


def _mark_repeated_prompts(entries: Sequence[_Entry]) -> None:
    first: dict[bytes, str] = {}
    for entry in entries:
        if not entry.faults and first.setdefault(entry.prompts, entry.id) != entry.id:
            entry.faults.append(f"has the prompts of {first[entry.prompts]}")


def combinations_of(record: Record) -> dict[Combination, bool]:
    """Return each (things, relation, things) that either prompt states, and whether an edit concerns it."""
    edited = {edit["relation_index"] for edit in record["edits"]}
    found: dict[Combination, bool] = {}
    for key in ("graph", "graph_rejected"):
        names = {entity["id"]: entity["name"] for entity in record[key]["entities"]}
        for index, relation in enumerate(record[key]["relations"]):
            anchors = tuple(sorted(names.get(i, str(i)) for i in relation["objects"]))
            combination = _canonical(relation["relation"], names[relation["subject"]], anchors)
            found[combination] = found.get(combination, False) or index in edited
    return found


def _canonical(relation: str, subject: str, anchors: tuple[str, ...]) -> Combination:
    """Return one form for a relation and its inverse."""
    inverse = RELATIONS[relation].inverse
    forms: list[Combination] = [(relation, (subject,), anchors)]
    if inverse is not None and len(anchors) == 1:
        forms.append((inverse, anchors, (subject,)))
    return min(forms)


def _mark_shared_combinations(entries: Sequence[_Entry]) -> None:
    """Set aside what states a combination that an edit of a stricter split is about.

    A pair is about what its edits change; what else its prompt mentions decides nothing.
    """
    held: dict[int, _Entry] = {}
    for split in _STRICTEST_FIRST:
        mine = [entry for entry in entries if entry.split == split and not entry.faults]
        for entry in mine:
            shared = sorted(held[c].id for c in entry.stated if c in held)
            if shared:
                entry.faults.append(f"states what an edit of {shared[0]} is about")
        for entry in mine:
            if not entry.faults:
                held |= {c: entry for c in entry.concerned if c not in held}
