"""Tiny but real text-to-image pipelines of twelve families, random weights, and a scorer for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AuraFlowPipeline,
    AuraFlowTransformer2DModel,
    AutoencoderDC,
    AutoencoderKL,
    AutoencoderKLQwenImage,
    ChromaPipeline,
    ChromaTransformer2DModel,
    DDIMScheduler,
    DiffusionPipeline,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
    Lumina2Pipeline,
    Lumina2Transformer2DModel,
    PixArtAlphaPipeline,
    PixArtSigmaPipeline,
    PixArtTransformer2DModel,
    QwenImagePipeline,
    QwenImageTransformer2DModel,
    SanaPipeline,
    SanaTransformer2DModel,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
    ZImagePipeline,
    ZImageTransformer2DModel,
)
from safetensors.torch import load_file, save_file
from tiny_models import tiny_config, tiny_tokenizer
from torch import Tensor
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    Gemma2Config,
    Gemma2Model,
    Qwen2_5_VLForConditionalGeneration,
    Qwen3Config,
    Qwen3Model,
    T5Config,
    T5EncoderModel,
    UMT5Config,
    UMT5EncoderModel,
)

from spatial_core.language.scene_graph import SceneGraph
from spatial_core.scorers.base import SpatialScorer, SpatialScores

PROMPT = "a red ball to the left of a blue cup"


class LeftBrightnessScorer(SpatialScorer):
    """Prefers what is bright on the left: a scorer with one weight and an answer for every picture.

    `satisfied` is 1 where the left half is brighter than the right.
    """

    needs_relations = False

    def __init__(self, gain: float = 100.0) -> None:
        """Scale differences of brightness by `gain`."""
        super().__init__()
        self.gain = torch.nn.Parameter(torch.tensor(gain))

    def _score(self, images: list[Tensor], graphs: list[SceneGraph], *, explain: bool) -> SpatialScores:
        halves = [image.float().chunk(2, dim=-1) for image in images]
        difference = torch.stack([left.mean() - right.mean() for left, right in halves])
        mean = self.gain.float() * difference
        return SpatialScores(mean, torch.ones_like(mean), (difference > 0).float())

    def save_pretrained(self, save_directory: str | Path, *, variant: str | None = None) -> None:
        """Write the weight, under the variant's name if there is one."""
        folder = Path(save_directory)
        folder.mkdir(parents=True, exist_ok=True)
        name = f"scorer.{variant}.safetensors" if variant else "scorer.safetensors"
        save_file(self.state_dict(), folder / name)

    @classmethod
    def from_pretrained(
        cls, id_or_path: str | Path, *, dtype: torch.dtype | None = None
    ) -> LeftBrightnessScorer:
        """Read the weight."""
        scorer = cls()
        scorer.load_state_dict(load_file(next(Path(id_or_path).glob("*.safetensors"))))
        return scorer.to(dtype or torch.float32)


@dataclass(frozen=True)
class Tiny:
    """How to build one family.

    Attributes:
        base: Its class in diffusers.
        components: Makes its components anew, always with the same weights.
        inputs: Arguments of the call beside prompt, generator and output type.
    """

    base: type[DiffusionPipeline]
    components: Callable[[], dict[str, Any]]
    inputs: dict[str, Any] = field(default_factory=dict)

    def pipeline(self) -> Any:
        """Return the plain pipeline of diffusers, quiet and in evaluation mode."""
        torch.manual_seed(0)
        components = self.components()
        for component in components.values():
            if isinstance(component, torch.nn.Module):
                component.eval()
        pipeline: Any = self.base(**components)
        pipeline.set_progress_bar_config(disable=True)
        return pipeline


def _tokenizer(max_length: int = 32) -> Any:
    tokenizer = tiny_tokenizer()
    tokenizer.model_max_length = max_length
    # AuraFlow hands all of them to its encoder; transformers 4 adds token types unless told.
    tokenizer.model_input_names = ["input_ids", "attention_mask"]
    tokenizer.init_kwargs["model_input_names"] = tokenizer.model_input_names  # is saved
    return tokenizer


def _clip(*, projection: bool = False) -> Any:
    config = CLIPTextConfig(
        vocab_size=512,
        hidden_size=32,
        intermediate_size=32,
        projection_dim=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=32,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
    )
    return CLIPTextModelWithProjection(config) if projection else CLIPTextModel(config)


def _t5(kind: Any = T5EncoderModel) -> Any:
    config = (T5Config if kind is T5EncoderModel else UMT5Config)(
        vocab_size=512, d_model=32, d_kv=8, d_ff=32, num_layers=2, num_heads=4
    )
    return kind(config)


def _gemma() -> Any:
    return Gemma2Model(
        Gemma2Config(
            vocab_size=512,
            head_dim=4,
            hidden_size=8,
            intermediate_size=8,
            num_attention_heads=2,
            num_hidden_layers=2,
            num_key_value_heads=2,
            sliding_window=16,
            pad_token_id=0,
            bos_token_id=1,
            eos_token_id=2,
        )
    )


def _vae(channels: int, *, blocks: tuple[int, ...] = (4,)) -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=blocks,
        down_block_types=("DownEncoderBlock2D",) * len(blocks),
        up_block_types=("UpDecoderBlock2D",) * len(blocks),
        layers_per_block=1,
        latent_channels=channels,
        norm_num_groups=1,
        use_quant_conv=False,
        use_post_quant_conv=False,
        shift_factor=0.06,
        scaling_factor=1.5,
        sample_size=32,
    )


def flux_components() -> dict[str, Any]:
    """Return the components of a tiny FLUX with dynamic shifting, as FLUX.1-dev has it."""
    return {
        "scheduler": FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        "text_encoder": _clip(),
        "tokenizer": _tokenizer(),
        "text_encoder_2": _t5(),
        "tokenizer_2": _tokenizer(),
        "transformer": FluxTransformer2DModel(
            patch_size=1,
            in_channels=16,
            num_layers=1,
            num_single_layers=2,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=32,
            pooled_projection_dim=32,
            axes_dims_rope=(4, 4, 8),
            guidance_embeds=True,
        ),
        "vae": _vae(4),
    }


def _sd3() -> dict[str, Any]:
    return {
        "scheduler": FlowMatchEulerDiscreteScheduler(shift=3.0),
        "text_encoder": _clip(projection=True),
        "tokenizer": _tokenizer(),
        "text_encoder_2": _clip(projection=True),
        "tokenizer_2": _tokenizer(),
        "text_encoder_3": _t5(),
        "tokenizer_3": _tokenizer(),
        "transformer": SD3Transformer2DModel(
            sample_size=16,
            patch_size=1,
            in_channels=4,
            out_channels=4,
            num_layers=2,
            attention_head_dim=8,
            num_attention_heads=4,
            caption_projection_dim=32,
            joint_attention_dim=32,
            pooled_projection_dim=64,
        ),
        "vae": _vae(4),
    }


def _unet(**more: Any) -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=16,
        in_channels=4,
        out_channels=4,
        block_out_channels=(4, 8),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        norm_num_groups=2,
        attention_head_dim=4,
        **more,
    )


def _diffusion_betas() -> dict[str, Any]:
    return {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


def _sdxl() -> dict[str, Any]:
    return {
        "scheduler": EulerDiscreteScheduler(**_diffusion_betas(), steps_offset=1, timestep_spacing="leading"),
        "text_encoder": _clip(),
        "tokenizer": _tokenizer(),
        "text_encoder_2": _clip(projection=True),
        "tokenizer_2": _tokenizer(),
        "unet": _unet(
            cross_attention_dim=64,
            addition_embed_type="text_time",
            addition_time_embed_dim=8,
            projection_class_embeddings_input_dim=80,
            use_linear_projection=True,
        ),
        "vae": _vae(4),
    }


def _sd15() -> dict[str, Any]:
    return {
        "scheduler": DDIMScheduler(
            **_diffusion_betas(), steps_offset=1, clip_sample=False, set_alpha_to_one=False
        ),
        "text_encoder": _clip(),
        "tokenizer": _tokenizer(),
        "unet": _unet(cross_attention_dim=32),
        "vae": _vae(4),
        "safety_checker": None,
        "feature_extractor": None,
    }


def _pixart() -> dict[str, Any]:
    return {
        "scheduler": DDIMScheduler(clip_sample=False),
        "text_encoder": _t5(),
        "tokenizer": _tokenizer(),
        "transformer": PixArtTransformer2DModel(
            sample_size=16,
            num_layers=2,
            patch_size=2,
            attention_head_dim=8,
            num_attention_heads=3,
            caption_channels=32,
            in_channels=4,
            out_channels=8,
            cross_attention_dim=24,
            use_additional_conditions=False,
        ),
        "vae": _vae(4),
    }


def _sana() -> dict[str, Any]:
    return {
        "scheduler": FlowMatchEulerDiscreteScheduler(shift=7.0),
        "text_encoder": _gemma(),
        "tokenizer": _tokenizer(64),
        "transformer": SanaTransformer2DModel(
            patch_size=1,
            in_channels=4,
            out_channels=4,
            num_layers=1,
            num_attention_heads=2,
            attention_head_dim=4,
            num_cross_attention_heads=2,
            cross_attention_head_dim=4,
            cross_attention_dim=8,
            caption_channels=8,
            sample_size=16,
        ),
        "vae": AutoencoderDC(
            in_channels=3,
            latent_channels=4,
            attention_head_dim=2,
            encoder_block_types=("ResBlock", "ResBlock"),
            decoder_block_types=("ResBlock", "ResBlock"),
            encoder_block_out_channels=(8, 8),
            decoder_block_out_channels=(8, 8),
            encoder_qkv_multiscales=((), ()),
            decoder_qkv_multiscales=((), ()),
            encoder_layers_per_block=(1, 1),
            decoder_layers_per_block=(1, 1),
            upsample_block_type="interpolate",
            downsample_block_type="conv",
        ),
    }


def _qwen_image() -> dict[str, Any]:
    tokenizer = _tokenizer(1024)
    return {
        "scheduler": FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, shift_terminal=0.02),
        "text_encoder": Qwen2_5_VLForConditionalGeneration(tiny_config("qwen2_5_vl", tokenizer)),
        "tokenizer": tokenizer,
        "transformer": QwenImageTransformer2DModel(
            patch_size=2,
            in_channels=16,
            out_channels=4,
            num_layers=2,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=64,
            axes_dims_rope=(8, 4, 4),
        ),
        "vae": AutoencoderKLQwenImage(
            base_dim=8,
            z_dim=4,
            dim_mult=[1, 2, 2],
            num_res_blocks=1,
            temperal_downsample=[False, True],
            latents_mean=[0.0] * 4,
            latents_std=[1.0] * 4,
        ),
    }


def _z_image() -> dict[str, Any]:
    transformer = ZImageTransformer2DModel(
        all_patch_size=(2,),
        all_f_patch_size=(1,),
        in_channels=16,
        dim=32,
        n_layers=2,
        n_refiner_layers=1,
        n_heads=2,
        n_kv_heads=2,
        cap_feat_dim=16,
        axes_dims=[8, 4, 4],
        axes_lens=[256, 32, 32],
    )
    with torch.no_grad():
        # diffusers leaves these two uninitialised.
        transformer.x_pad_token.fill_(1.0)
        transformer.cap_pad_token.fill_(1.0)
    return {
        "scheduler": FlowMatchEulerDiscreteScheduler(),
        "text_encoder": Qwen3Model(
            Qwen3Config(
                vocab_size=512,
                hidden_size=16,
                intermediate_size=16,
                num_hidden_layers=2,
                num_attention_heads=2,
                num_key_value_heads=2,
                head_dim=8,
            )
        ),
        "tokenizer": _tokenizer(512),
        "transformer": transformer,
        "vae": _vae(16),
    }


def _lumina2() -> dict[str, Any]:
    return {
        "scheduler": FlowMatchEulerDiscreteScheduler(),
        "text_encoder": _gemma(),
        "tokenizer": _tokenizer(256),
        "transformer": Lumina2Transformer2DModel(
            sample_size=4,
            patch_size=2,
            in_channels=4,
            hidden_size=8,
            num_layers=2,
            num_refiner_layers=1,
            num_attention_heads=1,
            num_kv_heads=1,
            multiple_of=16,
            axes_dim_rope=(4, 2, 2),
            cap_feat_dim=8,
        ),
        "vae": _vae(4),
    }


def _chroma() -> dict[str, Any]:
    return {
        "scheduler": FlowMatchEulerDiscreteScheduler(),
        "text_encoder": _t5(),
        "tokenizer": _tokenizer(),
        "transformer": ChromaTransformer2DModel(
            patch_size=1,
            in_channels=16,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=32,
            axes_dims_rope=(4, 4, 8),
            approximator_hidden_dim=32,
            approximator_layers=1,
            approximator_num_channels=16,
        ),
        "vae": _vae(4),
    }


def _aura_flow() -> dict[str, Any]:
    return {
        "scheduler": FlowMatchEulerDiscreteScheduler(),
        "text_encoder": _t5(UMT5EncoderModel),
        "tokenizer": _tokenizer(),
        "transformer": AuraFlowTransformer2DModel(
            sample_size=16,
            patch_size=2,
            in_channels=4,
            out_channels=4,
            num_mmdit_layers=1,
            num_single_dit_layers=1,
            attention_head_dim=8,
            num_attention_heads=4,
            caption_projection_dim=32,
            joint_attention_dim=32,
            pos_embed_max_size=256,
        ),
        "vae": _vae(4),
    }


_SIZE = {"height": 16, "width": 16}
_PIXART = {**_SIZE, "use_resolution_binning": False, "clean_caption": False}

FAMILIES: dict[str, Tiny] = {
    "flux": Tiny(FluxPipeline, flux_components, {**_SIZE, "max_sequence_length": 32}),
    "sd3": Tiny(StableDiffusion3Pipeline, _sd3, {**_SIZE, "max_sequence_length": 32}),
    "sdxl": Tiny(StableDiffusionXLPipeline, _sdxl, _SIZE),
    "sd15": Tiny(StableDiffusionPipeline, _sd15, _SIZE),
    "pixart_alpha": Tiny(PixArtAlphaPipeline, _pixart, _PIXART),
    "pixart_sigma": Tiny(PixArtSigmaPipeline, _pixart, _PIXART),
    "sana": Tiny(
        SanaPipeline,
        _sana,
        {"height": 32, "width": 32, "use_resolution_binning": False, "complex_human_instruction": None},
    ),
    "qwen_image": Tiny(
        QwenImagePipeline, _qwen_image, {**_SIZE, "negative_prompt": "bad", "max_sequence_length": 64}
    ),
    "z_image": Tiny(ZImagePipeline, _z_image, {**_SIZE, "max_sequence_length": 64}),
    "lumina2": Tiny(Lumina2Pipeline, _lumina2, {**_SIZE, "max_sequence_length": 128}),
    "chroma": Tiny(ChromaPipeline, _chroma, {**_SIZE, "max_sequence_length": 32}),
    "aura_flow": Tiny(AuraFlowPipeline, _aura_flow, {**_SIZE, "max_sequence_length": 32}),
}
