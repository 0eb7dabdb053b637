"""The model card of a pipeline that is pushed to the hub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from huggingface_hub import ModelCard

from spatial_core.scorers.reward import RewardScorer

TAGS = ("diffusers", "text-to-image", "spatial", "spatial-diffusion")

_SECTION = """
## Spatial correctness

This repository is a {base} with a scorer of spatial relations, {scorer}, in the folder `scorer`. It loads as
a plain {base} as well, which then passes the scorer over.

```python
from spatial_core import SpatialDiffusionPipeline

pipeline = SpatialDiffusionPipeline.from_pretrained("{repo_id}")
output = pipeline("a red ball to the left of a blue cup", num_candidates=8)
output.images[0].save("ball.png")
```
"""


def complete_card(file: Path, pipeline: Any, repo_id: str) -> None:
    """Add tags, the base model and how to use it to the card in `file`; what people wrote there stays.

    Raises:
        ValueError: If the scorer needs a folder of this machine, which nobody else would have.
    """
    scorer = pipeline.scorer
    if isinstance(scorer, RewardScorer) and scorer._local_backbone() is not None:  # pyright: ignore[reportPrivateUsage]
        raise ValueError(
            f"The scorer's backbone is the local folder '{scorer.config.backbone}', which nobody else has. "
            "Upload it and name it in the judge file (RewardScorer.push_to_hub(..., backbone=...)), or push "
            "without a scorer: pipeline.set_scorer(None)."
        )
    card = ModelCard.load(file) if file.is_file() else ModelCard("---\n---\n")
    data: Any = card.data
    data.library_name = data.library_name or "diffusers"
    data.pipeline_tag = data.pipeline_tag or "text-to-image"
    data.tags = list(dict.fromkeys([*(data.tags or []), *TAGS]))
    source = pipeline.name_or_path
    if source and str(source).count("/") == 1 and not Path(source).exists() and not data.base_model:
        data.base_model = str(source)
    if "SpatialDiffusionPipeline" not in card.text:
        base = pipeline.base_class.__name__
        card.text += _SECTION.format(base=base, scorer=type(scorer).__name__, repo_id=repo_id)
    card.save(file)
