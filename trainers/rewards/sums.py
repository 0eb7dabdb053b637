"""Rewards: plain callables `reward(images, prompts) -> Tensor[B]`, alone or as a weighted sum.

A part of a sum is a scorer of ours, a Python function or a server (`spatial serve-reward`). Whatever a part
does wrong (it raises, hangs, returns NaN or too few numbers) becomes a `RewardError` that names it.
"""

from __future__ import annotations

import hashlib
import inspect
import math
import os
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import torch
from PIL import Image
from torch import Tensor

from spatial_core.scorers.base import ScorerKind, SpatialScorer
from spatial_trainers.fingerprint import module_sha256
from spatial_trainers.rewards.client import RemoteReward

RewardImages = Tensor | list[Image.Image]
"""`[B, 3, H, W]` in [0, 1], or B pictures."""
Reward = Callable[[RewardImages, list[str]], Tensor]
"""Returns float `[B]`, higher is better."""


class RewardError(ValueError):
    """A reward that failed; the message names it and says what to do."""


@dataclass(frozen=True)
class RewardRecipe:
    """One part of a reward; exactly one of `scorer`, `function` and `url` says what it is.

    Attributes:
        scorer: "starter", or folder, judge file or hub id of a `SpatialScorer`.
        function: "module:name" of a reward in Python; importing the module runs its code.
        url: Of a server that `spatial serve-reward` started.
        name: In logs; what follows from the source if left out.
        weight: Of this part in the sum; negative where lower is better.
        kind: Of scorer.
        value: What is taken of a scorer's answer: "mean", or "satisfied", the share of relations judged true.
        depth: Depth Anything folder or hub id that goes with a geometric scorer.
        device: Of a scorer; the training's own if left out.
        dtype: Of a scorer's weights; what suits the device if left out.
        batch_size: Pictures that a scorer or a server gets at a time.
        timeout: Seconds that a group of pictures may take; for a server, a request.
        retries: How often a server that cannot be reached or is busy is asked again.
        token_variable: Environment variable with the server's token; the token itself has no place in a
            recipe, which is stored in what is trained.
    """

    scorer: str = ""
    function: str = ""
    url: str = ""
    name: str = ""
    weight: float = 1.0
    kind: ScorerKind = "auto"
    value: Literal["mean", "satisfied"] = "mean"
    depth: str = ""
    device: str = ""
    dtype: Literal["", "float32", "bfloat16", "float16"] = ""
    batch_size: int = 8
    timeout: float = 300.0
    retries: int = 3
    token_variable: str = "SPATIAL_REWARD_TOKEN"

    def __post_init__(self) -> None:
        """Check what one value alone cannot show.

        Raises:
            ValueError: If there is not exactly one source, or a value is out of range.
        """
        sources = [source for source in (self.scorer, self.function, self.url) if source]
        if len(sources) != 1:
            raise ValueError(
                "A reward is one of 'scorer', 'function' and 'url'; got "
                f"{' and '.join(sources) or 'none of them'}. For several, write [[reward]] several times."
            )
        if self.function and not all(part.isidentifier() for part in _split(self.function)):
            raise ValueError(f"'function' is written module:name; got '{self.function}'.")
        if self.url and (
            urlsplit(self.url).scheme not in ("http", "https") or not urlsplit(self.url).hostname
        ):
            raise ValueError(f"'url' must be like http://host:8000; got '{self.url}'.")
        if self.weight == 0 or not math.isfinite(self.weight):
            raise ValueError(f"'weight' must be a number other than 0; got {self.weight}.")
        if self.timeout <= 0 or self.retries < 0 or self.batch_size < 1:
            raise ValueError(
                "'timeout' must be greater than 0, 'retries' 0 or more and 'batch_size' 1 or more; got "
                f"{self.timeout}, {self.retries} and {self.batch_size}."
            )

    @property
    def title(self) -> str:
        """The part's name in logs."""
        if self.name:
            return self.name
        if self.function:
            return _split(self.function)[-1]
        return urlsplit(self.url).netloc if self.url else Path(self.scorer).name


def _split(function: str) -> list[str]:
    module, colon, name = function.partition(":")
    return [*module.split("."), name] if colon else [""]


@dataclass(frozen=True)
class RewardPart:
    """A part of a sum.

    Attributes:
        name: In logs and messages.
        reward: Judges.
        weight: In the sum.
        timeout: Seconds that it may take in a `BackgroundReward`.
        sha256: Of a scorer's weights or a function's source; "" if not known.
    """

    name: str
    reward: Reward
    weight: float = 1.0
    timeout: float = 300.0
    sha256: str = ""


@dataclass(frozen=True, eq=False)
class RewardValues:
    """What a sum says of B pictures.

    Attributes:
        total: float32 `[B]` on the CPU, the weighted sum.
        parts: float32 `[B]` on the CPU of each part by name, without its weight.
    """

    total: Tensor
    parts: Mapping[str, Tensor]


class RewardSum:
    """A weighted sum of rewards, itself a reward.

    Attributes:
        parts: In order.
    """

    def __init__(self, parts: Sequence[RewardPart]) -> None:
        """Hold the parts.

        Raises:
            ValueError: If there is none, or two have one name.
        """
        names = [part.name for part in parts]
        if not parts or len(set(names)) != len(names):
            raise ValueError(
                "A reward needs at least one part, and every part a name of its own; got "
                f"{', '.join(names) or 'none'}. Set 'name'."
            )
        self.parts = tuple(parts)

    def __call__(self, images: RewardImages, prompts: list[str]) -> Tensor:
        """Return the weighted sum, float32 `[B]` on the CPU.

        Raises:
            RewardError: If a part fails.
        """
        return self.values(images, prompts).total

    def values(self, images: RewardImages, prompts: list[str]) -> RewardValues:
        """Return the sum and what each part says.

        Raises:
            RewardError: If a part fails.
        """
        return self.summed({part.name: judge(part, images, prompts) for part in self.parts})

    def summed(self, parts: Mapping[str, Tensor]) -> RewardValues:
        """Return the sum of what the parts said, by name."""
        total = torch.stack([part.weight * parts[part.name] for part in self.parts]).sum(0)
        return RewardValues(total, parts)

    @property
    def weights(self) -> dict[str, float]:
        """Weight of each part by name."""
        return {part.name: part.weight for part in self.parts}

    @property
    def title(self) -> str:
        """Its formula for people, as "spatial + 0.2 aesthetics"."""
        return " + ".join(p.name if p.weight == 1 else f"{p.weight:g} {p.name}" for p in self.parts)

    @property
    def sha256(self) -> str:
        """Of the parts' hashes; of a single part its own."""
        hashes = [part.sha256 for part in self.parts]
        return hashes[0] if len(hashes) == 1 else hashlib.sha256(" ".join(hashes).encode()).hexdigest()


@torch.no_grad()
def judge(part: RewardPart, images: RewardImages, prompts: list[str], *, finite: bool = True) -> Tensor:
    """Return what one part says of B pictures, float32 `[B]` on the CPU.

    Raises:
        RewardError: If it raises, or does not return B numbers, finite ones if `finite`.
    """
    try:
        values = torch.as_tensor(part.reward(images, prompts)).detach().to("cpu", torch.float32)
    except Exception as error:
        reason = str(error).rstrip(".")
        raise RewardError(
            f"The reward '{part.name}' failed with {type(error).__name__}: {reason}. Try it alone on one "
            "picture."
        ) from error
    if values.shape != (len(prompts),):
        raise RewardError(
            f"The reward '{part.name}' must return one number for each of {len(prompts)} pictures; it "
            f"returned the shape {list(values.shape)}."
        )
    wrong = [i for i, value in enumerate(values.tolist()) if not math.isfinite(value)]
    if wrong and finite:
        raise RewardError(
            f"The reward '{part.name}' must return finite numbers; {len(wrong)} of {len(prompts)} are not, "
            f"e.g. {values[wrong[0]].item()} for the prompt '{prompts[wrong[0]]}'. If it has nothing to "
            "judge there, take such prompts out."
        )
    return values


@dataclass(frozen=True)
class ScorerReward:
    """A `SpatialScorer` as a reward.

    Attributes:
        scorer: Judges.
        value: What is taken of its answer.
        batch_size: Pictures at a time.
    """

    scorer: SpatialScorer
    value: Literal["mean", "satisfied"] = "mean"
    batch_size: int = 8

    def __call__(self, images: RewardImages, prompts: list[str]) -> Tensor:
        """Return float32 `[B]`; NaN for a prompt that states no relation, if the scorer needs one."""
        found = [
            getattr(
                self.scorer.score(images[at : at + self.batch_size], prompts[at : at + self.batch_size]),
                self.value,
            )
            for at in range(0, len(prompts), self.batch_size)
        ]
        return torch.cat(found)


def load_reward(settings: Sequence[RewardRecipe], *, device: str | torch.device | None = None) -> RewardSum:
    """Return the weighted sum of what `settings` name.

    Functions are imported and servers asked for a sign of life before a scorer loads.

    Args:
        settings: The parts.
        device: Of scorers that name none.

    Raises:
        ValueError: If there is no part, two have one name, a function cannot be had, or a server refuses.
        OSError: If a server cannot be reached or a scorer's file is missing.
    """
    names = [part.title for part in settings]
    if not names or len(set(names)) != len(names):
        raise ValueError(
            "A reward needs at least one [[reward]], and each a 'name' of its own; got "
            f"{', '.join(names) or 'none'}."
        )
    made: dict[str, RewardPart] = {}
    for part in sorted(settings, key=lambda part: bool(part.scorer)):
        if part.function:
            reward, digest = _function(part.function)
        elif part.url:
            token = os.environ.get(part.token_variable, "")
            remote = RemoteReward(
                part.url, timeout=part.timeout, retries=part.retries, token=token, batch_size=part.batch_size
            )
            reward, digest = remote, str(remote.health().get("sha256", ""))
        else:
            scorer = _scorer(part, device)
            reward, digest = ScorerReward(scorer, part.value, part.batch_size), module_sha256(scorer)
        # The client of a server keeps the time of every request itself.
        patience = math.inf if part.url else part.timeout
        made[part.title] = RewardPart(part.title, reward, part.weight, patience, digest)
    return RewardSum([made[name] for name in names])


def _scorer(part: RewardRecipe, device: str | torch.device | None) -> SpatialScorer:
    options: dict[str, Any] = {"depth": part.depth} if part.depth else {}
    scorer = SpatialScorer.from_pretrained(
        part.scorer,
        scorer=part.kind,
        device=part.device or device,
        dtype=getattr(torch, part.dtype) if part.dtype else None,
        **options,
    )
    return scorer.eval().requires_grad_(False)


def _function(place: str) -> tuple[Reward, str]:
    module, _, name = place.partition(":")
    try:
        function = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ValueError(
            f"The reward function '{place}' cannot be imported: {error}. Install its package, or set "
            "PYTHONPATH to the folder of its file."
        ) from error
    if not callable(function):
        raise ValueError(
            f"The reward function '{place}' must be callable; it is a {type(function).__name__}."
        )
    source = inspect.getsource(function) if inspect.isfunction(function) else repr(type(function))
    return function, hashlib.sha256(source.encode()).hexdigest()


@dataclass
class PendingReward:
    """Values that are being computed.

    Attributes:
        images, prompts: What is judged.
    """

    images: RewardImages
    prompts: list[str]
    _reward: RewardSum
    _before: PendingReward | None
    _found: dict[str, Tensor] = field(default_factory=dict[str, Tensor])
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _running: tuple[RewardPart, float] | None = None
    _failure: BaseException | None = None
    _done: bool = False

    def result(self) -> RewardValues:
        """Return the values, waiting for them.

        Raises:
            RewardError: If a part failed, or took longer than its timeout.
        """
        self._wait()
        if self._failure is not None:
            raise self._failure
        return self._reward.summed(self._found)

    def _wait(self) -> None:
        # What hangs in an earlier group keeps this one from ever beginning.
        if self._before is not None:
            self._before._wait()
            self._before = None
        with self._changed:
            while not self._done:
                left = None
                if self._running is not None and math.isfinite(self._running[0].timeout):
                    part, began = self._running
                    left = began + part.timeout - time.monotonic()
                    if left <= 0:
                        raise RewardError(
                            f"The reward '{part.name}' has not answered for {part.timeout:g} seconds on "
                            f"{len(self.prompts)} pictures. Raise its 'timeout', or look whether it hangs."
                        )
                self._changed.wait(left)

    def _run(self) -> None:
        try:
            for part in self._reward.parts:
                self._now((part, time.monotonic()))
                self._found[part.name] = judge(part, self.images, self.prompts)
        except BaseException as error:
            self._failure = error
        self._now(None, done=True)

    def _now(self, running: tuple[RewardPart, float] | None, *, done: bool = False) -> None:
        with self._changed:
            self._running, self._done = running, done
            self._changed.notify_all()


class BackgroundReward:
    """Judges in a thread of its own while the caller samples the next group; one group after the other.

    Example:
        with BackgroundReward(reward) as background:
            pending = background.submit(images, prompts)
            ...  # sample the next group
            values = pending.result()
    """

    def __init__(self, reward: RewardSum) -> None:
        """Start the thread."""
        self._reward = reward
        self._queue: queue.SimpleQueue[PendingReward | None] = queue.SimpleQueue()
        self._last: PendingReward | None = None
        # A thread that hangs must not keep the process from ending, as that of an executor would.
        threading.Thread(target=self._work, daemon=True, name="reward").start()

    def submit(self, images: RewardImages, prompts: list[str]) -> PendingReward:
        """Have `images` judged; `result()` of what comes back waits for it.

        Args:
            images: Must not be changed until the result is there.
            prompts: As many.
        """
        pending = PendingReward(images, prompts, self._reward, self._last)
        self._last = pending
        self._queue.put(pending)
        return pending

    def close(self) -> None:
        """End the thread after what has been submitted."""
        self._queue.put(None)

    def __enter__(self) -> BackgroundReward:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def _work(self) -> None:
        while (pending := self._queue.get()) is not None:
            pending._run()
