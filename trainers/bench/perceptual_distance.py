"""How different two pictures look: LPIPS's distance, over the layers of the starter's localizer.

LPIPS (Zhang et al., arXiv 1801.03924, eq. 1) compares unit vectors of a network's features, place by place,
at several depths. Here all channels weigh alike. The localizer is small, comes with the package, and has no
part in training or reward, so that a policy cannot have learned to please it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from spatial_core.localizer import SpatialLocalizer

_LAYERS = ("fine", "middle", "coarse")


class PerceptualDistance:
    """Distances between pictures."""

    def __init__(self, localizer: SpatialLocalizer) -> None:
        """Look through the eyes of `localizer`."""
        self.network, self.side = localizer.network, localizer.config.size

    @torch.no_grad()
    def features(self, images: Tensor) -> Tensor:
        """Return what is compared of images `[B, 3, H, W]` in [0, 1], float32 `[B, F]`.

        The squared distance of two rows is the mean over places, summed over layers.
        """
        found: list[Tensor] = []

        def keep(_module: nn.Module, _given: Any, output: Tensor) -> None:
            unit = F.normalize(output.float(), dim=1)
            found.append(unit.flatten(1) / output.shape[-2:].numel() ** 0.5)

        hooks = [getattr(self.network, layer).register_forward_hook(keep) for layer in _LAYERS]
        try:
            small = F.interpolate(images.float(), size=(self.side, self.side), mode="area")
            self.network(small)
        finally:
            for hook in hooks:
                hook.remove()
        return torch.cat(found, 1)

    def diversity(self, images: Tensor) -> float:
        """Return the mean distance between each two of K pictures `[K, 3, H, W]`.

        Raises:
            ValueError: If there are fewer than two.
        """
        if len(images) < 2:
            raise ValueError(f"Diversity needs at least two pictures of a prompt; got {len(images)}.")
        return spread(self.features(images))


def spread(features: Tensor) -> float:
    """Return the mean distance between each two of K >= 2 rows `[K, F]` of `PerceptualDistance.features`."""
    return float(F.pdist(features).square().mean())
