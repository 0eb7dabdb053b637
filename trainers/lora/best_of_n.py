"""The best of N of a generator's own drawings, as pictures with prompts to train on.

A prompt's N pictures depend on the seed and the prompt alone, and its JSON file is written when they
are judged: a stopped run goes on with the next prompt.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from torch import Tensor

from spatial_core.atomic_files import atomic_path, write_text
from spatial_core.images import to_pil
from spatial_core.selection import select_extremes
from spatial_trainers.lora.data import Example, make_example, save_latents
from spatial_trainers.pairs.records import ImageReference
from spatial_trainers.rewards.sums import BackgroundReward, PendingReward, RewardSum
from spatial_trainers.rl.rollout import group_seeds

Draw = Callable[[str, Sequence[int]], tuple[Tensor, Tensor]]
"""(prompt, seeds) -> pictures, float32 [N, 3, H, W] in [0, 1], and their latents, float32 [N, ...]."""


class BestOfN:
    """Draws, judges and keeps.

    Attributes:
        folder: Of the pictures, and of a JSON file for each prompt.
    """

    def __init__(
        self, folder: Path, draw: Draw, reward: RewardSum, *, num_candidates: int, keep: int, seed: int
    ) -> None:
        """Note how; nothing is drawn yet.

        Args:
            folder: Made if missing.
            draw: The generator.
            reward: The judge.
            num_candidates: N.
            keep: Best ones of each prompt that are kept.
            seed: Of the pictures.
        """
        self.folder, self._draw, self._reward = folder, draw, reward
        self._num_candidates, self._keep, self._seed = num_candidates, keep, seed
        folder.mkdir(parents=True, exist_ok=True)

    def missing(self, prompts: Sequence[str]) -> list[str]:
        """Return the prompts that have not been drawn."""
        return [prompt for prompt in prompts if not self._file(prompt).is_file()]

    def make(self, prompts: Sequence[str], *, tick: Callable[[], object] = lambda: None) -> None:
        """Draw what is missing among `prompts`; one prompt's pictures are judged while the next's are drawn.

        Args:
            prompts: Texts without repeats.
            tick: Called after each.

        Raises:
            RewardError: If the reward fails.
            OSError: If the disk is full; what was made before is kept.
        """
        with BackgroundReward(self._reward) as background:
            before: tuple[str, list[int], Tensor, Tensor, PendingReward] | None = None
            for prompt in self.missing(prompts):
                seeds = group_seeds(self._seed, 0, prompt, self._num_candidates)
                images, latents = self._draw(prompt, seeds)
                pending = background.submit(images, [prompt] * len(seeds))
                if before is not None:
                    self._store(*before)
                    tick()
                before = prompt, seeds, images, latents, pending
            if before is not None:
                self._store(*before)
                tick()

    def _store(
        self, prompt: str, seeds: list[int], images: Tensor, latents: Tensor, pending: PendingReward
    ) -> None:
        rewards = pending.result().total
        best, _ = select_extremes(rewards.numpy(), self._keep, 0)
        facts_file = self._file(prompt)
        kept: list[dict[str, object]] = []
        for rank, index in enumerate(best.tolist()):
            file = facts_file.with_name(f"{facts_file.stem}-{rank}.png")
            with atomic_path(file) as temporary:
                to_pil(images[index].float().cpu()).save(temporary, compress_level=1)
            height, width = images.shape[-2:]
            save_latents(file.with_suffix(".safetensors"), latents[index][None], height=height, width=width)
            kept.append({"image": file.name, "seed": seeds[index], "reward": float(rewards[index])})
        facts = {"prompt": prompt, "best": kept, "mean": float(rewards.mean()), "std": float(rewards.std())}
        write_text(facts_file, json.dumps(facts) + "\n")

    def examples(self, prompts: Sequence[str]) -> list[Example]:
        """Return the kept pictures of `prompts`, all of which have been made."""
        found: list[Example] = []
        for prompt in prompts:
            for best in self._read(prompt)["best"]:
                file = self.folder / best["image"]
                picture = ImageReference(file, None, "")
                found.append(make_example(prompt, [picture], latents=file.with_suffix(".safetensors")))
        return found

    def summary(self, prompts: Sequence[str]) -> dict[str, float]:
        """Return the mean reward of all that was drawn for `prompts`, and of what was kept."""
        found = [self._read(prompt) for prompt in prompts]
        kept = [best["reward"] for facts in found for best in facts["best"]]
        return {
            "reward_drawn": sum(facts["mean"] for facts in found) / len(found),
            "reward_kept": sum(kept) / len(kept),
            "reward_std": sum(facts["std"] for facts in found) / len(found),
        }

    def _read(self, prompt: str) -> dict[str, Any]:
        return json.loads(self._file(prompt).read_text("utf-8"))

    def _file(self, prompt: str) -> Path:
        return self.folder / f"{sha256(prompt.encode()).hexdigest()[:24]}.json"
