"""The starter flow model: its scenes, captions and latents, what it is taught, and its training."""
