"""Preference pairs: read from a manifest (JSONL + images), or rendered once from scenes into that same form.

A pair is (prompt c, image I+, image I-) and, the other way round, (perturbed prompt c', I-, I+). Both are
used, so that what an image looks like by itself predicts nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spatial_core.language.scene_graph import SceneGraph
from spatial_trainers.pairs.records import SPLITS, ImageReference, image_of, iter_records, line_error

FOCUSED = "chosen for one relation"
"""Tag of pairs that only the tables by relation count."""
NEAR_DEAD_ZONE = "near the dead zone"
"""Tag of pairs that only the table of this tag counts."""

Labels = tuple[float, ...]
"""One number a relation: 1 it holds, 0 it does not, NaN nobody knows."""


@dataclass(frozen=True)
class PairEdit:
    """What one edit did.

    Attributes:
        kind: Name of the edit, e.g. "swap_objects".
        relation_index: Into the relations of the unedited prompt.
        number: Which edit of the pair this belongs to; reordering a list alters several relations at once.
    """

    kind: str
    relation_index: int
    number: int


@dataclass(frozen=True)
class Pair:
    """One pair.

    Attributes:
        id: From the manifest.
        graph, graph_rejected: Of the prompt that describes `chosen`, and of the one for `rejected`.
        chosen, rejected: The pictures.
        edits: What leads from one prompt to the other.
        labels: Truth of each relation of `graph` in `chosen` and in `rejected`, then of `graph_rejected` in
            `rejected` and in `chosen`.
        tags: Kinds of pairs that tables are made of.
    """

    id: str
    graph: SceneGraph
    graph_rejected: SceneGraph
    chosen: ImageReference
    rejected: ImageReference
    edits: tuple[PairEdit, ...]
    labels: tuple[Labels, Labels, Labels, Labels]
    tags: tuple[str, ...] = ()

    @property
    def num_edits(self) -> int:
        """How many edits lead from one prompt to the other."""
        return len({edit.number for edit in self.edits})

    def families(self, *, other_way: bool) -> tuple[str, ...]:
        """Return the names of the edited relations as the judged prompt states them, without repeats."""
        relations = (self.graph_rejected if other_way else self.graph).relations
        names = [
            relations[e.relation_index].relation for e in self.edits if e.relation_index < len(relations)
        ]
        return tuple(dict.fromkeys(names))


@dataclass(frozen=True)
class PairSet:
    """Pairs of one or more manifests.

    Attributes:
        splits: Pairs of each split in `SPLITS`.
        sha256: Of the manifests, which name the sha256 of every picture.
    """

    splits: Mapping[str, tuple[Pair, ...]]
    sha256: str

    def __add__(self, other: PairSet) -> PairSet:
        """Return both together."""
        digest = hashlib.sha256((self.sha256 + other.sha256).encode()).hexdigest()
        return PairSet({s: (*self.splits[s], *other.splits[s]) for s in SPLITS}, digest)


def derive_labels(
    graph: SceneGraph, graph_rejected: SceneGraph, edited: Sequence[int]
) -> tuple[Labels, Labels, Labels, Labels]:
    """Return what a pair's construction says about single relations, for `Pair.labels`.

    Each prompt is true of its own picture. In the other picture the edited relations are false, and a
    relation that both prompts state in the same words is true; nothing is known of the rest, such as
    dependants that an edit carried along.
    """
    clauses = [graph.clause(r) for r in graph.relations]
    clauses_rejected = [graph_rejected.clause(r) for r in graph_rejected.relations]
    # An edit names a relation by its place, so the places of the two prompts must agree.
    aligned = len(clauses) == len(clauses_rejected)

    def other(mine: Sequence[str], theirs: Sequence[str], *, places_hold: bool) -> Labels:
        return tuple(
            1.0 if clause in theirs else 0.0 if places_hold and i in edited else float("nan")
            for i, clause in enumerate(mine)
        )

    return (
        (1.0,) * len(clauses),
        other(clauses, clauses_rejected, places_hold=True),
        (1.0,) * len(clauses_rejected),
        other(clauses_rejected, clauses, places_hold=aligned),
    )


def read_manifest(path: str | Path, *, most: Mapping[str, int] | None = None) -> PairSet:
    """Return the pairs of a manifest, one JSON object a line in the form of the pair record.

    Beside the record's keys, `graph_rejected`, `labels` (four lists of true, false or null, see
    `Pair.labels`), `tags` and an edit's number `edit` are read where present; graphs that are missing are
    parsed from their prompts. A record that a reviewer turned down (`review.verdict` other than "accepted")
    is left out.

    Args:
        path: The manifest.
        most: At most so many pairs of each split, the first ones; all of those that are not named.

    Raises:
        ValueError: If the file, a line or a record is unusable; names the line.
    """
    path = Path(path)
    most = most or {}
    splits: dict[str, list[Pair]] = {split: [] for split in SPLITS}
    for number, record in iter_records(path):
        try:
            review = record.get("review") or {}
            if review.get("verdict", "accepted") != "accepted":
                continue
            mine = splits[record["split"]]
            if len(mine) < most.get(record["split"], len(mine) + 1):
                mine.append(_pair(record, path.parent))
        except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
            raise line_error(path, number, error) from error
    if not any(splits.values()):
        raise ValueError(f"{path} holds no pairs that reviewers accepted. Review it, or name another one.")
    return PairSet({s: tuple(p) for s, p in splits.items()}, hashlib.sha256(path.read_bytes()).hexdigest())


def _pair(record: Mapping[str, Any], folder: Path) -> Pair:
    graphs = [
        SceneGraph.from_dict(record[key]) if record.get(key) else _parsed(record[prompt])
        for key, prompt in (("graph", "prompt"), ("graph_rejected", "prompt_rejected"))
    ]
    for graph, key in zip(graphs, ("prompt", "prompt_rejected"), strict=True):
        if graph.text != record[key]:
            raise ValueError(f"has a graph of another text than its '{key}'")
    edits = tuple(
        PairEdit(str(e["kind"]), int(e["relation_index"]), int(e.get("edit", number)))
        for number, e in enumerate(record.get("edits") or ())
    )
    for edit in edits:
        if not 0 <= edit.relation_index < max(1, len(graphs[0].relations)):
            raise ValueError(f"edits relation {edit.relation_index} of {len(graphs[0].relations)}")
    labels = derive_labels(graphs[0], graphs[1], [e.relation_index for e in edits])
    if record.get("labels"):
        given = tuple(tuple(_LABELS[v] for v in values) for values in record["labels"])
        if [len(values) for values in given] != [len(values) for values in labels]:
            raise ValueError(
                f"must label every relation in four lists of lengths {[len(v) for v in labels]}; "
                f"got {[len(v) for v in given]}"
            )
        labels = (given[0], given[1], given[2], given[3])
    return Pair(
        id=record["id"],
        graph=graphs[0],
        graph_rejected=graphs[1],
        chosen=_picture(record, "chosen", folder),
        rejected=_picture(record, "rejected", folder),
        edits=edits,
        labels=labels,
        tags=tuple(str(tag) for tag in record.get("tags") or ()),
    )


def _parsed(prompt: str) -> SceneGraph:
    from spatial_core.language.parser import parse_prompt

    return parse_prompt(prompt)


_LABELS: dict[bool | None, float] = {True: 1.0, False: 0.0, None: float("nan")}


def _picture(record: Mapping[str, Any], side: str, folder: Path) -> ImageReference:
    picture = image_of(record, side, folder)
    if not picture.path.is_file():
        raise ValueError(f"names the image {picture.path}, which is not there")
    return picture


@dataclass(frozen=True)
class Comparison:
    """One prompt with a better and a worse picture.

    Attributes:
        pair: Where it comes from.
        other_way: Whether the perturbed prompt is judged, for which `rejected` is the better picture.
        level: Noise level at which both pictures are shown as previews; None for the pictures themselves.
    """

    pair: Pair
    other_way: bool
    level: float | None = None

    @property
    def graph(self) -> SceneGraph:
        """The prompt that is judged."""
        return self.pair.graph_rejected if self.other_way else self.pair.graph

    @property
    def labels(self) -> tuple[Labels, Labels]:
        """Truth of each relation in the better and in the worse picture."""
        return self.pair.labels[2:] if self.other_way else self.pair.labels[:2]


def comparisons(
    pairs: Sequence[Pair], *, symmetric: bool, levels: Sequence[float | None] | None = None
) -> list[Comparison]:
    """Return the comparisons of the pairs, both ways of a pair beside each other if `symmetric`.

    Args:
        pairs: The pairs.
        symmetric: Whether both ways are used.
        levels: Noise level for each pair; the pictures themselves if None.
    """
    ways = (False, True) if symmetric else (False,)
    shown = levels or [None] * len(pairs)
    return [Comparison(pair, way, level) for pair, level in zip(pairs, shown, strict=True) for way in ways]


def chunks(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    """Yield `items` in runs of `size`, the last one shorter."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
