"""Real detector and depth classes of transformers at tiny sizes: boxes, distances, files, errors."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from spatial_core.language.scene_graph import Entity, Relation, SceneGraph
from spatial_core.scorers.base import SpatialScorer
from spatial_core.scorers.detection import (
    DepthEstimator,
    Detection,
    Detector,
    MonocularDepth,
    ZeroShotDetector,
    distances_in_boxes,
    inverse_to_distance,
    overlap_share,
)
from spatial_core.scorers.geometric import GeometricScorer

NAMES = ["red mug", "cat", "wooden table"]
LETTERS = "abcdefghijklmnopqrstuvwxyz"
CAT_TABLE = SceneGraph(
    "a cat on a table",
    (Entity(0, "cat", (0, 5)), Entity(1, "table", (9, 16))),
    (Relation("on", 0, (1,), (6, 16)),),
)


def clip_tokenizer() -> Any:
    from transformers import CLIPTokenizerFast

    tokens = ["<pad>", *LETTERS, *(f"{letter}</w>" for letter in LETTERS), "<|startoftext|>", "<|endoftext|>"]
    vocabulary = json.dumps({token: place for place, token in enumerate(tokens)})
    return from_files(CLIPTokenizerFast, {"vocab.json": vocabulary, "merges.txt": "#version: 0.2\n"})


def bert_tokenizer() -> Any:
    """Words and letters, with the special tokens at the places that Grounding DINO expects."""
    from transformers import BertTokenizerFast

    tokens = [f"[unused{k}]" for k in range(1030)]
    placed = {"[PAD]": 0, "[UNK]": 100, "[CLS]": 101, "[SEP]": 102, "[MASK]": 103, ".": 1012, "?": 1029}
    words = ["red", "mug", "cat", "wooden", "table", *LETTERS, *(f"##{letter}" for letter in LETTERS)]
    for token, place in [*placed.items(), *((word, 200 + k) for k, word in enumerate(words))]:
        tokens[place] = token
    return from_files(BertTokenizerFast, {"vocab.txt": "".join(f"{token}\n" for token in tokens)})


def from_files(kind: Any, files: dict[str, str]) -> Any:
    """A tokenizer from its vocabulary's files: their form is the same for all versions of transformers."""
    with TemporaryDirectory() as folder:
        for name, text in files.items():
            Path(folder, name).write_text(text, encoding="utf-8")
        return kind.from_pretrained(folder)


def owl(version: str = "owlv2") -> ZeroShotDetector:
    import transformers

    config_class, model_class = {
        "owlv2": (transformers.Owlv2Config, transformers.Owlv2ForObjectDetection),
        "owlvit": (transformers.OwlViTConfig, transformers.OwlViTForObjectDetection),
    }[version]
    tokenizer = clip_tokenizer()
    small = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    text = {
        "vocab_size": len(tokenizer),
        "max_position_embeddings": 32,
        "pad_token_id": 0,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }
    config = config_class(
        text_config={**small, **text},
        vision_config={**small, "image_size": 64, "patch_size": 16},
        projection_dim=16,
    )
    torch.manual_seed(0)
    model = model_class(config)
    # Boxes of fresh weights are anything; close to the default grid they are proper boxes.
    for weight in model.box_head.parameters():
        weight.data *= 0.2
    return ZeroShotDetector(model, tokenizer, processing={"size": {"height": 64, "width": 64}}, threshold=0.0)


def dino(max_text_len: int = 64, tokenizer: Any = None) -> ZeroShotDetector:
    from transformers import BertConfig, GroundingDinoConfig, GroundingDinoForObjectDetection, SwinConfig

    config = GroundingDinoConfig(
        backbone_config=SwinConfig(
            image_size=64,
            embed_dim=8,
            depths=[1, 1, 1, 1],
            num_heads=[1, 1, 2, 2],
            window_size=4,
            out_features=["stage2", "stage3", "stage4"],
        ),
        text_config=BertConfig(
            vocab_size=1030,
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=32,
            max_position_embeddings=256,
        ),
        d_model=64,
        num_queries=20,
        encoder_layers=1,
        decoder_layers=2,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        max_text_len=max_text_len,
    )
    torch.manual_seed(0)
    size = {"shortest_edge": 64, "longest_edge": 100}
    return ZeroShotDetector(
        GroundingDinoForObjectDetection(config),
        tokenizer or bert_tokenizer(),
        processing={"size": size},
        threshold=0.0,
    )


def depth(metric: bool = False) -> MonocularDepth:
    from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config

    config = DepthAnythingConfig(
        backbone_config=Dinov2Config(
            hidden_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            mlp_ratio=2,
            image_size=28,
            patch_size=14,
            out_features=["stage1", "stage2"],
            reshape_hidden_states=False,
        ),
        reassemble_factors=[1, 0.5],
        neck_hidden_sizes=[8, 8],
        reassemble_hidden_size=16,
        fusion_hidden_size=8,
        head_hidden_size=8,
        depth_estimation_type="metric" if metric else "relative",
        max_depth=20,
    )
    torch.manual_seed(0)
    return MonocularDepth(
        DepthAnythingForDepthEstimation(config), processing={"size": {"height": 56, "width": 56}}
    )


@pytest.fixture
def images() -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    sizes = ((50, 80), (60, 60), (50, 80), (90, 40))
    return [torch.rand(3, *size, generator=generator) for size in sizes]


@pytest.fixture(params=["owlv2", "owlvit", "grounding-dino"])
def detector(request: pytest.FixtureRequest) -> ZeroShotDetector:
    return dino() if request.param == "grounding-dino" else owl(request.param)


def same(a: list[Detection], b: list[Detection]) -> None:
    assert [d.name for d in a] == [d.name for d in b]
    np.testing.assert_allclose([d.score for d in a], [d.score for d in b], atol=1e-5)
    np.testing.assert_allclose([d.box for d in a], [d.box for d in b], atol=1e-2)


def test_detections_are_proper_and_in_order(detector: ZeroShotDetector, images: list[Tensor]) -> None:
    assert isinstance(detector, Detector)
    found = detector.detect(images, NAMES)
    assert len(found) == 4 and all(found)
    for image, detections in zip(images, found, strict=True):
        height, width = image.shape[-2:]
        scores = [d.score for d in detections]
        assert scores == sorted(scores, reverse=True) and 0 < min(scores) and max(scores) <= 1
        for name in NAMES:
            own = torch.tensor([d.box for d in detections if d.name == name])
            assert 1 <= len(own) <= detector.max_detections
            assert (own[:, :2] >= 0).all() and (own[:, 2:] - own[:, :2] >= 1).all()
            assert (own[:, 2] <= width).all() and (own[:, 3] <= height).all()
            for place in range(len(own) - 1):
                assert overlap_share(own[place + 1 :], own[place]).max() <= 0.5


def test_a_batch_of_mixed_sizes_equals_single_images(
    detector: ZeroShotDetector, images: list[Tensor]
) -> None:
    together = detector.detect(images, NAMES)
    for image, detections in zip(images, together, strict=True):
        same(detector.detect([image], NAMES)[0], detections)
    assert detector.detect([], NAMES) == []
    assert detector.detect(images, []) == [[], [], [], []]


def test_threshold_and_names(detector: ZeroShotDetector, images: list[Tensor]) -> None:
    everything = detector.detect(images, NAMES)
    detector.threshold = sorted(d.score for d in everything[0])[-3]
    kept = detector.detect(images[:1], NAMES)[0]
    assert kept == [d for d in everything[0] if d.score > detector.threshold]
    # A dot would split a caption in two, and a name asked twice is one name.
    assert {d.name for d in detector.detect(images[:1], ["red. mug", "red mug"])[0]} <= {"red mug"}


@pytest.mark.parametrize("version", ["owlv2", "owlvit"])
def test_owl_boxes_are_those_of_the_reference(version: str, images: list[Tensor]) -> None:
    """transformers' own preparation (in numpy) and its own box arithmetic, on the same image."""
    pytest.importorskip("scipy")
    module = pytest.importorskip(f"transformers.models.{version}.image_processing_pil_{version}")
    name = {"owlv2": "Owlv2ImageProcessorPil", "owlvit": "OwlViTImageProcessorPil"}[version]
    processor = getattr(module, name)(size={"height": 64, "width": 64})
    detector = owl(version)
    # A smooth picture, as photographs are: on noise, filters that differ in rounding alone do not agree.
    smooth = torch.nn.functional.interpolate(images[1][None, :, :9, :14], (90, 140), mode="bilinear")[0]
    picture = Image.fromarray((smooth * 255).round().to(torch.uint8).permute(1, 2, 0).numpy())
    image = torch.from_numpy(np.array(picture)).permute(2, 0, 1).float() / 255
    tokens = detector.tokenizer(
        [f"a photo of a {n}" for n in NAMES], padding="max_length", max_length=32, return_tensors="pt"
    )
    with torch.no_grad():
        out = detector.model(**tokens, pixel_values=processor(picture, return_tensors="pt")["pixel_values"])
    (expected,) = processor.post_process_object_detection(out, threshold=0.0, target_sizes=[(90, 140)])
    scores, boxes = detector._look(image[None], NAMES)
    torch.testing.assert_close(scores[0], out.logits[0].sigmoid(), atol=0.02, rtol=0)
    torch.testing.assert_close(scores[0].amax(1), expected["scores"], atol=0.02, rtol=0)
    torch.testing.assert_close(boxes[0], expected["boxes"], atol=1.0, rtol=0)


def test_owlv2_input_is_that_of_the_reference(images: list[Tensor]) -> None:
    """Noise that is shrunk and grown, against scipy's filter and zoom."""
    pytest.importorskip("scipy")
    module = pytest.importorskip("transformers.models.owlv2.image_processing_pil_owlv2")
    from spatial_core.scorers.detection import _prepare

    for side in (24, 64, 100):
        processor = module.Owlv2ImageProcessorPil(size={"height": side, "width": side}, do_rescale=False)
        wanted = processor(images[1].numpy(), input_data_format="channels_first", return_tensors="pt")[
            "pixel_values"
        ]
        ours = _prepare(images[1][None], {**owl().processing, "size": {"height": side, "width": side}})
        # Where an image grows, the outermost pixel is mirrored there and held here.
        inner = (..., slice(2, -2), slice(2, -2))
        torch.testing.assert_close(ours[inner], wanted[inner].float(), atol=1e-3, rtol=0)


def test_dino_names_are_the_mean_of_their_tokens(images: list[Tensor]) -> None:
    detector = dino()
    image = torch.nn.functional.interpolate(images[1][None], (64, 64), mode="bilinear", antialias=True)
    tokens = detector.tokenizer("red mug. cat. wooden table.", return_tensors="pt")
    assert tokens["input_ids"][0].tolist() == [101, 200, 201, 1012, 202, 1012, 203, 204, 1012, 102]
    mean = torch.tensor(detector.processing["image_mean"]).view(3, 1, 1)
    std = torch.tensor(detector.processing["image_std"]).view(3, 1, 1)
    with torch.no_grad():
        out = detector.model(**tokens, pixel_values=(image - mean) / std)
        scores, boxes = detector._look(image, NAMES)
    by_token = out.logits.sigmoid()[0]
    expected = torch.stack([by_token[:, 1:3].mean(1), by_token[:, 4], by_token[:, 6:8].mean(1)], 1)
    torch.testing.assert_close(scores[0], expected, atol=1e-5, rtol=0)
    x, y, width, height = out.pred_boxes[0].unbind(1)
    corners = torch.stack([x - width / 2, y - height / 2, x + width / 2, y + height / 2], 1) * 64
    torch.testing.assert_close(boxes[0], corners, atol=1e-3, rtol=0)


def test_dino_asks_in_several_captions_when_one_is_too_long(images: list[Tensor]) -> None:
    detector = dino(max_text_len=8)
    assert detector._captions([*NAMES, "red table"]) == [["red mug", "cat"], ["wooden table", "red table"]]
    found = detector.detect(images[:1], [*NAMES, "red table"])[0]
    assert {d.name for d in found} == {*NAMES, "red table"}
    one = dino(max_text_len=8).detect(images[:1], ["red mug", "cat"])[0]
    same([d for d in found if d.name in ("red mug", "cat")], one)


@pytest.mark.parametrize(
    ("size", "expected"), [((480, 640), (800, 1066)), ((640, 480), (1066, 800)), ((200, 1000), (267, 1333))]
)
def test_dino_sizes_are_those_of_the_reference(size: tuple[int, int], expected: tuple[int, int]) -> None:
    from transformers.image_transforms import get_size_with_aspect_ratio

    from spatial_core.scorers.detection import _target_size

    processing = {"size": {"shortest_edge": 800, "longest_edge": 1333}}
    assert _target_size(size, processing) == expected == tuple(get_size_with_aspect_ratio(size, 800, 1333))


def test_depth_input_size_is_that_of_the_reference() -> None:
    module = pytest.importorskip("transformers.models.dpt.image_processing_pil_dpt")
    from spatial_core.scorers.detection import _target_size

    processing = {"size": {"height": 518, "width": 518}, "keep_aspect_ratio": True, "ensure_multiple_of": 14}
    for size in ((480, 640), (1024, 1024), (333, 777), (1300, 200)):
        wanted = module.get_resize_output_image_size(np.zeros((3, *size)), (518, 518), True, 14)
        assert _target_size(size, processing) == (wanted["height"], wanted["width"])


def test_depth_is_distance_larger_is_farther(images: list[Tensor]) -> None:
    model = depth()
    assert isinstance(model, DepthEstimator)
    maps = model.estimate(images)
    for image, distances in zip(images, maps, strict=True):
        assert distances.shape == image.shape[-2:]
        assert distances.min() == pytest.approx(1) and distances.max() <= 20
        torch.testing.assert_close(model.estimate([image])[0], distances, atol=1e-4, rtol=1e-4)
    assert model.estimate([]) == []


def test_metric_depth_is_taken_as_it_is(images: list[Tensor]) -> None:
    model = depth(metric=True)
    assert model.metric
    metres = model.estimate(images[:1])[0]
    assert 0 < metres.min() and metres.max() <= 20 and not torch.allclose(metres, torch.ones(()))
    with torch.no_grad():
        from spatial_core.scorers.detection import _prepare

        raw = model.model(pixel_values=_prepare(images[0][None], model.processing)).predicted_depth
    expected = torch.nn.functional.interpolate(raw[:, None], (50, 80), mode="bilinear", align_corners=False)
    torch.testing.assert_close(metres, expected[0, 0])


def test_inverse_depth_by_hand() -> None:
    inverse = torch.tensor([[8.0, 4.0], [2.0, 0.0]])
    assert inverse_to_distance(inverse).tolist() == [[1, 2], [4, 20]]
    # The unknown scale cancels, and an all-zero map is all far rather than NaN.
    assert torch.equal(inverse_to_distance(inverse), inverse_to_distance(inverse * 100))
    assert inverse_to_distance(torch.zeros(2, 2)).tolist() == [[20, 20], [20, 20]]


def test_distance_of_a_box_is_the_median_of_its_middle() -> None:
    distance = torch.full((20, 20), 9.0)
    distance[6:14, 6:14] = 2.0
    # The box reaches over the background; its middle half does not.
    assert distances_in_boxes(distance, [(4, 4, 16, 16)]) == [2.0]
    # Outside the map and smaller than a pixel: the nearest pixel.
    assert distances_in_boxes(distance, [(30, 30, 40, 40), (7.2, 7.2, 7.4, 7.4), (-9, -9, -5, -5)]) == [
        9.0,
        2.0,
        9.0,
    ]
    assert distances_in_boxes(distance, []) == []


# --- files ---


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    GeometricScorer(owl(), depth()).save_pretrained(tmp_path)
    return tmp_path


def test_a_saved_scorer_loads_and_scores_the_same(saved: Path, images: list[Tensor]) -> None:
    before = GeometricScorer(owl(), depth()).score(images, CAT_TABLE, explain=True)
    for source in (
        GeometricScorer.from_pretrained(saved, threshold=0.0),
        SpatialScorer.from_pretrained(saved, scorer="geometric", threshold=0.0),
        SpatialScorer.from_pretrained(saved, threshold=0.0),
    ):
        assert isinstance(source, GeometricScorer)
        after = source.score(images, CAT_TABLE, explain=True)
        torch.testing.assert_close(after.mean, before.mean, atol=1e-4, rtol=0)
        assert before.relations is not None and after.relations is not None
        for a, b in zip(before.relations, after.relations, strict=True):
            assert a[0].verdict == b[0].verdict
            np.testing.assert_allclose(a[0].boxes or (), b[0].boxes or (), atol=1e-2)


def test_parts_load_on_their_own(saved: Path, tmp_path: Path, images: list[Tensor]) -> None:
    detector = ZeroShotDetector.from_pretrained(saved)
    assert detector.threshold == 0.1 and detector.processing["size"] == {"height": 64, "width": 64}
    detector.threshold = 0.0
    same(detector.detect(images[:1], NAMES)[0], owl().detect(images[:1], NAMES)[0])
    loaded = MonocularDepth.from_pretrained(saved / "depth", dtype=torch.float32)
    torch.testing.assert_close(loaded.estimate(images[:1])[0], depth().estimate(images[:1])[0])
    scorer = GeometricScorer.from_pretrained(saved, depth=saved / "depth", dtype=torch.bfloat16)
    assert scorer.dtype == torch.bfloat16
    assert scorer.score(images[0], CAT_TABLE).mean.dtype == torch.float32
    dino().save_pretrained(tmp_path / "dino")
    again = ZeroShotDetector.from_pretrained(tmp_path / "dino", threshold=0.0)
    same(again.detect(images[:1], NAMES)[0], dino().detect(images[:1], NAMES)[0])


def test_constants_in_other_forms(saved: Path) -> None:
    """Old files give one number for the size, new ones nest the constants."""
    stored = json.loads((saved / "preprocessor_config.json").read_text())
    (saved / "preprocessor_config.json").write_text(json.dumps({**stored, "size": 64}))
    assert ZeroShotDetector.from_pretrained(saved).processing["size"] == {"height": 64, "width": 64}
    (saved / "preprocessor_config.json").write_text(
        json.dumps({**stored, "size": [48, 64], "image_mean": None})
    )
    read = ZeroShotDetector.from_pretrained(saved).processing
    assert read["size"] == {"height": 48, "width": 64} and len(read["image_mean"]) == 3
    (saved / "preprocessor_config.json").unlink()
    (saved / "processor_config.json").write_text(json.dumps({"image_processor": stored}))
    assert ZeroShotDetector.from_pretrained(saved).processing["size"] == {"height": 64, "width": 64}
    (saved / "processor_config.json").unlink()
    assert ZeroShotDetector.from_pretrained(saved).processing["size"] == {"height": 960, "width": 960}


def test_missing_and_foreign_files_are_named(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (saved / "config.json").rename(tmp_path / "kept.json")
    with pytest.raises(FileNotFoundError, match=r"must hold config\.json"):
        GeometricScorer.from_pretrained(saved)
    (tmp_path / "kept.json").rename(saved / "config.json")
    (saved / "model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match="hf download"):
        GeometricScorer.from_pretrained(saved)
    with pytest.raises(ValueError, match="a detector .* must be of type owlv2"):
        GeometricScorer.from_pretrained(saved / "depth")
    with pytest.raises(ValueError, match="a depth model .* must be of type depth_anything"):
        MonocularDepth.from_pretrained(saved)
    (saved / "preprocessor_config.json").write_text("{")
    with pytest.raises(ValueError, match=r"preprocessor_config\.json must be JSON"):
        GeometricScorer.from_pretrained(saved)

    def no_network(*_: object, **__: object) -> None:
        raise OSError("no connection")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", no_network)
    with pytest.raises(FileNotFoundError, match=r"config\.json.*hf download some/owl --local-dir models/owl"):
        GeometricScorer.from_pretrained("some/owl")


def test_wrong_models_and_thresholds_are_refused() -> None:
    with pytest.raises(ValueError, match="a detector must be of type"):
        ZeroShotDetector(SimpleNamespace(config=SimpleNamespace(model_type="bert")), None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="a depth model must be of type"):
        MonocularDepth(SimpleNamespace(config=SimpleNamespace(model_type="zoedepth")))  # type: ignore[arg-type]
    good = owl()
    with pytest.raises(ValueError, match=r"threshold must be a confidence in \[0, 1\], got 30"):
        ZeroShotDetector(good.model, good.tokenizer, threshold=30)
