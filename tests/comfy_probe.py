"""A custom node pack for the tests: it shows what ComfyUI holds, and makes what no core node makes."""

import json
import sys
from pathlib import Path
from unittest import mock

import comfy.model_management as memory
import comfy.samplers
import comfy.sd
import torch
from aiohttp import web
from comfy_extras.nodes_custom_sampler import Guider_Basic
from safetensors.torch import load_file, save_file
from server import PromptServer

import nodes


class Boxes:
    """A detector that finds what it is told."""

    RETURN_TYPES, FUNCTION, CATEGORY = ("BOUNDING_BOX",), "find", "tests"

    @classmethod
    def INPUT_TYPES(cls):  # noqa: N802  (the name that ComfyUI calls)
        return {"required": {"boxes": ("STRING", {})}}

    def find(self, boxes):
        return (json.loads(boxes),)


class BrokenLatent:
    """What a sampler gives when its numbers overflow."""

    RETURN_TYPES, FUNCTION, CATEGORY = ("LATENT",), "make", "tests"

    @classmethod
    def INPUT_TYPES(cls):  # noqa: N802  (the name that ComfyUI calls)
        return {"required": {"latent": ("LATENT", {})}}

    def make(self, latent):
        return ({"samples": latent["samples"] * float("nan")},)


class Denoise:
    """One step of Euler from sigma .5 to 0, by ComfyUI's own sampling, on inputs from a file."""

    RETURN_TYPES, FUNCTION, CATEGORY, OUTPUT_NODE = (), "run", "tests", True

    @classmethod
    def INPUT_TYPES(cls):  # noqa: N802  (the name that ComfyUI calls)
        return {"required": {"model": ("MODEL",), "inputs": ("STRING", {}), "output": ("STRING", {})}}

    def run(self, model, inputs, output):
        given = load_file(inputs)
        said = {"pooled_output": given["pooled"], "guidance": 3.5}
        guider = Guider_Basic(model)
        guider.set_conds([[given["text"], said]])
        start = torch.zeros_like(given["x"])
        sampler = comfy.samplers.sampler_object("euler")
        sigmas = torch.tensor([0.5, 0.0])
        # At sigma .5 the sampler begins with half the noise.
        samples = guider.sample(2 * given["x"], start, sampler, sigmas, disable_pbar=True, seed=0)
        save_file({"x0": model.model.latent_format.process_in(samples).contiguous()}, output)
        return ()


class Flow:
    """MODEL, CLIP and VAE of a folder, by the function that loads the starter."""

    RETURN_TYPES, FUNCTION, CATEGORY = ("MODEL", "CLIP", "VAE"), "load", "tests"

    @classmethod
    def INPUT_TYPES(cls):  # noqa: N802  (the name that ComfyUI calls)
        return {"required": {"folder": ("STRING", {})}}

    def load(self, folder):
        (module,) = (m for name, m in sys.modules.items() if name.endswith(".nodes.starter_loader"))
        return module.load_pipeline(Path(folder))


class Seeing:
    """A CLIP of ComfyUI's own class whose vision tower is smaller than the one it has fixed sizes for."""

    RETURN_TYPES, FUNCTION, CATEGORY = ("CLIP",), "load", "tests"

    @classmethod
    def INPUT_TYPES(cls):  # noqa: N802  (the name that ComfyUI calls)
        return {"required": {"file": ("STRING", {}), "family": ("STRING", {}), "sizes": ("STRING", {})}}

    def load(self, file, family, sizes):
        from comfy.text_encoders import qwen_vl

        text, vision = json.loads(sizes)
        name = {"qwen2_5_vl": "qwen25_7b", "qwen3_vl": "qwen3vl_8b"}[family]
        options = {"dtype": torch.float32, f"{name}_model_config": text}
        tower = qwen_vl.Qwen2VLVisionTransformer

        def small(output_hidden_size, device, dtype, ops, **_):
            whole = vision.pop("fullatt_block_indexes")
            built = tower(
                output_hidden_size=output_hidden_size, device=device, dtype=dtype, ops=ops, **vision
            )
            built.fullatt_block_indexes = whole
            return built

        if family == "qwen2_5_vl":
            change = mock.patch.object(qwen_vl, "Qwen2VLVisionTransformer", small)
        else:
            # Older versions have no such model.
            from comfy.text_encoders import qwen3vl

            change = mock.patch.dict(qwen3vl.QWEN3VL_VISION, qwen3vl_8b=vision)
        with change:
            clip = comfy.sd.load_text_encoder_state_dicts(
                [load_file(file)], clip_type=comfy.sd.CLIPType.QWEN_IMAGE, model_options=options
            )
        return (clip,)


NODE_CLASS_MAPPINGS = {
    "SpatialTestSeeing": Seeing,
    "SpatialTestBoxes": Boxes,
    "SpatialTestNaN": BrokenLatent,
    "SpatialTestDenoise": Denoise,
    "SpatialTestFlow": Flow,
}


@PromptServer.instance.routes.get("/spatial_probe")
async def probe(request):
    copies = [n for n in sys.modules if n == "spatial_core" or n.endswith(".spatial_core")]
    loaded = [m.model.model for m in memory.current_loaded_models if m.model is not None]
    return web.json_response(
        {
            "modules": sorted({name.split(".")[0] for name in sys.modules}),
            "heavy": [n for n in sys.modules if n.startswith("spatial_core.")],
            "spatial_core": {name: sys.modules[name].__file__ for name in copies},
            "nodes": nodes.__file__,
            "loaded": [type(getattr(m, "scorer", m)).__name__ for m in loaded],
        }
    )


@PromptServer.instance.routes.post("/spatial_choices")
async def choices(request):
    (module,) = (m for name, m in sys.modules.items() if name.endswith(".nodes.model_folder"))
    return web.json_response(module.choices(await request.json()))
