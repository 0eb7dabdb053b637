"""The card of a dataset: what it is, how it was made, what it is made of, and what its probes say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from spatial_trainers.dataset.build_recipe import BuildRecipe
from spatial_trainers.dataset.distributions import Distributions

_SOURCES = {
    "scenes": "written about procedural table-top scenes of which every relation is known",
    "grammar": "written by a grammar about the kinds of places that the paper names",
    "list": "from a list",
    "language_model": "written by the language model `{model}`",
}


def write_card(
    recipe: BuildRecipe,
    distributions: Distributions,
    *,
    sha256: str,
    sizes: Mapping[str, int],
    reasons: Mapping[str, int],
    probes: Sequence[Mapping[str, Any]],
) -> str:
    """Return the card in Markdown, its first lines as Hugging Face reads them.

    Args:
        recipe: Of the build.
        distributions: Of the manifest.
        sha256: Of the manifest.
        sizes: Bytes of all "images" and of the "manifest".
        reasons: How many pairs were set aside or not drawn for which reason.
        probes: `ProbeResult.to_dict()` of each probe; empty if none was trained.
    """
    images = recipe.images
    renderer = images.generator == "renderer"
    drawn = "the procedural renderer of spatial_core.scenes" if renderer else f"`{images.generator}`"
    height, width = images.height_width
    source = _SOURCES[recipe.prompts.source].format(model=recipe.prompts.model)
    counts = ", ".join(f"{count} {split}" for split, count in sorted(distributions.pairs.items()))
    truth = (
        "Every relation's truth in both pictures is exact (`labels`)."
        if renderer
        else "What a scorer judged of each relation is in `checks`."
        if recipe.checks.scorer
        else "Nobody and nothing has judged the pictures yet: have them reviewed before you train on them."
    )
    held = ", ".join(recipe.splits.held_out_scenes)
    return "\n".join(
        [
            "---",
            f"license: {recipe.licence.lower()}",
            "task_categories:",
            "- text-to-image",
            "tags:",
            "- preference",
            "- spatial-reasoning",
            f"pretty_name: {recipe.name}",
            "---",
            "",
            f"# {recipe.name}",
            "",
            f"Preference pairs about space: {counts}. Each has a prompt, a perturbed copy in which one to "
            "three relations are different, and a picture of each. `image_chosen` is right for `prompt`, "
            "`image_rejected` for `prompt_rejected`; both directions are valid comparisons, and a coin "
            "decided which of the two prompts is called which.",
            "",
            f"Prompts are {source}; pictures ({height}x{width}) are drawn by {drawn}, seed "
            f"{recipe.seed}. {truth}",
            "",
            "The form follows the SpatialReward-Dataset of arXiv 2602.24233, whose 80,000 pairs are not "
            "public; none of these prompts or pictures is from there.",
            "",
            f"Pictures: {sizes['images'] / 1e6:.1f} MB. manifest.jsonl: {sizes['manifest'] / 1e6:.1f} MB, "
            f"sha256 `{sha256}`. Licence: {recipe.licence}.",
            "",
            "## Splits",
            "",
            "No pair of one split states a combination of two things and a relation that an edit of a "
            "stricter split (test, then validation) is about, and no prompt is in two splits."
            + (f" Only test prompts describe: {held}." if held else ""),
            "",
            "## Distributions",
            "",
            distributions.table(),
            "",
            *_counts("edits", distributions.kinds),
            *_counts("edited relation (both prompts)", distributions.families),
            *_counts("place", distributions.scenes),
            "## Set aside",
            "",
            *(_counts("reason", reasons) if reasons else ["Nothing was.", ""]),
            "## Probes",
            "",
            *_probe_lines(probes),
        ]
    )


def _counts(title: str, counts: Mapping[str, int]) -> list[str]:
    rows = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [f"| {title} | count |", "|---|---|", *(f"| {name} | {count} |" for name, count in rows), ""]


def _probe_lines(probes: Sequence[Mapping[str, Any]]) -> list[str]:
    if not probes:
        return ["None were trained.", ""]
    lines = [
        "A probe that sees only the prompts, or only the pictures, must not tell chosen from rejected.",
        "",
        "| probe | accuracy | 95 % interval | judged on | upper end <= .53 |",
        "|---|---|---|---|---|",
    ]
    for probe in probes:
        verdict = "yes" if probe["passes"] else "no"
        lines.append(
            f"| {probe['probe']} alone | {probe['accuracy']:.3f} | "
            f"[{probe['low']:.3f}, {probe['high']:.3f}] | {probe['total']} | {verdict} |"
        )
    return [*lines, ""]
