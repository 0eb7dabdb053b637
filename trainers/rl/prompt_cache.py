"""Embeddings of prompts, computed once by the pipeline's own `encode_prompt` and kept on disk.

After `encode` and `release` no text encoder is there any more: T5-XXL's 9.5 GB are free, and a step pays
nothing for text. A file holds one prompt; its name is a hash of everything that its contents depend on, so
runs may share a folder, and a stopped run goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from tqdm import tqdm

from spatial_core.atomic_files import atomic_path
from spatial_core.pipeline.request import default
from spatial_trainers.fingerprint import module_sha256, tokenizer_sha256

_FORMAT = 1


@dataclass(frozen=True)
class _Family:
    """How a family encodes.

    Attributes:
        texts: Arguments of `encode_prompt` that are the prompt again, for its further encoders.
        options: Further arguments of it.
        embeddings: Name in the pipeline's call, by the place in what `encode_prompt` returns.
        masked: Whether prompts have lengths of their own, which a mask tells when they are batched.
    """

    texts: tuple[str, ...]
    options: tuple[tuple[str, Any], ...]
    embeddings: tuple[tuple[int, str], ...]
    masked: bool = False


_FAMILIES: dict[str, _Family] = {
    "FluxPipeline": _Family(("prompt_2",), (), ((0, "prompt_embeds"), (1, "pooled_prompt_embeds"))),
    "StableDiffusion3Pipeline": _Family(
        ("prompt_2", "prompt_3"),
        (("do_classifier_free_guidance", False),),
        ((0, "prompt_embeds"), (2, "pooled_prompt_embeds")),
    ),
    "QwenImagePipeline": _Family((), (), ((0, "prompt_embeds"),), masked=True),
}


class PromptCache:
    """The embeddings of prompts under one pipeline.

    Attributes:
        max_sequence_length: Tokens that a prompt is padded or cut to.
        key: sha256 of what embeddings depend on beside the prompt: family, encoders, tokenizers, length.
    """

    def __init__(self, pipeline: Any, folder: str | Path, *, max_sequence_length: int | None = None) -> None:
        """Look at the pipeline's text encoders.

        Args:
            pipeline: Of a family that `spatial_core.pipeline.predict` knows, its text encoders loaded.
            folder: Of the files; made if missing.
            max_sequence_length: As in the pipeline's call; its default if None.

        Raises:
            ValueError: If the family is not known, or a text encoder is missing.
        """
        kinds = {kind.__name__: kind for kind in type(pipeline).__mro__}
        name = next((name for name in _FAMILIES if name in kinds), None)
        if name is None:
            raise ValueError(
                f"PromptCache knows {', '.join(_FAMILIES)}; got a {type(pipeline).__name__}. Add a family in "
                "spatial_trainers/prompt_cache.py."
            )
        self._pipeline, self._family = pipeline, _FAMILIES[name]
        self._folder = Path(folder)
        call = kinds[name].__call__
        given = {} if max_sequence_length is None else {"max_sequence_length": max_sequence_length}
        self.max_sequence_length = int(default(call, "max_sequence_length", given))
        facts: dict[str, Any] = {"format": _FORMAT, "family": name, "length": self.max_sequence_length}
        for part, component in sorted(pipeline.components.items()):
            if part.startswith("text_encoder") and isinstance(component, nn.Module):
                facts[part] = module_sha256(component)
            elif part.startswith("tokenizer") and component is not None:
                facts[part] = tokenizer_sha256(component)
        if "text_encoder" not in facts:
            raise ValueError(
                "PromptCache needs the pipeline with its text encoders, to know whose embeddings these are. "
                "Make the cache before they are released."
            )
        self.key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
        self._folder.mkdir(parents=True, exist_ok=True)

    def path(self, prompt: str) -> Path:
        """Return the file of a prompt, whether it is there or not."""
        name = hashlib.sha256(f"{self.key}\n{prompt}".encode()).hexdigest()
        return self._folder / name[:2] / f"{name}.safetensors"

    @torch.no_grad()
    def encode(self, prompts: Iterable[str], *, progress: bool = False) -> int:
        """Compute what is missing among `prompts`, each alone, and return how many that were.

        A process among several may take a share of the prompts, since files are put in place by rename.

        Args:
            prompts: Texts; repeats cost nothing.
            progress: Whether to show a bar.

        Raises:
            ValueError: If the text encoders have been released.
            OSError: If the disk is full; what was computed before is kept.
        """
        missing = [prompt for prompt in dict.fromkeys(prompts) if not self.path(prompt).is_file()]
        if missing and self._pipeline.text_encoder is None:
            raise ValueError(
                f"{len(missing)} prompts are not in the cache and the text encoders have been released, e.g. "
                f"'{missing[0]}'. Call encode() with all prompts before release()."
            )
        for prompt in tqdm(missing, desc="encoding prompts", disable=not progress or not missing):
            found = self._pipeline.encode_prompt(
                prompt=prompt,
                max_sequence_length=self.max_sequence_length,
                **dict.fromkeys(self._family.texts, prompt),
                **dict(self._family.options),
            )
            tensors = {name: found[place].cpu().contiguous() for place, name in self._family.embeddings}
            path = self.path(prompt)
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_path(path) as temporary:
                save_file(tensors, temporary, metadata={"prompt": prompt})
        return len(missing)

    def release(self) -> None:
        """Take the text encoders out of the pipeline, so that their memory is free."""
        parts = [
            part
            for part, component in self._pipeline.components.items()
            if part.startswith("text_encoder") and component is not None
        ]
        for part in parts:
            self._pipeline.register_modules(**{part: None})
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def arguments(self, prompts: Sequence[str], *, negative_prompt: str | None = None) -> dict[str, Tensor]:
        """Return what stands for prompts in the pipeline's call, or in `prepare`: a row for each of them.

        Args:
            prompts: B texts, repeats allowed: to draw several pictures of one, repeat it, and leave
                `num_images_per_prompt` at 1.
            negative_prompt: Text that guidance leads away from, for all; None for none.

        Raises:
            ValueError: If a prompt has not been encoded, or its file is damaged.
        """
        made = self._batch(prompts)
        if negative_prompt is not None:
            against = self._batch([negative_prompt] * len(prompts))
            made |= {f"negative_{name}": value for name, value in against.items()}
        return made

    def _batch(self, prompts: Sequence[str]) -> dict[str, Tensor]:
        device = self._pipeline.transformer.device
        read = {prompt: self._read(prompt) for prompt in dict.fromkeys(prompts)}
        rows = [read[prompt] for prompt in prompts]
        if not self._family.masked:
            return {name: torch.cat([row[name] for row in rows]).to(device) for name in rows[0]}
        lengths = [row["prompt_embeds"].shape[1] for row in rows]
        padded = [
            nn.functional.pad(row["prompt_embeds"], (0, 0, 0, max(lengths) - length))
            for row, length in zip(rows, lengths, strict=True)
        ]
        mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
        return {"prompt_embeds": torch.cat(padded).to(device), "prompt_embeds_mask": mask.long().to(device)}

    def _read(self, prompt: str) -> dict[str, Tensor]:
        path = self.path(prompt)
        try:
            return load_file(path)
        except FileNotFoundError:
            raise ValueError(
                f"The prompt '{prompt}' is not in the cache. Call encode() with it first."
            ) from None
        except SafetensorError as error:
            raise ValueError(
                f"{path} is damaged ({error}). Delete it, and the run makes it again."
            ) from error
