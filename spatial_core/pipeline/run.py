"""One call of the pipeline: check, then search prompt by prompt, then hand out."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import Any

import torch

from spatial_core.micro_batches import in_micro_batches
from spatial_core.pipeline.components import offload_component
from spatial_core.pipeline.draft import check_draftable
from spatial_core.pipeline.draw import Brush
from spatial_core.pipeline.encode_once import encode_once
from spatial_core.pipeline.output import (
    Candidate,
    ScoringError,
    SpatialPipelineOutput,
    to_output_type,
    to_pil_images,
)
from spatial_core.pipeline.request import (
    SEARCHES,
    Settings,
    base_arguments,
    default,
    first_seeds,
    for_prompt,
    num_prompts,
)
from spatial_core.pipeline.schedule import check_sliceable
from spatial_core.pipeline.search import Search
from spatial_core.pipeline.stopping import std_weight

logger = logging.getLogger(__name__)


class _JudgeFailedError(Exception):
    """What the scorer did, before it is told with the pictures."""


class Run:
    """One call.

    Attributes:
        return_dict: Whether the caller wants the output object.
        outer_bar: The bar that counts candidates, while there is one.
    """

    def __init__(
        self, pipeline: Any, settings: Settings, args: Sequence[Any], kwargs: dict[str, Any]
    ) -> None:
        """Read the arguments.

        Raises:
            ValueError: If they do not fit each other, the scheduler or the denoiser.
        """
        self.pipeline, self.settings = pipeline, settings
        self.base_call = pipeline.base_class.__call__
        arguments = base_arguments(self.base_call, args, kwargs)
        self.count = num_prompts(arguments)
        self.kept = int(default(self.base_call, "num_images_per_prompt", arguments) or 1)
        self.prompts = _score_prompts(settings, arguments, self.count)
        self._check(arguments)
        self.return_dict = bool(arguments.pop("return_dict", True))
        self.output_type = str(default(self.base_call, "output_type", arguments) or "pil")
        arguments["output_type"] = self.output_type
        generator = arguments.pop("generator", None)
        self.seeds = first_seeds(generator, self.count, settings.num_candidates)
        one = generator[0] if isinstance(generator, list) else generator
        self.device = torch.device("cpu") if one is None else one.device
        self.arguments = arguments
        self.made: list[Candidate] = []
        self.notes = [""] * self.count
        self.outer_bar: Any = None

    def search(self) -> SpatialPipelineOutput:
        """Search prompt by prompt.

        Raises:
            ScoringError: If the scorer fails.
        """
        chosen: list[Candidate] = []
        drawn: list[int] = []
        evaluations = 0.0
        total = self.count * self.settings.num_candidates
        bar = self.pipeline.progress_bar(total=total)
        bar.set_description("Candidates")
        with encode_once(self.pipeline.components), bar:
            self.outer_bar = bar
            for index in range(self.count):
                best, found, cost = self._one_prompt(index)
                chosen += best
                drawn.append(found)
                evaluations += cost
                if self._interrupted():
                    break
        self.outer_bar = None
        return self._output(chosen, drawn, evaluations)

    def _one_prompt(self, index: int) -> tuple[list[Candidate], int, float]:
        settings, first = self.settings, self.seeds[index]
        size = settings.micro_batch_size or (1 if settings.stops_early else settings.num_candidates)
        brush = Brush(
            self.pipeline,
            self.base_call,
            for_prompt(self.arguments, index, self.count),
            device=self.device,
            micro_batch_size=size,
        )
        candidates = [Candidate(index, first + i) for i in range(settings.num_candidates)]
        self.made += candidates
        search = Search(
            brush,
            settings,
            self._score,
            apart=self._scores_apart(),
            num_kept=self.kept,
            interrupted=self._interrupted,
            progress=self.outer_bar.update,
        )
        try:
            drawn = search.run(candidates)
        except _JudgeFailedError as failed:
            # Told only now: more may have been drawn while the judge was failing.
            raise self._failure(str(failed)) from failed.__cause__
        return search.best(drawn, self.kept), len(drawn), brush.evaluations

    def _scores_apart(self) -> bool:
        scorer = self.pipeline.scorer
        # One with a hook comes to the device that draws when it is called.
        if scorer is None or hasattr(scorer, "_hf_hook"):
            return False
        return scorer.device != self.pipeline._execution_device

    def _score(self, batch: Sequence[Candidate]) -> None:
        if self.pipeline.scorer is not None:
            in_micro_batches(batch, len(batch), self._score_together)

    def _score_together(self, batch: Sequence[Candidate]) -> None:
        scorer = self.pipeline.scorer
        prompt = self.prompts[batch[0].prompt_index]
        try:
            scores = scorer([candidate.image for candidate in batch], prompt, explain=self.settings.explain)
        except torch.OutOfMemoryError as error:
            if len(batch) > 1:
                raise
            raise _JudgeFailedError(f"The scorer ran out of memory ({error}).") from error
        except Exception as error:
            raise _JudgeFailedError(f"The scorer failed ({type(error).__name__}: {error}).") from error
        finally:
            offload_component(self.pipeline, scorer)
        mean, std, satisfied = scores.mean.tolist(), scores.std.tolist(), scores.satisfied.tolist()
        unknown = [candidate.seed for candidate, value in zip(batch, mean, strict=True) if math.isnan(value)]
        if unknown:
            notes = " ".join(dict.fromkeys(note for note in scores.notes if note))
            raise _JudgeFailedError(f"The scorer returned NaN for the seeds {unknown}. {notes}".strip())
        if note := next(filter(None, scores.notes), ""):
            self._note(batch[0].prompt_index, note)
        for row, candidate in enumerate(batch):
            candidate.mean, candidate.std, candidate.satisfied = mean[row], std[row], satisfied[row]
            candidate.relations = scores.relations[row] if scores.relations is not None else []
            candidate.scored = True

    def _note(self, index: int, note: str) -> None:
        """Keep what the scorer says of a prompt, and say it once."""
        if note != self.notes[index]:
            logger.warning(note)
            self.notes[index] = note

    def _failure(self, what: str) -> ScoringError:
        made = [candidate for candidate in self.made if candidate.image.numel()]
        return ScoringError(
            f"{what} The {len(made)} images that were already made are in `images` of this error, their "
            "seeds in `seeds`.",
            images=to_pil_images(made),
            seeds=[candidate.seed for candidate in made],
            scores=[candidate.mean for candidate in made],
        )

    def _interrupted(self) -> bool:
        return bool(getattr(self.pipeline, "_interrupt", False))

    def _output(self, chosen: list[Candidate], drawn: list[int], evaluations: float) -> SpatialPipelineOutput:
        settings = self.settings
        everyone = [candidate for candidate in self.made if candidate.image.numel()]
        checked = all(candidate.nsfw is not None for candidate in chosen)
        return SpatialPipelineOutput(
            images=to_output_type(chosen, self.output_type),
            scores=[candidate.mean for candidate in chosen],
            score_stds=[candidate.std for candidate in chosen],
            satisfied=[candidate.satisfied for candidate in chosen],
            seeds=[candidate.seed for candidate in chosen],
            all_scores=[candidate.mean for candidate in everyone],
            all_score_stds=[candidate.std for candidate in everyone],
            all_satisfied=[candidate.satisfied for candidate in everyone],
            all_seeds=[candidate.seed for candidate in everyone],
            all_finished=[candidate.finished for candidate in everyone],
            num_drawn=drawn,
            notes=self.notes,
            denoiser_evaluations=evaluations,
            relations=[candidate.relations for candidate in chosen] if settings.explain else None,
            all_relations=[candidate.relations for candidate in everyone] if settings.explain else None,
            all_images=to_pil_images(everyone) if settings.return_all_images else None,
            nsfw_content_detected=[bool(candidate.nsfw) for candidate in chosen] if checked else None,
        )

    def _check(self, arguments: dict[str, Any]) -> None:
        """Check what is asked for.

        Raises:
            ValueError: Naming the argument, what it must be, and what to do.
        """
        settings, scorer = self.settings, self.pipeline.scorer
        if settings.num_candidates < self.kept:
            raise ValueError(
                f"`num_candidates` must be at least `num_images_per_prompt`; got {settings.num_candidates} "
                f"and {self.kept}. Draw more candidates, or ask for fewer images."
            )
        if settings.num_candidates > 1 and scorer is None:
            raise ValueError(
                f"`num_candidates={settings.num_candidates}` needs a scorer to choose by, and this pipeline "
                'has none. Load one: pipeline.set_scorer("starter"), or from_pretrained(..., scorer=...).'
            )
        if settings.num_candidates > 1 and arguments.get("latents") is not None:
            raise ValueError(
                "`latents` is the noise of one image, and every candidate has its own. Leave it out, or use "
                f"`num_candidates=1`; got `num_candidates={settings.num_candidates}`."
            )
        if settings.micro_batch_size is not None and settings.micro_batch_size < 1:
            raise ValueError(f"`micro_batch_size` must be at least 1; got {settings.micro_batch_size}.")
        if settings.search not in SEARCHES:
            raise ValueError(f"`search` must be one of {', '.join(SEARCHES)}; got {settings.search!r}.")
        std_weight(settings.selection)
        self._check_stopping()
        if settings.search == "halving":
            _check_stages(settings.stages)
            check_sliceable(self.pipeline.base_class, self.pipeline.scheduler, arguments)
        if settings.search == "cached":
            check_draftable(self.pipeline)
        unreadable = [p for p in self.prompts if scorer is not None and not scorer.can_judge(p)]
        if unreadable:
            raise ValueError(
                f"{type(scorer).__name__} judges by spatial relations, and none could be read from "
                f"{unreadable[0]!r}. Say where something is, e.g. 'a cup to the left of a plate', or give "
                "such words as `score_prompt`."
            )

    def _check_stopping(self) -> None:
        settings = self.settings
        if settings.stops_early and settings.search != "best_of_n":
            raise ValueError(
                f'`score_threshold` and `stop_confidence` go with `search="best_of_n"`; got '
                f'`search="{settings.search}"`. Leave them out, or change the search.'
            )
        confidence = settings.stop_confidence
        if confidence is not None and not 0.0 < confidence < 1.0:
            raise ValueError(f"`stop_confidence` must be in (0, 1); got {confidence}.")


def _check_stages(stages: Sequence[tuple[float, float]]) -> None:
    points = [0.0, *(stop for stop, _ in stages), 1.0]
    rising = all(low < high for low, high in zip(points, points[1:], strict=False))
    if not stages or not rising or not all(0.0 < share <= 1.0 for _, share in stages):
        raise ValueError(
            "`stages` must be pairs (share of the steps, share of the candidates kept), the first rising "
            f"within (0, 1) and the second in (0, 1], such as ((0.4, 0.5),); got {stages}."
        )


def _score_prompts(settings: Settings, arguments: dict[str, Any], count: int) -> list[str]:
    """Return what each prompt's candidates are scored against.

    Raises:
        ValueError: If it is not said, or their number does not fit.
    """
    given = settings.score_prompt if settings.score_prompt is not None else arguments.get("prompt")
    if given is None:
        raise ValueError(
            "`score_prompt` must say in words what to score against when only embeddings are given; got "
            "none. Pass the prompt that they were made from."
        )
    listed = [given] * count if isinstance(given, str) else list(given)
    if len(listed) != count:
        raise ValueError(f"`score_prompt` must be one text, or one for each of {count}; got {len(listed)}.")
    return listed
