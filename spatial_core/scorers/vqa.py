"""The `vqa` scorer: zero-shot spatial questions to any Qwen2.5-VL or Qwen3-VL, no weights of ours needed.

Each relation of the prompt is asked as a yes / no question, as its inverse and as its contrary
(`spatial_core.language.questions`). The answer is the log-odds of Yes against No at the one position where
the model would begin to speak; nothing is generated. All questions about one image share its tokens, and the
words that they begin with, in one packed forward (`spatial_core.packing`).

Shapes: B images, Q questions.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from spatial_core.atomic_files import atomic_folder, write_text
from spatial_core.backbones import BackboneParts, default_dtype, find_file, known_things, load_backbone
from spatial_core.feature_cache import CACHE_BYTES, FeatureCache
from spatial_core.images import vision_patches
from spatial_core.language.questions import Question, relation_questions
from spatial_core.language.scene_graph import SceneGraph
from spatial_core.packing import Row, pack
from spatial_core.scorers.base import RelationReport, SpatialScorer, SpatialScores, share_satisfied
from spatial_core.scorers.batching import distinct, in_batches_of_like
from spatial_core.scorers.verdicts import report_from_logit
from spatial_core.vision_language import (
    compile_repeated_blocks,
    encode_text,
    forward_packed,
    gather_readouts,
)

CONFIG_FILE = "spatial_vqa.json"
_QUESTION_MARK = "QUESTION-GOES-HERE"
_YES, _NO = ("Yes", "yes", "YES"), ("No", "no", "NO")


@dataclass(frozen=True)
class VQAConfig:
    """How a checkpoint is asked; read from `spatial_vqa.json` beside its weights where that exists.

    Attributes:
        instruction: Stands between the image and the questions, which share it; a space follows it.
        state_viewer: Whether questions about left, right, front and back name the viewer's point of view.
        max_pixels: Larger images are shrunk to this area; the checkpoint's own limit holds where it is lower.
        max_relations: Prompts with more are refused.
        max_question_tokens: Relations whose question is longer are refused.
        temperature: Divides a relation's log-odds.
        logit_noise: Standard deviation of a relation's log-odds beyond what its questions disagree by.
    """

    instruction: str = "Please answer Yes or No."
    state_viewer: bool = True
    max_pixels: int = 512 * 512
    max_relations: int = 64
    max_question_tokens: int = 256
    temperature: float = 1.0
    logit_noise: float = 1.0


@dataclass(frozen=True)
class ChatFormat:
    """A checkpoint's chat template around one image and one question, as token ids.

    Attributes:
        before_image: Up to the image placeholder, `<|vision_start|>` included.
        before_question: Between the image and the question.
        after_question: Up to where the answer begins; its last token is read out.
    """

    before_image: tuple[int, ...]
    before_question: tuple[int, ...]
    after_question: tuple[int, ...]

    @classmethod
    def of(cls, tokenizer: Any, image_token: int) -> ChatFormat:
        """Split the rendered chat template of `tokenizer` at the image and at the question.

        Raises:
            ValueError: If the tokenizer has no chat template, or one that does not take an image first or
                that opens a chain of thought.
        """
        if not getattr(tokenizer, "chat_template", None):
            raise ValueError(
                "The vqa scorer asks through the checkpoint's chat template, and this tokenizer has none. "
                "Use an instruction-tuned checkpoint (its name ends in -Instruct)."
            )
        content = [{"type": "image"}, {"type": "text", "text": _QUESTION_MARK}]
        messages = [{"role": "user", "content": content}]
        rendered = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        before_image, image, rest = rendered.partition(tokenizer.convert_ids_to_tokens(image_token))
        before_question, mark, after_question = rest.partition(_QUESTION_MARK)
        if not (image and mark and after_question):
            raise ValueError(
                f"The chat template must render one image, then the question, then where the answer begins; "
                f"it gave {rendered!r}. Use the template of a Qwen2.5-VL or Qwen3-VL checkpoint."
            )
        if after_question.rstrip().endswith("<think>"):
            raise ValueError(
                "This checkpoint thinks before it answers, so its first word is neither Yes nor No. Use the "
                "-Instruct checkpoint of the same size."
            )
        pieces = (
            tuple(encode_text(tokenizer, text, special=True))
            for text in (before_image, before_question, after_question)
        )
        return cls(*pieces)


class VQAScorer(SpatialScorer):
    """Scores images by asking a vision-language model about every relation.

    A relation's log-odds are the mean over the questions for which Yes speaks for it, less
    softplus(mean over those for which Yes speaks against it): relation, contrary and neither are three
    exclusive answers. A model that says Yes to everything is corrected by it, and an image in which neither
    holds is still judged false.

    `mean` is the mean log-probability of the relations, so exp(mean) is their geometric mean. `std` is not
    calibrated on data: it comes from how much the questions about one relation disagree, plus
    `VQAConfig.logit_noise`. The margin of a report is the relation's log-odds.

    Attributes:
        config: How the checkpoint is asked.
        batch_size: Images in one forward; None for as many as free memory allows. Halved when it runs out.
        source: Folder or hub id of the checkpoint.
        features: What the vision tower said of the images seen last.
    """

    def __init__(
        self,
        parts: BackboneParts,
        *,
        config: VQAConfig | None = None,
        batch_size: int | None = None,
        cache_bytes: int = CACHE_BYTES,
        source: str = "",
        parser: Callable[[str], SceneGraph] | None = None,
    ) -> None:
        """Wrap a loaded checkpoint.

        Args:
            parts: From `load_backbone(..., vocabulary=True)`.
            config: How to ask; the defaults suit public instruction-tuned checkpoints.
            batch_size: Images in one forward; as many as free memory allows if None. The scores do not depend
                on it.
            cache_bytes: Of image features to keep, for images that meet another prompt later.
            source: Where the checkpoint came from.
            parser: Reads a prompt into its graph; ours if None.

        Raises:
            ValueError: If `batch_size` < 1, or the checkpoint has no chat template or no word for yes or no.
        """
        if batch_size is not None and batch_size < 1:
            raise ValueError(f"batch_size must be at least 1; got {batch_size}.")
        super().__init__(parser=parser)
        self.model = parts.model.eval()
        self.known_things = known_things(self.model.config)
        self.tokenizer = parts.tokenizer
        self.processing = parts.processing
        self.config = config or VQAConfig()
        self.batch_size = batch_size
        self.features = FeatureCache(cache_bytes)
        self.source = source
        self._chat = ChatFormat.of(self.tokenizer, self.model.config.image_token_id)
        self._yes, self._no = self._answer_tokens()

    def _answer_tokens(self) -> tuple[list[int], list[int]]:
        """Return the ids of the spellings of yes and of no that are one token each, for both words alike."""
        pairs = [
            (yes[0], no[0])
            for yes, no in zip(map(self._plain, _YES), map(self._plain, _NO), strict=True)
            if len(yes) == len(no) == 1
        ]
        if not pairs:
            raise ValueError(
                f"The answers 'Yes' and 'No' must be single tokens; the tokenizer of '{self.source}' splits "
                "them. Use a Qwen2.5-VL or Qwen3-VL checkpoint with its own tokenizer."
            )
        return [yes for yes, _ in pairs], [no for _, no in pairs]

    def _plain(self, text: str) -> list[int]:
        return encode_text(self.tokenizer, text, special=False)

    @torch.no_grad()
    def answers(self, images: Sequence[Tensor], questions: Sequence[Sequence[str]]) -> list[list[float]]:
        """Return the log-odds of Yes against No for each question about each image, in one forward.

        Args:
            images: B >= 1 tensors [3, H, W] in [0, 1] on the scorer's device.
            questions: For each image, its questions.
        """
        shown, which = distinct(list(images))
        values, grid = self._patches(shown)
        merge: int = self.processing["merge_size"]
        sizes = [(height // merge, width // merge) for _, height, width in grid.tolist()]
        rows = [
            self._row(asked, sizes[i]) for asked, i in zip(questions, which or range(len(shown)), strict=True)
        ]
        pad = self.tokenizer.pad_token_id
        packed = pack(
            rows,
            image_token=self.model.config.image_token_id,
            pad_token=self._chat.after_question[-1] if pad is None else pad,
            share_beginnings=True,
        )
        hidden = forward_packed(
            self.model.model, packed, values, grid, image_of_row=which, encode=self.features.encode
        )
        readouts = gather_readouts(hidden, packed.branch_readouts.to(hidden.device))
        # Only these rows of the vocabulary matrix are used, in float32: the difference of two large logits.
        words = self.model.lm_head.weight[[*self._yes, *self._no]].float()
        logits = readouts.float() @ words.T
        yes, no = logits.split([len(self._yes), len(self._no)], dim=-1)
        odds = (yes.logsumexp(-1) - no.logsumexp(-1)).tolist()
        return [row[: len(asked)] for row, asked in zip(odds, questions, strict=True)]

    def _row(self, questions: Sequence[str], image_grid: tuple[int, int]) -> Row:
        chat, instruction = self._chat, self._plain(self.config.instruction)
        image = [self.model.config.image_token_id] * (image_grid[0] * image_grid[1])
        return Row(
            prefix=[*chat.before_image, *image, *chat.before_question, *instruction],
            image_grid=image_grid,
            branches=[
                [*self._question(f" {q}" if instruction else q), *chat.after_question] for q in questions
            ],
        )

    def _question(self, text: str) -> list[int]:
        ids = self._plain(text)
        if len(ids) > self.config.max_question_tokens:
            raise ValueError(
                f"A question may have {self.config.max_question_tokens} tokens; this one has {len(ids)}: "
                f"'{text[:60]}...'. Name the things in the prompt more shortly."
            )
        return ids

    def _patches(self, images: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        most = min(self.processing["max_pixels"], self.config.max_pixels)
        return vision_patches(
            images,
            processing=self.processing,
            min_pixels=min(self.processing["min_pixels"], most),
            max_pixels=most,
        )

    def _score(self, images: list[Tensor], graphs: list[SceneGraph], *, explain: bool) -> SpatialScores:
        mean = torch.empty(len(images), device=self.device)
        std = torch.empty(len(images), device=self.device)
        reports: list[list[RelationReport]] = [[] for _ in images]

        def one_batch(chosen: list[int]) -> None:
            asked = [self._questions(graphs[i]) for i in chosen]
            texts = [[q.text for group in groups for q in group] for groups in asked]
            answers = self.answers([images[i] for i in chosen], texts)
            for i, groups, flat in zip(chosen, asked, answers, strict=True):
                logits: list[float] = []
                spreads: list[float] = []
                for relation, questions in zip(graphs[i].relations, groups, strict=True):
                    logit, spread = self._combine(questions, flat[: len(questions)])
                    flat = flat[len(questions) :]
                    logits.append(logit)
                    spreads.append(spread)
                    reports[i].append(report_from_logit(graphs[i], relation, logit))
                mean[i], std[i] = _mean_log_probability(logits, spreads)

        self.batch_size = in_batches_of_like(
            images,
            graphs,
            one_batch,
            batch_size=self.batch_size,
            config=self.model.config,
            max_pixels=self.config.max_pixels,
        )
        satisfied = torch.tensor([share_satisfied(r) for r in reports], device=self.device)
        return SpatialScores(mean, std, satisfied, reports if explain else None)

    def compile_repeated_blocks(self, **kwargs: object) -> None:
        """Compile the backbone's blocks (`spatial_core.vision_language.compile_repeated_blocks`).

        The first forward of each shape then takes minutes, the later ones are faster on a GPU.
        """
        compile_repeated_blocks(self.model.model, **kwargs)

    def _questions(self, graph: SceneGraph) -> list[list[Question]]:
        if len(graph.relations) > self.config.max_relations:
            raise ValueError(
                f"A prompt may state {self.config.max_relations} relations; this one states "
                f"{len(graph.relations)}: '{graph.text[:60]}...'. Score it in parts."
            )
        return [relation_questions(graph, r, viewer=self.config.state_viewer) for r in graph.relations]

    def _combine(self, questions: Sequence[Question], answers: Sequence[float]) -> tuple[float, float]:
        """Return the log-odds of a relation and their standard deviation from the answers about it."""
        for_it = [a for q, a in zip(questions, answers, strict=True) if q.sign > 0]
        against = [a for q, a in zip(questions, answers, strict=True) if q.sign < 0]
        logit = sum(for_it) / len(for_it)
        variance = sum((a - logit) ** 2 for a in for_it) / len(for_it)
        if against:
            logit -= _softplus(sum(against) / len(against))
        return logit / self.config.temperature, math.sqrt(
            variance / self.config.temperature**2 + self.config.logit_noise**2
        )

    @classmethod
    def from_pretrained(  # pyright: ignore[reportIncompatibleMethodOverride]  (here the kind is known)
        cls,
        id_or_path: str | Path,
        *,
        revision: str | None = None,
        device: str | torch.device | None = None,
        dtype: torch.dtype | None = None,
        config: VQAConfig | None = None,
        batch_size: int | None = None,
        parser: Callable[[str], SceneGraph] | None = None,
    ) -> VQAScorer:
        """Load a Qwen2.5-VL or Qwen3-VL checkpoint to ask.

        Args:
            id_or_path: "starter" for the bundled one, a folder, or a hub id.
            revision: Hub revision.
            device: Where to put the model; the CPU if None.
            dtype: Of the weights; float32 on the CPU and bfloat16 elsewhere if None.
            config: How to ask; `spatial_vqa.json` beside the weights, or the defaults, if None.
            batch_size: Images in one forward; as many as free memory allows if None.
            parser: Reads a prompt into its graph; ours if None.

        Raises:
            ValueError: If the checkpoint is of another family or incomplete, or `spatial_vqa.json` is wrong.
            FileNotFoundError: If a file is missing; the message names it and says how to get it.
        """
        if str(id_or_path) == "starter":
            id_or_path = import_module("spatial_core.starter").starter_path("vqa")
        place = torch.device(device or "cpu")
        parts = load_backbone(
            id_or_path, revision=revision or "", dtype=dtype or default_dtype(place), vocabulary=True
        )
        parts.model.to(place)
        config = config or _stored_config(id_or_path, revision or "")
        return cls(parts, config=config, batch_size=batch_size, source=str(id_or_path), parser=parser)

    def save_pretrained(self, save_directory: str | Path) -> None:
        """Write checkpoint, tokenizer, image constants and `spatial_vqa.json`.

        Raises:
            OSError: If the disk is full; files that were there before stay as they were.
        """
        with atomic_folder(save_directory) as folder:
            self.model.save_pretrained(folder)
            self.tokenizer.save_pretrained(folder)
            constants = {"image_processor_type": "Qwen2VLImageProcessor", **self.processing}
            write_text(folder / "preprocessor_config.json", json.dumps(constants, indent=2) + "\n")
            write_text(folder / CONFIG_FILE, json.dumps(asdict(self.config), indent=2) + "\n")


def _stored_config(source: str | Path, revision: str) -> VQAConfig:
    try:
        file = find_file(source, CONFIG_FILE, revision=revision)
    except FileNotFoundError:
        return VQAConfig()
    try:
        return VQAConfig(**json.loads(file.read_text("utf-8")))
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{file} must hold the settings of VQAConfig as JSON; {error}. Mend or delete it."
        ) from error


def _softplus(x: float) -> float:
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def _mean_log_probability(logits: Sequence[float], spreads: Sequence[float]) -> tuple[float, float]:
    """Return the mean of log sigmoid(logit) and its standard deviation, to first order in the spreads."""
    mean = -sum(_softplus(-x) for x in logits) / len(logits)
    # d log sigmoid(x) / dx = sigmoid(-x)
    variance = sum((math.exp(-_softplus(x)) * s) ** 2 for x, s in zip(logits, spreads, strict=True))
    return mean, math.sqrt(variance) / len(logits)
