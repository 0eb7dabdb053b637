"""Folded adapters against peft's own output, and what cannot be folded."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from torch import nn

from spatial_core.backbones import load_backbone
from spatial_core.lora import apply_adapter, fold_adapter


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 4))


def trained(model: nn.Module, **options: object) -> nn.Module:
    """Return `model` with an adapter whose weights are random, as after training."""
    model = get_peft_model(model, LoraConfig(r=4, lora_alpha=24, lora_dropout=0.0, **options))
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            nn.init.normal_(parameter, std=0.2)
    return model.eval()


@pytest.mark.parametrize(("rslora", "scale"), [(False, 24 / 4), (True, 24 / 2)])
@torch.no_grad()
def test_folded_adapter_equals_peft(rslora: bool, scale: float) -> None:
    plain, x = network(), torch.randn(5, 8)
    before = plain(x)
    peft = trained(network(), target_modules=["0", "2"], use_rslora=rslora)
    apply_adapter(plain, fold_adapter(get_peft_model_state_dict(peft), scale=scale))
    torch.testing.assert_close(plain(x), peft(x), atol=1e-5, rtol=0)
    assert (plain(x) - before).abs().max() > 0.1


@torch.no_grad()
def test_folded_adapter_equals_peft_on_a_backbone(tiny_folder: Path) -> None:
    targets = r"language_model\.layers\..*\.(q_proj|v_proj|down_proj)|visual\.blocks\..*\.qkv"
    plain = load_backbone(tiny_folder, vocabulary=False).model
    peft = trained(load_backbone(tiny_folder, vocabulary=False).model, target_modules=targets)
    ids = torch.arange(20, 40)[None]
    before = plain(input_ids=ids).last_hidden_state
    apply_adapter(plain, fold_adapter(get_peft_model_state_dict(peft), scale=6.0))
    after = plain(input_ids=ids).last_hidden_state
    torch.testing.assert_close(after, peft(input_ids=ids).last_hidden_state, atol=1e-5, rtol=1e-5)
    assert (after - before).abs().max() > 0.1
    changed = peft.base_model.model.visual.blocks[0].attn.qkv
    merged = changed.base_layer.weight + changed.get_delta_weight("default")
    torch.testing.assert_close(plain.visual.blocks[0].attn.qkv.weight, merged, atol=1e-6, rtol=0)


def test_small_updates_survive_bfloat16() -> None:
    """The sum is rounded once; an update rounded on its own would be off by a step more often."""
    model = nn.Linear(64, 64, bias=False).to(torch.bfloat16)
    weight = model.weight.detach().float()
    low, high = torch.randn(2, 64), torch.randn(64, 2) * 0.05
    apply_adapter(nn.ModuleDict({"a": model}), {"a.lora_A.weight": low, "a.lora_B.weight": high})
    assert torch.equal(model.weight, (weight + high @ low).to(torch.bfloat16))


def pair(path: str, out: int, inner: int) -> dict[str, torch.Tensor]:
    return {f"{path}.lora_A.weight": torch.ones(2, inner), f"{path}.lora_B.weight": torch.ones(out, 2)}


@pytest.mark.parametrize(
    ("adapter", "message"),
    [
        (pair("5", 16, 8), "'5', which this model does not have"),
        (pair("1", 16, 8), "'1', which this model does not have"),
        (pair("2", 16, 8), "16x8, but the weight is 4x16"),
        ({"2.lora_A.weight": torch.ones(2, 16)}, "no half of one"),
        ({"2.lora_B.weight": torch.ones(4, 2)}, "no half of one"),
        ({"2.lora_magnitude_vector.weight": torch.ones(4)}, "no half of one"),
        (pair("2", 4, 16) | {"2.lora_B.weight": torch.ones(4, 3)}, "ranks 2 and 3"),
    ],
)
def test_what_does_not_fit_is_refused_and_changes_nothing(
    adapter: dict[str, torch.Tensor], message: str
) -> None:
    model = network()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    with pytest.raises(ValueError, match=message):
        apply_adapter(model, pair("0", 16, 8) | adapter)
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
