"""Where prompts come from, and pairs that any pipeline draws of them."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_models import tiny_tokenizer
from tiny_pipelines import FAMILIES
from transformers import Qwen2Config, Qwen2ForCausalLM

from spatial_core.language.closure import Closure, facts_of
from spatial_core.language.parser import parse_prompt
from spatial_core.language.scene_graph import SceneGraph
from spatial_trainers.dataset.assembly import combinations_of
from spatial_trainers.dataset.build import build_pairs
from spatial_trainers.dataset.build_recipe import (
    BuildRecipe,
    ChecksRecipe,
    ImagesRecipe,
    PromptsRecipe,
    SplitsRecipe,
)
from spatial_trainers.dataset.drafts import Draft, Failure
from spatial_trainers.dataset.grammar import GrammarSource
from spatial_trainers.dataset.language_model import REQUEST, LanguageModelSource, clean
from spatial_trainers.dataset.pipeline_source import PipelinePictures
from spatial_trainers.dataset.places import PLACES
from spatial_trainers.dataset.prompt_list import ListSource, read_prompts, share_out
from spatial_trainers.pairs.records import Record, read_records

RECIPE = BuildRecipe(
    name="tiny",
    output="",
    licence="Apache-2.0",
    splits=SplitsRecipe(train=4),
    prompts=PromptsRecipe(source="grammar"),
    images=ImagesRecipe(generator="pipeline", dtype="float32", size=(32,), call={"num_inference_steps": 1}),
    checks=ChecksRecipe(probes=False, min_contrast=0.0),
    shard=2,
)
PROMPTS = (
    "A red ball is to the left of a blue cup. A lamp is on the table. A green box is behind the cup.",
    "A green box is under the table. A red ball is in front of the box. A lamp is to the right of the ball.",
    "A cat is above a shelf. A plant is next to the shelf. The plant is to the left of a lamp.",
)


def _proven(record: Record) -> None:
    """Check that each prompt refutes the edited relations of the other."""
    one, other = (SceneGraph.from_dict(record[key]) for key in ("graph", "graph_rejected"))
    assert (one.text, other.text) == (record["prompt"], record["prompt_rejected"])
    for here, there, words in ((one, other, "after"), (other, one, "before")):
        closure, facts = Closure.of(here), facts_of(there)
        assert not closure.contradiction
        for edit in record["edits"]:
            index = edit["relation_index"]
            assert closure.refutes(facts[index])
            assert there.words(there.relations[index]) == edit[words]
    for edit in record["edits"]:
        start, end = edit["span"]
        assert other.text[start:end] == edit["after"]


# --- lists ---


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    path = tmp_path / "prompts.txt"
    path.write_text("\n\n".join((*PROMPTS, PROMPTS[0], "A photo of a cat.")) + "\n")
    return path


def test_a_list_is_read_without_repetitions_and_shared_out(listed: Path) -> None:
    prompts = read_prompts(listed)
    assert [p.text for p in prompts] == [*PROMPTS, "A photo of a cat."]
    shared = share_out(prompts, {"train": 8, "validation": 1, "test": 1})
    assert Counter(len(some) for some in shared.values()) == {2: 1, 1: 2}
    assert sorted(p.text for some in shared.values() for p in some) == sorted(p.text for p in prompts)
    assert share_out(prompts[::-1], {"train": 8, "validation": 1, "test": 1})["test"] == shared["test"]


def test_prompts_of_one_scene_stay_in_one_split(tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    lines = [{"prompt": f"A cup is on table {n}.", "scene": ("kitchen", "cafe")[n % 2]} for n in range(6)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    shared = share_out(read_prompts(path), {"train": 1, "validation": 0, "test": 1})
    assert [len({p.scene for p in shared[split]}) for split in ("train", "validation", "test")] == [1, 0, 1]
    with pytest.raises(ValueError, match="of 2 scenes, and 3 splits share no scene"):
        share_out(read_prompts(path), {"train": 1, "validation": 1, "test": 1})


def test_listed_prompts_are_perturbed_provably_and_those_without_space_fail(listed: Path) -> None:
    recipe = replace(RECIPE, prompts=PromptsRecipe(source="list", file=str(listed)))
    results = ListSource(recipe).write("train", range(12))
    failures = [r for r in results if isinstance(r, Failure)]
    assert [f.prompt for f in failures] == ["A photo of a cat."] * 3
    assert "0 relations were read" in failures[0].reason
    records = [r for r in results if not isinstance(r, Failure)]
    for record in records:
        _proven(record)
    assert len({r["prompt"] + r["prompt_rejected"] for r in records}) > 3
    # A coin decides which is called chosen, so that no trace of the editing tells.
    assert {r["prompt"] in PROMPTS for r in records} == {True, False}
    assert results == ListSource(recipe).write("train", range(12))


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("p.txt", b"", "holds no prompts"),
        ("p.txt", b"fine\n\xff\xfe\n", "line 2: the prompt is not UTF-8"),
        ("p.txt", b"a\x00b", "characters that are no text"),
        ("p.txt", b"x" * 5000, "has 5000 characters"),
        ("p.jsonl", b"{", "line 1: the prompt is not JSON"),
        ("p.jsonl", b'{"text": "a"}', "must be .*prompt"),
        ("p.jsonl", b'["a"]', "must be"),
        ("p.jsonl", b'{"prompt": "a \\ud800"}', "characters that are no text"),
    ],
)
def test_unreadable_prompts_are_named(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ValueError, match=message):
        read_prompts(tmp_path / name)
    with pytest.raises(ValueError, match="Cannot read the prompts"):
        read_prompts(tmp_path / "missing.txt")


def test_a_prompt_that_contradicts_itself_is_no_pair(tmp_path: Path) -> None:
    text = "A ball is left of a cup. The ball is right of the cup. A lamp is on a box."
    (tmp_path / "p.txt").write_text(text)
    recipe = replace(RECIPE, prompts=PromptsRecipe(source="list", file=str(tmp_path / "p.txt")))
    (result,) = ListSource(recipe).write("train", range(1))
    assert isinstance(result, Failure) and "contradicts itself" in result.reason


# --- the grammar ---


def test_the_grammar_keeps_its_word() -> None:
    recipe = replace(RECIPE, splits=SplitsRecipe(train=1, test=1, held_out_scenes=("nursery", "pantry")))
    source = GrammarSource(recipe)
    records = {split: source.write(split, range(12)) for split in ("train", "test")}
    held: set[Any] = set()
    for record in records["test"]:
        assert isinstance(record, dict)
        held |= {c for c, concerned in combinations_of(record).items() if concerned}
    for split, some in records.items():
        for record in some:
            assert isinstance(record, dict)
            _proven(record)
            assert record["scene"] in PLACES and record["split"] == split
            assert 3 <= len(record["graph"]["relations"]) <= 12
            assert 15 <= len(record["prompt"].split()) <= 130
            if split == "train":
                assert record["scene"] not in ("nursery", "pantry")
                assert not held & set(combinations_of(record))
    assert {r["scene"] for r in records["test"] if isinstance(r, dict)} & {"nursery", "pantry"}
    assert records["train"][3:5] == source.write("train", range(3, 5))


def test_unknown_places_cannot_be_held_out() -> None:
    with pytest.raises(ValueError, match="'splits.held_out_scenes' must be some of kitchen"):
        GrammarSource(replace(RECIPE, splits=SplitsRecipe(train=1, held_out_scenes=("moon",))))


# --- a language model ---


def _language_model(*, steps: int) -> tuple[Any, Any]:
    """Return a tiny Qwen2 and its tokenizer, taught for `steps` steps to answer with PROMPTS[0]."""
    tokenizer = tiny_tokenizer()
    torch.manual_seed(0)
    model = Qwen2ForCausalLM(
        Qwen2Config(
            vocab_size=len(tokenizer),
            hidden_size=64,
            intermediate_size=96,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            eos_token_id=tokenizer.eos_token_id,
            bos_token_id=None,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for step in range(steps):
        place = list(PLACES)[step % len(PLACES)]
        request = REQUEST.format(place=place, count=3 + step % 8, things=4 + step % 7)
        message = [{"role": "user", "content": request}]
        asked = tokenizer(tokenizer.apply_chat_template(message, tokenize=False, add_generation_prompt=True))
        told = tokenizer(PROMPTS[0] + tokenizer.eos_token)
        ids = torch.tensor([asked["input_ids"] + told["input_ids"]])
        labels = ids.clone()
        labels[:, : len(asked["input_ids"])] = -100
        model(input_ids=ids, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return model.eval(), tokenizer


def test_what_a_language_model_writes_becomes_pairs() -> None:
    model, tokenizer = _language_model(steps=80)
    recipe = replace(
        RECIPE, prompts=PromptsRecipe(source="language_model", model="x", temperature=0.2, batch=3)
    )
    source = LanguageModelSource(recipe, model, tokenizer)
    before = torch.random.get_rng_state()
    results = source.write("train", range(6))
    assert torch.equal(before, torch.random.get_rng_state())
    records = [r for r in results if not isinstance(r, Failure)]
    assert len(records) >= 3
    for record in records:
        _proven(record)
        assert record["scene"] in PLACES
        assert PROMPTS[0] in (record["prompt"], record["prompt_rejected"])
    assert results == source.write("train", range(6))


def test_a_language_model_that_writes_nonsense_ends_in_failures_that_can_be_read(tmp_path: Path) -> None:
    model, tokenizer = _language_model(steps=0)
    # Of words drawn at random some state relations, by luck: it writes signs alone.
    tokens = (token for token in range(len(tokenizer)) if token != tokenizer.eos_token_id)
    model.generation_config.suppress_tokens = [
        t for t in tokens if any(map(str.isalpha, tokenizer.decode(t)))
    ]
    model.save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    prompts = PromptsRecipe(
        source="language_model", model=str(tmp_path / "model"), dtype="float32", attempts=1
    )
    FAMILIES["sd15"].pipeline().save_pretrained(tmp_path / "pipeline")
    images = replace(RECIPE.images, generator=str(tmp_path / "pipeline"))
    recipe = replace(
        RECIPE,
        output=str(tmp_path / "out"),
        prompts=prompts,
        images=images,
        splits=SplitsRecipe(train=2),
        oversample=1.0,
    )
    with pytest.raises(ValueError, match="only 0 passed; 2 are wanted. The first reason: .* relations were"):
        build_pairs(recipe)
    failures = [json.loads(line) for line in (tmp_path / "out" / "failures.jsonl").read_text().splitlines()]
    assert [f["id"] for f in failures] == ["train-0000000", "train-0000001"]


def test_a_model_that_is_not_there_is_named(tmp_path: Path) -> None:
    prompts = PromptsRecipe(source="language_model", model=str(tmp_path))
    with pytest.raises(ValueError, match="The language model .* cannot be loaded"):
        LanguageModelSource.load(replace(RECIPE, prompts=prompts))
    with pytest.raises(ValueError, match="The pipeline .* cannot be loaded"):
        PipelinePictures.load(replace(RECIPE, images=ImagesRecipe(generator=str(tmp_path))))


def test_reasoning_and_quotes_are_no_part_of_a_prompt() -> None:
    text = '<think>left or right?</think>\n\nHere it is:\n\n"A cup is on\na table."\n\n'
    assert clean(text) == "A cup is on a table."


# --- pictures by a pipeline ---


@pytest.fixture(scope="module")
def pipeline_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pipeline")
    FAMILIES["sd15"].pipeline().save_pretrained(folder)
    return folder


def test_pairs_of_a_list_are_drawn_by_a_pipeline(pipeline_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "prompts.txt").write_text("\n".join(PROMPTS))
    recipe = replace(
        RECIPE,
        prompts=PromptsRecipe(source="list", file=str(tmp_path / "prompts.txt")),
        images=replace(RECIPE.images, generator=str(pipeline_folder)),
        checks=replace(RECIPE.checks, max_distance=-1),
    )
    digests = set()
    for name in ("a", "b"):
        result = build_pairs(replace(recipe, output=str(tmp_path / name)))
        assert result is not None and result.counts["train"] == 4
        digests.add(result.sha256)
    assert len(digests) == 1
    records = read_records(tmp_path / "a" / "manifest.jsonl")
    for record in records:
        _proven(record)
        assert record["generator"] == str(pipeline_folder) and record["seed"] != record["seed_rejected"]
    pictures = [hashlib.sha256(p.read_bytes()).hexdigest() for p in (tmp_path / "a").rglob("*.png")]
    assert len(set(pictures)) >= 8


class _Moody:
    """A real pipeline that dislikes some words."""

    def __init__(self, pipeline: Any, word: str):
        self.pipeline, self.word = pipeline, word

    def __call__(self, *, prompt: list[str], **arguments: Any) -> Any:
        if any(self.word in text for text in prompt):
            raise RuntimeError(f"no {self.word} today")
        return self.pipeline(prompt=prompt, **arguments)


def test_a_pipeline_that_fails_on_some_prompts_is_recorded_and_goes_on(pipeline_folder: Path) -> None:
    recipe = replace(RECIPE, images=replace(RECIPE.images, batch=3))
    records = [
        {"id": f"train-{n}", "prompt": text, "prompt_rejected": text, "edits": []}
        for n, text in enumerate(("a cup", "a cat", "a box"))
    ]
    early = Failure("train-9", "prompt", "nothing read")
    pipeline = FAMILIES["sd15"].pipeline()
    results = PipelinePictures(recipe, _Moody(pipeline, "cat")).draw([*records, early])
    assert [type(r) for r in results] == [Draft, Failure, Draft, Failure]
    assert results[1] == Failure("train-1", "image", "RuntimeError: no cat today", "a cat")
    assert results[3] is early
    with pytest.raises(ValueError, match="failed on all 3 prompts of a shard.*no a today"):
        PipelinePictures(recipe, _Moody(pipeline, "a")).draw(records)


def test_splits_do_not_share_what_edits_are_about(pipeline_folder: Path, tmp_path: Path) -> None:
    """Two prompts about a ball left of a cup: the one in the stricter split stays."""
    texts = [
        "A ball is to the left of a cup. A lamp is on a table. A box is behind a chair.",
        "A ball is to the left of a cup. A vase is on a shelf. A dog is behind a sofa.",
        "A key is to the left of a fork. A hat is on a bench. A coin is behind a clock.",
    ]
    (tmp_path / "p.txt").write_text("\n".join(texts))
    recipe = replace(
        RECIPE,
        output=str(tmp_path / "out"),
        prompts=PromptsRecipe(source="list", file=str(tmp_path / "p.txt"), num_edits=(3,)),
        images=replace(RECIPE.images, generator=str(pipeline_folder)),
        splits=SplitsRecipe(train=1, test=1),
        checks=replace(RECIPE.checks, max_distance=-1),
        oversample=9.0,
    )
    shared = share_out(read_prompts(tmp_path / "p.txt"), recipe.wanted())
    both = [sum("ball" in p.text for p in shared[split]) for split in ("train", "test")]
    result = None
    try:
        result = build_pairs(recipe)
    except ValueError as error:
        assert "states what an edit of" in str(error)
    held: set[Any] = set()
    records = read_records(tmp_path / "out" / "manifest.jsonl")
    for record in records:
        if record["split"] == "test":
            held |= {c for c, concerned in combinations_of(record).items() if concerned}
    assert held
    for record in records:
        if record["split"] == "train":
            assert not held & set(combinations_of(record))
    assert parse_prompt(texts[0]).relations and (result is not None or both == [1, 1])


def test_a_scorer_sets_aside_what_it_does_not_believe(tmp_path: Path) -> None:
    recipe = BuildRecipe(
        name="judged",
        output=str(tmp_path),
        licence="CC0-1.0",
        splits=SplitsRecipe(train=3),
        prompts=PromptsRecipe(min_relations=3, max_relations=3, num_edits=(1,)),
        checks=ChecksRecipe(scorer="starter", min_satisfied=0.5, probes=False),
        shard=3,
    )
    result = build_pairs(recipe)
    assert result is not None and result.counts["train"] == 3
    for record in read_records(tmp_path / "manifest.jsonl"):
        assert record["checks"]["scorer"] == "starter"
        own, other, own_rejected, _ = record["checks"]["verdicts"]
        assert len(own) == 3 and sum(v == "true" for v in own) >= 2
        edited = record["edits"][0]["relation_index"]
        assert own[edited] == own_rejected[edited] == "true" and other[edited] != "true"
    verdicts = [row for path in (tmp_path / "verdicts").iterdir() for row in path.read_text().splitlines()]
    assert len(verdicts) == result.drawn >= 3
