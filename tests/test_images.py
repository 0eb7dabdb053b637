"""Every form of image ends as float CHW in [0, 1]; sizes and patches equal the reference processor's."""

import math

import numpy as np
import pytest
import torch
from PIL import Image

from spatial_core.images import (
    patchify,
    resize,
    resize_in_8_bits,
    smart_size,
    to_batch,
    to_pil,
    to_tensors,
    vision_patches,
)

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)  # the Qwen2-VL processor's own constants
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


@pytest.fixture
def levels() -> np.ndarray:
    """An 8-bit picture [5, 7, 3] in which every value differs from its neighbours."""
    return np.random.default_rng(0).integers(0, 256, size=(5, 7, 3), dtype=np.uint8)


def reference_processor():
    """Return smart_resize and the image processor of transformers that needs no torchvision."""
    try:
        from transformers.models.qwen2_vl import image_processing_pil_qwen2_vl as module

        return module.smart_resize, module.Qwen2VLImageProcessorPil
    except ImportError:  # before transformers 5 the PIL processor had the plain name
        from transformers.models.qwen2_vl import image_processing_qwen2_vl as module

        return module.smart_resize, module.Qwen2VLImageProcessor


def smooth_image(height: int, width: int, seed: int) -> Image.Image:
    """A natural-like picture: a few octaves of smooth noise, no pixel noise."""
    generator = torch.Generator().manual_seed(seed)
    image = torch.zeros(1, 3, height, width)
    for cells, weight in ((2, 1.0), (5, 0.5), (11, 0.25), (23, 0.12)):
        coarse = torch.rand(1, 3, cells, cells, generator=generator)
        image += weight * torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic")
    image = (image - image.amin()) / (image.amax() - image.amin())
    return to_pil(image)


def test_every_form_gives_the_same_image(levels, tmp_path):
    path = tmp_path / "image.png"
    Image.fromarray(levels).save(path)
    expected = torch.from_numpy(levels).permute(2, 0, 1) / 255.0
    hwc = torch.from_numpy(levels)
    forms = [
        path,
        str(path),
        Image.open(path),
        levels,
        levels.astype(np.float64) / 255.0,
        levels[None],
        hwc,
        hwc.permute(2, 0, 1),
        hwc[None] / 255.0,
        hwc.permute(2, 0, 1)[None] / 255.0,
    ]
    for form in forms:
        (image,) = to_tensors(form)
        assert image.dtype == torch.float32
        assert torch.allclose(image, expected, atol=1e-7), type(form)
    assert len(to_tensors(forms)) == len(forms)


def test_round_trip_through_pil_is_exact(levels):
    assert np.array_equal(np.asarray(to_pil(to_tensors(levels)[0])), levels)
    assert np.array_equal(np.asarray(to_pil(to_tensors(levels)[0][None])), levels)
    with pytest.raises(ValueError, match="one image; got 2"):
        to_pil(torch.zeros(2, 3, 4, 4))


def test_alpha_is_composited_on_white():
    rgba = Image.new("RGBA", (2, 1))
    rgba.putpixel((0, 0), (255, 0, 0, 0))
    rgba.putpixel((1, 0), (255, 0, 0, 51))  # a fifth of red over white
    (image,) = to_tensors(rgba)
    assert image[:, 0, 0].tolist() == [1.0, 1.0, 1.0]
    assert image[:, 0, 1].tolist() == pytest.approx([1.0, 0.8, 0.8])
    (tensor,) = to_tensors(torch.from_numpy(np.array(rgba)).permute(2, 0, 1))
    assert torch.equal(image, tensor)


def test_palette_with_transparency_is_composited():
    palette = Image.new("P", (1, 1), 0)
    palette.putpalette([10, 20, 30])
    palette.info["transparency"] = 0
    assert to_tensors(palette)[0].flatten().tolist() == [1.0, 1.0, 1.0]


def test_grey_is_repeated():
    grey = Image.new("L", (3, 2), 51)
    for form in (grey, np.full((2, 3), 51, np.uint8), torch.full((2, 3, 1), 0.2), torch.full((1, 2, 3), 0.2)):
        (image,) = to_tensors(form)
        assert image.shape == (3, 2, 3)
        assert torch.allclose(image, torch.tensor(0.2))


def test_sixteen_bit_grey_keeps_its_levels():
    wide = Image.fromarray(np.array([[0, 32768, 65535]], dtype=np.uint16))
    assert to_tensors(wide)[0][0, 0].tolist() == pytest.approx([0.0, 32768 / 65535, 1.0])


def test_exif_orientation_is_applied(tmp_path):
    image = Image.new("RGB", (4, 2), (255, 0, 0))
    exif = image.getexif()
    exif[0x0112] = 6  # rotate a quarter turn to show
    path = tmp_path / "turned.jpg"
    image.save(path, exif=exif)
    assert to_tensors(path)[0].shape == (3, 4, 2)


def test_batches_and_mixed_sizes():
    batch = to_batch(torch.rand(4, 3, 6, 5))
    assert isinstance(batch, torch.Tensor) and batch.shape == (4, 3, 6, 5)
    mixed = to_batch([torch.rand(3, 6, 5), torch.rand(2, 3, 4, 4)])
    assert isinstance(mixed, list) and [tuple(i.shape) for i in mixed] == [(3, 6, 5), (3, 4, 4), (3, 4, 4)]
    assert to_batch([]) == []
    assert to_tensors(torch.rand(0, 3, 4, 4)) == []


def test_gradients_pass_through():
    image = torch.rand(2, 3, 28, 28, requires_grad=True)
    tensors = to_tensors(image)
    pixel_values, _ = patchify(
        [resize(t, 56, 28) for t in tensors],
        patch_size=14,
        merge_size=2,
        temporal_patch_size=2,
        mean=CLIP_MEAN,
        std=CLIP_STD,
    )
    pixel_values.sum().backward()
    assert image.grad is not None and image.grad.abs().min() > 0.0


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (torch.full((3, 4, 4), math.nan), "NaN"),
        (torch.full((3, 4, 4), 255.0), r"in \[0, 1\]; got values in \[255, 255\]"),
        (torch.full((3, 4, 4), -1.0), r"\(x \+ 1\) / 2"),
        (torch.zeros(3, 4, 4, dtype=torch.int64), "int64"),
        (np.zeros((4, 4, 3), dtype=np.int32), "int32"),
        (np.array(["a"]), "uint8 or floating point"),
        (torch.zeros(2, 5, 6), r"got \[2, 5, 6\]"),
        (torch.zeros(1, 2, 3, 4, 5), "shape"),
        (torch.zeros(3, 0, 4), "at least one pixel"),
    ],
)
def test_bad_images_are_refused(image, message):
    with pytest.raises(ValueError, match=message):
        to_tensors(image)


def test_a_bad_item_is_named_by_its_place():
    with pytest.raises(ValueError, match="image 1 must be"):
        to_tensors([torch.rand(3, 4, 4), torch.full((3, 4, 4), math.nan)])
    with pytest.raises(ValueError, match="image 0 must be a PIL image.*NoneType"):
        to_tensors([None])  # type: ignore[list-item]


def test_unreadable_files_are_named(tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"not a picture")
    with pytest.raises(ValueError, match="broken.png"):
        to_tensors(broken)
    with pytest.raises(ValueError, match="absent.png.*no such file"):
        to_tensors([tmp_path / "absent.png"])
    Image.new("RGB", (64, 64), (1, 2, 3)).save(tmp_path / "whole.png")
    cut = tmp_path / "cut.png"
    cut.write_bytes((tmp_path / "whole.png").read_bytes()[:60])
    with pytest.raises(ValueError, match="cut.png"):
        to_tensors(cut)
    with pytest.raises(ValueError, match=tmp_path.name):
        to_tensors(tmp_path)


def test_resize_keeps_constants_range_and_leading_shape():
    flat = torch.full((2, 1, 3, 30, 40), 0.3)
    assert torch.allclose(resize(flat, 17, 9), torch.full((2, 1, 3, 17, 9), 0.3), atol=1e-6)
    checker = (torch.arange(16) % 2).float().expand(3, 16, 16)
    big = resize(checker, 64, 64)
    assert big.amin() == 0.0 and big.amax() == 1.0
    assert torch.equal(resize(checker, 16, 16), checker)


def test_smart_size_equals_the_reference():
    reference, _ = reference_processor()
    rng = np.random.default_rng(0)
    for _ in range(2000):
        height, width = (int(x) for x in np.exp(rng.uniform(np.log(10), np.log(3000), size=2)))
        if max(height, width) > 200 * min(height, width):
            continue
        limits = {
            "min_pixels": int(rng.integers(56 * 56, 300_000)),
            "max_pixels": int(rng.integers(300_000, 2_000_000)),
        }
        for factor in (28, 32):
            assert smart_size(height, width, factor=factor, **limits) == reference(
                height, width, factor, **limits
            )


def test_smart_size_by_hand():
    limits = {"factor": 28, "min_pixels": 56 * 56, "max_pixels": 28 * 28 * 1280}
    assert smart_size(448, 448, **limits) == (448, 448)
    assert smart_size(1024, 1024, **limits) == (980, 980)
    assert smart_size(10, 10, **limits) == (56, 56)
    with pytest.raises(ValueError, match="2 x 401"):
        smart_size(2, 401, **limits)
    with pytest.raises(ValueError, match="0 x 4"):
        smart_size(0, 4, **limits)


def test_patches_lie_in_merge_blocks_by_hand():
    # 4 x 8 pixels, patches of 1 pixel, blocks of 2 x 2: the first block holds columns 0-1 of rows 0-1.
    image = torch.arange(32.0).reshape(1, 4, 8) / 32.0
    values, grid = patchify(
        [image], patch_size=1, merge_size=2, temporal_patch_size=1, mean=(0.0,), std=(1.0,)
    )
    assert grid.tolist() == [[1, 4, 8]]
    assert (values.flatten() * 32.0)[:12].tolist() == [0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13]
    assert (values.flatten() * 32.0)[16:20].tolist() == [16, 17, 24, 25]


def test_patchify_empty_and_refusals():
    values, grid = patchify(
        [], patch_size=14, merge_size=2, temporal_patch_size=2, mean=CLIP_MEAN, std=CLIP_STD
    )
    assert values.shape == (0, 1176) and grid.shape == (0, 3)
    with pytest.raises(ValueError, match="multiples of 28; got 28 x 42"):
        patchify(
            torch.rand(1, 3, 28, 42),
            patch_size=14,
            merge_size=2,
            temporal_patch_size=2,
            mean=CLIP_MEAN,
            std=CLIP_STD,
        )


def test_whole_levels_are_within_two_of_pil_on_photographs_and_rarely_off():
    image = smooth_image(300, 420, 0)
    size = (420, 280)
    ours = resize_in_8_bits(to_tensors(image)[0], 280, 420)
    theirs = torch.from_numpy(np.array(image.resize(size, Image.Resampling.BICUBIC))).permute(2, 0, 1)
    difference = (ours.int() - theirs.int()).abs()
    assert ours.dtype == torch.uint8 and difference.max() <= 2
    assert (difference > 0).float().mean() < 0.02
    exact = resize(to_tensors(image)[0], 280, 420) * 255
    assert (ours - exact).abs().max() <= 2.0


def test_levels_are_rounded_to_the_nearest():
    image = torch.tensor([0.0, 0.4 / 255, 0.6 / 255, 254.4 / 255, 254.6 / 255, 1.0])[:, None, None]
    levels = resize_in_8_bits(image.expand(6, 200, 5), 100, 5)
    assert levels[:, 0, 0].tolist() == [0, 0, 1, 254, 255, 255]


PROCESSING = {
    "patch_size": 14,
    "merge_size": 2,
    "temporal_patch_size": 2,
    "image_mean": CLIP_MEAN,
    "image_std": CLIP_STD,
}


def test_patches_of_images_of_any_size():
    images = to_tensors([smooth_image(300, 200, 0), smooth_image(56, 84, 1)])
    values, grid = vision_patches(images, processing=PROCESSING, min_pixels=28 * 28, max_pixels=150 * 150)
    assert grid.tolist() == [[1, 12, 8], [1, 4, 6]]
    layout = {"patch_size": 14, "merge_size": 2, "temporal_patch_size": 2, "mean": CLIP_MEAN, "std": CLIP_STD}
    smooth, _ = patchify([resize(images[0], 168, 112)], **layout)
    # In levels of 255, by the smallest divisor.
    assert (values[:96] - smooth).abs().max() * 255 * min(CLIP_STD) <= 2.0
    # A picture that has its size already is not rounded.
    exact, _ = patchify([images[1]], **layout)
    assert torch.equal(values[96:], exact)


def test_uint8_and_floats_give_the_same_patches():
    image = to_tensors(smooth_image(280, 28, 0))[0]
    layout = {"patch_size": 14, "merge_size": 2, "temporal_patch_size": 2, "mean": CLIP_MEAN, "std": CLIP_STD}
    floats, _ = patchify([image], **layout)
    levels, _ = patchify([(image * 255).round().to(torch.uint8)], **layout)
    assert levels.dtype == torch.float32
    torch.testing.assert_close(levels, floats, atol=1e-5, rtol=0)


def test_gradients_pass_through_a_change_of_size():
    image = to_tensors(smooth_image(60, 60, 0))[0].requires_grad_()
    values, _ = vision_patches([image], processing=PROCESSING, min_pixels=28 * 28, max_pixels=56 * 56)
    values.square().sum().backward()
    assert image.grad is not None and image.grad.abs().sum() > 0
    with torch.no_grad():
        again, _ = vision_patches([image], processing=PROCESSING, min_pixels=28 * 28, max_pixels=56 * 56)
    assert not torch.equal(again, values) and (again - values).abs().max() < 3 / 255 / min(CLIP_STD)


@pytest.mark.parametrize(
    ("patch_size", "sizes"), [(14, ((300, 420), (512, 512), (97, 64))), (16, ((250, 333),))]
)
def test_patches_equal_the_reference_processor(patch_size, sizes):
    _, processor_class = reference_processor()
    limits = {"min_pixels": 56 * 56, "max_pixels": 448 * 448}
    images = [smooth_image(height, width, seed) for seed, (height, width) in enumerate(sizes)]
    size = {"shortest_edge": limits["min_pixels"], "longest_edge": limits["max_pixels"]}
    # Said to the call: the constructor of transformers 4.57 forgets it.
    processor = processor_class(patch_size=patch_size)
    expected = processor(images, size=size, return_tensors="pt")

    resized = [
        resize(image, *smart_size(*image.shape[-2:], factor=2 * patch_size, **limits))
        for image in to_tensors(images)
    ]
    values, grid = patchify(
        resized, patch_size=patch_size, merge_size=2, temporal_patch_size=2, mean=CLIP_MEAN, std=CLIP_STD
    )
    assert torch.equal(grid, expected["image_grid_thw"])
    assert values.shape == expected["pixel_values"].shape
    std = torch.tensor(CLIP_STD).repeat_interleave(2 * patch_size**2)
    fast, _ = vision_patches(
        to_tensors(images), processing={**PROCESSING, "patch_size": patch_size}, **limits
    )
    for found in (values, fast):
        assert ((found - expected["pixel_values"]) * std).abs().max() <= 2.001 / 255
    # The layout alone, without resampling, is exact up to float rounding.
    same, _ = patchify(
        to_tensors([to_pil(image) for image in resized]),
        patch_size=patch_size,
        merge_size=2,
        temporal_patch_size=2,
        mean=CLIP_MEAN,
        std=CLIP_STD,
    )
    again = processor([to_pil(image) for image in resized], size=size, return_tensors="pt")["pixel_values"]
    assert (same - again).abs().max() < 1e-5
