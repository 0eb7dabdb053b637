"""The answers a reviewer can give, as they are shown and as they are kept."""

from __future__ import annotations

SHOWN_ANSWERS = ("1", "2", "both", "neither", "unsure")
"""What a reviewer says: the first or the second picture shows the prompt, both, neither, or unsure."""

ANSWERS = ("chosen", "rejected", "both", "neither", "unsure")
"""The same with the pictures named as in the pair record, whichever side each was shown on."""


def to_answer(shown: str, *, chosen_first: bool) -> str:
    """Return the answer of `ANSWERS` that `shown` means.

    Raises:
        ValueError: If `shown` is not one of `SHOWN_ANSWERS`.
    """
    if shown not in SHOWN_ANSWERS:
        raise ValueError(f"An answer must be one of {', '.join(SHOWN_ANSWERS)}; got {shown!r}.")
    if shown in ("1", "2"):
        return "chosen" if (shown == "1") == chosen_first else "rejected"
    return shown


def to_shown(answer: str, *, chosen_first: bool) -> str:
    """Return how `answer` of `ANSWERS` is called where the chosen picture is shown on the given side."""
    if answer in ("chosen", "rejected"):
        return "1" if (answer == "chosen") == chosen_first else "2"
    return answer
