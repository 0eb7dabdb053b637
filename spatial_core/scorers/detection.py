"""What is where in an image: the form of a detection, and public detectors and depth models that give it.

Images come as float [3, H, W] in [0, 1]; boxes are xyxy pixels, distances grow away from the viewer. Resizing
and normalising happen here in torch, after the constants of the checkpoint's own processor, so that images
stay on their device and no second imaging library is needed.

Shape letters: B batch, N names, Q queries of the detector, L tokens, H W image, h w model input.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from torch import Tensor

from spatial_core.atomic_files import write_text
from spatial_core.backbones import find_file

DETECTOR_TYPES = ("owlv2", "owlvit", "grounding-dino", "mm-grounding-dino")
DEPTH_TYPES = ("depth_anything", "dpt")

THRESHOLDS = {"owlvit": 0.1, "owlv2": 0.1, "grounding-dino": 0.25, "mm-grounding-dino": 0.25}
"""Least confidence of a detection: what the models' own examples use; VISOR's .1 for the OWL family."""

DUPLICATE_IOU = 0.5
"""Boxes of one name that overlap more are one object seen twice."""

FARTHEST_SHARE = 0.05
"""Relative inverse depth is clamped to this share of its maximum, so that sky is far but not at infinity."""

_CLIP = {"image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711]}
_IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
_SHORTEST = {"shortest_edge": 800, "longest_edge": 1333}
# The image processors' constants of the public checkpoints; a checkpoint's own file overrides them.
_PROCESSING: dict[str, dict[str, Any]] = {
    "owlvit": {**_CLIP, "size": {"height": 768, "width": 768}, "resample": 3},
    "owlv2": {**_CLIP, "size": {"height": 960, "width": 960}, "resample": 2, "blur": True},
    "grounding-dino": {**_IMAGENET, "size": _SHORTEST, "resample": 2},
    "mm-grounding-dino": {**_IMAGENET, "size": _SHORTEST, "resample": 2},
    "depth_anything": {
        **_IMAGENET,
        "size": {"height": 518, "width": 518},
        "resample": 3,
        "keep_aspect_ratio": True,
        "ensure_multiple_of": 14,
    },
    "dpt": {
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "size": {"height": 384, "width": 384},
        "resample": 3,
    },
}
_BICUBIC = 3
"""PIL's number for it."""


@dataclass(frozen=True)
class Detection:
    """One object found in an image.

    Attributes:
        name: What it was found as.
        box: xyxy in pixels, origin top left.
        score: Confidence in [0, 1].
        distance: Of the object from the viewer, larger is farther; None where unknown.
    """

    name: str
    box: tuple[float, float, float, float]
    score: float
    distance: float | None = None


@runtime_checkable
class Detector(Protocol):
    """Finds named objects."""

    def detect(self, images: Sequence[Tensor], names: Sequence[str]) -> list[list[Detection]]:
        """Return what was found of `names` in each of B images [3, H, W], most confident first."""
        ...


@runtime_checkable
class DepthEstimator(Protocol):
    """Estimates how far everything is."""

    def estimate(self, images: Sequence[Tensor]) -> list[Tensor]:
        """Return [H, W] distances above 0 for each of B images [3, H, W], larger is farther."""
        ...


class ZeroShotDetector(torch.nn.Module):
    """An OWL-ViT, OWLv2 or Grounding DINO checkpoint of transformers as a detector."""

    def __init__(
        self,
        model: torch.nn.Module,
        tokenizer: Any,
        *,
        processing: Mapping[str, Any] | None = None,
        threshold: float | None = None,
        max_detections: int = 16,
        batch_size: int = 8,
    ) -> None:
        """Wrap a loaded model.

        Args:
            model: A zero-shot object detection model of transformers.
            tokenizer: Its tokenizer, one of those with offsets ("fast").
            processing: Constants of its image processor, over those of the public checkpoints.
            threshold: Least confidence in [0, 1]; `THRESHOLDS` of the model's type if None.
            max_detections: No more than this many of a name.
            batch_size: Images of one size that go through the model together.

        Raises:
            ValueError: If the model is of another type, or the threshold is not in [0, 1].
        """
        super().__init__()
        config: Any = model.config
        self.model_type = _supported(config.model_type, DETECTOR_TYPES, "a detector")
        threshold = THRESHOLDS[self.model_type] if threshold is None else threshold
        if not 0 <= threshold <= 1:
            raise ValueError(f"threshold must be a confidence in [0, 1], got {threshold}")
        self.model: Any = model.eval()
        self.tokenizer = tokenizer
        self.processing = {**_PROCESSING[self.model_type], **(processing or {})}
        self.threshold = threshold
        self.max_detections = max_detections
        self.batch_size = batch_size

    @classmethod
    def from_pretrained(
        cls,
        id_or_path: str | Path,
        *,
        revision: str | None = None,
        device: str | torch.device | None = None,
        dtype: torch.dtype | None = None,
        threshold: float | None = None,
    ) -> ZeroShotDetector:
        """Load a checkpoint from a folder or the hub, e.g. "google/owlv2-base-patch16-ensemble".

        Raises:
            FileNotFoundError: If a file is missing; the message says which and how to fetch it.
            ValueError: If it is no detector of `DETECTOR_TYPES`.
        """
        from transformers import AutoModelForZeroShotObjectDetection, AutoTokenizer

        processing = _read_constants(id_or_path, DETECTOR_TYPES, "a detector", revision)
        model, tokenizer = _load(
            id_or_path, (AutoModelForZeroShotObjectDetection, AutoTokenizer), revision=revision, dtype=dtype
        )
        return cls(model.to(device), tokenizer, processing=processing, threshold=threshold)

    def save_pretrained(self, save_directory: str | Path) -> None:
        """Write model, tokenizer and image constants."""
        self.model.save_pretrained(save_directory)
        self.tokenizer.save_pretrained(save_directory)
        write_text(Path(save_directory) / "preprocessor_config.json", json.dumps(self.processing, indent=2))

    @torch.no_grad()
    def detect(self, images: Sequence[Tensor], names: Sequence[str]) -> list[list[Detection]]:
        """Return what was found of `names` in each image, most confident first.

        A box may be reported under several names; of boxes of one name that overlap, the surest is kept.
        """
        found: list[list[Detection]] = [[] for _ in images]
        asked = list(dict.fromkeys(" ".join(name.replace(".", " ").split()) for name in names))
        if not asked:
            return found
        for rows in _batches(images, self.batch_size):
            batch = torch.stack([images[row] for row in rows]).to(self._device, torch.float32)
            scores, boxes = self._look(batch, asked)
            for place, row in enumerate(rows):
                found[row] = self._keep(scores[place], boxes[place], asked, batch.shape[-2:])
        return found

    @property
    def _device(self) -> torch.device:
        return next(self.model.parameters()).device

    def _look(self, images: Tensor, names: list[str]) -> tuple[Tensor, Tensor]:
        """Return confidences [B, Q, N] and boxes [B, Q, 4] in pixels."""
        height, width = images.shape[-2:]
        dino = self.model_type.endswith("dino")
        # OWLv2 pads to a square before it resizes, so its boxes are shares of the longer side.
        side = max(height, width)
        square = self.model_type == "owlv2"
        padded = F.pad(images, (0, side - width, 0, side - height)) if square else images
        pixels = _prepare(padded, self.processing).to(next(self.model.parameters()).dtype)
        if dino:
            parts = [self._look_dino(pixels, group) for group in self._captions(names)]
            scores, centered = torch.cat([p[0] for p in parts], 2), parts[0][1]
            if len(parts) > 1:
                # Each caption has its own boxes: stack them, with no confidence in the other captions' names.
                scores = torch.zeros(len(images), sum(p[0].shape[1] for p in parts), len(names)).to(scores)
                row = column = 0
                for part, _ in parts:
                    queries, group = part.shape[1:]
                    scores[:, row : row + queries, column : column + group] = part
                    row, column = row + queries, column + group
                centered = torch.cat([p[1] for p in parts], 1)
        else:
            scores, centered = self._look_owl(pixels, names)
        scale = torch.tensor([side, side] if square else [width, height], device=centered.device).repeat(2)
        middle, size = centered[..., :2], centered[..., 2:]
        return scores, torch.cat([middle - size / 2, middle + size / 2], -1) * scale

    def _look_owl(self, pixels: Tensor, names: list[str]) -> tuple[Tensor, Tensor]:
        tokens = self.tokenizer(
            [f"a photo of a {name}" for name in names],
            padding="max_length",
            max_length=self.model.config.text_config.max_position_embeddings,
            truncation=True,
            return_tensors="pt",
        ).to(pixels.device)
        # The model wants the queries of every image, one after the other.
        batch = len(pixels)
        out = self.model(
            input_ids=tokens["input_ids"].repeat(batch, 1),
            attention_mask=tokens["attention_mask"].repeat(batch, 1),
            pixel_values=pixels,
        )
        return out.logits.float().sigmoid()[..., : len(names)], out.pred_boxes.float()

    def _look_dino(self, pixels: Tensor, names: list[str]) -> tuple[Tensor, Tensor]:
        caption, spans = _caption(names)
        tokens = self.tokenizer(
            caption, return_offsets_mapping=True, return_token_type_ids=True, return_tensors="pt"
        ).to(pixels.device)
        offsets = tokens.pop("offset_mapping")[0].tolist()
        out = self.model(
            **{key: value.expand(len(pixels), -1) for key, value in tokens.items()}, pixel_values=pixels
        )
        by_token = out.logits.float().sigmoid()
        # A name's confidence is the mean over its tokens, so that "red" alone does not make a red mug.
        belongs = torch.zeros(len(names), by_token.shape[-1], device=pixels.device)
        for row, (start, end) in enumerate(spans):
            for column, (left, right) in enumerate(offsets[: by_token.shape[-1]]):
                belongs[row, column] = float(start <= left < right <= end)
        weights = belongs / belongs.sum(1, keepdim=True).clamp(min=1)
        return by_token @ weights.T, out.pred_boxes.float()

    def _captions(self, names: list[str]) -> list[list[str]]:
        """Share the names out over captions that fit the model's text length."""
        limit = int(self.model.config.max_text_len)
        groups: list[list[str]] = [[]]
        for name in names:
            tried = [*groups[-1], name]
            if groups[-1] and len(self.tokenizer(_caption(tried)[0])["input_ids"]) > limit:
                groups.append([name])
            else:
                groups[-1] = tried
        return groups

    def _keep(self, scores: Tensor, boxes: Tensor, names: list[str], size: Sequence[int]) -> list[Detection]:
        """Return the detections of one image from confidences [Q, N] and boxes [Q, 4]."""
        height, width = size
        limits = torch.tensor([width, height, width, height], device=boxes.device)
        boxes = torch.minimum(boxes.clamp(min=0), limits)
        proper = ((boxes[:, 2:] - boxes[:, :2]) >= 1).all(1) & boxes.isfinite().all(1)
        found: list[Detection] = []
        for column, name in enumerate(names):
            score = torch.where(proper & (scores[:, column] > self.threshold), scores[:, column], 0.0)
            chosen = _without_duplicates(boxes, score, self.max_detections)
            for query in chosen:
                left, top, right, bottom = boxes[query].tolist()
                found.append(Detection(name, (left, top, right, bottom), float(score[query])))
        return sorted(found, key=lambda detection: -detection.score)


class MonocularDepth(torch.nn.Module):
    """A Depth Anything (or MiDaS DPT) checkpoint of transformers as a source of distances."""

    def __init__(
        self, model: torch.nn.Module, *, processing: Mapping[str, Any] | None = None, batch_size: int = 8
    ) -> None:
        """Wrap a loaded model.

        Args:
            model: A depth estimation model of transformers. Its output is taken as metres if its config
                says `depth_estimation_type="metric"`, else as relative inverse depth.
            processing: Constants of its image processor, over those of the public checkpoints.
            batch_size: Images of one size that go through the model together.

        Raises:
            ValueError: If the model is of another type.
        """
        super().__init__()
        config: Any = model.config
        self.model_type = _supported(config.model_type, DEPTH_TYPES, "a depth model")
        self.metric = getattr(config, "depth_estimation_type", "relative") == "metric"
        self.model: Any = model.eval()
        self.processing = {**_PROCESSING[self.model_type], **(processing or {})}
        self.batch_size = batch_size

    @classmethod
    def from_pretrained(
        cls,
        id_or_path: str | Path,
        *,
        revision: str | None = None,
        device: str | torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> MonocularDepth:
        """Load a checkpoint from a folder or the hub, e.g. "depth-anything/Depth-Anything-V2-Small-hf".

        Raises:
            FileNotFoundError: If a file is missing; the message says which and how to fetch it.
            ValueError: If it is no depth model of `DEPTH_TYPES`.
        """
        from transformers import AutoModelForDepthEstimation

        processing = _read_constants(id_or_path, DEPTH_TYPES, "a depth model", revision)
        (model,) = _load(id_or_path, (AutoModelForDepthEstimation,), revision=revision, dtype=dtype)
        return cls(model.to(device), processing=processing)

    def save_pretrained(self, save_directory: str | Path) -> None:
        """Write model and image constants."""
        self.model.save_pretrained(save_directory)
        write_text(Path(save_directory) / "preprocessor_config.json", json.dumps(self.processing, indent=2))

    @torch.no_grad()
    def estimate(self, images: Sequence[Tensor]) -> list[Tensor]:
        """Return [H, W] distances for each image: metres, or relative to the nearest point, which is at 1."""
        found: list[Tensor] = [torch.empty(0)] * len(images)
        weight = next(self.model.parameters())
        for rows in _batches(images, self.batch_size):
            batch = torch.stack([images[row] for row in rows]).to(weight.device, torch.float32)
            depth = self.model(pixel_values=_prepare(batch, self.processing).to(weight.dtype)).predicted_depth
            depth = F.interpolate(
                depth.float()[:, None], batch.shape[-2:], mode="bilinear", align_corners=False
            )[:, 0]
            for place, row in enumerate(rows):
                found[row] = (
                    depth[place].clamp(min=1e-3) if self.metric else inverse_to_distance(depth[place])
                )
        return found


def inverse_to_distance(inverse: Tensor) -> Tensor:
    """Return relative distances [H, W] from relative inverse depth: 1 at the nearest point, at most 20.

    Relative models fix neither scale nor offset. The scale cancels; the offset is taken as 0, which models
    trained with non-negative outputs (Depth Anything, MiDaS) put at the farthest things they see.
    """
    share = inverse / inverse.max().clamp(min=torch.finfo(inverse.dtype).tiny)
    return 1 / share.clamp(min=FARTHEST_SHARE)


def distances_in_boxes(distance: Tensor, boxes: Sequence[tuple[float, float, float, float]]) -> list[float]:
    """Return the median of a distance map [H, W] over the middle half of each box.

    The middle half, because the corners of a box show what is behind the object; the median, because the
    middle may as well.
    """
    height, width = distance.shape
    found: list[float] = []
    for left, top, right, bottom in boxes:
        x0, x1 = (3 * left + right) / 4, (left + 3 * right) / 4
        y0, y1 = (3 * top + bottom) / 4, (top + 3 * bottom) / 4
        column = min(max(int(x0), 0), width - 1)
        row = min(max(int(y0), 0), height - 1)
        patch = distance[row : max(round(y1), row + 1), column : max(round(x1), column + 1)]
        found.append(float(patch.float().median()))
    return found


def overlap_share(boxes: Tensor, box: Tensor) -> Tensor:
    """Return the intersection over union [N] of boxes [N, 4] with one box [4]."""
    corner = torch.minimum(boxes[:, 2:], box[2:]) - torch.maximum(boxes[:, :2], box[:2])
    common = corner.clamp(min=0).prod(1)
    union = (boxes[:, 2:] - boxes[:, :2]).prod(1) + (box[2:] - box[:2]).prod() - common
    return common / union.clamp(min=1e-9)


def _without_duplicates(boxes: Tensor, scores: Tensor, limit: int) -> list[int]:
    """Return the boxes kept by greedy suppression, most confident first; score 0 is left out."""
    left = scores.clone()
    kept: list[int] = []
    while len(kept) < limit and float(left.max()) > 0:
        best = int(left.argmax())
        kept.append(best)
        left[overlap_share(boxes, boxes[best]) > DUPLICATE_IOU] = 0
        left[best] = 0
    return kept


def _caption(names: Sequence[str]) -> tuple[str, list[tuple[int, int]]]:
    """Return Grounding DINO's caption "cat. red mug." and where in it each name is."""
    spans: list[tuple[int, int]] = []
    caption = ""
    for name in names:
        spans.append((len(caption), len(caption) + len(name)))
        caption += name.lower() + ". "
    return caption.strip(), spans


def _batches(images: Sequence[Tensor], batch_size: int) -> list[list[int]]:
    """Return groups of places whose images are of one size, in the order of first appearance."""
    by_size: dict[tuple[int, ...], list[int]] = {}
    for place, image in enumerate(images):
        by_size.setdefault(tuple(image.shape), []).append(place)
    return [
        rows[start : start + batch_size]
        for rows in by_size.values()
        for start in range(0, len(rows), batch_size)
    ]


def _prepare(images: Tensor, processing: Mapping[str, Any]) -> Tensor:
    """Return model input [B, 3, h, w] of images [B, 3, H, W] in [0, 1]."""
    height, width = _target_size(images.shape[-2:], processing)
    if processing.get("blur"):
        blurred = _blurred(_blurred(images, images.shape[-2] / height, 2), images.shape[-1] / width, 3)
        resized = F.interpolate(blurred, (height, width), mode="bilinear", align_corners=False)
    else:
        mode = "bicubic" if processing.get("resample") == _BICUBIC else "bilinear"
        resized = F.interpolate(images, (height, width), mode=mode, align_corners=False, antialias=True)
    mean = torch.tensor(processing["image_mean"], device=images.device).view(3, 1, 1)
    std = torch.tensor(processing["image_std"], device=images.device).view(3, 1, 1)
    return (resized.clamp(0, 1) - mean) / std


def _blurred(images: Tensor, factor: float, dim: int) -> Tensor:
    """Return images blurred along `dim` for shrinking by `factor`, by the Gaussian of OWLv2's training."""
    sigma = (factor - 1) / 2
    # scipy's default reach, four standard deviations.
    reach = min(int(4 * sigma + 0.5), images.shape[dim] - 1)
    if reach < 1:
        return images
    offsets = torch.arange(-reach, reach + 1, device=images.device, dtype=images.dtype)
    kernel = torch.exp(-0.5 * (offsets / sigma) ** 2)
    shape = [1, 1, 1, 1]
    shape[dim] = -1
    kernel = (kernel / kernel.sum()).view(shape).repeat(images.shape[1], 1, 1, 1)
    border = (0, 0, reach, reach) if dim == 2 else (reach, reach, 0, 0)
    return F.conv2d(F.pad(images, border, mode="reflect"), kernel, groups=images.shape[1])


def _target_size(size: Sequence[int], processing: Mapping[str, Any]) -> tuple[int, int]:
    """Return (height, width) of the model input by the rules of the checkpoints' own processors."""
    height, width = size
    wanted: dict[str, int] = processing["size"]
    if "shortest_edge" in wanted:
        short, long = min(height, width), max(height, width)
        # The longer side has the last word. Rounded and cut in the order of the reference.
        exact: float = wanted["shortest_edge"]
        if long / short * exact > wanted["longest_edge"]:
            exact = wanted["longest_edge"] * short / long
        target, other = round(exact), int(exact * long / short)
        return (target, other) if height <= width else (other, target)
    scale_y, scale_x = wanted["height"] / height, wanted["width"] / width
    if processing.get("keep_aspect_ratio"):
        # Scale as little as possible.
        scale_y = scale_x = scale_x if abs(1 - scale_x) < abs(1 - scale_y) else scale_y
    multiple = int(processing.get("ensure_multiple_of") or 1)
    return (
        max(round(scale_y * height / multiple), 1) * multiple,
        max(round(scale_x * width / multiple), 1) * multiple,
    )


def _supported(model_type: str, known: Sequence[str], what: str) -> str:
    if model_type not in known:
        raise ValueError(f"{what} must be of type {', '.join(known)}; got one of type {model_type!r}")
    return model_type


def _read_constants(
    id_or_path: str | Path, known: Sequence[str], what: str, revision: str | None
) -> dict[str, Any]:
    """Return the checkpoint's image constants after checking that it is of a known type."""
    config: dict[str, Any] = _read_json(find_file(id_or_path, "config.json", revision=revision or ""))
    model_type = _supported(str(config.get("model_type")), known, f"{what} ({id_or_path})")
    for name in ("preprocessor_config.json", "processor_config.json"):
        try:
            stored = _read_json(find_file(id_or_path, name, revision=revision or ""))
        except FileNotFoundError:
            continue
        stored = stored.get("image_processor", stored)
        wanted = {
            **_PROCESSING[model_type],
            **{key: value for key, value in stored.items() if value is not None},
        }
        keys = ("image_mean", "image_std", "size", "resample", "keep_aspect_ratio", "ensure_multiple_of")
        return {key: _size(wanted[key]) if key == "size" else wanted[key] for key in keys if key in wanted}
    return _PROCESSING[model_type]


def _size(size: Any) -> dict[str, int]:
    """Old checkpoints give one number or [height, width]."""
    if isinstance(size, int):
        return {"height": size, "width": size}
    if isinstance(size, (list, tuple)):
        height, width = (int(side) for side in size)  # pyright: ignore[reportUnknownVariableType]
        return {"height": height, "width": width}
    return size


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(
            f"{path} must be JSON, but cannot be read as such ({error}). Fetch it again."
        ) from error


def _load(
    id_or_path: str | Path, classes: Sequence[Any], *, revision: str | None, dtype: torch.dtype | None
) -> list[Any]:
    extra = {"revision": revision} if revision else {}
    loaded: list[Any] = []
    for auto in classes:
        options = {**extra, "dtype": dtype} if dtype and "Tokenizer" not in auto.__name__ else extra
        try:
            loaded.append(auto.from_pretrained(str(id_or_path), **options))
        except OSError as error:
            name = Path(id_or_path).name
            raise FileNotFoundError(
                f"'{id_or_path}' lacks files that {auto.__name__} needs ({error}). Fetch the model once "
                f"with: hf download {id_or_path} --local-dir models/{name}, then pass models/{name}."
            ) from error
    return loaded
