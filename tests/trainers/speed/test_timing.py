"""Costs that can be worked out by hand."""

from __future__ import annotations

import time

import pytest
import torch

from spatial_trainers.speed.timing import Cost, Spread, count_flops, ratios, take_turns

CPU = torch.device("cpu")


def test_flops_of_products_and_of_attention() -> None:
    """2 m n k each; attention is two products a head."""
    a, b = torch.ones(3, 5), torch.ones(5, 7)
    assert count_flops(lambda: a @ b)[1] == 2 * 3 * 5 * 7
    q = torch.rand(2, 4, 6, 8)
    attention = torch.nn.functional.scaled_dot_product_attention
    result, flops = count_flops(lambda: attention(q, q, q))
    assert flops == 2 * (2 * 2 * 4 * 6 * 6 * 8)
    torch.testing.assert_close(result, attention(q, q, q))


def test_ways_take_turns() -> None:
    order: list[str] = []
    results, costs = take_turns(
        {"a": lambda: order.append("a") or 1, "b": lambda: order.append("b") or 2}, turns=3, device=CPU
    )
    assert order == ["a", "b"] * 4  # one turn of each is not timed
    assert results == {"a": 1, "b": 2}
    assert [len(cost.process) for cost in costs.values()] == [3, 3]
    assert costs["a"].peak_bytes is None


def test_time_of_the_process_leaves_out_what_only_waits() -> None:
    _, costs = take_turns({"waits": lambda: time.sleep(0.1)}, turns=2, device=CPU)
    assert min(costs["waits"].wall) >= 0.1 > 10 * max(costs["waits"].process)


def test_ratios_are_taken_turn_by_turn() -> None:
    slow, fast = Cost((2.0, 9.0, 4.0), (1.0,) * 3), Cost((1.0, 3.0, 1.0), (1.0,) * 3)
    assert ratios(slow, fast) == Spread(3.0, 2.0, 4.0)
    # On a device with memory of its own, the wall counts.
    assert ratios(Cost((1.0,), (6.0,), 0, 1), Cost((1.0,), (2.0,), 0, 1)).median == pytest.approx(3.0)
