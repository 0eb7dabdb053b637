"""ComfyUI's door, and nothing else: outside ComfyUI importing this file does nothing.

pytest imports it for every test, and a checkout may have any name, so all of it stands behind the guard.
No node exists yet; the entry point is here so that a checkout in `custom_nodes` loads cleanly.
"""

from __future__ import annotations

import importlib.util

if importlib.util.find_spec("comfy_api") is not None:
    import logging
    import sys
    from pathlib import Path
    from typing import Any

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

    _load_bundled_core()

    async def comfy_entrypoint() -> Any:
        """Return the extension; ComfyUI calls this once, when it has loaded."""
        from comfy_api.latest import ComfyExtension

        class SpatialExtension(ComfyExtension):
            async def get_node_list(self) -> list[type]:
                return []

        return SpatialExtension()
