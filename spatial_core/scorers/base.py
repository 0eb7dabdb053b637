"""What every scorer shares: the questions callers ask, the answers they get, and the talk about inputs.

A scorer says how well an image matches what a prompt says about space. Subclasses answer one question for
images and scene graphs that are already in order (`_score`); reading images and prompts, broadcasting,
ranking and refusing to judge prompts without spatial content happen here.
"""

from __future__ import annotations

import json
import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, cast

import torch
from torch import Tensor

from spatial_core.images import ImagesLike, to_tensors
from spatial_core.known_things import listed, unknown_things
from spatial_core.language.parser import parse_prompt
from spatial_core.language.scene_graph import SceneGraph, Span
from spatial_core.selection import Ranking, probability_better, rank

Verdict = Literal["true", "false", "ambiguous"]
ScorerKind = Literal["auto", "reward", "vqa", "geometric"]
PromptLike = str | SceneGraph
"""A prompt, or its graph where the caller has it already (then it is not parsed again)."""

NO_RELATIONS_NOTE = (
    "This prompt states no spatial relation that could be read from it, so no relation was judged. "
    "Say where something is, e.g. 'a cup to the left of a plate'."
)

JUDGE_FILE = "spatial_score.safetensors"

_SCORERS = {
    "reward": ("spatial_core.scorers.reward", "RewardScorer"),
    "vqa": ("spatial_core.scorers.vqa", "VQAScorer"),
    "geometric": ("spatial_core.scorers.geometric", "GeometricScorer"),
}
_VISION_LANGUAGE_TYPES = ("qwen2_5_vl", "qwen3_vl")
_DETECTOR_TYPES = ("owlv2", "owlvit", "grounding-dino", "mm-grounding-dino")


@dataclass(frozen=True)
class RelationReport:
    """The verdict on one stated relation.

    Attributes:
        relation: A name of `RELATIONS`.
        text: The words of the prompt it stands for.
        span: Where those words are in the prompt.
        verdict: "true", "false", or "ambiguous" where the evidence does not decide.
        score: Soft truth in [0, 1]; above .5 leans to true.
        margin: How clearly, positive for true; its unit is the scorer's own (logits, or object sizes).
        boxes: xyxy pixel boxes of subject and objects where they were located, else None.
        reason: Why, in a few words, where the verdict does not follow from the picture alone ("no red mug was
            found"); empty otherwise.
    """

    relation: str
    text: str
    span: Span
    verdict: Verdict
    score: float
    margin: float
    boxes: tuple[tuple[float, float, float, float], ...] | None = None
    reason: str = ""


@dataclass(frozen=True, eq=False)
class SpatialScores:
    """The answer for B images.

    Attributes:
        mean: float32 [B]. Unbounded, higher is better, comparable only under one checkpoint. NaN where
            a scorer that judges relation by relation had none to judge.
        std: float32 [B], >= 0. Calibrated so that the probability that a is better than b is
            Phi((mean_a - mean_b) / sqrt(std_a^2 + std_b^2)).
        satisfied: float32 [B] in [0, 1]: the share of the prompt's relations judged true, the number
            shown to people first. NaN for a prompt without spatial content.
        relations: The reports of each image in the order of the prompt's relations; None unless asked for.
        notes: One sentence per image where something must be said to the reader, "" elsewhere.
    """

    mean: Tensor
    std: Tensor
    satisfied: Tensor
    relations: list[list[RelationReport]] | None = None
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Return the number of images."""
        return int(self.mean.shape[0])


def share_satisfied(reports: Sequence[RelationReport]) -> float:
    """Return the share of `reports` judged true in [0, 1]; NaN if there are none."""
    return sum(report.verdict == "true" for report in reports) / len(reports) if reports else math.nan


class SpatialScorer(torch.nn.Module):
    """How well images match what prompts say about space.

    A subclass implements `_score`, `from_pretrained` and `save_pretrained`.

    Attributes:
        needs_relations: Whether the scorer judges by relations alone. Then prompts without any never reach
            `_score`, and their mean and std are NaN.
        known_things: Kinds of things that the scorer has learned; a note says where a prompt names others.
            None for one that has seen the world.
    """

    needs_relations: bool = True
    known_things: frozenset[str] | None = None

    def __init__(self, *, parser: Callable[[str], SceneGraph] | None = None) -> None:
        """Prepare the shared part.

        Args:
            parser: Reads a prompt into its graph; `spatial_core.language.parser.parse_prompt` if None.
        """
        super().__init__()
        self._parser = parse_prompt if parser is None else parser

    @abstractmethod
    def _score(self, images: list[Tensor], graphs: list[SceneGraph], *, explain: bool) -> SpatialScores:
        """Score B >= 1 images against as many graphs.

        Args:
            images: B tensors [3, H, W], float32 in [0, 1], on `self.device`; sizes may differ.
            graphs: B graphs; equal neighbours are the same object where one prompt was given.
            explain: Whether the reports are wanted; `relations` may be None if not.

        Returns:
            Scores with `mean`, `std` and `satisfied` of shape [B]; `notes` may be left empty.
        """
        raise NotImplementedError

    @torch.no_grad()
    def score(
        self, images: ImagesLike, prompts: PromptLike | Sequence[PromptLike], *, explain: bool = False
    ) -> SpatialScores:
        """Score images against prompts.

        Args:
            images: One image or B images in any form that `spatial_core.images.to_tensors` takes: PIL, path,
                array or tensor BHWC or BCHW, float in [0, 1] or uint8, grey or with alpha, mixed sizes.
            prompts: One prompt for all images, B prompts, or any number of them for a single image.
            explain: Whether to report on every relation.

        Returns:
            Scores for B images, or for each prompt of a single one; shape (0,) for an empty batch. For a
            prompt without spatial content `satisfied` is NaN, its relations are empty and its note says so.
            Another note says which things of a prompt the scorer has not learned.

        Raises:
            ValueError: If the number of prompts is neither one nor B, or an image cannot be used.
        """
        tensors = [image.to(self.device, torch.float32) for image in to_tensors(images)]
        if len(tensors) == 1 and not isinstance(prompts, (str, SceneGraph)):
            # The same object, so that scorers see that it is one image.
            tensors *= max(1, len(prompts))
        graphs = self._graphs(prompts, len(tensors))
        if self.needs_relations:
            rows = [row for row, graph in enumerate(graphs) if graph.relations]
        else:
            rows = list(range(len(graphs)))
        if not rows:
            return _without_verdict(graphs, self.device, explain=explain)
        scores = self._score([tensors[row] for row in rows], [graphs[row] for row in rows], explain=explain)
        whole = _complete(scores, rows, graphs, explain=explain)
        if self.known_things is None:
            return whole
        noted = zip(whole.notes, graphs, strict=True)
        return replace(whole, notes=tuple(note or _about_unknown(g, self.known_things) for note, g in noted))

    def forward(
        self, images: ImagesLike, prompts: PromptLike | Sequence[PromptLike], *, explain: bool = False
    ) -> SpatialScores:
        """Return `score(images, prompts, explain=explain)`."""
        return self.score(images, prompts, explain=explain)

    def rank(self, images: ImagesLike, prompt: PromptLike) -> Ranking:
        """Rank images of one prompt, best first, with P(best) and the ties that are too close to call.

        Raises:
            ValueError: If an image cannot be used.
        """
        scores = self.score(images, prompt)
        return rank(scores.mean.cpu().numpy(), scores.std.cpu().numpy())

    def compare(self, a: ImagesLike, b: ImagesLike, prompt: PromptLike) -> float:
        """Return the probability in [0, 1] that image `a` matches `prompt` better than image `b`.

        NaN if the prompt gives the scorer nothing to judge.

        Raises:
            ValueError: If `a` or `b` is not exactly one image, or cannot be used.
        """
        pair = [*to_tensors(a), *to_tensors(b)]
        if len(pair) != 2:
            raise ValueError(f"compare() takes one image on each side; got {len(pair)} images. Use rank().")
        scores = self.score(pair, prompt)
        mean, std = scores.mean.tolist(), scores.std.tolist()
        return probability_better(mean[0], std[0], mean[1], std[1])

    def explain(self, image: ImagesLike, prompt: PromptLike) -> list[RelationReport]:
        """Return one report for each relation of `prompt`, in text order; empty if it states none.

        Raises:
            ValueError: If `image` is not exactly one image, or cannot be used.
        """
        tensors = to_tensors(image)
        if len(tensors) != 1:
            raise ValueError(f"explain() takes one image; got {len(tensors)}. Use score(..., explain=True).")
        reports = self.score(tensors, prompt, explain=True).relations
        assert reports is not None
        return reports[0]

    def can_judge(self, prompt: PromptLike) -> bool:
        """Return whether `prompt` gives this scorer anything to judge; its scores are NaN otherwise."""
        return not self.needs_relations or bool(self._graphs(prompt, 1)[0].relations)

    @property
    def device(self) -> torch.device:
        """Where the scorer computes; the CPU for one without weights."""
        tensor = next(self.parameters(), next(self.buffers(), None))
        return torch.device("cpu") if tensor is None else tensor.device

    @property
    def dtype(self) -> torch.dtype:
        """The floating point type of the weights; float32 for a scorer without weights."""
        floating = (tensor.dtype for tensor in self.parameters() if tensor.is_floating_point())
        return next(floating, torch.float32)

    @classmethod
    def from_pretrained(
        cls,
        id_or_path: str | Path,
        *,
        scorer: ScorerKind = "auto",
        revision: str | None = None,
        device: str | torch.device | None = None,
        dtype: torch.dtype | None = None,
        **options: Any,
    ) -> SpatialScorer:
        """Load a scorer of the kind that fits.

        Args:
            id_or_path: "starter" for the bundled model, a local folder or judge file, or a hub id.
            scorer: "reward" for a trained SpatialScore, "vqa" for any Qwen2.5-VL or Qwen3-VL, "geometric"
                for an open-vocabulary detector with depth; "auto" looks at the files and decides.
            revision: Hub revision.
            device: Where to put the model.
            dtype: Floating point type of the weights.
            **options: Passed on to the chosen scorer's own `from_pretrained`.

        Raises:
            ValueError: If `scorer` is unknown, or "auto" cannot tell what the files are.
            OSError: If a file is missing; the message names it and says how to get it.
        """
        if scorer != "auto" and scorer not in _SCORERS:
            raise ValueError(f"scorer must be 'auto' or one of {sorted(_SCORERS)}; got {scorer!r}.")
        if str(id_or_path) == "starter":
            kind = "reward" if scorer == "auto" else scorer
            id_or_path = cast("Path", import_module("spatial_core.starter").starter_path(kind))
        else:
            kind = _guess_kind(str(id_or_path), revision) if scorer == "auto" else scorer
        module, name = _SCORERS[kind]
        chosen: type[SpatialScorer] = getattr(import_module(module), name)
        given = {"revision": revision, "device": device, "dtype": dtype}
        return chosen.from_pretrained(
            id_or_path, **{key: value for key, value in given.items() if value is not None}, **options
        )

    @classmethod
    def load_component(
        cls, folder: str | Path, *, torch_dtype: torch.dtype | None = None, **options: Any
    ) -> SpatialScorer:
        """Load a scorer that was saved as the component of a diffusers pipeline; diffusers calls this.

        Args:
            folder: Where `save_pretrained` wrote it.
            torch_dtype: Type of the weights, by the name that diffusers has for it.
            **options: Passed on to `from_pretrained`, such as `quantization_config`.
        """
        given = {} if torch_dtype is None else {"dtype": torch_dtype}
        return cls.from_pretrained(folder, **given, **options).eval()

    @abstractmethod
    def save_pretrained(self, save_directory: str | Path) -> None:
        """Write everything that `from_pretrained` needs into `save_directory`."""
        raise NotImplementedError

    def _graphs(self, prompts: PromptLike | Sequence[PromptLike], num_images: int) -> list[SceneGraph]:
        listed = [prompts] if isinstance(prompts, (str, SceneGraph)) else list(prompts)
        if len(listed) not in (1, num_images):
            raise ValueError(
                f"score() needs one prompt or one per image ({num_images}); got {len(listed)} prompts. "
                "Pass a single string to use it for all images."
            )
        for prompt in listed:
            # Callers without type checking do pass None or a path here.
            if not isinstance(prompt, (str, SceneGraph)):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise ValueError(f"A prompt must be a str or a SceneGraph; got {type(prompt).__name__}.")
        read: dict[str, SceneGraph] = {}
        graphs: list[SceneGraph] = []
        for prompt in listed:
            if isinstance(prompt, SceneGraph):
                graphs.append(prompt)
                continue
            if prompt not in read:
                read[prompt] = self._parser(prompt)
            graphs.append(read[prompt])
        return graphs * num_images if len(listed) == 1 else graphs


def _without_verdict(graphs: list[SceneGraph], device: torch.device, *, explain: bool) -> SpatialScores:
    """Return scores that judge nothing: NaN for each of `graphs`, shape (0,) for none."""
    unknown = torch.full((len(graphs),), math.nan, dtype=torch.float32, device=device)
    return SpatialScores(
        mean=unknown,
        std=unknown.clone(),
        satisfied=unknown.clone(),
        relations=[[] for _ in graphs] if explain else None,
        notes=tuple("" if graph.relations else NO_RELATIONS_NOTE for graph in graphs),
    )


def _complete(
    scores: SpatialScores, rows: list[int], graphs: list[SceneGraph], *, explain: bool
) -> SpatialScores:
    """Put the scores of `rows` back in their places among all `graphs`, and say where nothing was judged."""
    whole = _without_verdict(graphs, scores.mean.device, explain=explain)
    index = torch.tensor(rows, device=scores.mean.device)
    spatial = torch.tensor([bool(graphs[row].relations) for row in rows], device=scores.mean.device)
    whole.mean[index] = scores.mean.float()
    whole.std[index] = scores.std.float()
    whole.satisfied[index] = scores.satisfied.float().masked_fill(~spatial, math.nan)
    notes = list(whole.notes)
    for place, row in enumerate(rows):
        if scores.notes and scores.notes[place]:
            notes[row] = scores.notes[place]
        if whole.relations is not None and scores.relations is not None and graphs[row].relations:
            whole.relations[row] = scores.relations[place]
    return replace(whole, notes=tuple(notes))


def _about_unknown(graph: SceneGraph, known: frozenset[str]) -> str:
    """Return a note about what a prompt names and a scorer has not learned; "" where it knows everything."""
    names = unknown_things(graph, known)
    if not names:
        return ""
    return (
        f"The judge has never learned what {listed(names)} look{'s' if len(names) == 1 else ''} like, so its "
        "verdicts there mean nothing; choose a judge that knows real pictures."
    )


def _guess_kind(id_or_path: str, revision: str | None) -> str:
    """Return which scorer the files at `id_or_path` are for."""
    if Path(id_or_path).is_file() or _locate(id_or_path, JUDGE_FILE, revision) is not None:
        return "reward"
    config = _locate(id_or_path, "config.json", revision)
    if config is None:
        raise FileNotFoundError(
            f"{id_or_path!r} has neither {JUDGE_FILE} nor config.json, so no scorer can be loaded from it. "
            "Check the name; for a hub model, fetch it first with "
            f"`hf download {id_or_path} --local-dir models/{Path(id_or_path).name}` and pass that folder."
        )
    try:
        model_type = str(json.loads(config.read_text(encoding="utf-8"))["model_type"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{config} is not valid JSON with a model_type, so the model cannot be told from it. "
            "Fetch the file again, or pass scorer=... ."
        ) from error
    if model_type in _VISION_LANGUAGE_TYPES:
        return "vqa"
    if model_type in _DETECTOR_TYPES:
        return "geometric"
    raise ValueError(
        f"{id_or_path!r} holds a model of type {model_type!r}; scorers are made from {JUDGE_FILE}, from "
        f"{', '.join(_VISION_LANGUAGE_TYPES)} (vqa) or from {', '.join(_DETECTOR_TYPES)} (geometric). "
        "Pass scorer=... if you know that it fits."
    )


def _locate(id_or_path: str, name: str, revision: str | None) -> Path | None:
    """Return the path of file `name` of a local folder or hub repository, None if it has no such file."""
    if Path(id_or_path).is_dir():
        path = Path(id_or_path) / name
        return path if path.is_file() else None
    if Path(id_or_path).is_absolute() or id_or_path.count("/") != 1:
        return None
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError

    try:
        return Path(hf_hub_download(id_or_path, name, revision=revision))
    except (EntryNotFoundError, HfHubHTTPError):
        return None
