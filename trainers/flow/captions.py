"""Captions for the starter flow model: short, natural prompts of one to four relations.

Every caption states combinations of the training split alone. A share of them states relations that are not
true of the picture, as captions of the web do; the model's card gives it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random

import numpy as np
import numpy.typing as npt
from transformers import PreTrainedTokenizerBase

from spatial_core.language.relations import RELATIONS
from spatial_core.scenes.captions import Mode, plan_caption, write
from spatial_core.scenes.closure import FLOOR, WALL, Statement
from spatial_core.scenes.objects import OBJECT_KINDS
from spatial_core.scenes.scene import Scene
from spatial_core.scenes.splits import Split, kinds_of, statement_split
from spatial_core.scenes.statements import arrange, choose
from spatial_trainers.flow.scenes import FlowScenes

MAX_TOKENS = 64
"""Longer captions are worded anew; the text encoder is trained with so many tokens and more padding."""
MAX_MENTIONS = 14
_MIRROR = {
    "left_of": "right_of",
    "right_of": "left_of",
    "picture_left": "picture_right",
    "picture_right": "picture_left",
}
_COUNTS: dict[int, dict[int, float]] = {
    2: {1: 0.75, 2: 0.25},
    3: {1: 0.15, 2: 0.6, 3: 0.25},
    4: {1: 0.1, 2: 0.2, 3: 0.45, 4: 0.25},
}
"""Relations a caption states, by how many things may be named."""
_MODES: dict[Mode, float] = {"short": 0.6, "mixed": 0.2, "fronted": 0.12, "list": 0.08}


@dataclass(frozen=True)
class CaptionSettings:
    """What is said about the scenes.

    Attributes:
        variants: Captions of each scene, and as many of its mirror image.
        names_only: Share of captions that only name things.
        wrong: Share of stated relations that are replaced by their opposite. If any are, nothing is stated
            whose opposite is held out: it would be stated of pictures alone that show it wrong.
        wrong_places: The same share of places in the picture. What is told to be at either side is soon drawn
            at both, so let it be smaller.
        held_out_family: Relation that no caption states; empty for none.
        seed: Of the choice and the wording.
    """

    variants: int = 4
    names_only: float = 0.08
    wrong: float = 0.0
    wrong_places: float = 0.0
    held_out_family: str = "aligned_with"
    seed: int = 0


@dataclass(frozen=True)
class FlowCaption:
    """A prompt and where it names which object.

    Attributes:
        text: The prompt.
        mentions: (object index, end of the mention in characters), pronouns included.
        honest: Whether it was drawn to state nothing that is wrong.
    """

    text: str
    mentions: tuple[tuple[int, int], ...]
    honest: bool = True


def caption_pool(
    scene: Scene,
    true: Sequence[Statement],
    *,
    mirrored: bool,
    held_out_family: str = "",
    split: Split = "train",
) -> list[Statement]:
    """Return the statements that a caption of `split` may make of a scene or of its mirror image."""
    kinds = kinds_of(scene)
    pool: list[Statement] = []
    for statement in true:
        if mirrored:
            statement = replace(statement, relation=_MIRROR.get(statement.relation, statement.relation))
        if statement.relation != held_out_family and statement_split(kinds, statement) == split:
            pool.append(statement)
    return pool


def reversible(scene: Scene, pool: Sequence[Statement], *, split: Split = "train") -> list[Statement]:
    """Return the statements whose opposite, if they have one, is of `split` too."""
    kinds = kinds_of(scene)
    return [s for s in pool if statement_split(kinds, _opposite(s)) == split]


def of_things(pool: Sequence[Statement]) -> list[Statement]:
    """Return the statements that detectors of things can judge: none about floor or wall."""
    return [statement for statement in pool if not {FLOOR, WALL} & {statement.subject, *statement.objects}]


def draw_caption(
    scene: Scene, pool: Sequence[Statement], settings: CaptionSettings, rng: Random
) -> FlowCaption | None:
    """Return a caption that makes some of the statements in `pool`, or None if it is empty.

    Captions that speak of all things are preferred, and relations between things over those to furniture.
    """
    things = set(_things(scene))
    weights = _COUNTS[min(4, max(2, len(things)))]
    count = rng.choices(list(weights), weights=list(weights.values()))[0]
    best: list[Statement] = []
    missed = len(things) + 1
    for _ in range(6):
        drawn = choose(rng, pool, count, prefer=lambda s: 1.0 if {s.subject, *s.objects} <= things else 0.35)
        spoken = {i for s in drawn for i in (s.subject, *s.objects)}
        if drawn and len(things - spoken) < missed:
            best, missed = drawn, len(things - spoken)
        if not missed:
            break
    if not best:
        return None
    ordered = [best[i] for i in arrange(rng, best)]
    stated = [
        _opposite(s) if rng.random() < (settings.wrong if s.objects else settings.wrong_places) else s
        for s in ordered
    ]
    mode = rng.choices(list(_MODES), weights=list(_MODES.values()))[0]
    plan = plan_caption(scene, stated, seed=rng.randrange(2**31), mode=mode)
    # Colour words tell a generator what to draw, also where the kind alone would single a thing out.
    colored = frozenset(range(len(scene.objects))) if rng.random() < 0.85 else plan.colored
    caption = write(replace(plan, colored=colored, filler=()), scene, stated)
    # A quarter as many people type it, without capitals and full stop.
    text = caption.text.lower().rstrip(".") if rng.random() < 0.25 else caption.text
    mentions: list[tuple[int, int]] = []
    for entity, index in zip(caption.graph.entities, caption.objects, strict=True):
        if index not in (WALL, FLOOR):
            mentions += [(index, end) for _, end in (entity.span, *entity.mentions)]
    return FlowCaption(text, tuple(mentions))


def _things(scene: Scene) -> list[int]:
    return [i for i, o in enumerate(scene.objects) if o.named and OBJECT_KINDS[o.kind].category == "object"]


def _opposite(statement: Statement) -> Statement:
    kind = RELATIONS[statement.relation]
    other = kind.inverse if statement.objects else next(iter(kind.contrary), None)
    if other is None or set(statement.objects) & {WALL, FLOOR}:
        return statement
    return replace(statement, relation=other)


def name_things(scene: Scene, rng: Random) -> FlowCaption:
    """Return a caption that names the scene's things and says nothing of where they are."""
    things = _things(scene)
    order = rng.sample(things, k=len(things))
    text = ""
    mentions: list[tuple[int, int]] = []
    for k, index in enumerate(order):
        if k:
            text += " and " if k == len(order) - 1 else ", "
        state = scene.objects[index]
        pattern = () if state.pattern == "plain" else (state.pattern,)
        words = " ".join((*pattern, state.color, state.kind))
        text += f"{'an' if words[0] in 'aeiou' else 'a'} {words}"
        mentions.append((index, len(text)))
    return FlowCaption(text, tuple(mentions))


def captions(scenes: FlowScenes, settings: CaptionSettings) -> Iterator[list[FlowCaption]]:
    """Return each scene's captions: `variants` of it, each twice, then as many of its mirror image.

    The first of the two is honest and may state anything that the second may, which the settings apply to. A
    scene of which nothing can be said has captions that only name its things.
    """
    honest = replace(settings, wrong=0.0, wrong_places=0.0)
    for index in range(len(scenes)):
        scene, true = scenes.scene(index), scenes.statements(index)
        rng = Random(f"{settings.seed}|{index}")
        found: list[FlowCaption] = []
        for mirrored in (False, True):
            pool = caption_pool(scene, true, mirrored=mirrored, held_out_family=settings.held_out_family)
            if settings.wrong or settings.wrong_places:
                pool = reversible(scene, pool)
            for _ in range(settings.variants):
                told = rng.random() >= settings.names_only
                seed = rng.getrandbits(62)
                for kind in (honest, settings):
                    again = Random(seed)
                    drawn = draw_caption(scene, pool, kind, again) if told else None
                    caption = drawn or name_things(scene, again)
                    found.append(replace(caption, honest=kind is honest))
        yield found


@dataclass(frozen=True)
class CaptionTokens:
    """Tokenised captions; C = scenes x 2 x 2 variants, in the order of `captions`.

    Attributes:
        t5: int16 `[C, MAX_TOKENS]`, padded.
        lengths: int16 `[C]`, tokens of the T5 side, its end token included.
        clip: int16 `[C, 77]`.
        clip_lengths: int16 `[C]`, start and end token included.
        mention_tokens: int16 `[C, MAX_MENTIONS]`, the last token of each mention, -1 for none.
        mention_objects: int16 `[C, MAX_MENTIONS]`, which object it is.
        honest: bool `[C]`, False where a relation may be wrong on purpose.
    """

    t5: npt.NDArray[np.int16]
    lengths: npt.NDArray[np.int16]
    clip: npt.NDArray[np.int16]
    clip_lengths: npt.NDArray[np.int16]
    mention_tokens: npt.NDArray[np.int16]
    mention_objects: npt.NDArray[np.int16]
    honest: npt.NDArray[np.bool_]


def tokenize_captions(
    found: Sequence[FlowCaption], clip: PreTrainedTokenizerBase, t5: PreTrainedTokenizerBase
) -> CaptionTokens:
    """Return the captions as both text encoders see them."""
    texts = [caption.text for caption in found]
    wide = t5(
        texts, padding="max_length", max_length=MAX_TOKENS, truncation=True, return_offsets_mapping=True
    )
    pooled = clip(texts, padding="max_length", max_length=clip.model_max_length, truncation=True)
    ids = np.array(wide["input_ids"], dtype=np.int16)
    ends = np.array(wide["offset_mapping"])[:, :, 1]
    tokens = np.full((len(found), MAX_MENTIONS), -1, dtype=np.int16)
    objects = tokens.copy()
    for row, caption in enumerate(found):
        for k, (index, end) in enumerate(caption.mentions[:MAX_MENTIONS]):
            at = np.flatnonzero(ends[row] == end)
            if len(at):
                tokens[row, k], objects[row, k] = at[0], index
    lengths = (ids != t5.pad_token_id).sum(1).astype(np.int16)
    low = np.array(pooled["input_ids"], dtype=np.int16)
    low_lengths = np.array(pooled["attention_mask"], dtype=np.int16).sum(1, dtype=np.int16)
    honest = np.array([caption.honest for caption in found])
    return CaptionTokens(ids, lengths, low, low_lengths, tokens, objects, honest)
