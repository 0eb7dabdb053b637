"""Adversarial pairs: a scene and its perturbed twin, a prompt true of one and an altered one of the other.

The world is changed first; then a prompt is found that is true before and of which some relations are false
after, such that altering just those makes it true after and false before. So (c, I+, I-) and (c', I-, I+) are
both valid. Which of the two is called chosen is decided by a coin, so that neither pictures nor prompts alone
tell: every statistic of the one is a statistic of the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

import torch

from spatial_core.geometry import judge
from spatial_core.language.scene_graph import SceneGraph
from spatial_core.scenes.captions import Caption, Mode, plan_caption, write
from spatial_core.scenes.closure import BY_STATE, FALSE, FAMILIES, TRUE, Closure, Statement
from spatial_core.scenes.layout import restyle as restyle_scene
from spatial_core.scenes.layout import sample_layout
from spatial_core.scenes.pair_edits import (
    EDIT_WEIGHTS,
    EditCandidate,
    EditKind,
    choose_edits,
    edit_candidates,
)
from spatial_core.scenes.renderer import Rendering, render
from spatial_core.scenes.sampling import acceptable, closures_of, estimated_closures, rows
from spatial_core.scenes.scene import Scene
from spatial_core.scenes.splits import Split, kinds_of, statement_split
from spatial_core.scenes.statements import PAPER_HISTOGRAM, arrange, choose, draw_count
from spatial_core.scenes.wordings import Wordings
from spatial_core.scenes.world_edits import edit_world

_DRAFTS = 4
"""Twins drawn per attempt and seed, of which the first promising one is rendered."""

_AIMED_ATTEMPTS = 15
_EASE_AFTER, _EASE_EVERY = 16, 3
_EASE_EDITS_AFTER = 50
_MAX_ATTEMPTS = 150


@dataclass(frozen=True)
class SceneEdit:
    """One difference between a prompt and its altered twin.

    Attributes:
        kind: What was done to the words.
        relations: Indices of the relations it alters, into either graph.
        before: Their statements in the prompt.
        after: Their statements in the altered prompt.
    """

    kind: EditKind
    relations: tuple[int, ...]
    before: tuple[Statement, ...]
    after: tuple[Statement, ...]


@dataclass(frozen=True)
class ScenePair:
    """A prompt with the scene it is true of, and the altered prompt with the scene that is true of.

    Attributes:
        scene: All of `caption` is true in it, and every edited relation of `caption_rejected` false.
        scene_rejected: The other way round.
        caption: The prompt; `caption.graph.relations[i]` corresponds to the same index of the other.
        caption_rejected: The altered prompt.
        edits: What differs.
        closure: Everything true or false in `scene`.
        closure_rejected: The same for `scene_rejected`.
        seed: Where the pair came from.
    """

    scene: Scene
    scene_rejected: Scene
    caption: Caption
    caption_rejected: Caption
    edits: tuple[SceneEdit, ...]
    closure: Closure
    closure_rejected: Closure
    seed: int

    @property
    def graph(self) -> SceneGraph:
        """What the prompt says."""
        return self.caption.graph

    @property
    def graph_rejected(self) -> SceneGraph:
        """What the altered prompt says."""
        return self.caption_rejected.graph

    @property
    def edited(self) -> tuple[int, ...]:
        """Indices of the relations that differ, into either graph."""
        return tuple(sorted(i for edit in self.edits for i in edit.relations))


@dataclass(frozen=True)
class PairBatch:
    """Pairs with their pictures.

    Attributes:
        pairs: K pairs, one per seed in order.
        rendering: K rows, of the scenes.
        rendering_rejected: K rows, of the twins.
        num_tried: How many twins were drawn in all.
    """

    pairs: tuple[ScenePair, ...]
    rendering: Rendering
    rendering_rejected: Rendering
    num_tried: int


@dataclass(frozen=True)
class _Wish:
    """What one pair should be like."""

    num_edits: int
    num_relations: int
    restyle: bool
    split: Split | None
    wordings: Wordings
    mode: Mode | None
    focus: str | None
    aims: tuple[str, ...]
    exclude: frozenset[str]


def sample_pair(
    seed: int,
    *,
    num_edits: int | Sequence[int] = (1, 2, 3),
    num_relations: int | dict[int, int] | None = None,
    restyle: bool | None = None,
    split: Split | None = "train",
    wordings: Wordings = "train",
    mode: Mode | None = None,
    focus: str | Sequence[str] | None = None,
    exclude: Sequence[str] = (),
    size: int = 128,
) -> ScenePair:
    """Return the pair of one seed; arguments as in `sample_pairs`."""
    return sample_pairs(
        [seed],
        num_edits=num_edits,
        num_relations=num_relations,
        restyle=restyle,
        split=split,
        wordings=wordings,
        mode=mode,
        focus=focus,
        exclude=exclude,
        size=size,
    ).pairs[0]


def sample_pairs(
    seeds: Sequence[int],
    *,
    num_edits: int | Sequence[int] = (1, 2, 3),
    num_relations: int | dict[int, int] | None = None,
    restyle: bool | None = None,
    split: Split | None = "train",
    wordings: Wordings = "train",
    mode: Mode | None = None,
    focus: str | Sequence[str] | None = None,
    exclude: Sequence[str] = (),
    size: int = 128,
    device: torch.device | str = "cpu",
    supersample: int = 2,
) -> PairBatch:
    """Return one pair for every seed. A pair depends on its seed and the arguments, not on the other seeds.

    Args:
        seeds: Any integers; one seed gives unrelated scenes in different splits.
        num_edits: Differences between a prompt and its twin: 1, 2 or 3, or several to draw from.
        num_relations: Relations per prompt: a number, or weights by number; the paper's histogram where None.
            Where scenes do not have so much to say, as in a split of few combinations, fewer, but never less
            than the smallest number.
        restyle: False: only the edited things differ between the pictures. True: the camera shakes, and
            light, colours of walls and furniture, background and clutter are drawn anew. None: either, by a
            coin.
        split: Which combinations prompts may state; None for all.
        wordings: Which paraphrases prompts use.
        mode: Which kind of prompt; drawn where None.
        focus: A relation that an edit must start from or lead to, or several to draw from.
        exclude: Relations that no prompt states.
        size: Side of the pictures in pixels.
        device: Where to render.
        supersample: Samples per pixel side.

    Raises:
        ValueError: If a number of edits or relations is out of range, or `focus` or `exclude` is no family.
        RuntimeError: If a seed gave no pair within the allowed attempts, which only odd requests run into.
    """
    edits = (num_edits,) if isinstance(num_edits, int) else tuple(num_edits)
    if not edits or not all(1 <= n <= 3 for n in edits):
        raise ValueError(f"num_edits must be 1, 2 or 3, or several of them; got {num_edits!r}.")
    histogram = {num_relations: 1} if isinstance(num_relations, int) else (num_relations or PAPER_HISTOGRAM)
    if min(histogram) < max(edits) or max(histogram) > 12:
        raise ValueError(
            f"num_relations must lie between num_edits ({max(edits)}) and 12; got {sorted(histogram)}."
        )
    focuses = (focus,) if isinstance(focus, str) else tuple(focus or ())
    if not {*focuses, *exclude} <= set(FAMILIES) or set(focuses) & set(exclude):
        raise ValueError(
            f"focus and exclude must name different relations of FAMILIES; got {focus!r} and {exclude!r}."
        )
    found: dict[int, tuple[ScenePair, Rendering, Rendering]] = {}
    tried = 0
    for attempt in range(_MAX_ATTEMPTS):
        open_ = [k for k in range(len(seeds)) if k not in found]
        if not open_:
            break
        wishes: list[_Wish] = []
        for k in open_:
            # What is wished for is the seed's own, whatever it takes to get it.
            own = Random(f"wish|{split}|{seeds[k]}")
            wishes.append(
                _Wish(
                    num_edits=own.choice(edits) if attempt < _EASE_EDITS_AFTER else min(edits),
                    num_relations=_eased(
                        draw_count(own, histogram), attempt, least=max(max(edits), min(histogram))
                    ),
                    restyle=own.random() < 0.5 if restyle is None else restyle,
                    split=split,
                    wordings=wordings,
                    mode=mode,
                    focus=own.choice(focuses) if focuses else _soft_focus(own, attempt),
                    aims=tuple(own.choices(list(EDIT_WEIGHTS), weights=list(EDIT_WEIGHTS.values()), k=2)),
                    exclude=frozenset(exclude),
                )
            )
        rngs = [Random(f"{split}|{seeds[k]}|{attempt}") for k in open_]
        drafts = [
            (k, rng, wish, *twins)
            for k, rng, wish, twins in zip(open_, rngs, wishes, _draft(rngs, wishes), strict=True)
            if twins is not None
        ]
        tried += len(drafts)
        if not drafts:
            continue
        scenes = [scene for draft in drafts for scene in draft[3:]]
        rendering = render(scenes, size=size, device=device, supersample=supersample)
        closures = closures_of(scenes, rendering)
        for n, (k, rng, wish, first, second) in enumerate(drafts):
            a, b = 2 * n, 2 * n + 1
            if not acceptable(first, closures[a], rendering, a):
                continue
            if not acceptable(second, closures[b], rendering, b):
                continue
            pair = _word(rng, wish, (first, second), (closures[a], closures[b]), seeds[k])
            if pair is None:
                continue
            here, there = (a, b) if pair.scene is first else (b, a)
            found[k] = (pair, rows(rendering, [here]), rows(rendering, [there]))
    if len(found) < len(seeds):
        missing = [seeds[k] for k in range(len(seeds)) if k not in found]
        raise RuntimeError(
            f"no pair within {_MAX_ATTEMPTS} attempts for seeds {missing[:5]}; ask for fewer relations"
        )
    results = [found[k] for k in range(len(seeds))]
    if not results:
        nothing = render([], size=size, device=device, supersample=supersample)
        return PairBatch((), nothing, nothing, 0)
    return PairBatch(
        pairs=tuple(r[0] for r in results),
        rendering=Rendering.joined([r[1] for r in results]),
        rendering_rejected=Rendering.joined([r[2] for r in results]),
        num_tried=tried,
    )


def rendered_margin(statement: Statement, rendering: Rendering, row: int, scene: Scene) -> float:
    """Return the signed margin of `geometry.judge` for a statement about one rendered scene."""
    size = rendering.images.shape[-1]
    index = [statement.subject, *statement.objects]
    things = [i for i, o in enumerate(scene.objects) if o.named]
    far = rendering.distances[row].double().cpu()
    verdict = judge(
        statement.relation,
        rendering.full_boxes[row, index].double().cpu()[None],
        distances=far[index][None],
        image_size=(size, size),
        distance_range=torch.stack([far[things].min(), far[things].max()])[None],
    )
    return float(verdict.margin)


def edit_margins(batch: PairBatch) -> list[float]:
    """Return how far each pair's edits are from being close to call.

    The number is the smallest absolute margin of `geometry.judge` over the edited relations and their altered
    forms, each in its own picture; 1 where none of them is a matter of degree (what is on or in what).
    """
    found: list[float] = []
    for row, pair in enumerate(batch.pairs):
        margins = [1.0]
        for edit in pair.edits:
            sides = (
                (edit.before, batch.rendering, pair.scene),
                (edit.after, batch.rendering_rejected, pair.scene_rejected),
            )
            margins += [
                abs(rendered_margin(s, rendering, row, scene))
                for statements, rendering, scene in sides
                for s in statements
                if s.relation not in BY_STATE
            ]
        found.append(min(margins))
    return found


def _eased(count: int, attempt: int, *, least: int) -> int:
    """Return fewer relations than wished for after many attempts: some scenes have no more to say."""
    return max(least, count - max(0, attempt - _EASE_AFTER) // _EASE_EVERY)


def _soft_focus(rng: Random, attempt: int) -> str | None:
    """Return a relation to aim at, families balanced; after a while anything goes."""
    focus = rng.choices(list(EDIT_WEIGHTS), weights=list(EDIT_WEIGHTS.values()))[0]
    return focus if rng.random() < 0.85 and attempt < _AIMED_ATTEMPTS else None


def _draft(rngs: Sequence[Random], wishes: Sequence[_Wish]) -> list[tuple[Scene, Scene] | None]:
    """Return for every wish a scene and its edited twin that promise it, by an estimate without pictures."""
    drafts: list[tuple[int, Scene, Scene]] = []
    for k, (rng, wish) in enumerate(zip(rngs, wishes, strict=True)):
        # Long prompts need things to talk about, and a split of few combinations needs even more.
        least = min(6, 2 + wish.num_relations // 2 + (wish.split not in (None, "train")))
        for _ in range(_DRAFTS):
            num_named = rng.randint(least, 7)
            scene = sample_layout(rng.getrandbits(62), num_named=num_named, emphasis=wish.focus)
            changes = wish.num_edits if wish.num_edits > 1 or rng.random() < 0.8 else 2
            twin = edit_world(scene, rng, num_changes=changes, focus=[wish.focus, *wish.aims])
            if twin is not None:
                drafts.append((k, scene, restyle_scene(twin, rng) if wish.restyle else twin))
    estimates = estimated_closures([scene for draft in drafts for scene in draft[1:]])
    found: list[tuple[Scene, Scene] | None] = [None] * len(wishes)
    for n, (k, scene, twin) in enumerate(drafts):
        first, second = estimates[2 * n : 2 * n + 2]
        if found[k] is None and _content(Random(0), wishes[k], scene, first, second) is not None:
            found[k] = (scene, twin)
    return found


def _word(
    rng: Random, wish: _Wish, scenes: tuple[Scene, Scene], closures: tuple[Closure, Closure], seed: int
) -> ScenePair | None:
    """Return the pair with its prompts, or None if the worlds do not allow what is wished for."""
    content = _content(rng, wish, scenes[0], *closures)
    return None if content is None else _write_pair(rng, wish, scenes, closures, seed, *content)


def _content(
    rng: Random, wish: _Wish, scene: Scene, first: Closure, second: Closure
) -> tuple[list[EditCandidate], list[Statement]] | None:
    """Return the edits and the statements that stay, or None if there are too few."""
    kinds = kinds_of(scene)

    def allowed(statement: Statement) -> bool:
        if statement.relation in wish.exclude:
            return False
        return wish.split is None or statement_split(kinds, statement) == wish.split

    true_first = [s for s in first.statements(TRUE) if allowed(s)]
    true_second = [s for s in second.statements(TRUE) if allowed(s)]
    only_first = [s for s in true_first if second.state(s) == FALSE]
    only_second = [s for s in true_second if first.state(s) == FALSE]
    chosen = choose_edits(
        rng,
        edit_candidates(rng, scene, first, second, only_first, only_second, allowed),
        num_edits=wish.num_edits,
        num_relations=wish.num_relations,
        focus=wish.focus,
        aims=wish.aims,
    )
    if chosen is None:
        return None
    said = [s for c in chosen for s in (*c.before, *c.after)]
    named = {i for s in said for i in (s.subject, *s.objects)}
    rest = wish.num_relations - sum(len(c.before) for c in chosen)
    kept = choose(
        rng,
        [s for s in true_first if second.state(s) == TRUE],
        rest,
        taken=said,
        prefer=lambda s: 1.6 if named & {s.subject, *s.objects} else 1.0,
    )
    return (chosen, kept) if len(kept) == rest else None


def _write_pair(
    rng: Random,
    wish: _Wish,
    scenes: tuple[Scene, Scene],
    closures: tuple[Closure, Closure],
    seed: int,
    chosen: Sequence[EditCandidate],
    kept: Sequence[Statement],
) -> ScenePair:
    # Units stay together: an ordered list is one unit of several statements.
    units: list[tuple[EditCandidate | None, tuple[Statement, ...], tuple[Statement, ...]]] = [
        *((c, c.before, c.after) for c in chosen),
        *((None, (s,), (s,)) for s in kept),
    ]
    order = arrange(rng, [u[1][0] for u in units])
    before: list[Statement] = []
    after: list[Statement] = []
    lists: list[range] = []
    spans: list[tuple[EditCandidate, tuple[int, ...]]] = []
    for index in order:
        candidate, old, new = units[index]
        at = tuple(range(len(before), len(before) + len(old)))
        if len(old) > 1:
            lists.append(range(at[0], at[-1] + 1))
        if candidate is not None:
            spans.append((candidate, at))
        before += old
        after += new
    plan = plan_caption(
        scenes[0], before, seed=rng.getrandbits(62), mode=wish.mode, wordings=wish.wordings, lists=lists
    )
    one, other = write(plan, scenes[0], before), write(plan, scenes[1], after)
    edits = tuple(SceneEdit(c.kind, at, c.before, c.after) for c, at in spans)
    if rng.random() < 0.5:
        return ScenePair(scenes[0], scenes[1], one, other, edits, closures[0], closures[1], seed)
    edits = tuple(replace(e, before=e.after, after=e.before) for e in edits)
    return ScenePair(scenes[1], scenes[0], other, one, edits, closures[1], closures[0], seed)
