"""Train the starter flow model: FLUX in small, with its text encoders, on procedural scenes.

Four phases. First the text encoder alone learns from captions where each named thing will be, on average,
and what it is: that is what a layout must be computed from. Then text encoders and transformer learn
rectified flow together, and on the side where the words' things are (`spatial_trainers.flow.teaching`). Then
captions may be wrong on purpose, and the text encoders stay as they are: like those that generators borrow,
they know what the words mean, and it is the transformer that learns to trust them too little. (A base whose
encoders were trained on was not moved by LoRAs of the transformer, even on true captions.) Last, the guidance
input becomes real: for a part of each batch the target moves along the difference that a caption makes to the
averaged weights' own prediction (model guidance, arXiv 2502.12154).

Differs from public pretraining in that latents say what they show (`spatial_trainers.flow.latents`), which
on a CPU teaches more for a step.
"""

from __future__ import annotations

import json
import platform
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderTiny, FluxPipeline
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from tqdm import tqdm
from transformers import CLIPTokenizer, T5Tokenizer

from spatial_core.atomic_files import write_text
from spatial_core.scenes.renderer import RENDERER_VERSION
from spatial_trainers.checkpoint import Resumable
from spatial_trainers.cpu_precision import cpu_autocast
from spatial_trainers.flow.batches import FlowBatch, FlowBatches, training_batches
from spatial_trainers.flow.captions import CaptionSettings, captions, tokenize_captions
from spatial_trainers.flow.latents import fit_basis
from spatial_trainers.flow.model import (
    SHIFT,
    FlowModelSettings,
    make_pipeline,
    new_text_encoders,
    new_transformer,
    save_pipeline,
)
from spatial_trainers.flow.scenes import FlowScenes, SceneSettings, build_scenes
from spatial_trainers.flow.sheet import save_sheet
from spatial_trainers.flow.start import read_start
from spatial_trainers.flow.teaching import (
    TAUGHT_BLOCKS,
    MentionHead,
    PlaceHead,
    SeenAttention,
    look_loss,
    look_targets,
)
from spatial_trainers.flow.tokenizers import clip_tokenizer, t5_tokenizer
from spatial_trainers.flow.train_vae import VaeSettings, train_vae
from spatial_trainers.muon import Muon
from spatial_trainers.plain_attention import PlainAttention

STATE_FILE = "state.safetensors"
GUIDANCE = (1.0, 5.0)
"""What the guidance input may be; g acts as classifier-free guidance of strength (1 + g) / 2."""
_GUIDED = 3
"""One in so many rows of a batch learns guidance, the others have the lowest."""


@dataclass(frozen=True)
class FlowTraining:
    """How the flow model is trained.

    Attributes:
        text_steps: Steps of the text encoder alone.
        steps: All steps. A run may be resumed with other numbers of steps, and another `cooldown`.
        wrong_from: Step from which captions may be wrong on purpose and the text encoders keep their averaged
            weights; before, relations are learned soon.
        guide_from: Step from which the guidance input is trained.
        batch_size, text_batch_size: Scenes a step; captions a step of the first phase.
        lr: Peak rate of Muon (matrices) and AdamW (all else).
        warmup: Steps of linear growth, at the start and where the transformer sets in.
        cooldown: Share of the steps over which the rate falls to a twentieth at the end.
        weight_decay: On matrices.
        uniform: Share of noise levels drawn evenly; the others are logit-normal, shifted as the schedule is.
        place_weight: Of the dense losses at the text.
        look_weight, here_weight: Of teaching where to look from a place, and what place it is.
        ema: Decay of the averaged weights, which are what is saved.
        save_every, sheet_every: Steps between states; between sample sheets.
    """

    text_steps: int = 300
    steps: int = 2600
    wrong_from: int = 1500
    guide_from: int = 2250
    batch_size: int = 48
    text_batch_size: int = 192
    lr: float = 2e-3
    warmup: int = 60
    cooldown: float = 0.35
    weight_decay: float = 0.02
    uniform: float = 0.25
    place_weight: float = 0.5
    look_weight: float = 0.1
    here_weight: float = 0.1
    ema: float = 0.995
    save_every: int = 100
    sheet_every: int = 300


@dataclass(frozen=True)
class FlowRecipe:
    """Everything `spatial train-starter` does.

    Attributes:
        output: Folder of states, metrics, sheets and, at the end, `flow/`.
        seed: Of weights and data order.
        processes: That render; the scenes do not depend on it.
        start: Folder of a flow model that training goes on from, with its words, text encoders, autoencoder
            and code of latents (see `start`); "" for a new one. 'vae' and 'model' are then without effect,
            and the text encoders stay: 'text_steps' and 'wrong_from' must be 0.
    """

    output: str
    scenes: SceneSettings
    vae: VaeSettings = field(default_factory=VaeSettings)
    captions: CaptionSettings = field(default_factory=CaptionSettings)
    model: FlowModelSettings = field(default_factory=FlowModelSettings)
    training: FlowTraining = field(default_factory=FlowTraining)
    seed: int = 0
    processes: int = 1
    start: str = ""

    def __post_init__(self) -> None:
        """Check what one value alone cannot show.

        Raises:
            ValueError: If the text encoders of a model that is gone on from were to be trained.
        """
        steps = (self.training.text_steps, self.training.wrong_from)
        if self.start and any(steps):
            raise ValueError(
                "With 'start' the text encoders stay as they are, so 'training.text_steps' and "
                f"'training.wrong_from' must be 0; got {steps[0]} and {steps[1]}."
            )


def pack_latents(latents: Tensor) -> Tensor:
    """Return `[B, 64, 64]` tokens of `[B, 16, 16, 16]` latents, as FLUX packs them."""
    b, c, h, w = latents.shape
    return latents.view(b, c, h // 2, 2, w // 2, 2).permute(0, 2, 4, 1, 3, 5).reshape(b, h * w // 4, c * 4)


def token_ids(side: int = 8) -> Tensor:
    """Return the places of the picture's tokens `[side^2, 3]` for the rotary embedding."""
    rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    return torch.stack([torch.zeros_like(rows), rows, columns], dim=-1).view(-1, 3).float()


def draw_sigmas(count: int, generator: torch.Generator, *, uniform: float) -> Tensor:
    """Return noise levels `[count]` in (0, 1): logit-normal, shifted like the schedule, or even."""
    share = torch.randn(count, generator=generator).sigmoid()
    shift = float(np.exp(SHIFT))
    shifted = shift * share / (1 + (shift - 1) * share)
    even = torch.rand(count, generator=generator)
    return torch.where(torch.rand(count, generator=generator) < uniform, even, shifted).clamp(1e-3, 1 - 1e-3)


class FlowTrainer:
    """Models, heads, optimizers and averages, and one step of them."""

    def __init__(self, recipe: FlowRecipe, tokenizer: CLIPTokenizer, tokenizer_2: T5Tokenizer):
        self.recipe, self.settings = recipe, recipe.training
        self.tokenizer, self.tokenizer_2 = tokenizer, tokenizer_2
        torch.manual_seed(recipe.seed)
        self.clip, self.t5 = new_text_encoders(recipe.model, tokenizer, tokenizer_2)
        self.transformer: Any = new_transformer(recipe.model)
        self.heads = nn.ModuleDict(
            {
                "mention": MentionHead(recipe.model.text_width, self.transformer.inner_dim),
                "place": PlaceHead(self.transformer.inner_dim),
            }
        )
        self.parts = nn.ModuleDict({"transformer": self.transformer, "clip": self.clip, "t5": self.t5})
        self._levels: dict[str, Tensor] = {}
        self.transformer.time_text_embed.register_forward_pre_hook(self._exact_time)
        self._states: list[Tensor] = []
        self.transformer.transformer_blocks[0].register_forward_hook(self._keep_states)
        self.ids = token_ids()
        matrices: list[nn.Parameter] = []
        others = list(self.heads.parameters())
        for name, parameter in self.parts.named_parameters():
            inside = any(key in name for key in ("transformer_blocks.", ".layers.", ".block."))
            plain = ".norm" not in name and "relative_attention_bias" not in name
            (matrices if parameter.ndim == 2 and inside and plain else others).append(parameter)
        lr, decay = self.settings.lr, self.settings.weight_decay
        self.optimizers: list[torch.optim.Optimizer] = [
            Muon(matrices, lr=lr, weight_decay=decay),
            torch.optim.AdamW(others, lr=lr, betas=(0.9, 0.98), weight_decay=0.0),
        ]
        self.names = {p: f"parts.{n}" for n, p in self.parts.named_parameters()}
        self.names |= {p: f"heads.{n}" for n, p in self.heads.named_parameters()}
        self.average = {n: p.detach().clone() for n, p in self.parts.named_parameters()}

    def take(self, pipeline: FluxPipeline) -> None:
        """Begin with the weights of a pipeline of the same sizes."""
        given = {
            "transformer": pipeline.transformer,
            "clip": pipeline.text_encoder,
            "t5": pipeline.text_encoder_2,
        }
        for name, module in given.items():
            self.parts[name].load_state_dict(module.state_dict())  # pyright: ignore
        self.average = {n: p.detach().clone() for n, p in self.parts.named_parameters()}

    def _exact_time(self, _module: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
        # Under autocast the transformer would round time and guidance to bfloat16.
        if "sigmas" in self._levels:
            return self._levels["sigmas"] * 1000, self._levels["guidance"] * 1000, args[2]
        return None

    def _keep_states(self, _module: nn.Module, _args: Any, output: tuple[Tensor, Tensor]) -> None:
        self._states = [output[1]]

    def encode(self, t5: Tensor, clip: Tensor) -> tuple[Tensor, Tensor]:
        """Return the text `[B, L, D]` and its pooled form `[B, E]`, as the pipeline makes them."""
        # No masks: FLUX has none.
        text = self.t5(input_ids=t5).last_hidden_state.float()
        return text, self.clip(input_ids=clip).pooler_output.float()

    def predict(
        self, noisy: Tensor, sigmas: Tensor, guidance: Tensor, text: Tensor, pooled: Tensor
    ) -> Tensor:
        """Return the velocity `[B, 64, 64]` of packed noisy latents."""
        self._levels |= {"sigmas": sigmas, "guidance": guidance}
        velocity = self.transformer(
            hidden_states=noisy,
            encoder_hidden_states=text,
            pooled_projections=pooled,
            timestep=sigmas,
            img_ids=self.ids,
            txt_ids=torch.zeros(text.shape[1], 3),
            guidance=guidance,
            return_dict=False,
        )[0]
        del self._levels["sigmas"], self._levels["guidance"]
        return velocity.float()

    def losses(self, batch: FlowBatch, step: int) -> tuple[Tensor, dict[str, float]]:
        """Return the loss of step number `step` and its parts."""
        s = self.settings
        generator = torch.Generator().manual_seed(self.recipe.seed * 10**8 + step)
        reading = step < s.wrong_from
        with torch.set_grad_enabled(reading), cpu_autocast(), PlainAttention():
            text, pooled = self.encode(batch.t5, batch.clip)
        parts: dict[str, Tensor] = {}
        loss = torch.zeros(())
        if reading:
            parts = self.heads["mention"].losses(batch, text)  # pyright: ignore
            loss = parts["place"] + 0.25 * (parts["kind"] + parts["color"])
        if step >= s.text_steps:
            clean = pack_latents(batch.latents)
            count = len(clean)
            sigmas = draw_sigmas(count, generator, uniform=s.uniform)
            noise = torch.randn(clean.shape, generator=generator)
            low, high = GUIDANCE
            guidance = low + (high - low) * torch.rand(count, generator=generator)
            noisy = torch.lerp(clean, noise, sigmas[:, None, None])
            target = noise - clean
            if step >= s.guide_from:
                guided = max(1, count // _GUIDED)
                guidance[guided:] = low
                target[:guided] += self._push(batch, noisy, sigmas, guidance, guided)
            with cpu_autocast(), SeenAttention() as seen:
                velocity = self.predict(noisy, sigmas, guidance, text, pooled)
            # No weights for cells of things: the minimum would be no velocity of the data, but one that draws
            # things wherever they might be.
            parts["flow"] = F.mse_loss(velocity, target)
            wanted = look_targets(batch, text.shape[1], len(self.ids))
            looks = [look_loss(*call, wanted) for call in seen.calls[:TAUGHT_BLOCKS]]
            parts |= {f"look_{k}": value for k, value in enumerate(looks)}
            parts["here"] = self.heads["place"].loss(self._states.pop(), self.ids)  # pyright: ignore
            loss = s.place_weight * loss + parts["flow"] + s.look_weight * torch.stack(looks).sum()
            loss = loss + s.here_weight * parts["here"]
        return loss, {name: float(value.detach()) for name, value in parts.items()}

    @torch.no_grad()
    def _push(self, batch: FlowBatch, noisy: Tensor, sigmas: Tensor, guidance: Tensor, count: int) -> Tensor:
        """Return what guidance adds to the first targets: (g - 1) / 2 times what the caption changes."""
        t5, clip, noisy, sigmas = batch.t5[:count], batch.clip[:count], noisy[:count], sigmas[:count]
        no_t5 = torch.full_like(t5, self.tokenizer_2.pad_token_id)  # pyright: ignore
        no_t5[:, 0] = self.tokenizer_2.eos_token_id
        no_clip = self.empty_clip()[: clip.shape[1]].expand_as(clip)
        lowest = torch.full_like(sigmas, GUIDANCE[0])
        # An autocast of its own: the half-precision weights that it keeps are averaged and have no gradient.
        with self.averaged(), cpu_autocast(), PlainAttention():
            text, pooled = self.encode(torch.cat([t5, no_t5]), torch.cat([clip, no_clip]))
            both = self.predict(noisy.repeat(2, 1, 1), sigmas.repeat(2), lowest.repeat(2), text, pooled)
        told, untold = both.chunk(2)
        return (guidance[:count, None, None] - 1) / 2 * (told - untold)

    def empty_clip(self) -> Tensor:
        """Return the CLIP tokens of no caption, `[77]`."""
        ids = self.tokenizer("", padding="max_length", max_length=self.tokenizer.model_max_length)[
            "input_ids"
        ]
        return torch.tensor(ids)

    def averaged(self) -> _Swapped:
        """Within this context the models have the averaged weights."""
        return _Swapped(self)

    def step(self, batch: FlowBatch, step: int) -> dict[str, float]:
        """Take optimizer step number `step`, counted from 0."""
        s = self.settings
        if step == s.wrong_from:
            self._settle_text()
        loss, log = self.losses(batch, step)
        loss.backward()
        trained = [p for p in self.names if p.grad is not None]
        log["norm"] = float(nn.utils.clip_grad_norm_(trained, 1.0))
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = s.lr * rate_at(step, s)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        with torch.no_grad():
            for name, parameter in self.parts.named_parameters():
                # The average must not remember the first weights for long.
                self.average[name].lerp_(parameter, max(1 - s.ema, 1 / (step + 10)))
        return log

    @torch.no_grad()
    def _settle_text(self) -> None:
        """Give the text encoders their averaged weights, which they keep."""
        for name, parameter in self.parts.named_parameters():
            if not name.startswith("transformer."):
                parameter.copy_(self.average[name])

    @property
    def resumable(self) -> Resumable:
        """What a killed run goes on from."""
        return Resumable(self.names, self.average, self.optimizers, _comparable(self.recipe))

    def pipeline(self, vae: AutoencoderTiny) -> FluxPipeline:
        """Return the live models as a pipeline; enter `averaged` for the weights that are saved."""
        return make_pipeline(self.transformer, vae, self.clip, self.t5, self.tokenizer, self.tokenizer_2)


class _Swapped:
    """Puts the averaged weights in, and the live ones back."""

    def __init__(self, trainer: FlowTrainer):
        self.trainer = trainer

    def __enter__(self) -> None:
        self._swap()

    def __exit__(self, *_: object) -> None:
        self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        for name, parameter in self.trainer.parts.named_parameters():
            parameter.data, self.trainer.average[name] = self.trainer.average[name], parameter.data


def _content(recipe: FlowRecipe) -> dict[str, Any]:
    """Return what the result depends on: all but places."""
    table = json.loads(json.dumps(asdict(recipe)))
    del table["scenes"]["cache"], table["output"], table["processes"], table["start"]
    return table


def _comparable(recipe: FlowRecipe) -> dict[str, Any]:
    """Return what a state must agree about; how long to go on, a run may still decide.

    The autoencoder has states of its own.
    """
    table = _content(recipe) | {"start": recipe.start}
    del table["vae"]
    for key in ("steps", "guide_from", "cooldown", "save_every", "sheet_every"):
        del table["training"][key]
    return table


def rate_at(step: int, settings: FlowTraining) -> float:
    """Return the share of the peak rate: a warm-up of each phase, plateau, then a fall to a twentieth."""
    s = settings
    start = s.text_steps if step >= s.text_steps else 0
    fall = (s.steps - step) / (s.steps * s.cooldown)
    return min(1.0, (step - start + 1) / s.warmup, max(0.05, fall))


def run(recipe: FlowRecipe) -> dict[str, Any]:
    """Render what is missing, train the autoencoder and the flow model, and save the pipeline.

    The same recipe again goes on from the output folder's states.

    Returns:
        What is also written beside the weights: recipe, data hashes, machine.
    """
    out = Path(recipe.output)
    out.mkdir(parents=True, exist_ok=True)
    s = recipe.training
    build_scenes(recipe.scenes, processes=recipe.processes)
    scenes = FlowScenes(recipe.scenes, "train")
    told = [caption for group in captions(scenes, recipe.captions) for caption in group]
    texts = [caption.text for caption in told]
    start = read_start(recipe.start, recipe.scenes, processes=recipe.processes) if recipe.start else None
    if start:
        basis, vae = start.basis, start.pipeline.vae
        tokenizer, tokenizer_2 = start.pipeline.tokenizer, start.pipeline.tokenizer_2
    else:
        basis = fit_basis(scenes.images)
        vae = train_vae(recipe.vae, basis, scenes, out)
        tokenizer, tokenizer_2 = clip_tokenizer(texts), t5_tokenizer(texts)
    trainer = FlowTrainer(recipe, tokenizer, tokenizer_2)
    if start:
        trainer.take(start.pipeline)
    tokens = tokenize_captions(told, tokenizer, tokenizer_2)
    batches = FlowBatches(
        scenes,
        basis,
        tokens,
        pad_id=int(tokenizer_2.pad_token_id),
        empty=trainer.empty_clip(),  # pyright: ignore
    )
    state = out / STATE_FILE
    first = trainer.resumable.load(state) if state.is_file() else 0
    stream = training_batches(
        batches,
        seed=recipe.seed,
        first=first,
        steps=s.steps,
        size=s.batch_size,
        text_size=s.text_batch_size,
        text_steps=s.text_steps,
        wrong_from=s.wrong_from,
    )
    begin = time.monotonic()
    bar = tqdm(stream, initial=first, total=s.steps, desc="flow")
    sums: dict[str, float] = {}
    with (out / "metrics.jsonl").open("a", encoding="utf-8") as log:
        for done, batch in enumerate(bar, start=first + 1):
            for name, value in trainer.step(batch, done - 1).items():
                sums[name] = sums.get(name, 0.0) + value / 20
            if done % 20 == 0:
                line = {k: round(v, 5) for k, v in sums.items()}
                line |= {"step": done, "seconds": round(time.monotonic() - begin, 1)}
                log.write(json.dumps(line) + "\n")
                log.flush()
                sums = {}
            if done % s.save_every == 0 or done == s.steps:
                trainer.resumable.save(state, done)
            if (done > s.text_steps and done % s.sheet_every == 0) or done == s.steps:
                with trainer.averaged():
                    save_sheet(trainer.pipeline(vae), out / f"sheet-{done:06d}.png")
    facts: dict[str, Any] = {
        "recipe": _content(recipe),
        "went_on_from": start.facts if start else None,
        "renderer": RENDERER_VERSION,
        "data_sha256": scenes.digest,
        "captions": len(texts),
        "machine": f"{platform.machine()}, {torch.get_num_threads()} CPU threads, torch {torch.__version__}",
    }
    with trainer.averaged():
        save_pipeline(trainer.pipeline(vae), out / "flow")
    write_text(out / "flow" / "training.json", json.dumps(facts, indent=2) + "\n")
    return facts
