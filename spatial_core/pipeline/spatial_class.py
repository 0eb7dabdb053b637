"""`SpatialDiffusionPipeline`: any text-to-image pipeline of diffusers, with a scorer and a better answer."""

from __future__ import annotations

import functools
import inspect
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any, ClassVar, cast, get_type_hints

import torch
from diffusers import __version__ as diffusers_version
from diffusers.pipelines import auto_pipeline
from diffusers.pipelines.pipeline_utils import DiffusionPipeline
from huggingface_hub import snapshot_download

from spatial_core.lora import check_fit, read_lora, save_lora
from spatial_core.pipeline.card import complete_card
from spatial_core.pipeline.components import (
    COMPONENT,
    component_dtype,
    load_scorer,
    read_index,
    written_index,
)
from spatial_core.pipeline.output import SpatialPipelineOutput
from spatial_core.pipeline.quiet import quiet_loading
from spatial_core.pipeline.request import Search, Settings, base_arguments
from spatial_core.pipeline.run import Run
from spatial_core.scorers.base import SpatialScorer

STARTER = "starter"
STARTER_CALL = {"height": 128, "width": 128, "num_inference_steps": 12, "max_sequence_length": 64}
"""What the starter was trained for; diffusers' FLUX would draw 1024 pixels with 512 tokens of padded text."""

_DTYPE = "dtype" if tuple(map(int, diffusers_version.split(".")[:2])) >= (0, 40) else "torch_dtype"
"""What `from_pretrained` of diffusers calls it."""

_HUB_ARGUMENTS = ("cache_dir", "force_download", "proxies", "token", "local_files_only", "revision")


class SpatialDiffusionPipeline(DiffusionPipeline):
    """A text-to-image pipeline that draws several candidates and returns the one that matches the prompt.

    `from_pretrained` and `from_pipe` return an object of a class made for the base, such as
    `SpatialFluxPipeline`, which is a `FluxPipeline` with one more component, `scorer`, and more arguments
    when it is called. Everything that the base can do stays: LoRA, offloading, device maps, quantisation, IP
    adapters, callbacks, single files. A saved folder still loads as the plain base.

    Example:
        ```python
        from spatial_core import SpatialDiffusionPipeline

        pipeline = SpatialDiffusionPipeline.from_pretrained("starter")
        output = pipeline("a red ball to the left of a blue cup", num_candidates=8)
        output.images[0].save("ball.png")
        ```

    Attributes:
        base_class: The class of diffusers that this one is of.
        scorer: The `SpatialScorer` that chooses; None if there is none.
        call_defaults: Arguments of the base's call that are used where the caller gives none, for a model
            that its class's own defaults do not suit.
    """

    base_class: ClassVar[type[Any]] = DiffusionPipeline
    scorer: SpatialScorer | None
    call_defaults: Mapping[str, Any] = MappingProxyType({})

    def __init__(self, *_: Any, **__: Any) -> None:
        """Refuse: this class stands for many.

        Raises:
            TypeError: Always.
        """
        raise TypeError(
            "SpatialDiffusionPipeline is made for a base: use SpatialDiffusionPipeline.from_pretrained(), "
            "from_pipe(), or for_base(FluxPipeline)(...)."
        )

    @classmethod
    def for_base(cls, base: type[DiffusionPipeline]) -> type[SpatialDiffusionPipeline]:
        """Return the class for pipelines of `base`, e.g. for its `from_single_file`."""
        return spatial_class(base)

    @classmethod
    def from_pretrained(
        cls, pretrained_model_name_or_path: str | os.PathLike[str], **kwargs: Any
    ) -> SpatialDiffusionPipeline:
        """Load a text-to-image pipeline, with the scorer it was saved with or another.

        Args:
            pretrained_model_name_or_path: "starter" for the bundled model, with the starter scorer; a local
                folder; or a hub id. Any pipeline that `AutoPipelineForText2Image` knows.
            **kwargs: What `DiffusionPipeline.from_pretrained` takes, and `scorer`: a `SpatialScorer`, what
                `SpatialScorer.from_pretrained` takes as a name, or None for none.

        Raises:
            ValueError: If there is no text-to-image pipeline for the model.
            OSError: If the files cannot be had; the message says how to get them.
        """
        source = str(pretrained_model_name_or_path)
        if source == STARTER:
            return cls._starter(**kwargs)
        if cls is SpatialDiffusionPipeline:
            hub = {name: kwargs[name] for name in _HUB_ARGUMENTS if name in kwargs}
            return spatial_class(_text_to_image_class(_class_name(source, hub))).from_pretrained(
                source, **kwargs
            )
        dtype = kwargs.pop("dtype", kwargs.pop("torch_dtype", None))
        if dtype is not None:
            kwargs[_DTYPE] = dtype
        if COMPONENT in kwargs:
            kwargs[COMPONENT] = load_scorer(kwargs[COMPONENT], dtype=component_dtype(dtype))
        pipeline = cast("SpatialDiffusionPipeline", super().from_pretrained(source, **kwargs))
        placed: Any = pipeline.hf_device_map
        if pipeline.scorer is not None and isinstance(placed, str):
            pipeline.scorer.to(placed)
        return pipeline

    @classmethod
    def _starter(cls, **kwargs: Any) -> SpatialDiffusionPipeline:
        folder = cast("Path", import_module("spatial_core.starter").starter_path("flow"))
        kwargs.setdefault(COMPONENT, STARTER)
        # Stored in half precision, which a CPU does not compute in.
        dtype = kwargs.pop("dtype", kwargs.pop("torch_dtype", torch.float32))
        # Its small autoencoder is not of the class that FLUX announces, and works.
        with quiet_loading():
            pipeline = cls.from_pretrained(folder, dtype=dtype, **kwargs)
        pipeline.call_defaults = STARTER_CALL
        return pipeline

    @classmethod
    def from_pipe(cls, pipeline: DiffusionPipeline, **kwargs: Any) -> SpatialDiffusionPipeline:
        """Return a spatial pipeline that shares the components of `pipeline`.

        Args:
            pipeline: Any pipeline with the components of a text-to-image one.
            **kwargs: `scorer` (a `SpatialScorer`, a name, or None; that of `pipeline` if not given), other
                components to exchange, and `dtype` to convert to; nothing is converted without it.

        Raises:
            ValueError: If there is no text-to-image pipeline for it, or a component is missing.
        """
        dtype = kwargs.pop("dtype", kwargs.pop("torch_dtype", None))
        base = (
            pipeline.base_class
            if isinstance(pipeline, SpatialDiffusionPipeline)
            else _text_to_image_class(type(pipeline).__name__)
        )
        components = {COMPONENT: None, **pipeline.components, **kwargs}
        components[COMPONENT] = load_scorer(components[COMPONENT], dtype=component_dtype(dtype))
        made = cast("SpatialDiffusionPipeline", _assembled(spatial_class(base), pipeline, components))
        return made.to(dtype=dtype) if dtype is not None else made

    def to_base(self) -> DiffusionPipeline:
        """Return the plain pipeline of the base class, which shares this one's components."""
        return _assembled(self.base_class, self, self.components)

    def load_lora(self, path: str | Path, *, strength: float = 1.0) -> None:
        """Load a LoRA of any form (diffusers, PEFT, kohya, with `.alpha`), after checking that it fits.

        `load_lora_weights` of diffusers is there too; this one reads more forms and refuses what would load
        only in part. `unload_lora_weights` takes it away.

        Args:
            path: A safetensors file, a folder as PEFT or diffusers write it, or "starter" for the bundled one
                that online RL made of the starter.
            strength: By what its update is multiplied.

        Raises:
            ValueError: If the file is no LoRA, or was trained for another base.
            FileNotFoundError: If there is no such file.
        """
        if str(path) == STARTER:
            path = cast("Path", import_module("spatial_core.starter").starter_path("lora"))
        lora = read_lora(path)
        shapes = {
            # A layer that has a LoRA already keeps its weight as `base_layer`.
            f"{component}.{name.removesuffix('.weight').removesuffix('.base_layer')}": weight.shape
            for component in {key.split(".")[0] for key in lora.layers} & set(self.components)
            for name, weight in getattr(self, component).named_parameters()
            if name.endswith(".weight")
        }
        fit = check_fit(lora, shapes)
        if not fit.complete:
            raise ValueError(f"{path} does not fit this {self.base_class.__name__}: {fit.explain()}")
        layers = {key: replace(layer, scale=layer.scale * strength) for key, layer in lora.layers.items()}
        load: Any = self.load_lora_weights
        # Of weights in memory, diffusers before 0.40 takes one layer's strength for all; a file says it.
        with TemporaryDirectory() as folder:
            file = save_lora(replace(lora, layers=layers), folder)
            # Without a name diffusers asks the hub, which releases before 0.40 refuse where they are offline.
            load(str(file.parent), weight_name=file.name)

    def set_scorer(self, scorer: SpatialScorer | str | Path | None) -> None:
        """Exchange the scorer; it is put where the pipeline computes.

        Args:
            scorer: A `SpatialScorer`, what `SpatialScorer.from_pretrained` takes as a name, or None.

        Raises:
            ValueError: If it is something else.
            OSError: If a file is missing.
        """
        loaded = load_scorer(scorer, dtype=None)
        offloading = bool(getattr(self, "_all_hooks", None))
        if loaded is not None and not offloading:
            loaded.to(self._execution_device)
        self.register_modules(scorer=loaded)
        if offloading:
            self.enable_model_cpu_offload(device=self._offload_device)

    @torch.no_grad()
    def __call__(
        self,
        *args: Any,
        num_candidates: int | None = None,
        score_prompt: str | list[str] | None = None,
        search: Search = "best_of_n",
        stages: Sequence[tuple[float, float]] = ((0.4, 0.5),),
        score_threshold: float | None = None,
        stop_confidence: float | None = None,
        micro_batch_size: int | None = None,
        selection: str = "mean",
        draft_threshold: float = 0.1,
        explain: bool = False,
        return_all_images: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Draw `num_candidates` images for each prompt and return the best; without it, what the base does.

        Candidate i of a prompt has the seed s + i, where s is the seed of its `generator` (with one generator
        for B prompts, prompt b begins at s + b * num_candidates). `num_images_per_prompt` is how many of the
        best are returned.

        Args:
            *args: Of the base.
            num_candidates: How many to draw for each prompt. None leaves everything to the base: as many
                images as are asked for, nothing scored.
            score_prompt: What to score against, one for all or one for each prompt; the prompt if None.
                Needed where only embeddings are given.
            search: "best_of_n" draws every candidate to the end. "halving" looks at previews after the steps
                that `stages` names and goes on with the best. "cached" draws drafts that reuse most blocks of
                the denoiser, then draws the winner exactly.
            stages: For "halving": pairs (share of the steps after which to look, share of the candidates
                kept, rounded up).
            score_threshold: Stop as soon as `num_images_per_prompt` candidates have this value; "best_of_n"
                only, as is the next.
            stop_confidence: In (0, 1): after at least two candidates, stop when the chance that the next one
                is better falls below 1 - `stop_confidence`.
            micro_batch_size: Candidates drawn at a time; halved when memory runs out. If None all at once,
                or one by one where the search may stop early.
            selection: "mean", or "mean - k std" such as "mean - 0.5 std": what candidates are ordered by.
            draft_threshold: For "cached": relative change of the first block below which the rest of the
                denoiser is reused; 0 reuses nothing.
            explain: Whether to return a report on every relation.
            return_all_images: Whether to return the pictures of all candidates.
            **kwargs: Of the base.

        Returns:
            `SpatialPipelineOutput`, or what the base returns if `num_candidates` is None; a tuple of its
            values that are not None if `return_dict=False`.

        Raises:
            ValueError: If the arguments do not fit each other, the scheduler or the denoiser.
            ScoringError: If the scorer fails; the images already made come with it.
        """
        given = base_arguments(self.base_class.__call__, args, kwargs)
        kwargs |= {name: value for name, value in self.call_defaults.items() if name not in given}
        if num_candidates is None:
            return self.base_class.__call__(self, *args, **kwargs)
        settings = Settings(
            num_candidates=num_candidates,
            score_prompt=score_prompt,
            search=search,
            stages=tuple(stages),
            score_threshold=score_threshold,
            stop_confidence=stop_confidence,
            micro_batch_size=micro_batch_size,
            selection=selection,
            draft_threshold=draft_threshold,
            explain=explain,
            return_all_images=return_all_images,
        )
        run = Run(self, settings, args, kwargs)
        self._run = run
        try:
            output: SpatialPipelineOutput = run.search()
        finally:
            self._run = None
            self.maybe_free_model_hooks()
        return output if run.return_dict else output.to_tuple()

    def progress_bar(self, iterable: Any = None, total: int | None = None) -> Any:
        """Return a progress bar; that of one micro-batch disappears when it is full."""
        make_bar: Any = super().progress_bar
        run = getattr(self, "_run", None)
        if run is None or run.outer_bar is None or total is None:
            return make_bar(iterable, total)
        # A part of the schedule has fewer steps than the base believes.
        bar = make_bar(total=len(self.scheduler.timesteps))
        bar.leave = False
        return bar

    def maybe_free_model_hooks(self) -> None:
        """As in diffusers, but only once after all candidates: the base calls it after each micro-batch."""
        if getattr(self, "_run", None) is None:
            super().maybe_free_model_hooks()
            return
        for component in self.components.values():
            if hasattr(component, "_reset_stateful_cache"):
                component._reset_stateful_cache()

    def enable_group_offload(
        self, *args: Any, exclude_modules: str | list[str] | None = None, **kwargs: Any
    ) -> None:
        """As in diffusers; the scorer stays whole on the device."""
        named = [exclude_modules] if isinstance(exclude_modules, str) else exclude_modules or []
        super().enable_group_offload(*args, exclude_modules=[*named, COMPONENT], **kwargs)

    @classmethod
    def load_config(
        cls, pretrained_model_name_or_path: str | os.PathLike[str], *args: Any, **kwargs: Any
    ) -> Any:
        """Read `model_index.json` as diffusers does, with the scorer among the components."""
        loaded: Any = super().load_config(pretrained_model_name_or_path, *args, **kwargs)
        read_index(loaded[0] if isinstance(loaded, tuple) else loaded)
        return loaded

    def to_json_string(self) -> str:
        """Return `model_index.json`: that of the base, with the scorer aside."""
        return written_index(super().to_json_string(), self.base_class.__name__)

    @classmethod
    def download(cls, pretrained_model_name: str, **kwargs: Any) -> Path:
        """Download the base as diffusers does, and the scorer unless one is given."""
        given = COMPONENT in kwargs
        folder = Path(super().download(pretrained_model_name, **kwargs))
        index = cls.load_config(folder)
        if not given and index.get(COMPONENT, [None])[0] is not None:
            names = ("cache_dir", "token", "local_files_only")
            snapshot_download(
                pretrained_model_name,
                revision=folder.name,
                allow_patterns=[f"{COMPONENT}/*"],
                **{name: kwargs[name] for name in names if name in kwargs},
            )
        return folder

    def _upload_folder(
        self, working_dir: str | os.PathLike[str], repo_id: str, *args: Any, **kwargs: Any
    ) -> Any:
        # Both ways of pushing come through here, after the files and diffusers' own card are written.
        complete_card(Path(working_dir) / "README.md", self, repo_id)
        return super()._upload_folder(working_dir, repo_id, *args, **kwargs)


@functools.cache
def spatial_class(base: type[Any]) -> type[SpatialDiffusionPipeline]:
    """Return the subclass of both `SpatialDiffusionPipeline` and `base`; always the same one.

    diffusers reads components, callbacks and LoRA support from signatures, so these are those of the base
    with ours added.
    """
    own_call = SpatialDiffusionPipeline.__call__

    def __init__(self: Any, *args: Any, scorer: SpatialScorer | None = None, **kwargs: Any) -> None:  # noqa: N807
        base.__init__(self, *args, **kwargs)
        self.register_modules(scorer=load_scorer(scorer, dtype=None))

    def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N807
        return own_call(self, *args, **kwargs)

    __init__.__signature__ = _with_ours(base.__init__, __init__)  # pyright: ignore[reportFunctionMemberAccess]
    __init__.__annotations__ = {**get_type_hints(base.__init__), COMPONENT: SpatialScorer}
    __call__.__signature__ = _with_ours(base.__call__, own_call)  # pyright: ignore[reportFunctionMemberAccess]
    __call__.__doc__ = f"{own_call.__doc__}\n\nThe base, {base.__name__}:\n{base.__call__.__doc__ or ''}"
    name = f"Spatial{base.__name__}"
    sequence = base.model_cpu_offload_seq
    members = {
        "__init__": __init__,
        "__call__": __call__,
        "__module__": __name__,
        "__doc__": f"`{base.__name__}` with a scorer: see `SpatialDiffusionPipeline`.",
        "base_class": base,
        "model_cpu_offload_seq": sequence and f"{sequence}->{COMPONENT}",
        "_optional_components": [*base._optional_components, COMPONENT],
        # A scorer asks where its weights are, which has no answer while they are moved layer by layer.
        "_exclude_from_cpu_offload": [*base._exclude_from_cpu_offload, COMPONENT],
    }
    made = type(name, (SpatialDiffusionPipeline, base), members)
    # Pickling finds a class by its name in its module.
    setattr(sys.modules[__name__], name, made)
    return made


def _with_ours(theirs: Any, ours: Any) -> inspect.Signature:
    """Return the signature of `theirs` with the keyword-only parameters of `ours` added."""
    signature = inspect.signature(theirs)
    kinds = inspect.Parameter
    added = [p for p in inspect.signature(ours).parameters.values() if p.kind is kinds.KEYWORD_ONLY]
    parameters = list(signature.parameters.values())
    rest = [p for p in parameters if p.kind is kinds.VAR_KEYWORD]
    return signature.replace(parameters=[p for p in parameters if p not in rest] + added + rest)


def _assembled(kind: type[Any], source: DiffusionPipeline, components: dict[str, Any]) -> DiffusionPipeline:
    """Return a pipeline of class `kind` made of `components`, with the other settings of `source`."""
    expected, optional = kind._get_signature_keys(kind)
    needed = set(expected) - set(kind._optional_components)
    missing = sorted(needed - set(components))
    if missing:
        raise ValueError(
            f"{kind.__name__} needs the components {', '.join(missing)}, which {type(source).__name__} does "
            "not have. Pass them by name."
        )
    settings = {name: value for name, value in source.parameters.items() if name in optional}
    chosen = {name: components.get(name) for name in expected}
    made = kind(**chosen, **settings)
    if source.config.get("_name_or_path") is not None:
        made.register_to_config(_name_or_path=source.name_or_path)
    return made


def _text_to_image_class(name: str) -> type[Any]:
    """Return the text-to-image class of the family that the pipeline class `name` belongs to.

    Raises:
        ValueError: If there is none.
    """
    mapping = auto_pipeline.AUTO_TEXT2IMAGE_PIPELINES_MAPPING
    named = next((kind for kind in mapping.values() if kind.__name__ == name), None)
    found: type[Any] | None = named or auto_pipeline._get_task_class(  # pyright: ignore[reportPrivateUsage]
        mapping, name, throw_error_if_not_exist=False
    )
    if found is None:
        raise ValueError(
            f"SpatialDiffusionPipeline takes what AutoPipelineForText2Image of diffusers knows; it knows no "
            f"text-to-image pipeline for {name!r}."
        )
    return found


def _class_name(source: str, hub: dict[str, Any]) -> str:
    """Return the class that the `model_index.json` of `source` names.

    Raises:
        OSError: If it cannot be had.
    """
    try:
        index = cast("dict[str, Any]", DiffusionPipeline.load_config(source, **hub))
    except OSError as error:
        raise OSError(
            f"Cannot load {source!r}: it is no folder with a model_index.json, and it could not be had from "
            f"the hub. Fetch it once, with `hf download {source} --local-dir models/{Path(source).name}`, "
            "and pass that folder. A gated model (FLUX.1-dev, Stable Diffusion 3.5) needs its licence "
            f"accepted on its page and `hf auth login` first. ({type(error).__name__}: {error})"
        ) from error
    name: Any = index["_class_name"]
    return str(name[1] if isinstance(name, list) else name)
