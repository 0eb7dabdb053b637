"""Tiny but real Qwen2.5-VL and Qwen3-VL checkpoints: random weights, a trained BPE tokenizer, a template."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
)

from spatial_core.language.relations import RELATIONS
from spatial_core.language.scene_graph import Entity, Relation, SceneGraph

FAMILIES = ("qwen2_5_vl", "qwen3_vl")

SPECIAL_TOKENS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)

# The form of the public checkpoints: a system message, then turns, with the picture where its part stands.
CHAT_TEMPLATE = (
    "{% for message in messages %}{% if loop.first and message['role'] != 'system' %}"
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif %}"
    "<|im_start|>{{ message['role'] }}\n{% if message['content'] is string %}{{ message['content'] }}"
    "{% else %}{% for part in message['content'] %}{% if part['type'] == 'image' %}"
    "<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ part['text'] }}{% endif %}{% endfor %}"
    "{% endif %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

_TEXTS = (
    "Is the red ball to the left of the blue cup? Yes No yes no",
    "Is the green box behind the table, above the lamp, underneath the shelf or next to the plant?",
    "Prompt: a red ball to the left of a blue cup, on top of the wooden table, in front of a green wall.",
    "Image: Overall Please answer Yes or No. From the viewer's point of view, you are a helpful assistant",
    *("Yes", "No", "yes", "no") * 2,
)


def tiny_tokenizer(vocab_size: int = 512) -> PreTrainedTokenizerFast:
    """Return a byte-level BPE tokenizer trained on a few sentences, with Qwen's special tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_TEXTS * 4, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<|endoftext|>",
        eos_token="<|im_end|>",
        chat_template=CHAT_TEMPLATE,
        model_max_length=8192,
    )


def tiny_config(family: str, tokenizer: PreTrainedTokenizerFast) -> Any:
    """Return a configuration of `family` with two layers everywhere and the tokenizer's special ids."""
    ids = {name: tokenizer.convert_tokens_to_ids(name) for name in SPECIAL_TOKENS}
    special = {
        "image_token_id": ids["<|image_pad|>"],
        "video_token_id": ids["<|video_pad|>"],
        "vision_start_token_id": ids["<|vision_start|>"],
        "vision_end_token_id": ids["<|vision_end|>"],
    }
    text: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 4096,
        "rope_theta": 10000.0,
        "bos_token_id": None,
        "eos_token_id": ids["<|im_end|>"],
        "pad_token_id": ids["<|endoftext|>"],
    }
    vision: dict[str, Any] = {
        "depth": 3,
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_heads": 2,
        "spatial_merge_size": 2,
        "temporal_patch_size": 2,
        "out_hidden_size": 64,
    }
    if family == "qwen2_5_vl":
        text |= {"rope_scaling": {"type": "mrope", "mrope_section": [2, 3, 3]}, "tie_word_embeddings": True}
        vision |= {"patch_size": 14, "window_size": 112, "fullatt_block_indexes": [1]}
        return Qwen2_5_VLConfig(text_config=text, vision_config=vision, tie_word_embeddings=True, **special)
    text |= {
        "head_dim": 16,
        "rope_scaling": {"rope_type": "default", "mrope_section": [4, 2, 2], "mrope_interleaved": True},
    }
    vision |= {"patch_size": 16, "num_position_embeddings": 64, "deepstack_visual_indexes": [0, 1]}
    return Qwen3VLConfig(text_config=text, vision_config=vision, tie_word_embeddings=False, **special)


def build_tiny(folder: str | Path, family: str = "qwen2_5_vl", *, seed: int = 0) -> Path:
    """Write a checkpoint that `from_pretrained` reads into `folder` and return the folder.

    Args:
        folder: Made if missing.
        family: One of `FAMILIES`.
        seed: Of the weights; they are larger than at initialisation, so that every part matters.
    """
    folder = Path(folder)
    tokenizer = tiny_tokenizer()
    state = torch.random.get_rng_state()
    torch.manual_seed(seed)
    config = tiny_config(family, tokenizer)
    kind = Qwen2_5_VLForConditionalGeneration if family == "qwen2_5_vl" else Qwen3VLForConditionalGeneration
    model = kind(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=0.6 / parameter[0].numel() ** 0.5 if "embed" not in name else 0.3)
    torch.random.set_rng_state(state)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    merged = config.vision_config.patch_size * 2
    constants = {
        "image_processor_type": "Qwen2VLImageProcessor",
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.25, 0.25, 0.25],
        "patch_size": config.vision_config.patch_size,
        "merge_size": 2,
        "temporal_patch_size": 2,
        "min_pixels": 4 * merged**2,
        "max_pixels": 64 * merged**2,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(constants, indent=2), "utf-8")
    return folder


def statements(*triples: tuple[str, str, str]) -> SceneGraph:
    """Return the graph of "A <relation> B" statements, e.g. `("red ball", "left_of", "blue cup")`.

    The object "picture" places the subject in the frame. The text reads "the A is <wording>. ...".
    """
    names: list[str] = []
    for subject, _, anchor in triples:
        names += [name for name in (subject, anchor) if name not in (*names, "picture")]
    entities: list[Entity] = []
    text = ""
    relations: list[Relation] = []
    for subject, relation, anchor in triples:
        start = len(text)
        text += f"the {subject} is {RELATIONS[relation].predicate([f'the {anchor}'])}"
        place = "picture" if anchor == "picture" else names.index(anchor)
        relations.append(Relation(relation, names.index(subject), (place,), (start, len(text))))
        text += ". "
    text = text.strip()
    for index, name in enumerate(names):
        *attributes, noun = name.split(" ")
        start = text.index(name)
        span = (start, start + len(name))
        entities.append(Entity(index, noun, span, attributes=tuple(attributes)))
    return SceneGraph(text, tuple(entities), tuple(relations))
