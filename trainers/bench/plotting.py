"""Whether plots can be drawn: matplotlib is an extra, and reports are worth having without it."""

from __future__ import annotations

from importlib.util import find_spec

NO_PLOT = (
    "No plot: it needs matplotlib. Install it with pip install 'spatial-diffusion[plots]' and run this again."
)


def can_plot() -> bool:
    """Return whether matplotlib is installed."""
    return find_spec("matplotlib") is not None
