"""Load SpatialScore."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from comfy_api.latest import io

from .managed_scorer import ManagedScorer, best_dtype, resting_device
from .model_folder import JUDGE_FILE, STARTER, listed, locate
from .sockets import CATEGORY, Scorer

if TYPE_CHECKING:
    from spatial_core.scorers.base import SpatialScorer

AS_THE_FILE_SAYS = "as the file says"
FP8 = "fp8"
PRECISIONS = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}


class SpatialScoreLoader(io.ComfyNode):
    """A scorer from `models/spatial_score`, or the bundled starter."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Return the node's face."""
        return io.Schema(
            node_id="SpatialScoreLoader",
            display_name="Load SpatialScore",
            category=CATEGORY,
            description="Loads the judge that says how well a picture matches what the prompt says about "
            "space.",
            search_aliases=["reward model", "image judge", "spatial reward", "load scorer", "vqa score"],
            inputs=[
                io.Combo.Input(
                    "model",
                    options=[STARTER, *listed()],
                    default=STARTER,
                    tooltip="The bundled starter (small, offline, knows simple table-top scenes only), or "
                    "anything in models/spatial_score: a trained SpatialScore, or the folder of a "
                    "Qwen2.5-VL or Qwen3-VL Instruct model from Hugging Face.",
                ),
                io.Combo.Input(
                    "kind",
                    options=["auto", "reward", "vqa", "geometric"],
                    default="auto",
                    tooltip="reward: a trained SpatialScore, best where you have one. vqa: asks a "
                    "vision-language model a yes / no question about every relation, nothing to "
                    "train. geometric: finds the things with a detector and measures. auto looks "
                    "at the files.",
                ),
                io.Combo.Input(
                    "precision",
                    options=["auto", *PRECISIONS, FP8],
                    default="auto",
                    tooltip="How the weights are held. auto: bf16 on a GPU that has it, fp32 on the CPU. "
                    "fp8: half the memory of bf16, scores a little off.",
                ),
                io.Combo.Input(
                    "backbone",
                    options=[AS_THE_FILE_SAYS, *listed()],
                    default=AS_THE_FILE_SAYS,
                    optional=True,
                    advanced=True,
                    tooltip="Only for a trained SpatialScore whose vision-language model lies in another "
                    "folder of models/spatial_score than its file says.",
                ),
            ],
            outputs=[
                Scorer.Output("scorer", display_name="scorer", tooltip="For SpatialScore and Best-of-N.")
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, model: str, **_: object) -> object:
        """Return what changes when the file behind `model` is replaced."""
        if model == STARTER:
            return model
        path = locate(model)
        files = [path] if path.is_file() else sorted(path.glob("*.safetensors"))
        return [(str(file), file.stat().st_mtime_ns, file.stat().st_size) for file in files]

    @classmethod
    def execute(
        cls, model: str, kind: str, precision: str, backbone: str = AS_THE_FILE_SAYS
    ) -> io.NodeOutput:
        """Load the scorer to where it rests; it goes to the GPU when it is asked."""
        from spatial_core.float8 import to_float8
        from spatial_core.scorers.base import SpatialScorer

        source: str | Path = "starter"
        where = None if backbone == AS_THE_FILE_SAYS else locate(backbone)
        if model != STARTER:
            source = locate(model)
            where = where or find_backbone(source, model)
        scorer = SpatialScorer.from_pretrained(
            source,
            scorer=kind,
            device=resting_device(),
            dtype=PRECISIONS.get(precision) or best_dtype(),
            **({} if where is None else {"backbone": where}),
        )
        if precision == FP8:
            for part in big_parts(scorer):
                to_float8(part)
        return io.NodeOutput(ManagedScorer(scorer, "the starter" if model == STARTER else model))


def find_backbone(path: Path, name: str) -> Path | None:
    """Return the folder of the model that a judge file works on, None where it lies where the file says.

    Nothing is fetched from the internet here: a judge names its model as on Hugging Face, and that model is
    looked for in `models/spatial_score` under the last part of its name.

    Raises:
        ValueError: If it is not there; the message says how to get it.
    """
    from spatial_core.reward_model import read_judge

    file = path / JUDGE_FILE if path.is_dir() else path
    if not file.is_file():
        return None
    source = str(read_judge(file)[0]["backbone"])
    if (file.parent / source).is_dir() or Path(source).is_dir():
        return None
    folder = source.replace("\\", "/").rstrip("/").rpartition("/")[2]
    if folder in listed():
        return locate(folder)
    raise ValueError(
        f"The judge '{name}' works on {source}, which is not in models/spatial_score. Fetch it once with "
        f"'hf download {source} --local-dir models/spatial_score/{folder}', press R and run again; or "
        "choose its folder as backbone."
    )


def big_parts(scorer: SpatialScorer) -> list[torch.nn.Module]:
    """Return the networks of a scorer that are worth holding in 8 bits.

    A scorer's head and vocabulary are read row by row or in float32, and stay as they are.
    """
    model: Any = getattr(scorer, "model", None)
    if model is None:
        raise ValueError("A geometric scorer is small and cannot be held in fp8: choose another precision.")
    return [getattr(model, "backbone", None) or model.model]
