"""How often a generator's pictures are spatially right: the one number by which generators are compared.

A picture is right if every relation of its prompt is judged true; an undecided one does not count as true.
Chance is measured, not assumed: the same pictures are judged against the inverse of their prompts, in which
each relation says the opposite of what was asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from spatial_core.images import ImagesLike, to_tensors
from spatial_core.language.parser import parse_prompt
from spatial_core.language.relations import RELATIONS
from spatial_core.language.scene_graph import PICTURE, Relation, SceneGraph
from spatial_core.scorers.base import PromptLike, SpatialScorer
from spatial_core.statistics import wilson_interval

Interval = tuple[float, float]


@dataclass(frozen=True)
class SpatialAccuracy:
    """The spatial accuracy of B pictures.

    Attributes:
        accuracy: Share of pictures of whose prompt every relation is true, in [0, 1].
        interval: Its 95 % Wilson interval.
        chance: The same of the inverse prompts.
        chance_interval: Its 95 % Wilson interval.
        relations: Share of all single relations that are true.
        correct: Of each picture, whether it is right.
        correct_by_chance: Of each picture, whether it is right for the inverse prompt.
    """

    accuracy: float
    interval: Interval
    chance: float
    chance_interval: Interval
    relations: float
    correct: tuple[bool, ...]
    correct_by_chance: tuple[bool, ...]

    def __str__(self) -> str:
        """Return the line to print: accuracy and chance with their intervals."""
        low, high = self.interval
        chance_low, chance_high = self.chance_interval
        return (
            f"spatial accuracy {self.accuracy:.3f} [{low:.3f}, {high:.3f}], "
            f"chance {self.chance:.3f} [{chance_low:.3f}, {chance_high:.3f}], n {len(self.correct)}"
        )


def spatial_accuracy(
    images: ImagesLike, prompts: Sequence[PromptLike], judge: SpatialScorer
) -> SpatialAccuracy:
    """Return how many of the images show what their prompts say about space.

    Args:
        images: B images in any form that the judge takes.
        prompts: B prompts, or their graphs; each states at least one relation that can be inverted.
        judge: Judges single relations. For the starter generator that is the localizer with geometry,
            `GeometricScorer(localizer, localizer)`; never what the generator was trained or selected by.

    Raises:
        ValueError: If there is no prompt, the numbers of prompts and images differ, or a prompt states no
            relation, or none that has an inverse.
    """
    graphs = [p if isinstance(p, SceneGraph) else parse_prompt(p) for p in prompts]
    if not graphs:
        raise ValueError("spatial_accuracy() needs at least one image with its prompt; got none.")
    inverses = [inverse_graph(graph) for graph in graphs]
    for number, (graph, inverse) in enumerate(zip(graphs, inverses, strict=True)):
        if not inverse.relations:
            what = "no relation with an inverse" if graph.relations else "no spatial relation"
            raise ValueError(
                f"Prompt {number} states {what}: {graph.text!r}. Leave it out of the measurement."
            )
    pictures = to_tensors(images)
    if len(pictures) != len(graphs):
        raise ValueError(f"There must be one prompt for each image; got {len(graphs)} and {len(pictures)}.")
    reports = judge.score(pictures, graphs, explain=True).relations or []
    verdicts = [[report.verdict == "true" for report in row] for row in reports]
    by_chance = [
        all(report.verdict == "true" for report in row)
        for row in judge.score(pictures, inverses, explain=True).relations or []
    ]
    correct = [all(row) for row in verdicts]
    flat = [verdict for row in verdicts for verdict in row]
    count = len(correct)
    return SpatialAccuracy(
        accuracy=sum(correct) / count,
        interval=wilson_interval(sum(correct), count),
        chance=sum(by_chance) / count,
        chance_interval=wilson_interval(sum(by_chance), count),
        relations=sum(flat) / len(flat),
        correct=tuple(correct),
        correct_by_chance=tuple(by_chance),
    )


def inverse_graph(graph: SceneGraph) -> SceneGraph:
    """Return the graph in which every relation says the opposite.

    Where the participants can change places, they do: "a left of b" becomes "b left of a", "a between b and
    c" becomes "b between a and c". What is symmetric, or a place in the picture, becomes its contrary: "far
    from" for "next to", "on the right side of the picture" for "on the left side". A relation without
    either ("in line with") is left out.
    """
    inverted = [_inverse(relation) for relation in graph.relations]
    return replace(graph, relations=tuple(relation for relation in inverted if relation is not None))


def _inverse(relation: Relation) -> Relation | None:
    kind, (first, *others) = RELATIONS[relation.relation], relation.objects
    if first != PICTURE and not kind.symmetric:
        return replace(relation, subject=first, objects=(relation.subject, *others))
    return replace(relation, relation=kind.contrary[0]) if kind.contrary else None
