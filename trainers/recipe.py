"""A training recipe: a TOML file read into frozen dataclasses, with every mistake found before a model loads.

A recipe decides everything that the result depends on, so it is stored in the checkpoint and in the card.
"""

from __future__ import annotations

import difflib
import json
import sys
import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields, is_dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

T = TypeVar("T")

PreferenceName = Literal["gaussian", "gaussian_mc", "bt", "btt"]


@dataclass(frozen=True)
class RandomBackboneRecipe:
    """A tiny untrained backbone, for trying the machinery without a download.

    Attributes:
        num_hidden_layers: Of the language model.
        intermediate_size: Of its feed-forward layers.
        vocab_size: Of the byte-level tokenizer trained on the prompts.
    """

    num_hidden_layers: int = 2
    intermediate_size: int = 256
    vocab_size: int = 768


@dataclass(frozen=True)
class ModelRecipe:
    """What is trained.

    Attributes:
        backbone: Folder or hub id of a Qwen2.5-VL or Qwen3-VL checkpoint; "starter" is the bundled one,
            "random" makes one from `random_backbone`.
        revision: Hub revision, "" for the default one.
        random_backbone: For `backbone = "random"`.
        init_from: Trained SpatialScore (file, folder or hub id) to go on from; "" starts a new one.
        dtype: Of the frozen weights; trained weights are always float32.
        lora_rank: 0 trains the language model in full (its embeddings stay).
        lora_alpha: Scale of the update, in units of the rank.
        lora_dropout: In [0, 1).
        tune_vision: Whether the vision tower is trained, in full.
        gradient_checkpointing: Trades a third more time for far less memory.
        min_pixels, max_pixels, max_prompt_tokens, max_clauses, head_width: As in `SpatialScoreConfig`; left
            out, its defaults, or those of `init_from`.
    """

    backbone: str
    revision: str = ""
    random_backbone: RandomBackboneRecipe = field(default_factory=RandomBackboneRecipe)
    init_from: str = ""
    dtype: Literal["float32", "bfloat16"] = "float32"
    lora_rank: int = 64
    lora_alpha: float = 128.0
    lora_dropout: float = 0.05
    tune_vision: bool = False
    gradient_checkpointing: bool = False
    min_pixels: int | None = None
    max_pixels: int | None = None
    max_prompt_tokens: int | None = None
    max_clauses: int | None = None
    head_width: int | None = None


@dataclass(frozen=True)
class ScenesRecipe:
    """Pairs rendered from procedural scenes, once, into a cache folder.

    Attributes:
        cache: Folder; what lies there for the same settings and renderer is used again.
        train, validation, test: Number of pairs; each is used in both directions.
        seed: Pair i of a split depends on this, the split and i alone.
        size: Side of the square images, in pixels.
        short: Share of the pairs whose prompts state 1 or 2 relations; the others follow the paper.
        max_relations: Of a prompt; at least 3.
        max_edits: Pairs of prompts with 3 relations or more have 1 to this many edits, the others 1.
        held_out_family: Relation that only test pairs may state; "" for none.
        held_out_wordings: Share of the test pairs in paraphrases that training never uses.
        focus: Relations that get test pairs of their own, of which the one edit concerns them, so that the
            table by relation has enough of the rare ones; no other table counts these pairs.
        focus_pairs: How many for each.
        close: Further test pairs, of which one thing is within the dead zone, as the calibration table wants;
            no other table counts these.
        processes: That render; the pairs do not depend on it.
    """

    cache: str
    train: int
    validation: int
    test: int = 0
    seed: int = 0
    size: int = 128
    short: float = 0.25
    max_relations: int = 10
    max_edits: int = 3
    held_out_family: str = ""
    held_out_wordings: float = 0.25
    focus: tuple[str, ...] = ()
    focus_pairs: int = 0
    close: int = 0
    processes: int = 1


@dataclass(frozen=True)
class PreviewsRecipe:
    """Training comparisons whose pictures are shown as a flow model would show them midway.

    With them a judge learns to prune: to rank candidates that are not finished.

    Attributes:
        pipeline: Folder or hub id of a FLUX or Stable Diffusion 3 pipeline of diffusers, best the one whose
            candidates will be judged; "starter" is the bundled one.
        cache: Folder; previews that lie there are used again.
        share: Of the training pairs of a step.
        noise_levels: Sigmas in (0, 1), each as often as the others; those at which pruning will look.
        guidance_scale, max_sequence_length: As candidates will be drawn; the pipeline's own defaults if left
            out. Short sequences save most of the time where the model is small.
    """

    pipeline: str
    cache: str
    share: float = 0.5
    noise_levels: tuple[float, ...] = (0.55, 0.7, 0.85)
    guidance_scale: float | None = None
    max_sequence_length: int | None = None


@dataclass(frozen=True)
class DataRecipe:
    """Where the pairs come from: a manifest, scenes, or both.

    Attributes:
        manifest: JSONL file of pair records with splits "train", "validation" and, if it has one, "test".
        scenes: Pairs from the scenes.
        symmetric: Also use (prompt_rejected, image_rejected, image_chosen), so that looking at the images
            alone is worth exactly nothing.
        previews: Pictures at noise levels among the training pairs; None for none.
        prefetch: Batches prepared ahead by a thread.
    """

    manifest: str = ""
    scenes: ScenesRecipe | None = None
    symmetric: bool = True
    previews: PreviewsRecipe | None = None
    prefetch: int = 4


@dataclass(frozen=True)
class OptimizerRecipe:
    """AdamW and its schedule.

    Attributes:
        steps: Optimizer steps in all.
        pairs_per_step: Over all processes; each pair gives two comparisons if `data.symmetric`.
        pairs_per_device: In one forward; the rest is accumulated.
        learning_rate: Peak, of the adapter or the language model.
        head_learning_rate: Peak, of the head; `learning_rate` if left out.
        vision_learning_rate: Peak, of the vision tower; `learning_rate` if left out.
        schedule: After the warm-up.
        warmup_steps: Of linear growth from 0.
        weight_decay: On matrices.
        betas: Of AdamW.
        max_grad_norm: Gradients are scaled down to this norm.
        ema_decay: Weights are averaged with this decay, and the average is validated and saved; 0 is off.
        mixed_precision: "bf16" runs the backbone under autocast, but not on a CPU that does not
            multiply it; the head stays float32.
    """

    steps: int
    pairs_per_step: int = 32
    pairs_per_device: int = 1
    learning_rate: float = 2e-6
    head_learning_rate: float | None = None
    vision_learning_rate: float | None = None
    schedule: Literal["cosine", "constant"] = "constant"
    warmup_steps: int = 0
    weight_decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    max_grad_norm: float = 1.0
    ema_decay: float = 0.0
    mixed_precision: Literal["no", "bf16"] = "bf16"


@dataclass(frozen=True)
class LossRecipe:
    """preference + clause_weight * clauses + center_weight * centring + prior_weight * prior on log sigma.

    Attributes:
        preference: See `spatial_core.preference_loss`.
        clause_weight: Of the cross-entropy of single relations with their labels.
        center_weight: Of the squared sum of the two rewards, which keeps rewards around 0.
        prior_weight: Of the squared log sigma; without it the Gaussian's scale is free.
    """

    preference: PreferenceName = "gaussian"
    clause_weight: float = 1.0
    center_weight: float = 0.01
    prior_weight: float = 0.01


@dataclass(frozen=True)
class ValidationRecipe:
    """When the held-out pairs are judged.

    Attributes:
        every: Steps between validations; one more follows the last step.
        pairs: At most so many pairs in between; all of them at the end.
        pairs_per_device: In one forward.
    """

    every: int = 200
    pairs: int = 500
    pairs_per_device: int = 8


@dataclass(frozen=True)
class RewardRecipe:
    """Everything `spatial train-reward` does.

    Attributes:
        name: Of the model, in its card.
        output: Folder of checkpoints, metrics and the judge.
        seed: Of the initial weights, the order of the data and dropout.
        checkpoint_every: Steps between checkpoints, from which a killed run goes on exactly.
        log_every: Steps between lines of metrics, each the mean since the last.
        save_dtype: Of the weights in the judge file; what is measured at the end is the file.
    """

    name: str
    output: str
    model: ModelRecipe
    data: DataRecipe
    optimizer: OptimizerRecipe
    loss: LossRecipe = field(default_factory=LossRecipe)
    validation: ValidationRecipe = field(default_factory=ValidationRecipe)
    seed: int = 0
    checkpoint_every: int = 100
    log_every: int = 10
    save_dtype: Literal["float32", "bfloat16", "float16"] = "float32"

    def __post_init__(self) -> None:
        """Check what one value alone cannot show.

        Raises:
            ValueError: If two values do not fit together or one is out of range.
        """
        o, m, d = self.optimizer, self.model, self.data
        positive = {
            "optimizer.steps": o.steps,
            "optimizer.pairs_per_step": o.pairs_per_step,
            "optimizer.pairs_per_device": o.pairs_per_device,
            "optimizer.learning_rate": o.learning_rate,
            "optimizer.max_grad_norm": o.max_grad_norm,
            "validation.every": self.validation.every,
            "validation.pairs": self.validation.pairs,
            "validation.pairs_per_device": self.validation.pairs_per_device,
            "checkpoint_every": self.checkpoint_every,
            "log_every": self.log_every,
            "data.prefetch": d.prefetch,
        }
        for key, value in positive.items():
            if not value > 0:
                raise ValueError(f"'{key}' must be greater than 0; got {value}.")
        if o.pairs_per_step % o.pairs_per_device:
            raise ValueError(
                f"'optimizer.pairs_per_step' must be a multiple of 'pairs_per_device'; "
                f"got {o.pairs_per_step} and {o.pairs_per_device}."
            )
        for key, value in (("model.lora_dropout", m.lora_dropout), ("optimizer.ema_decay", o.ema_decay)):
            if not 0.0 <= value < 1.0:
                raise ValueError(f"'{key}' must be in [0, 1); got {value}.")
        if m.lora_rank < 0:
            raise ValueError(f"'model.lora_rank' must be 0 (train in full) or more; got {m.lora_rank}.")
        if m.backbone == "random" and m.init_from:
            raise ValueError("'model.init_from' needs the backbone it was trained on, not 'random'.")
        if not d.manifest and d.scenes is None:
            raise ValueError("A recipe needs pairs: set 'data.manifest' or fill the table [data.scenes].")
        if d.previews is not None:
            levels = d.previews.noise_levels
            if not 0.0 < d.previews.share <= 1.0:
                raise ValueError(f"'data.previews.share' must be in (0, 1]; got {d.previews.share}.")
            if not levels or not all(0.0 < level < 1.0 for level in levels):
                raise ValueError(
                    f"'data.previews.noise_levels' must be one or more numbers in (0, 1); got {list(levels)}."
                )
        if d.scenes is not None:
            s = d.scenes
            if s.train < 1 or s.validation < 1 or s.test < 0:
                raise ValueError(
                    "'data.scenes' needs at least one pair in 'train' and one in 'validation'; "
                    f"got {s.train} and {s.validation}."
                )
            if not (3 <= s.max_relations <= 10 and 1 <= s.max_edits <= 3):
                raise ValueError(
                    "'data.scenes.max_relations' must be 3 to 10 and 'max_edits' 1 to 3; "
                    f"got {s.max_relations} and {s.max_edits}."
                )
            for key in ("short", "held_out_wordings"):
                if not 0.0 <= getattr(s, key) <= 1.0:
                    raise ValueError(f"'data.scenes.{key}' is a share in [0, 1]; got {getattr(s, key)}.")
            if s.size < 32 or s.processes < 1:
                raise ValueError(
                    f"'data.scenes.size' must be at least 32 and 'processes' 1; got {s.size}, {s.processes}."
                )


def recipe_path(name_or_path: str | Path) -> Path:
    """Return the file of a recipe: a path, or the name of one that comes with the package.

    Raises:
        ValueError: If it is neither; lists the names.
    """
    path = Path(name_or_path)
    if path.is_file():
        return path
    bundled = {
        Path(str(f)).stem: Path(str(f)) for f in files("spatial_trainers").joinpath("recipes").iterdir()
    }
    if str(name_or_path) in bundled:
        return bundled[str(name_or_path)]
    raise ValueError(
        f"A recipe is a TOML file or one of {', '.join(sorted(bundled))}; '{name_or_path}' is neither. "
        "Check the path."
    )


def load_recipe(name_or_path: str | Path, kind: type[T], *, overrides: Sequence[str] = ()) -> T:
    """Return a recipe file as the dataclass `kind`.

    Args:
        name_or_path: See `recipe_path`.
        kind: A frozen dataclass such as `RewardRecipe`.
        overrides: `table.key=value` in TOML's notation (a bare word is a string), over what the file says.

    Raises:
        ValueError: If the file is not TOML, a key is unknown or missing, or a value is of the wrong type.
    """
    path = recipe_path(name_or_path)
    try:
        table: dict[str, Any] = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not valid TOML: {error}.") from error
    for override in overrides:
        _override(table, override)
    try:
        return build(kind, table)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def build(kind: type[T], table: Mapping[str, Any], *, prefix: str = "") -> T:
    """Return `kind` filled from a TOML table.

    Raises:
        ValueError: If a key is unknown (names the nearest valid one) or missing, or a value does not fit.
    """
    hints = get_type_hints(kind)
    known = {f.name: f for f in fields(cast(Any, kind))}
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.0)[0]
            raise ValueError(
                f"unknown key '{prefix}{key}'. The nearest valid key is '{prefix}{near}'; "
                f"valid are {', '.join(known)}."
            )
    values: dict[str, Any] = {}
    for name, f in known.items():
        if name in table:
            values[name] = _convert(hints[name], table[name], prefix + name)
        elif f.default is MISSING and f.default_factory is MISSING:
            raise ValueError(f"the key '{prefix}{name}' is missing and has no default. Add it.")
    return kind(**values)


def as_table(recipe: Any) -> dict[str, Any]:
    """Return a recipe as plain values, for JSON; equal recipes give equal tables."""
    return json.loads(json.dumps(asdict(recipe)))


def _convert(hint: Any, value: Any, key: str) -> Any:
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        hint = next(a for a in args if a is not type(None))
        return _convert(hint, value, key)
    if origin is Literal:
        if value not in args:
            near = difflib.get_close_matches(str(value), [str(a) for a in args], n=1, cutoff=0.0)[0]
            choices = ", ".join(repr(a) for a in args)
            raise ValueError(f"'{key}' must be one of {choices}; got {value!r}. Did you mean '{near}'?")
        return value
    if origin is tuple and args[-1] is Ellipsis:
        if not isinstance(value, list):
            raise ValueError(f"'{key}' must be a list; got {value!r}.")
        members = cast(list[Any], value)
        return tuple(_convert(args[0], member, f"{key}[{i}]") for i, member in enumerate(members))
    if origin is tuple:
        if not isinstance(value, list) or len(cast(list[Any], value)) != len(args):
            raise ValueError(f"'{key}' must be a list of {len(args)} values; got {value!r}.")
        return tuple(_convert(a, v, f"{key}[{i}]") for i, (a, v) in enumerate(zip(args, value, strict=True)))
    if is_dataclass(hint):
        if not isinstance(value, Mapping):
            raise ValueError(f"'{key}' must be a table ([{key}]); got {value!r}.")
        return build(cast(type[Any], hint), cast(Mapping[str, Any], value), prefix=f"{key}.")
    # TOML writes 1 for 1.0, but true is no number.
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not hint:
        raise ValueError(f"'{key}' must be of type {hint.__name__}; got {value!r} ({type(value).__name__}).")
    return value


def _override(table: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    path = key.strip().split(".")
    if not equals or not all(path):
        raise ValueError(f"An override is written table.key=value; got '{override}'.")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    for name in path[:-1]:
        inner = table.setdefault(name, {})
        if not isinstance(inner, dict):
            raise ValueError(f"'{name}' in the override '{override}' is a value, not a table.")
        table = cast(dict[str, Any], inner)
    table[path[-1]] = value
