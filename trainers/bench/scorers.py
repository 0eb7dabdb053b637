"""Which scorers a benchmark knows by name, beside everything that `SpatialScorer.from_pretrained` takes."""

from __future__ import annotations

import torch

from spatial_core.scorers.base import ScorerKind, SpatialScorer

BAG_OF_OBJECTS, LOCALIZER = "bag-of-objects", "localizer"
SCORER_HELP = (
    "'starter', a folder or judge file, a Hugging Face id, 'localizer' (the scenes' localizer with geometry) "
    "or 'bag-of-objects' (only whether the named things are there); 'localizer:FOLDER' and "
    "'bag-of-objects:FOLDER' take a localizer of your own"
)


def load_scorer(
    what: str,
    *,
    kind: ScorerKind = "auto",
    device: torch.device | str = "cpu",
    dtype: torch.dtype | None = None,
    depth: str | None = None,
) -> SpatialScorer:
    """Return the scorer that `what` names, in evaluation mode.

    Args:
        what: See `SCORER_HELP`.
        kind: How a model judges; "auto" looks at its files.
        device: Where to put it.
        dtype: Of its weights; what suits the device if None.
        depth: Depth model to go with a detector.

    Raises:
        ValueError, OSError: If it cannot be had; the message says what to do.
    """
    name, _, folder = what.partition(":")
    if name in (BAG_OF_OBJECTS, LOCALIZER):
        from spatial_core.localizer import SpatialLocalizer
        from spatial_core.scorers.geometric import GeometricScorer
        from spatial_trainers.bench.bag_of_objects import BagOfObjectsScorer

        localizer = SpatialLocalizer.from_pretrained(folder or "starter", device=device)
        found = (
            BagOfObjectsScorer(localizer) if name == BAG_OF_OBJECTS else GeometricScorer(localizer, localizer)
        )
        return found.eval()
    options = {"depth": depth} if depth else {}
    return SpatialScorer.from_pretrained(what, scorer=kind, device=device, dtype=dtype, **options).eval()


def best_device(name: str | None = None) -> torch.device:
    """Return the device called `name`, or the best of this machine."""
    if name is not None:
        return torch.device(name)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
