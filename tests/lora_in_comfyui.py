"""Runs inside ComfyUI's Python: patches denoisers with LoRA files and prints how far they are from the truth.

Arguments: the checkout, then a JSON object {"jobs": [{"base", "merged", "files"}, ...], "unet": LoRA file}.
"""

from __future__ import annotations

import json
import logging
import sys

checkout, request = sys.argv[1], json.loads(sys.argv[2])
sys.argv = [sys.argv[0], "--cpu"]
sys.path.insert(0, checkout)

import comfy.options  # noqa: E402

comfy.options.enable_args_parsing()

import comfy.lora  # noqa: E402
import comfy.model_base  # noqa: E402
import comfy.sd  # noqa: E402
import comfy.supported_models  # noqa: E402
import torch  # noqa: E402
from safetensors.torch import load_file  # noqa: E402

warnings: list[str] = []
handler = logging.Handler(logging.WARNING)
handler.emit = lambda record: warnings.append(record.getMessage())
logging.getLogger().addHandler(handler)


def weights(file: str) -> dict[str, torch.Tensor]:
    patcher = comfy.sd.load_diffusion_model_state_dict(load_file(file))
    return {key: value.clone() for key, value in patcher.model.state_dict().items()}


results = []
for job in request["jobs"]:
    merged = weights(job["merged"])
    for file in job["files"]:
        base = comfy.sd.load_diffusion_model_state_dict(load_file(job["base"]))
        before = {key: value.clone() for key, value in base.model.state_dict().items()}
        patched, _ = comfy.sd.load_lora_for_models(base, None, load_file(file), 1.0, 0.0)
        patched.patch_model()
        after = patched.model.state_dict()
        results.append(
            {
                "file": file,
                "error": max((after[key] - merged[key]).abs().max().item() for key in merged),
                "effect": max((after[key] - before[key]).abs().max().item() for key in merged),
            }
        )

# Stable Diffusion 1.5 as ComfyUI detects it, without its weights: only names matter.
unet = comfy.supported_models.SD15(
    {
        "image_size": 32,
        "in_channels": 4,
        "out_channels": 4,
        "model_channels": 320,
        "num_res_blocks": [2, 2, 2, 2],
        "channel_mult": [1, 2, 4, 4],
        "num_heads": 8,
        "use_spatial_transformer": True,
        "context_dim": 768,
        "transformer_depth": [1, 1, 1, 1, 1, 1, 0, 0],
        "transformer_depth_middle": 1,
        "transformer_depth_output": [1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0],
        "use_linear_in_transformer": False,
        "adm_in_channels": None,
        "use_temporal_attention": False,
        "legacy": False,
    }
)
model = comfy.model_base.BaseModel(unet, device=torch.device("meta"))
names = comfy.lora.model_lora_keys_unet(model, {})
loaded = comfy.lora.load_lora(load_file(request["unet"]), names)
sys.stdout.write(json.dumps({"results": results, "warnings": warnings, "unet": len(loaded)}) + "\n")
