"""Micro-batches: all items once and in order, halved when memory runs out, chosen from what is free."""

from __future__ import annotations

import pytest
import torch
from transformers import Qwen2_5_VLConfig

from spatial_core.micro_batches import in_micro_batches
from spatial_core.scorers.batching import bytes_per_image, images_at_a_time


@pytest.mark.parametrize(("room", "size", "fitted"), [(100, 4, 4), (3, 8, 2), (1, 7, 1)])
def test_all_items_are_done_once_in_what_fits(room: int, size: int, fitted: int) -> None:
    done: list[int] = []

    def run(batch: list[int]) -> None:
        if len(batch) > room:
            raise torch.OutOfMemoryError("too many")
        done.extend(batch)

    assert in_micro_batches(range(11), size, run) == fitted
    assert done == list(range(11))


def test_what_does_not_fit_alone_is_told() -> None:
    def run(_: list[int]) -> None:
        raise torch.OutOfMemoryError("too large")

    with pytest.raises(torch.OutOfMemoryError, match="too large"):
        in_micro_batches(range(5), 4, run)


def test_a_run_may_stop() -> None:
    done: list[list[int]] = []

    def run(batch: list[int]) -> bool:
        done.append(batch)
        return 3 in batch

    in_micro_batches(range(9), 2, run)
    assert done == [[0, 1], [2, 3]]


def test_bigger_images_and_longer_prompts_take_more_room() -> None:
    config = Qwen2_5_VLConfig()
    need = [
        bytes_per_image(config, pixels=pixels, tokens=tokens, bytes_per_value=2)
        for pixels, tokens in ((504**2, 50), (504**2, 500), (1036**2, 500))
    ]
    assert need == sorted(need) and need[0] > 10 * 2**20
    assert need[2] > 2 * need[1]


def test_what_is_free_decides_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    config, one = Qwen2_5_VLConfig(), {"pixels": 504**2, "tokens": 50}
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: 0)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda _: 0)
    fits: list[int] = []
    for free in (2**20, 2**31, 2**34):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _, free=free: (free, 2**36))
        fits.append(images_at_a_time(config, torch.device("cuda"), **one))
    assert fits[0] == 1 < fits[1] and fits[2] == pytest.approx(8 * fits[1], rel=0.2)
    assert images_at_a_time(config, torch.device("cpu"), **one) == 16
