"""Prompts by a language model: it writes, `parse_prompt` reads back, what does not fit is dropped."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from spatial_core.language.parser import parse_prompt
from spatial_trainers.dataset.build_recipe import BuildRecipe
from spatial_trainers.dataset.drafts import Failure, pair_id
from spatial_trainers.dataset.grammar import draw_place
from spatial_trainers.dataset.perturbed import perturbed_record
from spatial_trainers.dataset.prompt_list import rng_of
from spatial_trainers.pairs.records import Record

REQUEST = (
    "Write a prompt for a text-to-image model that describes a {place} in 40 to 100 words. Name {things} "
    "different everyday things and say with {count} spatial relations where they are: to the left of, to the "
    "right of, above, below, on, under, in front of, behind, next to, between, inside. Left and right are "
    "the viewer's. Every relation must be visible and none may contradict another. Write plain English "
    "sentences and nothing else."
)
_MAX_NEW_TOKENS = 220


@dataclass(frozen=True)
class _Wish:
    number: int
    place: str
    count: int
    num_edits: int

    @property
    def request(self) -> str:
        return REQUEST.format(place=self.place, count=self.count, things=max(4, self.count))


class LanguageModelSource:
    """Asks a causal language model for prompts."""

    def __init__(self, recipe: BuildRecipe, model: Any, tokenizer: Any):
        """Ask `model`, a causal language model, in the chat form of its tokenizer if it has one."""
        self._recipe = recipe
        self._model = model
        self._tokenizer = tokenizer
        tokenizer.padding_side = "left"
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token

    @classmethod
    def load(cls, recipe: BuildRecipe) -> LanguageModelSource:
        """Load the recipe's language model onto the best device of this process.

        Raises:
            ValueError: If it cannot be loaded.
        """
        from accelerate import PartialState
        from transformers import AutoModelForCausalLM, AutoTokenizer

        wish = recipe.prompts
        revision = {"revision": wish.revision} if wish.revision else {}
        try:
            tokenizer = AutoTokenizer.from_pretrained(wish.model, **revision)
            model = AutoModelForCausalLM.from_pretrained(
                wish.model, dtype=getattr(torch, wish.dtype), **revision
            )
        except (OSError, ValueError) as error:
            raise ValueError(f"The language model '{wish.model}' cannot be loaded: {error}") from error
        return cls(recipe, model.to(PartialState().device).eval(), tokenizer)

    def write(self, split: str, numbers: range) -> list[Record | Failure]:
        """Return a record for every number."""
        results: list[Record | Failure] = []
        size = self._recipe.prompts.batch
        for start in range(0, len(numbers), size):
            results += self._write(split, numbers[start : start + size])
        return results

    def _write(self, split: str, numbers: Sequence[int]) -> list[Record | Failure]:
        wishes = [self._wish(split, number) for number in numbers]
        results: dict[int, Record | Failure] = {}
        for attempt in range(self._recipe.prompts.attempts):
            left = [w for w in wishes if not isinstance(results.get(w.number), dict)]
            if not left:
                break
            for wish, text in zip(left, self._ask(split, left, attempt), strict=True):
                results[wish.number] = self._record(split, wish, text, attempt)
        return [results[number] for number in numbers]

    def _wish(self, split: str, number: int) -> _Wish:
        rng = rng_of(self._recipe.seed, "language model", split, number)
        place = draw_place(rng, self._recipe, split)
        histogram = self._recipe.prompts.relations()
        shares = [weight / sum(histogram.values()) for weight in histogram.values()]
        count = int(rng.choice(list(histogram), p=shares))
        return _Wish(number, place, count, int(rng.choice(self._recipe.prompts.num_edits)))

    def _ask(self, split: str, wishes: Sequence[_Wish], attempt: int) -> list[str]:
        requests = [self._chat(wish.request) for wish in wishes]
        inputs = self._tokenizer(requests, return_tensors="pt", padding=True, add_special_tokens=False)
        inputs = inputs.to(self._model.device)
        digest = hashlib.sha256(f"{self._recipe.seed}|{split}|{wishes[0].number}|{attempt}".encode()).digest()
        device = self._model.device
        # Sampling in transformers takes its random numbers from the global generator.
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []), torch.inference_mode():
            torch.manual_seed(int.from_bytes(digest[:6], "big"))
            tokens = self._model.generate(
                input_ids=inputs["input_ids"],
                attention_mask=inputs["attention_mask"],
                do_sample=True,
                temperature=self._recipe.prompts.temperature,
                max_new_tokens=_MAX_NEW_TOKENS,
                pad_token_id=self._tokenizer.pad_token_id,
            )
        written = tokens[:, inputs["input_ids"].shape[1] :]
        return [clean(text) for text in self._tokenizer.batch_decode(written, skip_special_tokens=True)]

    def _chat(self, request: str) -> str:
        if not self._tokenizer.chat_template:
            return f"{request}\n\n"
        message = [{"role": "user", "content": request}]
        return self._tokenizer.apply_chat_template(message, tokenize=False, add_generation_prompt=True)

    def _record(self, split: str, wish: _Wish, text: str, attempt: int) -> Record | Failure:
        prompts = self._recipe.prompts
        graph = parse_prompt(text)
        count = len(graph.relations)
        if not prompts.min_relations <= count <= prompts.max_relations:
            limits = f"{prompts.min_relations} to {prompts.max_relations}"
            reason = f"{count} relations were read from what the model wrote; {limits} are wanted"
            return Failure(pair_id(split, wish.number), "prompt", reason, text)
        return perturbed_record(
            graph,
            wish.num_edits,
            rng_of(self._recipe.seed, "language model", split, wish.number, attempt),
            split=split,
            number=wish.number,
            scene=wish.place,
            licence=self._recipe.licence,
        )


def clean(text: str) -> str:
    """Return the prompt in what a model wrote: its longest paragraph, without reasoning and quotes."""
    answer = text.rpartition("</think>")[2]
    paragraphs = [" ".join(p.split()).strip("\"'* ") for p in answer.split("\n\n")]
    printable = "".join(c for c in max(paragraphs, key=len) if c.isprintable())
    return printable[:2000]
