"""Small models have learned few kinds of things: which of those that a prompt names they have not."""

from __future__ import annotations

from collections.abc import Collection

from spatial_core.language.scene_graph import SceneGraph

_NO_KIND = frozenset({"wall", "floor", "thing", "object"})


def unknown_things(graph: SceneGraph, known: Collection[str]) -> tuple[str, ...]:
    """Return the names of what a prompt relates that are no kind in `known`, in its order, each once.

    A name counts as known by its last word too: a "coffee mug" is a mug.
    """
    related = {i for r in graph.relations for i in (r.subject, *r.objects)}
    names = dict.fromkeys(entity.name.lower() for entity in graph.entities if entity.id in related)
    fine = _NO_KIND.union(known)
    return tuple(name for name in names if not {name, name.rsplit(" ", 1)[-1]} & fine)


def listed(names: Collection[str]) -> str:
    """Return "'cat', 'dog' and 'tree'"."""
    quoted = [f"'{name}'" for name in names]
    return " and ".join([", ".join(quoted[:-1]), quoted[-1]] if len(quoted) > 1 else quoted)
