"""SpatialScore: a vision-language backbone, a LoRA adapter, a Gaussian head (arXiv 2602.24233, section 3.2).

Follows the paper: Qwen2.5-VL or Qwen3-VL, LoRA, an MLP head that gives (mu, sigma).
Differs: the prompt's relations follow the image as short clauses, each masked from the others and read out
on its own (`spatial_core.packing`); the final readout sees the prompt, the image and every clause. The reward
is the log-probability that all clauses hold plus what the final readout adds. So one forward gives the reward
and its reasons, labels of single relations can be trained, and the sum need not be learned from pairs:
without it a small model stood at .5 to .6 of its pairs when .87 of its clause verdicts were right.
Not released by the authors, so assumed: the template, the readout token, the head's width, the resolution.

Shapes: B images, R clauses, D width of the backbone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from spatial_core.atomic_files import atomic_path
from spatial_core.backbones import find_file, load_backbone, weights_hash
from spatial_core.images import vision_patches
from spatial_core.language.scene_graph import SceneGraph
from spatial_core.lora import apply_adapter
from spatial_core.packing import PackedRows, Row, pack
from spatial_core.vision_language import Encode, encode_text, forward_packed, gather_readouts

JUDGE_FILE = "spatial_score.safetensors"
FORMAT = "spatial_score/1"
_HEAD = "head."
_WEIGHTS = "weights."
_ADAPTER = "adapter."


@dataclass(frozen=True)
class SpatialScoreConfig:
    """Everything that must be the same in training and use; stored in the judge file's metadata.

    Attributes:
        backbone: Local path or hub id of the vision-language model.
        backbone_hash: `weights_hash` of the backbone's files, "" if unknown.
        revision: Hub revision, "" for the default one.
        before_prompt, before_image, before_clause, before_final: Template; special tokens are allowed here.
        readout: An existing token of the vocabulary; its position is read out, in clauses and at the end.
        min_pixels, max_pixels: Images are resized to between these areas.
        max_prompt_tokens: Longer prompts are refused.
        max_clauses: Prompts with more relations are refused.
        head_width: Width of the head's hidden layer.
        temperature: Divides the calibrated margin of two images, fitted on validation pairs.
        clause_temperature: Divides the calibrated logit of one relation, fitted on validation relations.
    """

    backbone: str
    backbone_hash: str = ""
    revision: str = ""
    before_prompt: str = "Prompt: "
    before_image: str = "\nImage: "
    before_clause: str = "\n"
    before_final: str = "\nOverall"
    readout: str = "<|im_end|>"
    min_pixels: int = 4 * 28 * 28
    max_pixels: int = 512 * 512
    max_prompt_tokens: int = 512
    max_clauses: int = 32
    head_width: int = 256
    temperature: float = 1.0
    clause_temperature: float = 1.0


@dataclass(frozen=True)
class RewardInputs:
    """A batch ready for the forward.

    Attributes:
        packed: One row for each image and prompt.
        pixel_values: Patches of all images.
        grid_thw: `[images, 3]`, their grids in patches.
        image_of_row: Which image each row shows, where rows share images; None if each has its own.
    """

    packed: PackedRows
    pixel_values: Tensor
    grid_thw: Tensor
    image_of_row: tuple[int, ...] | None = None


@dataclass(frozen=True)
class RewardOutput:
    """Gaussian rewards.

    Attributes:
        mean, log_std: float32 [B], of the whole prompt.
        clause_mean, clause_log_std: float32 [B, R]; `clause_mean` is the logit that the relation holds.
        clause_mask: bool [B, R], True where the row has that many clauses.
    """

    mean: Tensor
    log_std: Tensor
    clause_mean: Tensor
    clause_log_std: Tensor
    clause_mask: Tensor


class SpatialRewardModel(nn.Module):
    """The network of SpatialScore. `spatial_core.scorers.reward.RewardScorer` is the friendly object on top.

    Attributes:
        backbone: `Qwen2_5_VLModel` or `Qwen3VLModel` (no vocabulary head).
        head: MLP from D to (mu, log sigma), float32.
        config: What the judge file stores.
        judge_file: The file this model came from, None for a new one.
    """

    def __init__(
        self, backbone: Any, tokenizer: Any, processing: Mapping[str, Any], config: SpatialScoreConfig
    ) -> None:
        """Build from parts; `from_backbone` and `from_pretrained` find them.

        Args:
            backbone: The vision-language model.
            tokenizer: Its tokenizer.
            processing: `image_mean`, `image_std`, `patch_size`, `merge_size` and `temporal_patch_size`.
            config: The template and limits.
        """
        super().__init__()
        self.backbone: Any = backbone
        self.tokenizer = tokenizer
        self.processing = dict(processing)
        self.config = config
        self.judge_file: Path | None = None
        width: int = backbone.config.text_config.hidden_size
        last = nn.Linear(config.head_width, 2)
        nn.init.zeros_(last.bias)
        nn.init.normal_(last.weight, std=0.01)
        self.head = nn.Sequential(nn.Linear(width, config.head_width), nn.GELU(), last)
        self._pieces = {
            name: self._encode(getattr(config, name), special=True)
            for name in ("before_prompt", "before_image", "before_clause", "before_final", "readout")
        }
        if len(self._pieces["readout"]) != 1:
            raise ValueError(
                f"The readout must be one token of the vocabulary; {config.readout!r} is "
                f"{len(self._pieces['readout'])}. Name a token that the tokenizer of {config.backbone} has."
            )

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.head.parameters()).device

    def _encode(self, text: str, *, special: bool = False) -> list[int]:
        return encode_text(self.tokenizer, text, special=special)

    def row(self, graph: SceneGraph, image_grid: tuple[int, int]) -> Row:
        """Return one image's row: `[template, prompt, image][clause]*[final]`.

        Raises:
            ValueError: If the prompt is longer, or has more relations, than the configuration allows.
        """
        prompt = self._encode(graph.text)
        if len(prompt) > self.config.max_prompt_tokens:
            raise ValueError(
                f"A prompt may have {self.config.max_prompt_tokens} tokens; this one has {len(prompt)}: "
                f"'{graph.text[:60]}...'. Shorten it, or score it in parts."
            )
        if len(graph.relations) > self.config.max_clauses:
            raise ValueError(
                f"A prompt may state {self.config.max_clauses} relations; this one states "
                f"{len(graph.relations)}: '{graph.text[:60]}...'. Score it in parts."
            )
        ids = self.backbone.config
        piece, readout = self._pieces, self._pieces["readout"]
        image = [ids.image_token_id] * (image_grid[0] * image_grid[1])
        return Row(
            prefix=[
                *piece["before_prompt"],
                *prompt,
                *piece["before_image"],
                ids.vision_start_token_id,
                *image,
                ids.vision_end_token_id,
            ],
            image_grid=image_grid,
            branches=[
                [*piece["before_clause"], *self._encode(graph.clause(r)), *readout] for r in graph.relations
            ],
            final=[*piece["before_final"], *readout],
        )

    def patches(self, images: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Return `(pixel_values, grid_thw)` of images `[3, H, W]` in [0, 1], resized to the pixel limits."""
        return vision_patches(
            images,
            processing=self.processing,
            min_pixels=self.config.min_pixels,
            max_pixels=self.config.max_pixels,
        )

    def prepare(
        self,
        images: Sequence[Tensor],
        graphs: Sequence[SceneGraph],
        *,
        image_of_row: Sequence[int] | None = None,
    ) -> RewardInputs:
        """Return the inputs of `forward` for B scene graphs.

        Args:
            images: B images `[3, H, W]` in [0, 1], or any number with `image_of_row`.
            graphs: What is asked of them.
            image_of_row: Which image each graph is judged on, so that an image is encoded once.
        """
        pixel_values, grid_thw = self.patches(images)
        merge = self.processing["merge_size"]
        grids = [(height // merge, width // merge) for _, height, width in grid_thw.tolist()]
        shown = range(len(images)) if image_of_row is None else image_of_row
        rows = [self.row(graph, grids[i]) for graph, i in zip(graphs, shown, strict=True)]
        pad = self.tokenizer.pad_token_id
        packed = pack(
            rows,
            image_token=self.backbone.config.image_token_id,
            pad_token=self._pieces["readout"][0] if pad is None else pad,
        )
        return RewardInputs(
            packed, pixel_values, grid_thw, None if image_of_row is None else tuple(image_of_row)
        )

    def forward(self, inputs: RewardInputs, *, encode: Encode | None = None) -> RewardOutput:
        """Return the Gaussian of every image and of every clause; `encode` is `forward_packed`'s."""
        packed = inputs.packed
        hidden = forward_packed(
            self.backbone,
            packed,
            inputs.pixel_values,
            inputs.grid_thw,
            image_of_row=inputs.image_of_row,
            encode=encode,
        )
        readouts = torch.cat([packed.branch_readouts, packed.final_readout[:, None]], dim=1).to(hidden.device)
        with torch.autocast(hidden.device.type, enabled=False):
            values = self.head(gather_readouts(hidden, readouts).float())
        # Beyond these bounds the loss cannot tell sigmas apart (softplus saturates).
        mean, log_std = values[..., 0], values[..., 1].clamp(-4.0, 3.0)
        clause_mean, clause_mask = mean[:, :-1], packed.branch_mask.to(hidden.device)
        all_hold = torch.nn.functional.logsigmoid(clause_mean).masked_fill(~clause_mask, 0.0).sum(1)
        return RewardOutput(mean[:, -1] + all_hold, log_std[:, -1], clause_mean, log_std[:, :-1], clause_mask)

    @classmethod
    def from_backbone(
        cls,
        backbone: str | Path,
        *,
        config: SpatialScoreConfig | None = None,
        revision: str = "",
        dtype: torch.dtype = torch.float32,
    ) -> SpatialRewardModel:
        """Return an untrained reward model on a public or local vision-language checkpoint.

        Args:
            backbone: Folder or hub id of a Qwen2.5-VL or Qwen3-VL checkpoint.
            config: Template and limits; the defaults if None.
            revision: Hub revision.
            dtype: Of the backbone's weights; the head stays float32.

        Raises:
            ValueError: If the checkpoint is of another family.
            FileNotFoundError: If a file is missing and the hub cannot be reached.
        """
        parts = load_backbone(backbone, revision=revision, dtype=dtype, vocabulary=False)
        config = config or SpatialScoreConfig(backbone=str(backbone), revision=revision)
        found = weights_hash(parts.folder)
        if found and config.backbone_hash not in ("", found):
            raise ValueError(
                f"This SpatialScore was trained on a backbone with sha256 {config.backbone_hash[:12]}..., "
                f"but '{backbone}' has {found[:12]}.... Name the right backbone with `backbone=`."
            )
        return cls(parts.model, parts.tokenizer, parts.processing, replace(config, backbone_hash=found))

    @classmethod
    def from_pretrained(
        cls,
        path: str | Path,
        *,
        backbone: str | Path | None = None,
        revision: str = "",
        dtype: torch.dtype = torch.float32,
    ) -> SpatialRewardModel:
        """Return a trained SpatialScore from its judge file or the folder (or hub repository) that holds it.

        Args:
            path: `spatial_score.safetensors`, its folder, or a hub id.
            backbone: Where the backbone is, if not where the file says.
            revision: Hub revision of the judge file.
            dtype: Of the backbone's weights.

        Raises:
            ValueError: If the file is corrupt or foreign, or the backbone is not the one it was trained on.
            FileNotFoundError: If a file is missing and the hub cannot be reached.
        """
        file = find_file(path, JUDGE_FILE, revision=revision)
        metadata, tensors = read_judge(file)
        config = SpatialScoreConfig(**metadata)
        source = str(backbone or config.backbone)
        if backbone is None and (file.parent / source).is_dir():
            source = str((file.parent / source).resolve())
        model = cls.from_backbone(
            source, config=config, revision="" if backbone else config.revision, dtype=dtype
        )
        model.judge_file = file
        try:
            model.head.load_state_dict({k: v.float() for k, v in _part(tensors, _HEAD).items()})
            full = _part(tensors, _WEIGHTS)
            unknown = model.backbone.load_state_dict(full, strict=False).unexpected_keys if full else []
        except RuntimeError as error:
            raise ValueError(f"{file} does not fit the backbone '{source}': {error}") from error
        if unknown:
            raise ValueError(
                f"{file} holds weights that the backbone '{source}' does not have: {unknown[0]}."
            )
        apply_adapter(model.backbone, _part(tensors, _ADAPTER))
        return model.eval()

    def save_pretrained(
        self,
        folder: str | Path,
        *,
        adapter: Mapping[str, Tensor] | None = None,
        weights: Mapping[str, Tensor] | None = None,
        dtype: torch.dtype | None = None,
    ) -> Path:
        """Write the judge file into `folder` and return its path.

        Args:
            folder: Made if missing.
            adapter: Folded LoRA adapter (`spatial_core.lora.fold_adapter`).
            weights: Backbone parameters that were trained in full, by their names. Where neither is given,
                those of the file that this model came from are written again.
            dtype: Of the stored adapter and weights; their own if None. The head is stored in float32.

        Raises:
            OSError: If the disk is full; an older file is left as it was.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        if adapter is None and weights is None and self.judge_file is not None:
            _, tensors = read_judge(self.judge_file)
            adapter, weights = _part(tensors, _ADAPTER), _part(tensors, _WEIGHTS)
        parts = {_ADAPTER: adapter or {}, _WEIGHTS: weights or {}}
        tensors = {
            prefix + name: value.detach().cpu().to(dtype or value.dtype).contiguous()
            for prefix, group in parts.items()
            for name, value in group.items()
        }
        tensors |= {
            _HEAD + k: v.detach().cpu().float().contiguous() for k, v in self.head.state_dict().items()
        }
        metadata = {"format": FORMAT, "config": json.dumps(asdict(self.config), sort_keys=True)}
        with atomic_path(folder / JUDGE_FILE) as temporary:
            save_file(tensors, temporary, metadata=metadata)
        return folder / JUDGE_FILE


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def judge_parts(
    file: str | Path,
) -> tuple[dict[str, Any], dict[str, Tensor], dict[str, Tensor], dict[str, Tensor]]:
    """Return the configuration's arguments, head, folded adapter and full weights of a judge file.

    For hosts that have the backbone loaded already. Raises what `read_judge` does.
    """
    metadata, tensors = read_judge(file)
    return metadata, _part(tensors, _HEAD), _part(tensors, _ADAPTER), _part(tensors, _WEIGHTS)


def read_judge(file: str | Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return the arguments of a judge file's `SpatialScoreConfig`, and its tensors.

    Raises:
        ValueError: If the file is truncated, not safetensors, or not a SpatialScore checkpoint.
    """
    try:
        with safe_open(file, framework="pt") as reader:
            metadata = reader.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise ValueError(
                    f"A SpatialScore file says format '{FORMAT}'; {file} says "
                    f"'{metadata.get('format', 'nothing')}'. It is another kind of checkpoint, or comes from "
                    "a newer release: update spatial-diffusion."
                )
            tensors = {key: reader.get_tensor(key) for key in reader.keys()}
    except SafetensorError as error:
        raise ValueError(
            f"{file} is not a readable safetensors file ({error}). Download or copy it again."
        ) from error
    try:
        return asdict(SpatialScoreConfig(**json.loads(metadata["config"]))), tensors
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{file} has no configuration that this release understands ({error}). Update spatial-diffusion, "
            "or copy the file again."
        ) from error
