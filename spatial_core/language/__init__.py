"""What a prompt says about space: the taxonomy, the scene graph, the parser and its adversary."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spatial_core.language.compare import GraphDifference, compare_graphs
    from spatial_core.language.parser import Parser, parse_prompt
    from spatial_core.language.perturb import perturb
    from spatial_core.language.relations import RELATIONS, RelationType
    from spatial_core.language.scene_graph import PICTURE, Entity, Relation, SceneGraph

_HOMES = {
    "RELATIONS": "relations",
    "RelationType": "relations",
    "PICTURE": "scene_graph",
    "SceneGraph": "scene_graph",
    "Entity": "scene_graph",
    "Relation": "scene_graph",
    "Parser": "parser",
    "parse_prompt": "parser",
    "compare_graphs": "compare",
    "GraphDifference": "compare",
    "perturb": "perturb",
}

__all__ = [
    "PICTURE",
    "RELATIONS",
    "Entity",
    "GraphDifference",
    "Parser",
    "Relation",
    "RelationType",
    "SceneGraph",
    "compare_graphs",
    "parse_prompt",
    "perturb",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
