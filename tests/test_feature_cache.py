"""Image features kept by content: the same as fresh ones, for the same weights, within their size."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from spatial_core.backbones import BackboneParts, load_backbone
from spatial_core.feature_cache import FeatureCache, fingerprint
from spatial_core.images import patchify
from spatial_core.vision_language import encode_images


@pytest.fixture(params=["qwen2_5_vl", "qwen3_vl"])
def parts(request: pytest.FixtureRequest, tiny_folders: dict[str, Path]) -> BackboneParts:
    """Both families; fresh weights for each test, which may change them."""
    return load_backbone(tiny_folders[request.param], vocabulary=False)


def patches(parts: BackboneParts, *images: Tensor) -> tuple[Tensor, Tensor]:
    """Return the patches and grids of images."""
    p = parts.processing
    return patchify(
        list(images),
        patch_size=p["patch_size"],
        merge_size=p["merge_size"],
        temporal_patch_size=p["temporal_patch_size"],
        mean=p["image_mean"],
        std=p["image_std"],
    )


def noise(parts: BackboneParts, *sizes: tuple[int, int]) -> list[Tensor]:
    """Return images of noise, of so many merged tokens high and wide."""
    generator = torch.Generator().manual_seed(0)
    side = parts.processing["patch_size"] * parts.processing["merge_size"]
    return [torch.rand(3, h * side, w * side, generator=generator) for h, w in sizes]


@torch.no_grad()
def test_features_are_those_of_the_tower_whatever_was_known(parts: BackboneParts) -> None:
    a, b, c = noise(parts, (2, 3), (2, 2), (3, 2))
    cache = FeatureCache(10**8)
    for shown, hits, misses in (((a, b), 0, 2), ((b, c, a), 2, 3), ((c, c, c), 5, 3)):
        tokens, deepstack = cache.encode(parts.model, *patches(parts, *shown))
        expected, expected_deepstack = encode_images(parts.model, *patches(parts, *shown))
        assert torch.allclose(tokens, expected, atol=1e-5)
        assert len(deepstack) == len(expected_deepstack)
        for found, wanted in zip(deepstack, expected_deepstack, strict=True):
            assert torch.allclose(found, wanted, atol=1e-5)
        assert (cache.hits, cache.misses) == (hits, misses)


@torch.no_grad()
def test_one_image_of_a_batch_is_encoded_once(parts: BackboneParts) -> None:
    (a,) = noise(parts, (2, 2))
    cache = FeatureCache(10**8)
    cache.encode(parts.model, *patches(parts, a, a, a.clone()))
    assert cache.misses == 1


@torch.no_grad()
def test_other_weights_have_other_features(parts: BackboneParts) -> None:
    (a,) = noise(parts, (2, 2))
    cache = FeatureCache(10**8)
    before, _ = cache.encode(parts.model, *patches(parts, a))
    for parameter in parts.model.visual.parameters():
        parameter.mul_(1.1)
    after, _ = cache.encode(parts.model, *patches(parts, a))
    assert not torch.allclose(before, after)
    parts.model.to(torch.bfloat16)
    assert cache.encode(parts.model, *patches(parts, a))[0].dtype == torch.bfloat16


def test_weights_may_be_loaded_in_inference_mode(tiny_folders: dict[str, Path]) -> None:
    cache = FeatureCache(10**8)
    with torch.inference_mode():
        parts = load_backbone(tiny_folders["qwen3_vl"], vocabulary=False)
        for parameter in parts.model.parameters():
            parameter.data = parameter.data.clone()
        (a,) = noise(parts, (2, 2))
        for _ in range(2):
            cache.encode(parts.model, *patches(parts, a))
    assert next(parts.model.visual.parameters()).is_inference()
    assert (cache.hits, cache.misses) == (1, 1)


def test_nothing_is_kept_where_gradients_are_wanted(parts: BackboneParts) -> None:
    (a,) = noise(parts, (2, 2))
    cache = FeatureCache(10**8)
    for _ in range(2):
        assert cache.encode(parts.model, *patches(parts, a))[0].requires_grad
    assert (cache.hits, cache.misses) == (0, 0)


@torch.no_grad()
def test_the_images_seen_longest_ago_go_first(parts: BackboneParts) -> None:
    a, b, c = noise(parts, (2, 2), (2, 2), (2, 2))
    tokens, deepstack = encode_images(parts.model, *patches(parts, a))
    cache = FeatureCache(2 * sum(part.nbytes for part in (tokens, *deepstack)))
    for image in (a, b, a, c):
        cache.encode(parts.model, *patches(parts, image))
    assert (cache.hits, cache.misses) == (1, 3)
    cache.encode(parts.model, *patches(parts, a))
    assert cache.hits == 2
    cache.encode(parts.model, *patches(parts, b))
    assert cache.misses == 4
    # A cache of no size keeps nothing and still answers.
    none = FeatureCache(0)
    for _ in range(2):
        assert torch.allclose(none.encode(parts.model, *patches(parts, a))[0], tokens, atol=1e-5)
    assert none.misses == 2


def test_fingerprints_see_every_bit_and_its_place() -> None:
    values = torch.rand(1000, generator=torch.Generator().manual_seed(0))
    known = {fingerprint(values)}
    assert fingerprint(values.clone()) in known
    for place in range(0, 1000, 7):
        other = values.clone()
        other[place] = torch.nextafter(other[place], torch.tensor(2.0))
        known.add(fingerprint(other))
    known.add(fingerprint(values.roll(1)))
    known.add(fingerprint(torch.cat([values, torch.zeros(1)])))
    assert len(known) == 1 + 143 + 2
