"""Pairs of pictures as trainers use them, how often the right one is chosen, and what pairs give away."""
