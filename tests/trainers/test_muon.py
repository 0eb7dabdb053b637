"""Muon: torch's own where it exists, and what it is for."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from spatial_trainers import cpu_precision, muon
from spatial_trainers.muon import Muon, orthogonalized


def matrices() -> list[nn.Parameter]:
    torch.manual_seed(0)
    return [nn.Parameter(torch.randn(rows, columns)) for rows, columns in ((8, 24), (24, 8), (16, 16))]


def train(optimizer: torch.optim.Optimizer, parameters: list[nn.Parameter]) -> None:
    for step in range(4):
        torch.manual_seed(step)
        for parameter in parameters:
            parameter.grad = torch.randn_like(parameter)
        optimizer.param_groups[0]["lr"] = 0.02 / (step + 1)
        optimizer.step()


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="torch has Muon from 2.9 on")
def test_it_is_torchs_to_the_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    # Torch's computes in bfloat16 everywhere.
    monkeypatch.setattr(muon, "multiplies_bfloat16", lambda: True)
    ours, theirs = matrices(), matrices()
    first = Muon(ours, lr=0.02, weight_decay=0.05)
    second = torch.optim.Muon(theirs, lr=0.02, weight_decay=0.05, adjust_lr_fn="match_rms_adamw")
    train(first, ours)
    train(second, theirs)
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))
    assert [set(s) for s in first.state.values()] == [set(s) for s in second.state.values()]


@pytest.mark.parametrize("half", [True, False])
@pytest.mark.parametrize("shape", [(8, 24), (24, 8)])
def test_a_direction_is_nearly_orthogonal(
    half: bool, shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(muon, "multiplies_bfloat16", lambda: half)
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    found = orthogonalized(matrix)
    assert found.dtype == (torch.bfloat16 if half else torch.float32)
    values = torch.linalg.svdvals(found.float())
    assert values.min() > 0.5 and values.max() < 1.5
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    assert torch.nn.functional.cosine_similarity(found.float().flatten(), (u @ v).flatten(), dim=0) > 0.95


def test_what_has_no_gradient_stays() -> None:
    ours = matrices()
    before = ours[1].detach().clone()
    optimizer = Muon(ours, lr=0.02, weight_decay=0.05)
    ours[0].grad = torch.ones_like(ours[0])
    optimizer.step()
    assert torch.equal(ours[1], before) and not torch.equal(ours[0], matrices()[0])


@pytest.mark.parametrize(
    ("amx", "intel", "worth_it"), [(True, True, True), (False, True, False), (False, False, True)]
)
def test_bfloat16_is_worth_it_where_it_is_faster_than_float32(
    amx: bool, intel: bool, worth_it: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: True)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    monkeypatch.setattr(cpu_precision, "_by_intel", lambda: intel)
    assert cpu_precision.multiplies_bfloat16.__wrapped__() == worth_it


@pytest.mark.parametrize("native", [True, False])
def test_bfloat16_is_used_where_the_cpu_multiplies_it(native: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu_precision, "multiplies_bfloat16", lambda: native)
    with cpu_precision.cpu_autocast():
        found = torch.ones(2, 2) @ torch.ones(2, 2)
    assert found.dtype == (torch.bfloat16 if native else torch.float32)
    for there in (True, False):
        monkeypatch.setattr(torch.accelerator, "is_available", lambda there=there: there)
        assert cpu_precision.usable_precision("bf16") == ("bf16" if there or native else "no")
