"""The starter flow model from scratch: a small FLUX, its autoencoder, text encoders and tokenizers.

Every part is the public class at a size that trains on a CPU, so plain `FluxPipeline.from_pretrained` loads
the folder and stock ComfyUI its transformer: two heads of 128 with rotary axes 16 / 56 / 56, one double and
three single blocks. The schedule is shifted by a constant exp(1.15), which is ComfyUI's for FLUX.
"""

from __future__ import annotations

import json
import re
import string
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import log
from pathlib import Path

import torch
from diffusers import (
    AutoencoderTiny,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
)
from tokenizers import pre_tokenizers
from torch import nn
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTokenizer,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
)

from spatial_core.atomic_files import write_text
from spatial_trainers.flow_latents import LATENT_CHANNELS

SHIFT = 1.15
CLIP_LENGTH = 77
_BOS, _EOS = "<|startoftext|>", "<|endoftext|>"


@dataclass(frozen=True)
class FlowModelSettings:
    """Sizes.

    Attributes:
        double_blocks, single_blocks: Of the transformer.
        heads: Of 128 channels each.
        text_width, text_layers: Of the T5 encoder.
        clip_width, clip_layers: Of the CLIP text encoder.
    """

    double_blocks: int = 1
    single_blocks: int = 3
    heads: int = 2
    text_width: int = 192
    text_layers: int = 3
    clip_width: int = 128
    clip_layers: int = 2


def clip_tokenizer(texts: Iterable[str]) -> CLIPTokenizer:
    """Return a CLIP tokenizer (byte-level BPE, lower case) in which every word of `texts` is one token."""
    words = Counter(word for text in texts for word in re.findall("[a-z]+", text.lower()))
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = word_merges(words)
    pieces = [_BOS, _EOS, *alphabet, *(c + "</w>" for c in alphabet), *(a + b for a, b in merges)]
    # Different pairs may give one piece.
    vocab = {piece: k for k, piece in enumerate(dict.fromkeys(pieces))}
    return CLIPTokenizer(vocab=vocab, merges=merges, model_max_length=CLIP_LENGTH)


def word_merges(words: Mapping[str, int]) -> list[tuple[str, str]]:
    """Return the merges of byte-pair encoding, the most frequent pair first, until every word is one piece.

    Ties go by the alphabet. (The trainer of `tokenizers` leaves them to chance, and a run could not go on.)
    """
    split = {word: [*word[:-1], word[-1] + "</w>"] for word in sorted(words)}
    merges: list[tuple[str, str]] = []
    while True:
        pairs: Counter[tuple[str, str]] = Counter()
        for word, pieces in split.items():
            for pair in pairwise(pieces):
                pairs[pair] += words[word]
        if not pairs:
            return merges
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        for pieces in split.values():
            k = 0
            while k < len(pieces) - 1:
                if (pieces[k], pieces[k + 1]) == best:
                    pieces[k : k + 2] = ["".join(best)]
                k += 1


def t5_tokenizer(texts: Iterable[str]) -> T5Tokenizer:
    """Return a T5 tokenizer whose pieces are the words of `texts` and, for all else, single characters."""
    words: Counter[str] = Counter()
    for text in texts:
        words.update(word.rstrip(".,:") for word in text.split())
    words.update(word.capitalize() for word in list(words))
    total = sum(words.values())
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    pieces += [("\u2581" + word, log(n / total)) for word, n in sorted(words.items()) if len(word) > 0]
    known = {piece for piece, _ in pieces}
    # A word costs less than its letters, so letters are for words that were never seen.
    pieces += [(c, -20.0) for c in string.printable.strip() if c not in known]
    pieces += [("\u2581", -20.0)]
    return T5Tokenizer(vocab=pieces, extra_ids=0)


def new_text_encoders(
    settings: FlowModelSettings, clip: CLIPTokenizer, t5: T5Tokenizer
) -> tuple[CLIPTextModel, T5EncoderModel]:
    """Return both text encoders with fresh weights."""
    pooled = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(clip),
            hidden_size=settings.clip_width,
            intermediate_size=2 * settings.clip_width,
            num_hidden_layers=settings.clip_layers,
            num_attention_heads=settings.clip_width // 64,
            max_position_embeddings=CLIP_LENGTH,
            projection_dim=settings.clip_width,
            bos_token_id=clip.bos_token_id,
            eos_token_id=clip.eos_token_id,
            pad_token_id=clip.pad_token_id,
        )
    )
    sequence = T5EncoderModel(
        T5Config(
            vocab_size=len(t5),
            d_model=settings.text_width,
            d_kv=32,
            d_ff=2 * settings.text_width,
            num_layers=settings.text_layers,
            num_heads=settings.text_width // 32,
            relative_attention_num_buckets=32,
            relative_attention_max_distance=64,
            dropout_rate=0.0,
            feed_forward_proj="gated-gelu",
            pad_token_id=t5.pad_token_id,
            eos_token_id=t5.eos_token_id,
            tie_word_embeddings=False,
        )
    )
    return pooled, sequence


def new_transformer(settings: FlowModelSettings) -> FluxTransformer2DModel:
    """Return the denoiser; it begins with closed gates and predicts 0."""
    model = FluxTransformer2DModel(
        in_channels=4 * LATENT_CHANNELS,
        num_layers=settings.double_blocks,
        num_single_layers=settings.single_blocks,
        attention_head_dim=128,
        num_attention_heads=settings.heads,
        joint_attention_dim=settings.text_width,
        pooled_projection_dim=settings.clip_width,
        guidance_embeds=True,
        axes_dims_rope=(16, 56, 56),
    )
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear) and (".norm" in name or name in ("proj_out", "norm_out.linear")):
            nn.init.zeros_(module.weight)
            nn.init.zeros_(module.bias)
    return model


def new_scheduler() -> FlowMatchEulerDiscreteScheduler:
    """Return the schedule: shifted by exp(1.15) whatever the size."""
    return FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, base_shift=SHIFT, max_shift=SHIFT)


def make_pipeline(
    transformer: FluxTransformer2DModel,
    vae: AutoencoderTiny,
    clip: CLIPTextModel,
    t5: T5EncoderModel,
    tokenizer: CLIPTokenizer,
    tokenizer_2: T5Tokenizer,
) -> FluxPipeline:
    """Return the parts as a pipeline."""
    return FluxPipeline(new_scheduler(), vae, clip, tokenizer, t5, tokenizer_2, transformer)


def save_pipeline(pipeline: FluxPipeline, folder: str | Path) -> None:
    """Write a diffusers folder in half precision.

    The text encoders' configurations say float32, since transformers takes the type of the weights where it
    is not told: all parts then load in float32 by default, or all in what the caller asks for.
    """
    pipeline.to(torch.float16).save_pretrained(folder, safe_serialization=True)
    for part in ("text_encoder", "text_encoder_2"):
        path = Path(folder, part, "config.json")
        config = json.loads(path.read_text("utf-8"))
        write_text(path, json.dumps(config | {"dtype": "float32"}, indent=2) + "\n")
