"""Load SpatialScore (from CLIP): judge with a vision-language model that ComfyUI has loaded anyway."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import comfy.sd
from comfy_api.latest import io

from .clip_backbone import ClipBackbone, ClipLanguageModel
from .managed_scorer import ManagedScorer
from .model_folder import JUDGE_FILE, listed, locate
from .sockets import CATEGORY, Scorer

# ComfyUI plans the memory, and its model does not tell the sizes from which ours would be planned.
_BATCH_SIZE = 8
ZERO_SHOT = "none: ask yes / no questions"

# The -Instruct checkpoints' template around a picture and a question; ComfyUI's tokenizer files have another.
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


class SpatialScoreFromCLIP(io.ComfyNode):
    """A scorer on a CLIP that sees: no second big model in memory."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Return the node's face."""
        return io.Schema(
            node_id="SpatialScoreFromCLIP",
            display_name="Load SpatialScore (from CLIP)",
            category=CATEGORY,
            description="Judges with a Qwen-VL that ComfyUI has loaded as CLIP: Qwen3-VL at once by yes / no "
            "questions, Qwen2.5-VL (the text encoder of Qwen-Image) with a judge file.",
            search_aliases=["qwen3-vl", "qwen image", "vqa", "judge", "shared text encoder", "vlm score"],
            inputs=[
                io.Clip.Input(
                    "clip",
                    tooltip="From Load CLIP: a Qwen3-VL 4B or 8B file, or the qwen_2.5_vl_7b file of "
                    "Qwen-Image. It stays unchanged and can go on encoding prompts.",
                ),
                io.Combo.Input(
                    "judge",
                    options=[ZERO_SHOT, *listed()],
                    default=ZERO_SHOT,
                    tooltip="A SpatialScore in models/spatial_score that was trained on this very model, "
                    "or none with Qwen3-VL. Qwen2.5-VL needs one: as a text encoder it has no "
                    "words to answer with.",
                ),
            ],
            outputs=[Scorer.Output("scorer", tooltip="For SpatialScore and Best-of-N Spatial Sampler.")],
        )

    @classmethod
    def fingerprint_inputs(cls, judge: str, **_: object) -> object:
        """Return what changes when the judge file is replaced."""
        if judge == ZERO_SHOT:
            return judge
        file = _judge_file(judge)
        return [str(file), file.stat().st_mtime_ns, file.stat().st_size]

    @classmethod
    def execute(cls, clip: Any, judge: str) -> io.NodeOutput:
        """Wrap the CLIP."""
        if judge != ZERO_SHOT:
            return io.NodeOutput(with_judge(clip, _judge_file(judge), judge))
        backbone = ClipBackbone(clip)
        if backbone.family != "qwen3_vl":
            raise ValueError(
                "Qwen2.5-VL is here as a text encoder, without the part that answers questions. Choose a "
                "judge file that was trained on it, or connect a Load CLIP with a Qwen3-VL file, which "
                "needs none."
            )
        return io.NodeOutput(asking(backbone))


def _judge_file(judge: str) -> Path:
    path = locate(judge)
    return path / JUDGE_FILE if path.is_dir() else path


def asking(backbone: ClipBackbone) -> ManagedScorer:
    """Return the zero-shot scorer that asks a CLIP about every relation."""
    from spatial_core.backbones import BackboneParts
    from spatial_core.scorers.vqa import VQAScorer

    # A copy, so that the CLIP's own tokenizer keeps what it says.
    tokenizer = copy.copy(backbone.tokenizer)
    tokenizer.chat_template = CHAT_TEMPLATE
    parts = BackboneParts(ClipLanguageModel(backbone), tokenizer, backbone.processing, Path())
    scorer = VQAScorer(parts, batch_size=_BATCH_SIZE, source="this CLIP")
    return ManagedScorer(scorer, "Qwen3-VL", patcher=backbone.clip.patcher)


def with_judge(clip: Any, file: Path, name: str) -> ManagedScorer:
    """Return a trained SpatialScore whose adapter is laid over a copy of `clip`; the weights are shared.

    Raises:
        ValueError: If the file is corrupt, or does not belong to this model.
    """
    from spatial_core.reward_model import SpatialRewardModel, SpatialScoreConfig, judge_parts
    from spatial_core.scorers.reward import RewardScorer

    backbone = ClipBackbone(clip)
    metadata, head, adapter, weights = judge_parts(file)
    config = SpatialScoreConfig(**metadata)
    width = backbone.config.text_config.hidden_size
    if weights or head["0.weight"].shape[1] != width:
        raise ValueError(
            f"The judge '{name}' was trained on {config.backbone}, and does not fit the connected CLIP. "
            "Connect the CLIP of that model, or load the judge with Load SpatialScore."
        )
    patched = _patched(clip, adapter, name, config.backbone)
    backbone = ClipBackbone(patched)
    # The hash of the backbone's files cannot be taken of what is in memory.
    model = SpatialRewardModel(
        backbone, backbone.tokenizer, backbone.processing, replace(config, backbone_hash="")
    )
    model.head.load_state_dict({key: value.float() for key, value in head.items()})
    return ManagedScorer(RewardScorer(model, batch_size=_BATCH_SIZE), name, patcher=patched.patcher)


def _patched(clip: Any, adapter: dict[str, Any], name: str, trained_on: str) -> Any:
    whole = clip.cond_stage_model
    prefix = f"text_encoders.{whole.clip}.transformer."
    state = {prefix + key.replace("language_model.", "model.", 1): value for key, value in adapter.items()}
    known = set(whole.state_dict())
    for key in state:
        module = key.removeprefix("text_encoders.").rsplit(".lora_", 1)[0]
        if f"{module}.weight" not in known:
            raise ValueError(
                f"The judge '{name}' was trained on {trained_on}, and changes layers that the connected "
                f"CLIP does not have ('{module}'). Connect the CLIP of that model."
            )
    return comfy.sd.load_lora_for_models(None, clip, state, 0.0, 1.0)[1]
