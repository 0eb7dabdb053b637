"""A base shared out over the processes by FSDP2: each holds its part, and gathers a block to compute with it.

Only the base is shared out, before it gets a LoRA. It is frozen, so nothing but its weights is ever gathered;
the LoRA, its gradients, optimizer, average and checkpoint are whole on every process, as without sharding.

Gathering takes all processes at once: each must ask the denoiser as often as the others, with gradient or
without in the same order. What the trainer and the evaluator do for that, they say.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import distributed, nn


def shard_base(transformer: Any, device: torch.device) -> None:
    """Share out the weights of a frozen denoiser over all processes, block by block.

    Args:
        transformer: Whole, on the CPU of every process; it goes to the device a block at a time.
        device: Of this process.
    """
    # Imported here: both are slow to import, and few runs need them.
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    transformer.requires_grad_(False)
    mesh = init_device_mesh(device.type, (distributed.get_world_size(),))
    for name, blocks in transformer.named_children():
        if isinstance(blocks, nn.ModuleList) and name.endswith("blocks"):
            for block in blocks:
                fully_shard(block, mesh=mesh)
    fully_shard(transformer, mesh=mesh)
