"""Save Image with Spatial Score: the verdict travels in the PNG, beside the workflow."""

from __future__ import annotations

import json
import os
from typing import Any

import folder_paths
from comfy_api.latest import io, ui
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from .pictures import fingerprint, for_scoring, split_images
from .reports import as_json
from .sockets import CATEGORY, ScoredPictures, Scores

KEY = "spatial_score"


class SpatialSaveImage(io.ComfyNode):
    """Saves pictures with score, seed, relations and training card in their metadata."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Return the node's face."""
        return io.Schema(
            node_id="SpatialSaveImage",
            display_name="Save Image with Spatial Score",
            category=CATEGORY,
            description="Saves PNGs with score, relations, seed and LoRA card in the metadata, under "
            "'spatial_score'; the workflow is in there too, as with Save Image.",
            search_aliases=["save png", "metadata", "export image", "save score"],
            is_output_node=True,
            inputs=[
                io.Image.Input("images", tooltip="The pictures to save."),
                io.String.Input(
                    "filename_prefix",
                    default="spatial/image",
                    tooltip="Folder and beginning of the file name, below ComfyUI's output folder. "
                    "%date:yyyy-MM-dd% and the like work as in Save Image.",
                ),
                Scores.Input(
                    "scores",
                    optional=True,
                    tooltip="The spatial_scores of these pictures; each picture finds its own.",
                ),
                io.Int.Input(
                    "seed",
                    optional=True,
                    force_input=True,
                    tooltip="The seed that the picture was drawn with, e.g. from Best-of-N.",
                ),
                io.String.Input(
                    "card",
                    optional=True,
                    force_input=True,
                    tooltip="The training card of the LoRA, from Load Spatial LoRA.",
                ),
            ],
            outputs=[],
        )

    @classmethod
    def execute(
        cls,
        images: Tensor,
        filename_prefix: str,
        scores: ScoredPictures | None = None,
        seed: int | None = None,
        card: str | None = None,
    ) -> io.NodeOutput:
        """Write the files."""
        from spatial_core.images import to_pil

        pictures = split_images([images])
        folder, name, counter, subfolder, _ = folder_paths.get_save_image_path(
            filename_prefix, folder_paths.get_output_directory(), images.shape[2], images.shape[1]
        )
        saved: list[ui.SavedResult] = []
        for number, picture in enumerate(pictures):
            known: dict[str, Any] = _score_of(picture, scores)
            if seed is not None:
                known["seed"] = seed
            if card:
                known["card"] = card
            file = f"{name.replace('%batch_num%', str(number))}_{counter + number:05}_.png"
            to_pil(for_scoring(picture)).save(
                os.path.join(folder, file), pnginfo=cls._metadata(known), compress_level=4
            )
            saved.append(ui.SavedResult(file, subfolder, io.FolderType.output))
        return io.NodeOutput(ui=ui.SavedImages(saved))

    @classmethod
    def _metadata(cls, known: dict[str, Any]) -> PngInfo:
        """Return what ComfyUI's Save Image writes, and `known` under our own key."""
        info = PngInfo()
        if cls.hidden.prompt:
            info.add_text("prompt", json.dumps(cls.hidden.prompt))
        for key, value in (cls.hidden.extra_pnginfo or {}).items():
            info.add_text(key, json.dumps(value))
        info.add_text(KEY, json.dumps(known))
        return info


def _score_of(picture: Tensor, scored: ScoredPictures | None) -> dict[str, Any]:
    if scored is None:
        return {}
    mark = fingerprint(picture)
    if mark not in scored.fingerprints:
        raise ValueError(
            "This picture is none of those that were scored, so its score is not known. Connect the very "
            "pictures that were scored, or score again after changing them."
        )
    return as_json(scored, scored.fingerprints.index(mark))
