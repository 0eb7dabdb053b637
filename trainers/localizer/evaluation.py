"""How well a localizer sees, on scenes it was not trained on, against their exact truth.

Verdicts go the way users take: names into `detect`, boxes and distances into `GeometricScorer`. A relation
that it calls ambiguous counts as wrong.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from spatial_core.geometry import UNDECIDABLE
from spatial_core.language.relations import RELATIONS
from spatial_core.language.scene_graph import PICTURE, Entity, Relation, SceneGraph
from spatial_core.localizer import Sighting, SpatialLocalizer, distance_map
from spatial_core.scenes.closure import BINARY, FAMILIES, PLACES, Statement
from spatial_core.scenes.splits import statement_split
from spatial_core.scorers.detection import Detection
from spatial_core.scorers.geometric import GeometricScorer
from spatial_core.statistics import wilson_interval
from spatial_trainers.localizer.data import UNCOLORED, load_pictures
from spatial_trainers.scene_cache import (
    COLOR_NAMES,
    KINDS,
    MAX_OBJECTS,
    PATTERN_NAMES,
    CachedScenes,
    SceneCache,
)

JUDGED = tuple(family for family in FAMILIES if family not in UNDECIDABLE)
"""The families that boxes and distances can decide at all."""

_EACH = 2
"""Statements drawn from a scene for each family and truth."""


@dataclass(frozen=True)
class _Remembered:
    """A localizer that has looked at one picture already."""

    localizer: SpatialLocalizer
    things: Sequence[Sighting]
    distances: Tensor

    def detect(self, images: Sequence[Tensor], names: Sequence[str]) -> list[list[Detection]]:
        return [self.localizer.named(self.things, names) for _ in images]

    def estimate(self, images: Sequence[Tensor]) -> list[Tensor]:
        return [self.distances for _ in images]


def evaluate(
    localizer: SpatialLocalizer, cache: str | Path, shards: int, *, limit: int | None = None, seed: int = 0
) -> dict[str, Any]:
    """Return figures on the validation scenes of a cache.

    Args:
        localizer: What is measured.
        cache: Folder of rendered scenes.
        shards: Of its validation split.
        limit: Use this many scenes; all if None.
        seed: Of the statements that are drawn and the absent things that are asked for.

    Returns:
        "iou" (mean over things that prompts may name; 0 for one that was not found), "found" and
        "false_alarms" (shares), "distance_error" (mean relative), and "families": for each, agreement and
        number of true and false statements, the share called ambiguous, agreement on held-out combinations.
    """
    pictures, _ = load_pictures(cache, "validation", shards)
    count = min(len(pictures), limit or len(pictures))
    scenes = SceneCache(cache, "validation", shards).read(np.arange(count))
    images = torch.from_numpy(scenes.images).permute(0, 3, 1, 2).float() / 255
    rng = np.random.default_rng(seed)
    overlaps: list[float] = []
    errors: list[float] = []
    alarms: dict[str, list[bool]] = {"kind": [], "color": []}
    verdicts: list[tuple[str, bool, bool, str]] = []
    for n, things in enumerate(_looked(localizer, images)):
        names = _names(scenes, n)
        for m, name in names.items():
            # The surest of that name; a scene may hold several, of which the best placed one counts.
            found = localizer.named(things, [name])
            twins = [other for other, its in names.items() if its == name]
            near = [
                (_overlap(d.box, pictures.whole[n, m] * images.shape[-1]), d) for d in found[: len(twins)]
            ]
            best = max(near, key=lambda item: item[0], default=None)
            overlaps.append(best[0] if best else 0.0)
            if best and best[1].distance:
                errors.append(abs(best[1].distance / float(scenes.distances[n, m]) - 1))
        for what, name in _absent(scenes, n, rng):
            alarms[what].append(bool(localizer.named(things, [name])))
        verdicts += _verdicts(localizer, things, images[n], scenes, n, names, rng)
    overlap = np.array(overlaps)
    return {
        "scenes": count,
        "things": len(overlap),
        "iou": round(float(overlap.mean()), 4),
        "found": round(float((overlap > 0).mean()), 4),
        "iou_over_half": round(float((overlap > 0.5).mean()), 4),
        "false_alarms": {what: round(float(np.mean(hits)), 4) for what, hits in alarms.items()},
        "distance_error": round(float(np.mean(errors)), 4) if errors else None,
        "families": _table(verdicts),
    }


def judge_rendered(localizer: SpatialLocalizer, scenes: CachedScenes, *, seed: int = 0) -> dict[str, Any]:
    """Return what verdicts on these scenes are worth: the most that pictures of their kind can be told.

    Args:
        localizer: What judges.
        scenes: Whose truth is known.
        seed: Of the statements that are drawn.

    Returns:
        "scenes" and "things" (numbers), "found" (share), and "families" as `evaluate` gives them.
    """
    images = torch.from_numpy(scenes.images).permute(0, 3, 1, 2).float() / 255
    rng = np.random.default_rng(seed)
    found: list[bool] = []
    verdicts: list[tuple[str, bool, bool, str]] = []
    for n, things in enumerate(_looked(localizer, images)):
        names = _names(scenes, n)
        found += [bool(localizer.named(things, [name])) for name in names.values()]
        verdicts += _verdicts(localizer, things, images[n], scenes, n, names, rng)
    return {
        "scenes": len(images),
        "things": len(found),
        "found": round(float(np.mean(found)), 4),
        "families": _table(verdicts),
    }


def _looked(localizer: SpatialLocalizer, images: Tensor) -> list[list[Sighting]]:
    """Return what a localizer sees in each of the images, some at a time."""
    return [things for some in images.split(64) for things in localizer.look(some)]


def _names(scenes: CachedScenes, n: int) -> dict[int, str]:
    """Return what each thing that a prompt may name is called, by its index; furniture by its kind alone."""
    names: dict[int, str] = {}
    for m in np.flatnonzero(scenes.kinds[n] >= 0):
        kind = KINDS[scenes.kinds[n, m]]
        shown = scenes.boxes[n, m, 2] > scenes.boxes[n, m, 0]
        if not shown or not (scenes.named[n, m] or kind in UNCOLORED):
            continue
        pattern = PATTERN_NAMES[scenes.patterns[n, m]]
        words = [] if kind in UNCOLORED else [COLOR_NAMES[scenes.colors[n, m]]]
        if words and pattern != "plain":
            words.insert(0, pattern)
        names[int(m)] = " ".join([*words, kind])
    return names


def _absent(scenes: CachedScenes, n: int, rng: np.random.Generator) -> list[tuple[str, str]]:
    """Return names of things that are not there: of a kind that is missing, and of a colour that is."""
    kinds = {int(k) for k in scenes.kinds[n] if k >= 0}
    other = int(rng.choice([k for k in range(len(KINDS)) if k not in kinds]))
    names = [("kind", KINDS[other])]
    mine = [m for m in np.flatnonzero(scenes.named[n]) if KINDS[scenes.kinds[n, m]] not in UNCOLORED]
    if mine:
        kind = int(scenes.kinds[n, rng.choice(mine)])
        taken = {int(scenes.colors[n, m]) for m in np.flatnonzero(scenes.kinds[n] == kind)}
        color = int(rng.choice([c for c in range(len(COLOR_NAMES)) if c not in taken]))
        names.append(("color", f"{COLOR_NAMES[color]} {KINDS[kind]}"))
    return names


def _overlap(a: Sequence[float], b: Sequence[float]) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    common = max(width, 0.0) * max(height, 0.0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return float(common / max(sum(areas) - common, 1e-9))


def _statements(scenes: CachedScenes, n: int, state: int) -> dict[str, list[Statement]]:
    """Return the statements about things (not wall or floor) of one truth, by family."""
    found: dict[str, list[Statement]] = defaultdict(list)
    for r, s, o in np.argwhere(scenes.binary[n][:, :MAX_OBJECTS, :MAX_OBJECTS] == state).tolist():
        found[BINARY[r]].append(Statement(BINARY[r], s, (o,)))
    inner = scenes.between[n][:MAX_OBJECTS, :MAX_OBJECTS, :MAX_OBJECTS]
    for s, a, b in np.argwhere(inner == state).tolist():
        if a < b:
            found["between"].append(Statement("between", s, (a, b)))
    for r, s in np.argwhere(scenes.places[n][:, :MAX_OBJECTS] == state).tolist():
        found[PLACES[r]].append(Statement(PLACES[r], s, ()))
    return found


def _verdicts(
    localizer: SpatialLocalizer,
    things: Sequence[Sighting],
    image: Tensor,
    scenes: CachedScenes,
    n: int,
    names: dict[int, str],
    rng: np.random.Generator,
) -> list[tuple[str, bool, bool, str]]:
    """Return (family, truth, held out, verdict) of some statements about one scene."""
    kinds = [KINDS[k] for k in scenes.kinds[n]]
    # What two things are called says nothing about either.
    single = {m for m, name in names.items() if list(names.values()).count(name) == 1}
    graphs: list[SceneGraph] = []
    asked: list[tuple[str, bool, bool]] = []
    for state in (1, 0):
        for family, pool in _statements(scenes, n, state).items():
            usable = [s for s in pool if family in JUDGED and single.issuperset((s.subject, *s.objects))]
            for k in rng.permutation(len(usable))[:_EACH]:
                graphs.append(_graph(usable[k], names))
                asked.append((family, state == 1, statement_split(kinds, usable[k]) != "train"))
    if not graphs:
        return []
    seen = _Remembered(localizer, things, distance_map(things, *image.shape[-2:]))
    scorer = GeometricScorer(seen, seen)
    reports = scorer.score([image] * len(graphs), graphs, explain=True).relations or []
    return [(*one, row[0].verdict) for one, row in zip(asked, reports, strict=True)]


def _graph(statement: Statement, names: dict[int, str]) -> SceneGraph:
    """Return the graph of a prompt that says nothing but `statement`."""
    order = [statement.subject, *statement.objects]
    entities: list[Entity] = []
    for k, m in enumerate(order):
        head = "picture frame" if names[m].endswith("picture frame") else names[m].split()[-1]
        attributes = tuple(names[m].removesuffix(head).split())
        entities.append(Entity(id=k, name=head, span=(0, 0), attributes=attributes))
    place = RELATIONS[statement.relation].frame == "picture"
    objects = (PICTURE,) if place else tuple(range(1, len(order)))
    frame = "picture" if place else ""
    relation = Relation(relation=statement.relation, subject=0, objects=objects, span=(0, 0), frame=frame)
    return SceneGraph("", tuple(entities), (relation,))


def _table(verdicts: Sequence[tuple[str, bool, bool, str]]) -> dict[str, dict[str, float | None]]:
    table: dict[str, dict[str, float | None]] = {}
    for family in ("all", *JUDGED):
        mine = [v for v in verdicts if family in ("all", v[0])]
        if not mine:
            continue
        right = [(verdict == ("true" if truth else "false")) for _, truth, _, verdict in mine]
        row: dict[str, float | None] = {}
        for name, truth in (("true", True), ("false", False)):
            hits = [r for r, v in zip(right, mine, strict=True) if v[1] == truth]
            row[name] = round(float(np.mean(hits)), 4) if hits else None
            row[f"n_{name}"] = len(hits)
        held = [r for r, v in zip(right, mine, strict=True) if v[2]]
        low, high = wilson_interval(sum(right), len(right))
        row |= {
            "agreement": round(float(np.mean(right)), 4),
            "low": round(low, 4),
            "high": round(high, 4),
            "ambiguous": round(float(np.mean([v[3] == "ambiguous" for v in mine])), 4),
            "held_out": round(float(np.mean(held)), 4) if held else None,
            "n_held_out": len(held),
        }
        table[family] = row
    return table


def _earlier_goes(facts: dict[str, Any] | None) -> list[str]:
    """Return a line for each training that the weights went through before, the last one first."""
    lines: list[str] = []
    while facts:
        s = facts["settings"]
        lines.append(
            f"Before that: {s['steps']} steps of {s['batch_size']} pictures from {facts['scenes']} scenes, "
            f"seed {s['seed']}."
        )
        facts = facts["went_on_from"]
    return lines


def _rows(families: dict[str, dict[str, Any]]) -> list[str]:
    """Return a table of verdicts in Markdown."""
    return [
        "| family | true ones | false ones | all | 95 % | ambiguous | held out |",
        "|---|---|---|---|---|---|---|",
        *(
            f"| {family} | {_figure(row['true'])} ({row['n_true']}) | {_figure(row['false'])} "
            f"({row['n_false']}) | {_figure(row['agreement'])} | [{_figure(row['low'])}, "
            f"{_figure(row['high'])}] | {_figure(row['ambiguous'])} | {_figure(row['held_out'])} "
            f"({row['n_held_out']}) |"
            for family, row in families.items()
        ),
    ]


def report(facts: dict[str, Any]) -> str:
    """Return the model card's text for what `train_localizer.run` measured.

    Args:
        facts: As it writes them; "measured" may hold what `spatial measure-localizer` gives instead.
    """
    m, s = facts["measured"], facts["settings"]
    alarms = m["false_alarms"]
    lines = [
        "# Starter localizer",
        "",
        "Finds the things of the procedural table-top scenes by name: box of the whole thing, presence and",
        "distance. The independent judge of the starter generator: it saw no reward, prompt or relation.",
        "",
        "```python",
        "from spatial_core.localizer import SpatialLocalizer",
        "",
        'localizer = SpatialLocalizer.from_pretrained("starter")',
        'print(localizer.detect("a.png", ["red apple", "striped blue mug"]))',
        "```",
        "",
        f"{facts['parameters']:,} parameters, stored in half precision. Trained on {facts['scenes']} scenes",
        f"(renderer {facts['renderer']}, sha256 of what was read `{facts['data_sha256']}`), {s['steps']}",
        f"steps of {s['batch_size']} pictures, seed {s['seed']}, on {facts['machine']}.",
        "`card.json` holds the recipe and every number.",
        *_earlier_goes(facts["went_on_from"]),
        "",
        f"## Measured on {m['scenes']} scenes of other seeds",
        "",
        f"{m['things']} things that a prompt may name: mean IoU {_figure(m['iou'])} (0 for one that was",
        f"not found), found {_figure(m['found'])}, IoU above .5 {_figure(m['iou_over_half'])}; mean",
        f"relative error of distances {_figure(m['distance_error'])}. False alarms:",
        f"{_figure(alarms['kind'])} for a kind that is not there, {_figure(alarms['color'])} for a thing",
        "that is there in other colours only.",
        "",
        "Verdicts of localizer + geometry against exact truth, on statements that the scene decides: up to",
        f"{_EACH} true and {_EACH} false ones of each family from each scene. Ambiguous verdicts count",
        "as wrong. The last column is agreement on those (object, relation, object) combinations that",
        "belong to the validation and test splits. Statements about the wall or the floor are always",
        "ambiguous and left out, as are leaning_against and hanging_on, which boxes cannot decide.",
        "",
        *_rows(m["families"]),
    ]
    if "starter" in m:
        found = m["starter"]
        lines += [
            "",
            "## On scenes as the starter generator draws them",
            "",
            f"{found['scenes']} scenes of the bundled flow model's world, large plain things: "
            f"{_figure(found['found'])} of {found['things']}",
            "things are found with kind and colour. Verdicts as above:",
            "",
            *_rows(found["families"]),
        ]
    return "\n".join(lines) + "\n"


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
