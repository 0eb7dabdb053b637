"""Spatial Diffusion: say, see, judge and choose spatially."""
