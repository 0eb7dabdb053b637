"""ComfyUI's nodes. Each is a schema and a short `execute` that calls `spatial_core`.

ComfyUI imports this at start, so nothing heavy is imported at the top of any file here: the parser, the
scorers and transformers come in where they are used.
"""

from __future__ import annotations

from comfy_api.latest import ComfyExtension, io

from .best_of_n import SpatialBestOfN
from .lora_loader import SpatialLoraLoader
from .model_folder import register_model_folder
from .prompt_relations import SpatialPromptRelations
from .relation_check import SpatialRelationCheck
from .save_image import SpatialSaveImage
from .score import SpatialScore
from .score_from_clip import SpatialScoreFromCLIP
from .score_gate import SpatialScoreGate
from .score_loader import SpatialScoreLoader
from .selector import SpatialSelector
from .starter_loader import SpatialStarterLoader


class SpatialExtension(ComfyExtension):
    """What ComfyUI asks for: the nodes, and one thing to do when it has loaded."""

    async def on_load(self) -> None:
        """Tell ComfyUI of the folder `models/spatial_score`."""
        register_model_folder()

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        """Return the nodes, in the order of the menu."""
        return [
            SpatialScoreLoader,
            SpatialScoreFromCLIP,
            SpatialScore,
            SpatialBestOfN,
            SpatialSelector,
            SpatialScoreGate,
            SpatialPromptRelations,
            SpatialRelationCheck,
            SpatialStarterLoader,
            SpatialLoraLoader,
            SpatialSaveImage,
        ]


async def comfy_entrypoint() -> SpatialExtension:
    """Return the extension; ComfyUI calls this once, when it has loaded."""
    return SpatialExtension()
