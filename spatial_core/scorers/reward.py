"""The `reward` scorer: a trained SpatialScore, one forward for the score and its reasons."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import torch
from torch import Tensor

from spatial_core.atomic_files import write_text
from spatial_core.backbones import default_dtype, known_things
from spatial_core.feature_cache import CACHE_BYTES, FeatureCache
from spatial_core.language.scene_graph import SceneGraph
from spatial_core.preference_loss import calibrated_std
from spatial_core.reward_model import JUDGE_FILE, RewardOutput, SpatialRewardModel, SpatialScoreConfig
from spatial_core.scorers.base import RelationReport, SpatialScorer, SpatialScores, share_satisfied
from spatial_core.scorers.batching import distinct, in_batches_of_like
from spatial_core.scorers.verdicts import AMBIGUOUS, report_from_logit
from spatial_core.vision_language import compile_repeated_blocks

CARD_FILE = "README.md"


class RewardScorer(SpatialScorer):
    """Scores images with a `SpatialRewardModel`.

    `mean` is mu of the whole prompt, `std` holds the whole uncertainty of a comparison, temperature
    included (`spatial_core.preference_loss.calibrated_std`). Each relation's score is the sigmoid of its
    calibrated logit, clause_mean / sqrt(1 + pi clause_sigma^2 / 8) / clause_temperature, which is also the
    report's margin; scores strictly between .35 and .65 are called ambiguous.

    Attributes:
        model: The network.
        batch_size: Images in one forward; None for as many as free memory allows. Halved when it runs out.
        features: What the vision tower said of the images seen last.
    """

    needs_relations = False

    def __init__(
        self,
        model: SpatialRewardModel,
        *,
        batch_size: int | None = None,
        cache_bytes: int = CACHE_BYTES,
        parser: Callable[[str], SceneGraph] | None = None,
    ) -> None:
        """Wrap a reward model.

        Args:
            model: Trained; used in evaluation mode.
            batch_size: Images in one forward; as many as free memory allows if None. The scores do not depend
                on it.
            cache_bytes: Of image features to keep, for images that meet another prompt later.
            parser: Reads a prompt into its graph; ours if None.

        Raises:
            ValueError: If `batch_size` < 1.
        """
        if batch_size is not None and batch_size < 1:
            raise ValueError(f"batch_size must be at least 1; got {batch_size}.")
        super().__init__(parser=parser)
        self.model = model.eval()
        self.known_things = known_things(model.backbone.config)
        self.batch_size = batch_size
        self.features = FeatureCache(cache_bytes)

    @property
    def config(self) -> SpatialScoreConfig:
        """The template, limits and calibration of the model."""
        return self.model.config

    def _score(self, images: list[Tensor], graphs: list[SceneGraph], *, explain: bool) -> SpatialScores:
        mean = torch.empty(len(images), device=self.device)
        log_std = torch.empty(len(images), device=self.device)
        reports: list[list[RelationReport]] = [[] for _ in images]

        def one_batch(chosen: list[int]) -> None:
            shown, which = distinct([images[i] for i in chosen])
            inputs = self.model.prepare(shown, [graphs[i] for i in chosen], image_of_row=which)
            output: RewardOutput = self.model(inputs, encode=self.features.encode)
            rows = torch.tensor(chosen, device=self.device)
            mean[rows], log_std[rows] = output.mean.float(), output.log_std.float()
            logits = self._clause_logits(output)
            for row, i in enumerate(chosen):
                reports[i] = [
                    report_from_logit(graphs[i], relation, logit)
                    for relation, logit in zip(graphs[i].relations, logits[row], strict=False)
                ]

        self.batch_size = in_batches_of_like(
            images,
            graphs,
            one_batch,
            batch_size=self.batch_size,
            config=self.model.backbone.config,
            max_pixels=self.config.max_pixels,
        )
        satisfied = torch.tensor([share_satisfied(r) for r in reports], device=self.device)
        std = calibrated_std(log_std, temperature=self.config.temperature)
        return SpatialScores(mean, std, satisfied, reports if explain else None)

    def compile_repeated_blocks(self, **kwargs: object) -> None:
        """Compile the backbone's blocks (`spatial_core.vision_language.compile_repeated_blocks`).

        The first forward of each shape then takes minutes, the later ones are faster on a GPU.
        """
        compile_repeated_blocks(self.model.backbone, **kwargs)

    def _clause_logits(self, output: RewardOutput) -> list[list[float]]:
        """Return the calibrated log-odds of each clause, padding included."""
        variance = (2.0 * output.clause_log_std.float()).exp()
        shrink = torch.sqrt(1.0 + math.pi / 8.0 * variance) * self.config.clause_temperature
        return (output.clause_mean.float() / shrink).tolist()

    @classmethod
    def from_pretrained(  # pyright: ignore[reportIncompatibleMethodOverride]  (here the kind is known)
        cls,
        id_or_path: str | Path,
        *,
        backbone: str | Path | None = None,
        revision: str | None = None,
        device: str | torch.device | None = None,
        dtype: torch.dtype | None = None,
        batch_size: int | None = None,
        parser: Callable[[str], SceneGraph] | None = None,
    ) -> RewardScorer:
        """Load a trained SpatialScore.

        Args:
            id_or_path: "starter" for the bundled one, a judge file, its folder, or a hub id.
            backbone: Folder or hub id of the backbone, if it is not where the judge file says.
            revision: Hub revision of the judge file.
            device: Where to put the model; the CPU if None.
            dtype: Of the backbone's weights; float32 on the CPU and bfloat16 elsewhere if None.
            batch_size: Images in one forward; as many as free memory allows if None.
            parser: Reads a prompt into its graph; ours if None.

        Raises:
            ValueError: If the file is corrupt or foreign, or the backbone is not the one it was trained on.
            FileNotFoundError: If a file is missing; the message names it and says how to get it.
        """
        if str(id_or_path) == "starter":
            id_or_path = import_module("spatial_core.starter").starter_path("reward")
        place = torch.device(device or "cpu")
        model = SpatialRewardModel.from_pretrained(
            id_or_path, backbone=backbone, revision=revision or "", dtype=dtype or default_dtype(place)
        )
        return cls(model.to(place), batch_size=batch_size, parser=parser)

    def save_pretrained(self, save_directory: str | Path) -> None:
        """Write the judge file and its card; `from_pretrained` finds the backbone where it found it before.

        Raises:
            OSError: If the disk is full; older files are left as they were.
        """
        folder = Path(save_directory)
        folder.mkdir(parents=True, exist_ok=True)
        backbone = self._local_backbone()
        # Relative, so that a judge and its backbone can be moved together.
        self._save(folder, self.config.backbone if backbone is None else _relative(backbone, folder))

    def push_to_hub(
        self,
        repo_id: str,
        *,
        backbone: str | None = None,
        private: bool = False,
        token: str | None = None,
        commit_message: str = "Upload SpatialScore",
    ) -> str:
        """Upload the judge file with its card and return the address of the commit.

        Args:
            repo_id: "owner/name"; made if missing.
            backbone: Hub id under which others find the backbone; needed where it is a local folder here.
            private: Whether a new repository is private.
            token: Hub token; the one that is logged in if None.
            commit_message: For the hub's history.

        Raises:
            ValueError: If the backbone is a local folder and `backbone` is not given.
        """
        if backbone is None and self._local_backbone() is not None:
            raise ValueError(
                f"The backbone of this SpatialScore is the local folder '{self.config.backbone}', which "
                "nobody else has. Upload it first, then name it: push_to_hub(..., backbone='owner/backbone')."
            )
        from huggingface_hub import HfApi

        api = HfApi(token=token)
        api.create_repo(repo_id, private=private, exist_ok=True)
        with tempfile.TemporaryDirectory() as folder:
            self._save(Path(folder), backbone or self.config.backbone)
            commit = api.upload_folder(repo_id=repo_id, folder_path=folder, commit_message=commit_message)
        return str(commit.commit_url)

    def _save(self, folder: Path, backbone: str) -> None:
        kept = self.model.config
        self.model.config = replace(kept, backbone=backbone)
        try:
            self.model.save_pretrained(folder)
        finally:
            self.model.config = kept
        written = None if self.model.judge_file is None else self.model.judge_file.parent / CARD_FILE
        card = written.read_text("utf-8") if written is not None and written.is_file() else None
        write_text(folder / CARD_FILE, card or _card(self.model.config, backbone))

    def _local_backbone(self) -> Path | None:
        """Return the backbone's folder if it is a local one."""
        file = self.model.judge_file
        places = [Path(self.config.backbone)] if file is None else [file.parent / self.config.backbone]
        return next((p.resolve() for p in [*places, Path(self.config.backbone)] if p.is_dir()), None)


def _relative(path: Path, folder: Path) -> str:
    try:
        return Path(os.path.relpath(path, folder.resolve())).as_posix()
    except ValueError:  # another drive on Windows
        return path.as_posix()


def _card(config: SpatialScoreConfig, backbone: str) -> str:
    """Return a model card in the hub's form, for a model whose training wrote none."""
    base = f"base_model: {backbone}\n" if backbone.count("/") == 1 and "." != backbone[0] else ""
    low, high = AMBIGUOUS
    return f"""---
library_name: spatial-diffusion
pipeline_tag: image-text-to-text
{base}tags:
- spatial-reasoning
- reward-model
- text-to-image
---

# SpatialScore

A reward model for spatial correctness in text-to-image generation, after arXiv 2602.24233, on the backbone
`{backbone}`. `{JUDGE_FILE}` holds a folded LoRA adapter, a Gaussian head and the settings below.

```python
from spatial_core import SpatialScorer

scorer = SpatialScorer.from_pretrained("path or hub id of this model", scorer="reward")
scores = scorer.score(["a.png", "b.png"], "a red ball to the left of a blue cup", explain=True)
```

`mean` compares images under this one checkpoint only; `satisfied` is the share of the prompt's relations
judged true. A relation whose score lies between {low} and {high} is called ambiguous.

| setting | value |
|---|---|
| pixels | {config.min_pixels} to {config.max_pixels} |
| prompt tokens | up to {config.max_prompt_tokens} |
| relations | up to {config.max_clauses} |
| temperature of a comparison | {config.temperature:.4g} |
| temperature of a relation | {config.clause_temperature:.4g} |
| sha256 of the backbone | `{config.backbone_hash[:16] or "unknown"}` |

Accuracy, training data and licence are the uploader's to state; this card was written by a program that knows
none of them.
"""
