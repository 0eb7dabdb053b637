"""Load Spatial Starter: the bundled flow model as ordinary MODEL, CLIP and VAE."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import comfy.sd
import comfy.utils
import folder_paths
import torch
from comfy.latent_formats import Flux as FluxLatents
from comfy.sd1_clip import SDClipModel, SDTokenizer
from comfy.supported_models_base import ClipTarget
from comfy.text_encoders.t5 import T5
from comfy_api.latest import io

from .sockets import CATEGORY

TEXT_LENGTH = 64
"""T5 tokens that a prompt is padded to: most of its training saw so many, and so our pipeline draws."""


class _Tokenizers:
    """The pair of tokenizers that FLUX uses, from the folder's files."""

    def __init__(self, folder: Path, embedding_directory: Any = None, tokenizer_data: Any = None) -> None:
        from transformers import CLIPTokenizerFast, T5TokenizerFast

        self.clip_l = SDTokenizer(
            str(folder / "tokenizer"),
            embedding_directory=embedding_directory,
            embedding_size=_config(folder, "text_encoder")["hidden_size"],
            tokenizer_class=CLIPTokenizerFast,
        )
        self.t5xxl = SDTokenizer(
            str(folder / "tokenizer_2"),
            pad_with_end=False,
            embedding_directory=embedding_directory,
            embedding_size=_config(folder, "text_encoder_2")["d_model"],
            embedding_key="t5xxl",
            tokenizer_class=T5TokenizerFast,
            has_start_token=False,
            pad_to_max_length=False,
            max_length=99999999,
            min_length=TEXT_LENGTH,
        )

    def tokenize_with_weights(
        self, text: str, return_word_ids: bool = False, **options: Any
    ) -> dict[str, Any]:
        return {
            "l": self.clip_l.tokenize_with_weights(text, return_word_ids, **options),
            "t5xxl": self.t5xxl.tokenize_with_weights(text, return_word_ids, **options),
        }

    def untokenize(self, tokens: Any) -> Any:
        return self.clip_l.untokenize(tokens)

    def state_dict(self) -> dict[str, Any]:
        return {}


class _TextEncoders(torch.nn.Module):
    """CLIP and T5 of the folder's sizes; the same maths as ComfyUI's own for FLUX."""

    def __init__(self, folder: Path, device: Any, dtype: torch.dtype, model_options: dict[str, Any]) -> None:
        super().__init__()
        clip, t5 = _config(folder, "text_encoder"), _config(folder, "text_encoder_2")
        common = {"device": device, "dtype": dtype, "model_options": model_options}
        self.clip_l = SDClipModel(
            textmodel_json_config=clip,
            special_tokens={
                "start": clip["bos_token_id"],
                "end": clip["eos_token_id"],
                "pad": clip["pad_token_id"],
            },
            return_projected_pooled=False,
            **common,
        )
        # ComfyUI's class takes every size from the configuration but that of the vocabulary.
        self.clip_l.transformer.set_input_embeddings(
            self.clip_l.operations.Embedding(
                clip["vocab_size"], clip["hidden_size"], dtype=dtype, device=device
            )
        )
        self.t5xxl = SDClipModel(
            textmodel_json_config=t5 | {"dense_act_fn": "gelu_pytorch_tanh"},
            special_tokens={"end": t5["eos_token_id"], "pad": t5["pad_token_id"]},
            model_class=T5,
            **common,
        )
        first = self.t5xxl.transformer.encoder.block[0].layer[0].SelfAttention
        first.relative_attention_max_distance = t5["relative_attention_max_distance"]
        self.dtypes = {dtype}

    def set_clip_options(self, options: dict[str, Any]) -> None:
        self.clip_l.set_clip_options(options)
        self.t5xxl.set_clip_options(options)

    def reset_clip_options(self) -> None:
        self.clip_l.reset_clip_options()
        self.t5xxl.reset_clip_options()

    def encode_token_weights(self, tokens: dict[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
        sequence, _ = self.t5xxl.encode_token_weights(tokens["t5xxl"])
        _, pooled = self.clip_l.encode_token_weights(tokens["l"])
        return sequence, pooled

    def load_sd(self, weights: dict[str, torch.Tensor]) -> Any:
        part = self.clip_l if any(key.startswith("text_model.") for key in weights) else self.t5xxl
        return part.load_sd(weights)


class SpatialStarterLoader(io.ComfyNode):
    """A small text-to-image model that draws table-top scenes, with no download."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Return the node's face."""
        return io.Schema(
            node_id="SpatialStarterLoader",
            display_name="Load Spatial Starter",
            category=CATEGORY,
            description="The bundled text-to-image model: 128 x 128 pictures of simple things on a table, "
            "in seconds on a CPU. For trying out the nodes; works with KSampler, LoRA loaders "
            "and everything else.",
            search_aliases=["checkpoint", "demo model", "offline model", "tiny flux", "starter"],
            inputs=[],
            outputs=[
                io.Model.Output("model", tooltip="A small FLUX: for samplers, guiders and LoRA loaders."),
                io.Clip.Output("clip", tooltip="Its text encoders: for CLIP Text Encode."),
                io.Vae.Output("vae", tooltip="Its autoencoder: for VAE Decode."),
            ],
        )

    @classmethod
    def execute(cls) -> io.NodeOutput:
        """Load the three parts."""
        from spatial_core.starter import starter_path

        return io.NodeOutput(*load_pipeline(starter_path("flow")))


def load_pipeline(folder: Path) -> tuple[Any, Any, Any]:
    """Return MODEL, CLIP and VAE from a FLUX pipeline as diffusers saves it, of any size.

    Args:
        folder: With transformer, text_encoder, text_encoder_2, tokenizer, tokenizer_2 and a TAESD-like vae.
    """
    model = comfy.sd.load_diffusion_model_state_dict(_weights(folder, "transformer"))
    encoders = [_weights(folder, "text_encoder"), _weights(folder, "text_encoder_2")]
    clip = comfy.sd.CLIP(
        ClipTarget(partial(_Tokenizers, folder), partial(_TextEncoders, folder)),
        embedding_directory=folder_paths.get_folder_paths("embeddings"),
        parameters=sum(weight.numel() for part in encoders for weight in part.values()),
        state_dict=[_clip_names(part) for part in encoders],
        # Of a few megabytes, computed in float32 in any case.
        model_options={"dtype": torch.float32},
    )
    return model, clip, comfy.sd.VAE(sd=_vae_names(_weights(folder, "vae")))


def _weights(folder: Path, part: str) -> dict[str, torch.Tensor]:
    weights: dict[str, torch.Tensor] = {}
    for file in sorted((folder / part).glob("*.safetensors")):
        weights |= comfy.utils.load_torch_file(str(file), safe_load=True)
    return weights


def _config(folder: Path, part: str) -> dict[str, Any]:
    return json.loads((folder / part / "config.json").read_text("utf-8"))


def _clip_names(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return text encoder weights under the names of transformers 4, which ComfyUI uses."""
    if "shared.weight" in weights or "encoder.embed_tokens.weight" in weights:
        embedding = weights.get("shared.weight", weights.get("encoder.embed_tokens.weight"))
        rest = {key: value for key, value in weights.items() if key != "encoder.embed_tokens.weight"}
        return rest | {"shared.weight": embedding}
    return {
        key if key.startswith(("text_model.", "text_projection")) else f"text_model.{key}": value
        for key, value in weights.items()
    }


def _vae_names(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the weights of diffusers' AutoencoderTiny under ComfyUI's names for it.

    ComfyUI's latents of the FLUX family are scaled and shifted; the starter's are not, so the two scalars
    take that back. Its decoder counts the clamp as a layer.
    """
    renamed: dict[str, torch.Tensor] = {}
    for key, value in weights.items():
        half, _, number, rest = key.split(".", 3)
        renamed[f"taesd_{half}.{int(number) + (half == 'decoder')}.{rest}"] = value
    latents = FluxLatents()
    return renamed | {
        "vae_scale": torch.tensor(latents.scale_factor),
        "vae_shift": torch.tensor(latents.shift_factor),
    }
