"""Weights in 8 bits: how far a layer is off, and what the starter's scores become."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from spatial_core.float8 import Float8Linear, to_float8
from spatial_core.scorers.base import SpatialScorer
from spatial_core.starter import starter_path


def test_a_layer_is_off_by_the_rounding_of_three_bits() -> None:
    torch.manual_seed(0)
    linear = nn.Linear(64, 32)
    with torch.no_grad():
        linear.weight[3] *= 1000.0
    x = torch.randn(5, 64)
    rounded = Float8Linear(linear)
    assert rounded.weight.dtype == torch.float8_e4m3fn
    restored = rounded.weight.float() * rounded.scale
    # Three bits behind the comma: off by at most 1 / 16 of a weight, apart from those near zero.
    assert ((restored - linear.weight).abs() <= linear.weight.abs() / 15.9 + rounded.scale / 256).all()
    torch.testing.assert_close(rounded(x), nn.functional.linear(x, restored, linear.bias))
    assert rounded(x.bfloat16().float()).dtype == torch.float32


def test_the_starter_keeps_its_order() -> None:
    folder = starter_path("reward").parent / "demo"
    images = sorted((folder / "images").glob("*.png"))
    prompt = (folder / "prompt.txt").read_text("utf-8")
    scorer = SpatialScorer.from_pretrained("starter")
    before = scorer.score(images, prompt).mean.numpy()
    linear = sum(isinstance(module, nn.Linear) for module in scorer.model.backbone.modules())
    to_float8(scorer.model.backbone)
    assert sum(isinstance(module, Float8Linear) for module in scorer.modules()) == linear
    after = scorer.score(images, prompt).mean.numpy()
    assert np.corrcoef(before, after)[0, 1] > 0.97
    assert np.abs(before - after).max() > 0.0
