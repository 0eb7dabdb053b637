"""Rewards for RL: scorers and functions summed, over HTTP, and as a server."""
