"""Procedural 3D scenes with exact ground truth: what stands where, how it looks, what is true of it."""
