"""Chance that depends on names alone: the same after a restart, unknown to those who lack the secret."""

from __future__ import annotations

import hashlib
import hmac


def draw(secret: str, *names: object) -> float:
    """Return a number in [0, 1), evenly spread over names."""
    return int(digest(secret, *names)[:13], 16) / 16**13


def digest(secret: str, *names: object) -> str:
    """Return 32 hexadecimal digits."""
    # repr keeps ("a", "bc") and ("ab", "c") apart.
    return hmac.new(secret.encode(), repr(names).encode(), hashlib.sha256).hexdigest()[:32]
