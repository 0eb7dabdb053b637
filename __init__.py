"""ComfyUI's door, and nothing else: outside ComfyUI importing this file does nothing.

pytest imports it for every test, and a checkout may have any name, so all of it stands behind the guard.
The nodes are in `nodes/`.
"""

from __future__ import annotations

import importlib.util

if importlib.util.find_spec("comfy_api") is not None:
    import logging
    import sys
    from pathlib import Path

    from comfyui_version import __version__ as comfyui_version

    OLDEST_COMFYUI = (0, 19)

    def _load_bundled_core() -> None:
        """Import this checkout's `spatial_core` under its absolute name, so that one copy serves everyone.

        A copy that is already imported stays; a pip-installed one that is not could be older or newer than
        the nodes. The checkout is not put on `sys.path`: its folder would hide ComfyUI's own module `nodes`.
        """
        folder = Path(__file__).parent / "spatial_core"
        if "spatial_core" in sys.modules:
            loaded = Path(sys.modules["spatial_core"].__file__ or "").parent
            if loaded.resolve() != folder.resolve():
                logging.getLogger(__name__).warning("Spatial Diffusion uses the spatial_core of %s", loaded)
            return
        spec = importlib.util.spec_from_file_location(
            "spatial_core", folder / "__init__.py", submodule_search_locations=[str(folder)]
        )
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules["spatial_core"] = module
        spec.loader.exec_module(module)

    if tuple(map(int, comfyui_version.split(".")[:2])) >= OLDEST_COMFYUI:
        _load_bundled_core()
        from .nodes import comfy_entrypoint as comfy_entrypoint

        WEB_DIRECTORY = "nodes/web"
    else:
        # Older schemas lack fields that ours use: a trace of Python would say less than this line.
        logging.getLogger(__name__).error(
            "Spatial Diffusion needs ComfyUI %s.%s or newer; this is %s. Update ComfyUI and start it again.",
            *OLDEST_COMFYUI,
            comfyui_version,
        )
        NODE_CLASS_MAPPINGS: dict[str, type] = {}
