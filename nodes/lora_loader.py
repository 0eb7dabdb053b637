"""Load Spatial LoRA: any form of LoRA file at its right strength, with its training card."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import comfy.lora
import comfy.sd
import comfy.weight_adapter
import folder_paths
import torch
from comfy.patcher_extension import WrappersMP
from comfy_api.latest import io

from .sockets import CATEGORY

if TYPE_CHECKING:
    from spatial_core.lora import Lora, LoraLayer

STARTER_LORA = "starter RL (bundled)"
LEAST_SHARE = 0.75
"""Models of one family lack a few layers of each other; with less than this in common it is another model."""


class SpatialLoraLoader(io.ComfyNode):
    """Applies a LoRA to a MODEL, says how it fits, and can limit it to a part of the schedule."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Return the node's face."""
        return io.Schema(
            node_id="SpatialLoraLoader",
            display_name="Load Spatial LoRA",
            category=CATEGORY,
            description="Loads LoRA files of diffusers, PEFT, kohya and ComfyUI at the strength they were "
            "trained for, says how many weights fit, and shows the training card.",
            search_aliases=["lora", "peft", "adapter", "rl lora", "flow grpo", "diffusers lora", "alpha"],
            has_intermediate_output=True,
            inputs=[
                io.Model.Input("model", tooltip="The model that the LoRA was trained for."),
                io.Combo.Input(
                    "lora",
                    options=[*folder_paths.get_filename_list("loras"), *_bundled()],
                    tooltip="A file in models/loras, or what online RL made of the bundled starter, "
                    "where the pack brings it. For a PEFT folder choose its adapter_model.safetensors; its "
                    "adapter_config.json must lie beside it. A file that was exported again under "
                    "its old name is read again.",
                ),
                io.Float.Input(
                    "strength",
                    default=1.0,
                    min=-20.0,
                    max=20.0,
                    step=0.05,
                    tooltip="1.0 is the strength it was trained with, whatever form the file has.",
                ),
                io.Float.Input(
                    "start",
                    default=0.0,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    advanced=True,
                    tooltip="Share of the schedule from which the LoRA acts.",
                ),
                io.Float.Input(
                    "end",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    advanced=True,
                    tooltip="Share of the schedule up to which it acts. Layout is decided early: 0.4 "
                    "keeps what a spatial LoRA does to the layout and leaves style and detail to "
                    "the base.",
                ),
                io.Boolean.Input(
                    "bypass",
                    default=False,
                    advanced=True,
                    tooltip="Compute the LoRA beside the weights instead of adding it to them: for fp8, "
                    "GGUF and other quantised models, whose weights cannot take a small change. "
                    "Always on where start or end is set.",
                ),
            ],
            outputs=[
                io.Model.Output("model", tooltip="The model with the LoRA."),
                io.String.Output("report", tooltip="How many weights fit, at which scale, for which base."),
                io.String.Output("card", tooltip="The training card, if the file has one."),
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, lora: str, **_: object) -> object:
        """Return what changes when the file is exported again under its name."""
        file = _file(lora)
        beside = file.with_name("adapter_config.json")
        seen = [path for path in (file, beside) if path.is_file()]
        return [(str(path), path.stat().st_mtime_ns, path.stat().st_size) for path in seen]

    @classmethod
    def validate_inputs(cls, start: float, end: float) -> bool | str:
        """Refuse an empty part of the schedule."""
        if start < end:
            return True
        return f"start ({start:g}) must be below end ({end:g}): the LoRA would never act."

    @classmethod
    def execute(
        cls, model: Any, lora: str, strength: float, start: float, end: float, bypass: bool
    ) -> io.NodeOutput:
        """Read, check, apply."""
        from spatial_core.lora import read_lora

        read = read_lora(_file(lora))
        plan = _plan(model, read, lora)
        if bypass or (start, end) != (0.0, 1.0):
            patched = _beside(model, plan, strength, start, end)
        else:
            state = {
                f"{key}.lora_{half}.weight": value
                for key, layer in plan.layers.items()
                for half, value in (("A", layer.down), ("B", layer.folded()))
            }
            patched, _ = comfy.sd.load_lora_for_models(model, None, state, strength, 0.0)
        patched.set_attachments("lora_metadata", dict(read.metadata))
        report = _report(read, plan)
        card = "\n".join(read.card.lines()) if read.card else ""
        shown = f"{report}\n\n{card}".strip()
        return io.NodeOutput(patched, report, card, ui={"spatial_text": [shown]})


def _bundled() -> list[str]:
    from spatial_core.starter import starter_path

    try:
        starter_path("lora")
    except FileNotFoundError:
        return []
    return [STARTER_LORA]


def _file(choice: str) -> Path:
    if choice == STARTER_LORA:
        from spatial_core.starter import starter_path

        return starter_path("lora") / "pytorch_lora_weights.safetensors"
    return Path(folder_paths.get_full_path_or_raise("loras", choice))


@dataclass(frozen=True)
class _Plan:
    """Where each update goes.

    Attributes:
        layers: The updates that fit, by the name under which ComfyUI knows the layer.
        targets: For each, ComfyUI's weight: a key, or a key with a slice, or with a slice and a function.
        missing: Names of the updates that the model has no weight for.
    """

    layers: dict[str, LoraLayer]
    targets: dict[str, Any]
    missing: list[str]


def _plan(model: Any, lora: Lora, name: str) -> _Plan:
    known: dict[str, Any] = comfy.lora.model_lora_keys_unet(model.model, {})
    shapes = {key: value.shape for key, value in model.model.state_dict().items()}
    mine = lora.component(lora.denoiser) if lora.denoiser in ("transformer", "unet") else {}
    layers: dict[str, LoraLayer] = {}
    targets: dict[str, Any] = {}
    missing: list[str] = []
    for path, layer in mine.items():
        spellings = (f"transformer.{path}", path, f"lora_unet_{path.replace('.', '_')}")
        found = next((key for key in spellings if key in known), None)
        if found is None:
            missing.append(path)
            continue
        key, place = (known[found], None) if isinstance(known[found], str) else known[found][:2]
        rows = shapes[key][0] if place is None else place[2]
        if layer.shape[:1] != (rows,) or layer.shape[1:2] != tuple(shapes[key][1:2]):
            raise ValueError(
                f"'{name}' was trained for another model{_trained_for(lora)}: it changes '{path}' by a "
                f"matrix of {layer.shape[0]} x {layer.shape[1]}, and in the connected {_kind(model)} that "
                f"layer is {rows} x {shapes[key][1]}. Load the model it was trained for, or another LoRA."
            )
        layers[found], targets[found] = layer, known[found]
    if len(layers) < LEAST_SHARE * len(mine) or not layers:
        raise ValueError(
            f"'{name}' was trained for another model{_trained_for(lora)}: only {len(layers)} of its "
            f"{len(lora.layers)} weights are in the connected {_kind(model)}. Load the model it was "
            "trained for, or another LoRA."
        )
    return _Plan(layers, targets, missing)


def _beside(model: Any, plan: _Plan, strength: float, start: float, end: float) -> Any:
    """Return the model with the updates computed beside its layers, in a part of the schedule."""
    from spatial_core.lora.fusion import Slice, fuse_slices

    slices: dict[str, list[Slice]] = {}
    rows = {key: int(value.shape[0]) for key, value in model.model.state_dict().items()}
    for name, layer in plan.layers.items():
        target = plan.targets[name]
        if not isinstance(target, str) and len(target) > 2 and target[2] is not None:
            raise ValueError(
                f"The LoRA changes '{name}', which ComfyUI keeps in another order than it was trained in, "
                "so it can only be added to the weights: switch bypass off, and set start to 0 and end to "
                "1."
            )
        key, place = (target, None) if isinstance(target, str) else target[:2]
        first, length = (0, rows[key]) if place is None else (place[1], place[2])
        slices.setdefault(key, []).append(Slice(layer, first, length))

    manager = comfy.weight_adapter.BypassInjectionManager()
    for key, parts in slices.items():
        # A convolution has one slice, its own.
        whole = (
            parts[0].layer
            if len(parts) == 1 and parts[0].length == rows[key]
            else fuse_slices(parts, rows[key])
        )
        weights = (whole.folded(), whole.down, None, None, None, None)
        manager.add_adapter(key, comfy.weight_adapter.LoRAAdapter(set(), weights), strength=strength)

    patched = model.clone()
    # Named after the manager, so that several LoRAs can follow each other.
    name = f"spatial_lora_{id(manager)}"
    patched.set_injections(name, manager.create_injections(patched.model))
    sampling = model.get_model_object("model_sampling")
    highest, lowest = sampling.percent_to_sigma(start), sampling.percent_to_sigma(end)

    def within(
        executor: Any, x: torch.Tensor, sigma: torch.Tensor, *args: Any, **options: Any
    ) -> torch.Tensor:
        acts = lowest < float(sigma.max()) <= highest
        for hook in manager.hooks:
            hook.adapter.multiplier = strength if acts else 0.0
        return executor(x, sigma, *args, **options)

    if (start, end) != (0.0, 1.0):
        patched.add_wrapper_with_key(WrappersMP.APPLY_MODEL, name, within)
    return patched


def _report(lora: Lora, plan: _Plan) -> str:
    total = len(plan.layers) + len(plan.missing)
    scales = " to ".join(dict.fromkeys(f"{scale:g}" for scale in (lora.scales[0], lora.scales[-1])))
    ranks = " to ".join(dict.fromkeys(str(rank) for rank in (lora.ranks[0], lora.ranks[-1])))
    lines = [
        f"{len(plan.layers)}/{total} weights, scale {scales}, rank {ranks}{_trained_for(lora)}",
        f"{lora.form_name} form; the scale comes from {lora.alpha_from}",
    ]
    if plan.missing:
        lines.append(
            f"WARNING: this model lacks {len(plan.missing)} of the layers, e.g. '{plan.missing[0]}': only "
            "a part acts."
        )
    others = len(lora.layers) - total
    if others:
        lines.append(f"{others} weights are for text encoders and are left out: use Load LoRA for them.")
    return "\n".join(lines)


def _trained_for(lora: Lora) -> str:
    return f", trained for {lora.base}" if lora.base else ""


def _kind(model: Any) -> str:
    return f"{type(model.model).__name__} model"
