"""What a prompt says about space: the taxonomy, the scene graph, the parser and its adversary."""

from __future__ import annotations

# Imported here and now: `perturb` is a function and a module, and the first to be imported would hide the
# other.
from spatial_core.language.compare import GraphDifference, compare_graphs
from spatial_core.language.parser import Parser, parse_prompt
from spatial_core.language.perturb import perturb
from spatial_core.language.relations import RELATIONS, RelationType
from spatial_core.language.scene_graph import PICTURE, Entity, Relation, SceneGraph

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
