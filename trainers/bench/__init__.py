"""Benchmarks: what a scorer of pictures and what a generator of pictures is worth."""
