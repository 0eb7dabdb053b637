"""The geometric scorer on boxes worked by hand, and on images through a detector."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from spatial_core.language.scene_graph import Entity, Relation, SceneGraph
from spatial_core.scorers.base import NO_RELATIONS_NOTE, RelationReport, SpatialScorer
from spatial_core.scorers.detection import Detection
from spatial_core.scorers.geometric import GeometricScorer

SIZE = (100, 200)
LEFT, MIDDLE, RIGHT = (10.0, 40.0, 40.0, 70.0), (80.0, 40.0, 110.0, 70.0), (150.0, 40.0, 180.0, 70.0)


def graph(
    entities: Sequence[str | Entity],
    *relations: tuple[str, int, tuple[object, ...]] | Relation,
    text: str = "",
) -> SceneGraph:
    """Build a graph whose words are the entities' names one after the other."""
    text = text or " ".join(e if isinstance(e, str) else e.name for e in entities)
    made = [
        Entity(
            id=k,
            name=(name := e.split()[-1] if isinstance(e, str) else e.name),
            span=(0, len(name)),
            attributes=tuple(e.split()[:-1]) if isinstance(e, str) else e.attributes,
            count=1 if isinstance(e, str) else e.count,
            label="" if isinstance(e, str) else e.label,
            part_of=None if isinstance(e, str) else e.part_of,
        )
        for k, e in enumerate(entities)
    ]
    stated = [
        r if isinstance(r, Relation) else Relation(r[0], r[1], r[2], (0, len(text)))  # type: ignore[arg-type]
        for r in relations
    ]
    return SceneGraph(text, tuple(made), tuple(stated))


def several(name: str, count: int, part_of: int | None = None, attributes: tuple[str, ...] = ()) -> Entity:
    return Entity(0, name, (0, 1), count=count, part_of=part_of, attributes=attributes)


def report(g: SceneGraph, *found: Detection, size: tuple[int, int] = SIZE) -> RelationReport:
    scores = GeometricScorer().score_detections(g, [found], size)
    assert scores.relations is not None
    return scores.relations[0][0]


CAT_DOG = graph(["cat", "dog"], ("left_of", 0, (1,)))


def test_a_relation_by_its_boxes() -> None:
    right = report(CAT_DOG, Detection("cat", LEFT, 0.9), Detection("dog", RIGHT, 0.8))
    assert (right.verdict, right.boxes, right.reason) == ("true", (LEFT, RIGHT), "")
    assert right.relation == "left_of" and right.text == "cat dog" and right.span == (0, 7)
    assert right.score > 0.9 and right.margin > 0.5
    wrong = report(CAT_DOG, Detection("cat", RIGHT, 0.9), Detection("dog", LEFT, 0.8))
    assert wrong.verdict == "false" and wrong.score < 0.1


def test_a_missing_thing_makes_its_relation_false_and_is_named() -> None:
    scorer = GeometricScorer()
    scores = scorer.score_detections(CAT_DOG, [[Detection("cat", LEFT, 0.9)]], SIZE)
    assert scores.relations is not None
    missing = scores.relations[0][0]
    assert (missing.verdict, missing.score, missing.boxes) == ("false", 0.0, None)
    assert missing.reason == "no dog was found"
    assert scores.notes == ("No dog was found.",)
    assert scores.satisfied.tolist() == [0.0]
    wrong = scorer.score_detections(
        CAT_DOG, [[Detection("cat", RIGHT, 0.9), Detection("dog", LEFT, 0.9)]], SIZE
    )
    assert scores.mean < wrong.mean


def test_two_mugs_are_judged_fairly() -> None:
    g = graph(["mug", "plate"], ("left_of", 0, (1,)))
    mugs = [Detection("mug", RIGHT, 0.9), Detection("mug", LEFT, 0.7)]
    plate = Detection("plate", MIDDLE, 0.9)
    assert report(g, *mugs, plate).boxes == (LEFT, MIDDLE)
    assert report(g, *mugs, plate).verdict == "true"
    # A doubtful one in the right place does not stand in for a sure one in the wrong place.
    doubtful = [Detection("mug", RIGHT, 0.9), Detection("mug", LEFT, 0.2)]
    assert report(g, *doubtful, plate).verdict == "false"


def test_attributes_tell_things_of_one_kind_apart() -> None:
    g = graph(["red mug", "blue mug"], ("left_of", 0, (1,)))
    red, blue = Detection("red mug", LEFT, 0.6), Detection("blue mug", RIGHT, 0.9)
    assert report(g, red, blue).verdict == "true"
    crossed = report(g, Detection("red mug", RIGHT, 0.6), Detection("blue mug", LEFT, 0.9))
    assert crossed.verdict == "false"
    # One mug is not two.
    assert report(g, Detection("mug", LEFT, 0.9)).reason == "no further blue mug was found"


def test_a_thing_named_by_its_place_is_the_one_there() -> None:
    left = Entity(0, "mug", (0, 3), label="left")
    g = graph([left, "plate"], ("above", 0, (1,)))
    mugs = [Detection("mug", (10.0, 60.0, 40.0, 80.0), 0.5), Detection("mug", (80.0, 10.0, 110.0, 30.0), 0.9)]
    plate = Detection("plate", (70.0, 60.0, 120.0, 80.0), 0.9)
    # The mug above the plate is the right one; the left one is what the prompt speaks of.
    assert report(g, *mugs, plate).verdict == "false"
    assert report(graph(["mug", "plate"], ("above", 0, (1,))), *mugs, plate).verdict == "true"


def test_every_one_of_a_counted_thing_must_be_there_and_hold() -> None:
    g = graph([several("mugs", 2), "plate"], ("left_of", 0, (1,)))
    plate = Detection("plate", RIGHT, 0.9)
    left, middle = Detection("mug", LEFT, 0.9), Detection("mug", MIDDLE, 0.8)
    assert report(g, left, middle, plate).verdict == "true"
    assert report(g, left, middle, plate).boxes == (LEFT, MIDDLE, RIGHT)
    assert report(g, left, plate).reason == "only 1 of 2 mugs were found"
    far = Detection("mug", (190.0, 40.0, 199.0, 70.0), 0.8)
    assert report(g, left, far, plate).verdict == "false"


def test_between_two_of_a_kind_and_between_two_things() -> None:
    g = graph(["cup", several("chairs", 2)], ("between", 0, (1,)))
    cup, ends = Detection("cup", MIDDLE, 0.9), [Detection("chair", LEFT, 0.9), Detection("chair", RIGHT, 0.8)]
    assert report(g, cup, *ends).verdict == "true"
    two = graph(["cup", "chair", "table"], ("between", 0, (1, 2)))
    table = Detection("table", RIGHT, 0.9)
    assert report(two, cup, ends[0], table).verdict == "true"
    assert report(two, Detection("cup", (190.0, 40.0, 199.0, 70.0), 0.9), ends[0], table).verdict == "false"
    both = graph(["cup", several("chairs", 2)], ("between", 0, (1, 1)))
    assert report(both, cup, *ends).verdict == "true"
    assert report(both, cup, *ends).boxes == (MIDDLE, LEFT, RIGHT)
    # Between one thing: nothing to decide by.
    one = graph(["cup", "chair"], ("between", 0, (1,)))
    assert report(one, cup, ends[0]).verdict == "ambiguous"


def test_several_things_surround_one_together() -> None:
    g = graph([several("chairs", 2), "table"], ("around", 0, (1,)))
    chairs = [
        Detection("chair", (10.0, 40.0, 40.0, 75.0), 0.9),
        Detection("chair", (150.0, 40.0, 180.0, 75.0), 0.9),
    ]
    assert report(g, *chairs, Detection("table", (60.0, 42.0, 130.0, 74.0), 0.9)).verdict == "true"


def test_a_part_that_was_not_found_is_a_third_of_its_whole() -> None:
    sofa, armrest = several("sofa", 1), several("armrest", 1, part_of=1, attributes=("left",))
    g = graph(["cat", sofa, armrest], ("above", 0, (2,)))
    whole = Detection("sofa", (20.0, 60.0, 180.0, 95.0), 0.9)
    on_left, on_right = (30.0, 35.0, 60.0, 58.0), (150.0, 35.0, 180.0, 58.0)
    assert report(g, Detection("cat", on_left, 0.9), whole).verdict == "true"
    assert report(g, Detection("cat", on_right, 0.9), whole).verdict == "false"
    # Found on its own, it is where it was found.
    own = Detection("left armrest", (130.0, 60.0, 180.0, 95.0), 0.9)
    assert report(g, Detection("cat", on_right, 0.9), whole, own).verdict == "true"
    assert report(g, Detection("cat", on_left, 0.9)).reason == "no left armrest was found"


def test_places_in_the_picture_and_parts_of_it() -> None:
    place = graph(["cat"], ("picture_left", 0, ("picture",)))
    assert report(place, Detection("cat", LEFT, 0.9)).verdict == "true"
    assert report(place, Detection("cat", RIGHT, 0.9)).verdict == "false"
    corner = graph(["cat"], Relation("at_corner", 0, ("picture",), (0, 3), part="upper-left corner"))
    assert report(corner, Detection("cat", (0.0, 0.0, 30.0, 20.0), 0.9)).verdict == "true"
    assert report(corner, Detection("cat", (170.0, 0.0, 200.0, 20.0), 0.9)).verdict == "false"


def test_depth_relations_need_distances() -> None:
    g = graph(["cat", "dog"], ("in_front_of", 0, (1,)))
    boxes = LEFT, (20.0, 30.0, 60.0, 70.0)
    blind = report(g, Detection("cat", boxes[0], 0.9), Detection("dog", boxes[1], 0.9))
    assert (blind.verdict, blind.score, blind.margin) == ("ambiguous", 0.5, 0.0)
    assert blind.reason == "needs distances: give the scorer a depth model"
    assert (
        report(g, Detection("cat", boxes[0], 0.9, 1.0), Detection("dog", boxes[1], 0.9, 3.0)).verdict
        == "true"
    )
    assert (
        report(g, Detection("cat", boxes[0], 0.9, 3.0), Detection("dog", boxes[1], 0.9, 1.0)).verdict
        == "false"
    )
    # The range of the scene comes from everything that was found.
    place = graph(["cat", "dog"], ("background", 0, ("picture",)))
    near, far = Detection("dog", RIGHT, 0.9, 1.0), Detection("cat", LEFT, 0.9, 5.0)
    assert report(place, far, near).verdict == "true"


def test_what_geometry_cannot_tell_is_said_to_be_so() -> None:
    facing = report(
        graph(["cat", "dog"], ("facing", 0, (1,))), Detection("cat", LEFT, 0.9), Detection("dog", RIGHT, 0.9)
    )
    assert (facing.verdict, facing.score) == ("ambiguous", 0.5)
    assert facing.reason == "boxes do not show what is facing what"
    own = graph(["cat", "car"], Relation("left_of", 0, (1,), (0, 3), frame="object"))
    seen = report(own, Detection("cat", LEFT, 0.9), Detection("car", RIGHT, 0.9))
    assert (seen.verdict, seen.reason) == ("ambiguous", "boxes do not show a thing's own point of view")


def test_a_backdrop_without_a_box_is_undecided_not_absent() -> None:
    g = graph(["lamp", "wooden floor"], ("on", 0, (1,)))
    scores = GeometricScorer().score_detections(g, [[Detection("lamp", LEFT, 0.9)], []], SIZE)
    assert scores.relations is not None
    (floor,), (nothing,) = scores.relations
    assert (floor.verdict, floor.score, floor.reason) == ("ambiguous", 0.5, "no wooden floor was found")
    # Without the lamp it is false all the same.
    assert nothing.verdict == "false" and nothing.reason == "no lamp was found; no wooden floor was found"
    assert scores.notes == ("", "No lamp was found.")
    found = report(g, Detection("lamp", LEFT, 0.9), Detection("floor", (0.0, 60.0, 200.0, 100.0), 0.9))
    assert found.verdict == "true"


def test_mean_satisfied_and_std_over_relations() -> None:
    g = graph(["cat", "dog", "cup"], ("left_of", 0, (1,)), ("right_of", 0, (2,)))
    found = [Detection("cat", LEFT, 1.0), Detection("dog", MIDDLE, 1.0), Detection("cup", RIGHT, 1.0)]
    scores = GeometricScorer().score_detections(g, [found], SIZE)
    assert scores.relations is not None
    truth, error = (r.score for r in scores.relations[0])
    assert scores.satisfied.tolist() == [0.5]
    assert float(scores.mean) == pytest.approx((math.log(truth) + math.log(error)) / 2, abs=1e-5)
    spread = math.hypot((1 - truth) * 0.5, (1 - error) * 0.5) / 2
    assert float(scores.std) == pytest.approx(math.hypot(spread, 0.05 * math.log(2)), abs=1e-5)


def test_the_mean_grows_with_the_margin_and_with_plain_sight() -> None:
    boxes = [(float(x), 40.0, float(x) + 30, 70.0) for x in range(100, 0, -10)]
    pictures = [
        [Detection("cat", box, 0.9), Detection("dog", (90.0, 40.0, 120.0, 70.0), 0.9)] for box in boxes
    ]
    mean = GeometricScorer().score_detections(CAT_DOG, pictures, SIZE).mean
    assert (mean.diff() >= 0).all() and mean[-1] > mean[0]
    sure = [[Detection("cat", LEFT, c), Detection("dog", RIGHT, c)] for c in (0.3, 0.6, 0.9)]
    assert (GeometricScorer().score_detections(CAT_DOG, sure, SIZE).mean.diff() > 0).all()
    # But no confidence outweighs a wrong relation.
    wrong = [[Detection("cat", RIGHT, 1.0), Detection("dog", LEFT, 1.0)]]
    assert GeometricScorer().score_detections(CAT_DOG, wrong, SIZE).mean < mean[-1]


def test_a_prompt_without_relations_says_so() -> None:
    scores = GeometricScorer().score_detections(graph(["cat"]), [[Detection("cat", LEFT, 0.9)]], SIZE)
    assert scores.notes == (NO_RELATIONS_NOTE,)
    assert scores.relations == [[]] and scores.satisfied.isnan().all() and scores.mean.isnan().all()


def test_no_images_no_scores() -> None:
    scores = GeometricScorer().score_detections(CAT_DOG, [], SIZE)
    assert scores.mean.shape == scores.std.shape == scores.satisfied.shape == (0,)
    assert scores.relations == [] and scores.notes == ()


def test_a_broken_box_is_ambiguous() -> None:
    flat = report(CAT_DOG, Detection("cat", (10.0, 40.0, 10.0, 70.0), 0.9), Detection("dog", RIGHT, 0.9))
    assert (flat.verdict, flat.reason) == ("ambiguous", "the boxes do not decide it")
    unknown = report(
        CAT_DOG, Detection("cat", (math.nan, 40.0, 20.0, 70.0), 0.9), Detection("dog", RIGHT, 0.9)
    )
    assert unknown.verdict == "ambiguous"


def test_bad_input_is_named() -> None:
    scorer = GeometricScorer()
    with pytest.raises(ValueError, match="one prompt or one per image"):
        scorer.score_detections([CAT_DOG, CAT_DOG], [[]], SIZE)
    with pytest.raises(ValueError, match="image_size must be"):
        scorer.score_detections(CAT_DOG, [[], []], [SIZE])
    for bad in (
        Detection("cat", (0.0, 0.0, 1.0), 0.5),
        Detection("cat", LEFT, 1.5),
        Detection("cat", LEFT, math.nan),
    ):  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="A detection needs"):
            scorer.score_detections(CAT_DOG, [[bad]], SIZE)
    with pytest.raises(ValueError, match="detector must have detect"):
        GeometricScorer(torch.nn.Linear(1, 1))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="depth must have estimate"):
        GeometricScorer(depth=torch.nn.Linear(1, 1))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="has no detector"):
        scorer.score([torch.zeros(3, 8, 8)], CAT_DOG)
    with pytest.raises(ValueError, match="takes scorer='geometric'"):
        GeometricScorer.from_pretrained("anywhere", scorer="vqa")
    with pytest.raises(ValueError, match="'colour'"):
        GeometricScorer.from_pretrained("anywhere", colour="red")
    with pytest.raises(ValueError, match="writes models of transformers"):
        GeometricScorer(BrightSpots()).save_pretrained("nowhere")


class BrightSpots:
    """Finds a "cat" where the red channel is lit and a "dog" where the green one is."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, tuple[str, ...]]] = []

    def detect(self, images: Sequence[Tensor], names: Sequence[str]) -> list[list[Detection]]:
        self.asked.append((len(images), tuple(names)))
        found: list[list[Detection]] = []
        for image in images:
            found.append([])
            for channel, name in enumerate(("cat", "dog")):
                ys, xs = (image[channel] > 0.5).nonzero(as_tuple=True)
                if name in names and len(ys):
                    box = (float(xs.min()), float(ys.min()), float(xs.max() + 1), float(ys.max() + 1))
                    found[-1].append(Detection(name, box, 0.9))
        return found


class Slope:
    """The left border is near, the right border far."""

    def estimate(self, images: Sequence[Tensor]) -> list[Tensor]:
        return [torch.linspace(1, 4, image.shape[2]).expand(image.shape[1], -1) for image in images]


def picture(cat: tuple[int, int], dog: tuple[int, int], size: tuple[int, int] = (32, 64)) -> Tensor:
    image = torch.zeros(3, *size)
    for channel, (x, y) in enumerate((cat, dog)):
        image[channel, y : y + 8, x : x + 8] = 1
    return image


def test_images_through_a_detector() -> None:
    scorer = GeometricScorer(BrightSpots())
    assert isinstance(scorer, SpatialScorer)
    right, wrong = picture((4, 10), (40, 10)), picture((40, 10), (4, 10))
    scores = scorer.score([right, wrong], CAT_DOG, explain=True)
    assert scores.satisfied.tolist() == [1.0, 0.0]
    assert scorer.rank([wrong, right], CAT_DOG).order.tolist() == [1, 0]
    assert scorer.compare(right, wrong, CAT_DOG) > 0.99
    assert scorer.explain(right, CAT_DOG)[0].boxes == ((4.0, 10.0, 12.0, 18.0), (40.0, 10.0, 48.0, 18.0))


def test_a_mixed_batch_equals_single_calls() -> None:
    detector = BrightSpots()
    scorer = GeometricScorer(detector, Slope())
    above = graph(["cat", "dog"], ("above", 0, (1,)))
    front = graph(["cat", "dog"], ("in_front_of", 0, (1,)))
    images = [picture((4, 10), (40, 10)), picture((10, 0), (12, 20), (40, 40)), picture((4, 4), (14, 4))]
    prompts = [CAT_DOG, above, front]
    together = scorer.score(images, prompts)
    # One call of the detector for all images with the same names.
    assert detector.asked == [(3, ("cat", "dog"))]
    for row, (image, prompt) in enumerate(zip(images, prompts, strict=True)):
        alone = scorer.score(image, prompt)
        torch.testing.assert_close(together.mean[row], alone.mean[0], atol=1e-6, rtol=0)
        torch.testing.assert_close(together.std[row], alone.std[0], atol=1e-6, rtol=0)
    assert scorer.score([], CAT_DOG).mean.shape == (0,)


def test_a_depth_model_gives_distances_and_the_range_of_the_scene() -> None:
    scorer = GeometricScorer(BrightSpots(), Slope())
    near_far = picture((4, 4), (12, 4))
    assert scorer.score(near_far, graph(["cat", "dog"], ("in_front_of", 0, (1,)))).satisfied.tolist() == [1.0]
    assert scorer.score(near_far, graph(["cat", "dog"], ("behind", 0, (1,)))).satisfied.tolist() == [0.0]
    far_right = picture((52, 4), (20, 4))
    assert scorer.score(
        far_right, graph(["cat", "dog"], ("background", 0, ("picture",)))
    ).satisfied.tolist() == [1]
    assert scorer.score(
        far_right, graph(["cat", "dog"], ("foreground", 0, ("picture",)))
    ).satisfied.tolist() == [0]


@pytest.mark.slow
def test_exact_boxes_tell_a_scene_from_its_perturbed_twin() -> None:
    """Adversarial pairs of scenes, by their own boxes and distances: prompt and twin, both ways round."""
    from spatial_core.scenes.pairs import sample_pairs

    batch = sample_pairs(range(90000, 90030), split=None)
    scorer, right = GeometricScorer(), 0
    for row, pair in enumerate(batch.pairs):
        seen: list[list[Detection]] = []
        for scene, drawn in ((pair.scene, batch.rendering), (pair.scene_rejected, batch.rendering_rejected)):
            seen.append([])
            for k, thing in enumerate(scene.objects):
                looks = [thing.color] if thing.pattern == "plain" else [thing.color, thing.pattern]
                # Furniture is named without its colour.
                name = (
                    thing.kind
                    if thing.kind in ("table", "shelf", "stool")
                    else f"{' '.join(looks)} {thing.kind}"
                )
                if drawn.visible_fraction[row, k] > 0.05:
                    box = tuple(drawn.full_boxes[row, k].tolist())
                    seen[-1].append(Detection(name, box, 0.9, float(drawn.distances[row, k])))
        for caption, order in ((pair.caption, (0, 1)), (pair.caption_rejected, (1, 0))):
            mean = scorer.score_detections(caption.text, [seen[place] for place in order], (128, 128)).mean
            right += int(mean[0] > mean[1])
    assert len(batch.pairs) >= 20
    assert right / (2 * len(batch.pairs)) >= 0.95
