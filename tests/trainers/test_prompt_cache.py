"""Cached embeddings are the pipeline's own, and nothing encodes after them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_flow import build_tiny_flow
from tiny_pipelines import FAMILIES
from torch import Tensor

from spatial_core.pipeline import predict, prepare
from spatial_trainers.fingerprint import module_sha256, tokenizer_sha256
from spatial_trainers.rl.prompt_cache import PromptCache

PROMPTS = ["a red ball", "a blue cup to the left of a green plate and behind a box"]
# Family -> guidance, the negative prompt that goes with it, and tokens.
CASES: dict[str, tuple[dict[str, Any], str | None, int]] = {
    "flux": ({"guidance_scale": 3.0}, None, 24),
    "flux with a negative prompt": ({"true_cfg_scale": 2.0}, "bad", 24),
    "sd3": ({"guidance_scale": 4.0}, "", 24),
    "sd3 without guidance": ({"guidance_scale": 1.0}, None, 24),
    "qwen_image": ({"true_cfg_scale": 3.0}, "bad", 64),
    "qwen_image, short": ({"true_cfg_scale": 1.0}, None, 4),
}


def count_calls(pipeline: Any) -> list[int]:
    """Return a list that grows with every call of a text encoder."""
    calls: list[int] = []
    for name, module in pipeline.components.items():
        if name.startswith("text_encoder"):
            module.register_forward_hook(lambda *_: calls.append(1))
    return calls


def begin(pipeline: Any, **given: Any) -> Any:
    fixed = {"height": 16, "width": 16, "num_inference_steps": 2}
    return prepare(pipeline, **fixed, **given, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("case", CASES)
def test_a_cached_prompt_is_the_prompt(case: str, tmp_path: Path) -> None:
    guidance, negative, tokens = CASES[case]
    pipeline = FAMILIES[case.split()[0].rstrip(",")].pipeline()
    plain = {} if negative is None else {"negative_prompt": [negative] * 2}
    expected = begin(pipeline, prompt=PROMPTS, max_sequence_length=tokens, **guidance, **plain)

    cache = PromptCache(pipeline, tmp_path, max_sequence_length=tokens)
    texts = PROMPTS if negative is None else [*PROMPTS, negative]
    calls = count_calls(pipeline)
    assert cache.encode([*texts, *texts]) == len(texts) and calls
    del calls[:]
    cache.release()
    assert all(c is None for name, c in pipeline.components.items() if name.startswith("text_encoder"))
    found = begin(pipeline, **cache.arguments(PROMPTS, negative_prompt=negative), **guidance)
    assert not calls
    assert torch.equal(found.latents, expected.latents) and torch.equal(found.sigmas, expected.sigmas)
    with torch.no_grad():
        wanted, got = (predict(pipeline, p.latents, 0.7, p.condition) for p in (expected, found))
    torch.testing.assert_close(got, wanted, atol=1e-5, rtol=1e-5)
    # Alone, nothing is padded or batched: bit for bit.
    one = cache.arguments(PROMPTS[:1])
    assert cache.arguments([PROMPTS[0]] * 3)["prompt_embeds"].shape[0] == 3
    again = cache.arguments(PROMPTS[:1])
    assert all(torch.equal(one[name], again[name]) for name in one)


def test_each_embedding_is_bitwise_what_the_pipeline_gives(tmp_path: Path) -> None:
    for name, texts in (("flux", ("prompt_2",)), ("sd3", ("prompt_2", "prompt_3")), ("qwen_image", ())):
        pipeline = FAMILIES[name].pipeline()
        cache = PromptCache(pipeline, tmp_path, max_sequence_length=32)
        cache.encode(PROMPTS)
        with torch.no_grad():
            found = pipeline.encode_prompt(
                prompt=PROMPTS[1], max_sequence_length=32, **dict.fromkeys(texts, PROMPTS[1])
            )
        assert torch.equal(cache.arguments(PROMPTS[1:])["prompt_embeds"], found[0])


def test_no_text_encoder_runs_after_the_cache(tmp_path: Path) -> None:
    pipeline = FAMILIES["flux"].pipeline()
    calls = count_calls(pipeline)
    cache = PromptCache(pipeline, tmp_path, max_sequence_length=24)
    cache.encode(PROMPTS)
    made = len(calls)
    assert made == 2 * len(PROMPTS)
    images = [
        pipeline(
            **cache.arguments(PROMPTS), height=16, width=16, num_inference_steps=2, output_type="pt"
        ).images
        for _ in range(3)
    ]
    assert len(calls) == made and images[0].shape[0] == 2
    # Another process finds everything on disk.
    other = FAMILIES["flux"].pipeline()
    later = count_calls(other)
    assert PromptCache(other, tmp_path, max_sequence_length=24).encode(PROMPTS) == 0 and not later


def test_the_starters_own_parts(tmp_path: Path) -> None:
    from diffusers import FluxPipeline

    pipeline = FluxPipeline.from_pretrained(build_tiny_flow(tmp_path / "flow"))
    cache = PromptCache(pipeline, tmp_path / "cache", max_sequence_length=16)
    assert cache.encode(PROMPTS) == 2
    assert cache.arguments(PROMPTS)["prompt_embeds"].shape[:2] == (2, 16)


def test_another_encoder_tokenizer_or_length_is_another_key(tmp_path: Path) -> None:
    def key(pipeline: Any, length: int | None = 24) -> str:
        return PromptCache(pipeline, tmp_path, max_sequence_length=length).key

    first = key(FAMILIES["flux"].pipeline())
    assert key(FAMILIES["flux"].pipeline()) == first
    assert PromptCache(FAMILIES["flux"].pipeline(), tmp_path).max_sequence_length == 512
    keys = {first, key(FAMILIES["flux"].pipeline(), 25), key(FAMILIES["flux"].pipeline(), None)}
    changed = FAMILIES["flux"].pipeline()
    with torch.no_grad():
        changed.text_encoder_2.shared.weight[3, 5] += 1e-3
    keys.add(key(changed))
    half = FAMILIES["flux"].pipeline()
    half.text_encoder.to(torch.bfloat16)
    keys.add(key(half))
    longer = FAMILIES["flux"].pipeline()
    longer.tokenizer.model_max_length = 20
    keys.add(key(longer))
    assert len(keys) == 6
    # The denoiser has no part in it.
    other = FAMILIES["flux"].pipeline()
    with torch.no_grad():
        other.transformer.x_embedder.weight.add_(1.0)
    assert key(other) == first


def test_what_is_missing_or_damaged_is_named(tmp_path: Path) -> None:
    pipeline = FAMILIES["flux"].pipeline()
    cache = PromptCache(pipeline, tmp_path, max_sequence_length=24)
    with pytest.raises(ValueError, match="'a red ball' is not in the cache. Call encode"):
        cache.arguments(PROMPTS)
    cache.encode(PROMPTS)
    cache.path(PROMPTS[0]).write_bytes(b"cut off")
    with pytest.raises(ValueError, match="is damaged .* Delete it"):
        cache.arguments(PROMPTS)
    cache.release()
    with pytest.raises(ValueError, match="1 prompts are not in the cache and .* released, e.g. 'new'"):
        cache.encode(["new", PROMPTS[1]])
    with pytest.raises(ValueError, match="needs the pipeline with its text encoders"):
        PromptCache(pipeline, tmp_path)
    with pytest.raises(ValueError, match="PromptCache knows FluxPipeline"):
        PromptCache(FAMILIES["sd15"].pipeline(), tmp_path)


def test_a_full_disk_leaves_no_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = PromptCache(FAMILIES["flux"].pipeline(), tmp_path, max_sequence_length=24)

    def full(tensors: dict[str, Tensor], path: Path, **_: Any) -> None:
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("spatial_trainers.rl.prompt_cache.save_file", full)
    with pytest.raises(OSError, match="No space left"):
        cache.encode(PROMPTS)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_fingerprints() -> None:
    def layer(seed: int, *, dtype: torch.dtype = torch.float32) -> torch.nn.Linear:
        torch.manual_seed(seed)
        return torch.nn.Linear(100, 200, dtype=dtype)

    assert module_sha256(layer(0)) == module_sha256(layer(0)) != module_sha256(layer(1))
    assert module_sha256(layer(0)) != module_sha256(layer(0, dtype=torch.float64))
    one_number, scalar = layer(0), torch.nn.Module()
    with torch.no_grad():
        one_number.weight[7, 9] += 1e-6
    assert module_sha256(one_number) != module_sha256(layer(0))
    scalar.register_buffer("step", torch.tensor(3))
    assert module_sha256(scalar) != module_sha256(torch.nn.Module())
    tokenizer = FAMILIES["flux"].pipeline().tokenizer
    before = tokenizer_sha256(tokenizer)
    tokenizer.add_tokens(["zzz"])
    assert tokenizer_sha256(tokenizer) != before
