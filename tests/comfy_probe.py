"""A custom node pack for the tests: it shows what ComfyUI holds, and makes what no core node makes."""

import json
import sys

import comfy.model_management as memory
from aiohttp import web
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


NODE_CLASS_MAPPINGS = {"SpatialTestBoxes": Boxes, "SpatialTestNaN": BrokenLatent}


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
