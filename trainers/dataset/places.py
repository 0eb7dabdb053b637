"""The kinds of places that prompts are about, and what can stand, lie, hang and lean there."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """A kind of place.

    Attributes:
        weight: How often it is written about.
        surfaces: What things stand on.
        small: What stands on surfaces.
        containers: Those of the small things that hold something.
        contents: What they hold.
        floor: What stands on the floor or ground.
        wall: What hangs above surfaces.
        leaning: What leans against surfaces.
    """

    weight: int
    surfaces: tuple[str, ...]
    small: tuple[str, ...]
    containers: tuple[str, ...]
    contents: tuple[str, ...]
    floor: tuple[str, ...]
    wall: tuple[str, ...]
    leaning: tuple[str, ...]


def _place(weight: int, *lists: str) -> Place:
    surfaces, small, containers, contents, floor, wall, leaning = (
        tuple(name.strip() for name in names.split(",")) for names in lists
    )
    return Place(weight, surfaces, small, containers, contents, floor, wall, leaning)


_UNPUBLISHED = 500
"""The paper names these places without a number; its rarest number is 864."""

# Weights of the first nine: prompts of the SpatialReward dataset by scene (arXiv 2602.24233, data figure).
PLACES: dict[str, Place] = {
    "kitchen": _place(
        3971,
        "counter, table, stove, kitchen island, sideboard",
        "kettle, frying pan, toaster, cutting board, plate, teapot, pepper mill, bottle, saucepan, mug",
        "bowl, basket, jar, pot",
        "lemon, spoon, whisk, apple, onion",
        "stool, trash can, crate, chair",
        "clock, lamp, calendar, painting",
        "broom, mop, ladder",
    ),
    "living room": _place(
        3037,
        "coffee table, sofa, cabinet, sideboard, desk",
        "book, candle, vase, remote control, cushion, lamp, photo frame, magazine, radio, teacup",
        "basket, bowl, box, tray",
        "key, orange, pen, toy car, ball of yarn",
        "armchair, floor lamp, ottoman, potted plant",
        "painting, mirror, clock, poster",
        "guitar, umbrella, walking stick",
    ),
    "classroom": _place(
        1808,
        "desk, table, cabinet, bench, piano",
        "notebook, globe, stapler, ruler, textbook, calculator, trophy, lamp, laptop, eraser",
        "pencil case, box, tray, jar",
        "crayon, marker, pencil, paintbrush, paper clip",
        "chair, backpack, trash can, easel",
        "map, clock, poster, bulletin board",
        "umbrella, guitar, pointer",
    ),
    "study": _place(
        1607,
        "desk, cabinet, side table, dresser, bench",
        "book, typewriter, lamp, inkwell, globe, clock, photo frame, notepad, telephone, candle",
        "box, tray, jar, mug",
        "pen, key, envelope, letter opener, coin",
        "armchair, wastebasket, chair, suitcase",
        "painting, certificate, map, mirror",
        "cane, umbrella, ladder",
    ),
    "bedroom": _place(
        1602,
        "bed, nightstand, dresser, desk, chest",
        "pillow, lamp, alarm clock, book, perfume bottle, teddy bear, photo frame, hairbrush, radio, candle",
        "jewelry box, basket, bowl, tray",
        "necklace, ring, watch, key, earring",
        "rug, chair, laundry hamper, potted plant",
        "mirror, painting, dream catcher, poster",
        "guitar, tennis racket, umbrella",
    ),
    "hallway": _place(
        1323,
        "console table, bench, cabinet, chest, radiator",
        "vase, lamp, hat, telephone, statue, candle, scarf, handbag, newspaper, flashlight",
        "bowl, basket, tray, box",
        "key, coin, glove, letter, whistle",
        "coat rack, suitcase, stool, potted plant",
        "mirror, painting, clock, photograph",
        "umbrella, broom, skateboard",
    ),
    "garage": _place(
        923,
        "workbench, cabinet, table, crate, barrel",
        "hammer, drill, oil can, helmet, toolbox, flashlight, paint can, saw, radio, wrench",
        "bucket, box, jar, bin",
        "screwdriver, bolt, rag, paintbrush, nail",
        "bicycle, tire, lawn mower, stool",
        "clock, sign, lamp, calendar",
        "ladder, shovel, rake",
    ),
    "campsite": _place(
        895,
        "folding table, log, picnic table, cooler, rock",
        "lantern, kettle, mug, camera, binoculars, thermos, hat, compass, flashlight, plate",
        "pot, bucket, basket, backpack",
        "apple, spoon, rope, map, matchbox",
        "tent, camping chair, sleeping bag, canoe",
        "lamp, flag, banner, towel",
        "fishing rod, axe, paddle",
    ),
    "patio": _place(
        864,
        "table, bench, grill, low table, cart",
        "pitcher, glass, candle, plate, sunglasses, book, lantern, teapot, radio, hat",
        "bowl, basket, bucket, tray",
        "lemon, fork, orange, spoon, napkin",
        "deck chair, potted plant, umbrella stand, stool",
        "lamp, bird feeder, sign, wind chime",
        "broom, rake, surfboard",
    ),
    "dining room": _place(
        _UNPUBLISHED,
        "table, sideboard, cabinet, cart, bench",
        "plate, candlestick, wine glass, vase, teapot, salt shaker, bottle, cake stand, napkin holder, cup",
        "bowl, basket, pitcher, tray",
        "fork, roll, pear, spoon, grape",
        "chair, stool, potted plant, floor lamp",
        "painting, mirror, chandelier, clock",
        "broom, umbrella, walking stick",
    ),
    "garden": _place(
        _UNPUBLISHED,
        "bench, stone table, wall, stump, cart",
        "watering can, gnome, flowerpot, hat, lantern, trowel, birdhouse, radio, book, bottle",
        "basket, bucket, bowl, crate",
        "tomato, glove, carrot, pear, seed packet",
        "wheelbarrow, fountain, sundial, statue",
        "bird feeder, lamp, sign, wind chime",
        "rake, shovel, ladder",
    ),
    "bathroom": _place(
        _UNPUBLISHED,
        "counter, shelf, stool, bathtub, cabinet",
        "soap dispenser, towel, candle, shampoo bottle, hairbrush, perfume bottle, radio, sponge, vase",
        "cup, basket, jar, tray",
        "toothbrush, razor, cotton ball, comb, hair tie",
        "laundry hamper, scale, trash can, potted plant",
        "mirror, lamp, painting, sign",
        "broom, mop, plunger",
    ),
    "home office": _place(
        _UNPUBLISHED,
        "desk, cabinet, side table, table, bench",
        "laptop, monitor, lamp, printer, telephone, stapler, speaker, notebook, coffee cup, clock",
        "tray, box, mug, jar",
        "pen, paper clip, ruler, battery, key",
        "office chair, wastebasket, potted plant, suitcase",
        "whiteboard, calendar, poster, painting",
        "umbrella, guitar, skateboard",
    ),
    "greenhouse": _place(
        _UNPUBLISHED,
        "potting bench, table, cart, crate, barrel",
        "watering can, fern, cactus, trowel, spray bottle, flowerpot, lantern, orchid, thermometer, radio",
        "basket, bucket, tray, bowl",
        "tomato, seed packet, glove, bulb, pepper",
        "wheelbarrow, stool, lemon tree, palm",
        "lamp, sign, clock, thermometer dial",
        "rake, shovel, hoe",
    ),
    "balcony": _place(
        _UNPUBLISHED,
        "table, bench, crate, stool, cabinet",
        "coffee cup, lantern, book, flowerpot, ashtray, telescope, plate, candle, radio, bottle",
        "basket, bowl, bucket, tray",
        "lemon, spoon, apple, lighter, pen",
        "folding chair, potted plant, bicycle, drying rack",
        "lamp, wind chime, flag, bird feeder",
        "umbrella, broom, surfboard",
    ),
    "cafe": _place(
        _UNPUBLISHED,
        "counter, table, cart, piano, bench",
        "espresso machine, teapot, menu, laptop, vase, cake stand, sugar bowl, coffee cup, bottle, candle",
        "jar, basket, tray, glass",
        "cookie, straw, croissant, spoon, muffin",
        "chair, stool, potted plant, umbrella stand",
        "chalkboard, clock, lamp, poster",
        "broom, guitar, bicycle",
    ),
    "studio": _place(
        _UNPUBLISHED,
        "table, desk, workbench, stool, cabinet",
        "camera, palette, sculpture, lamp, paint tube, vase, skull, radio, mannequin, bottle",
        "jar, box, tray, bucket",
        "paintbrush, pencil, rag, sponge, charcoal stick",
        "easel, tripod, armchair, ladder",
        "canvas, mirror, clock, poster",
        "guitar, umbrella, cello",
    ),
    "pantry": _place(
        _UNPUBLISHED,
        "shelf, counter, cabinet, cart, crate",
        "flour sack, honey jar, tin, bottle, scale, teapot, loaf, cake stand, coffee grinder, candle",
        "basket, bowl, box, bin",
        "potato, onion, egg, walnut, garlic bulb",
        "stool, barrel, trash can, crate stack",
        "lamp, clock, calendar, sign",
        "broom, mop, ladder",
    ),
    "science lab": _place(
        _UNPUBLISHED,
        "bench, table, cabinet, cart, desk",
        "microscope, beaker, flask, burner, scale, laptop, goggles, model skull, bottle, lamp",
        "tray, box, jar, bucket",
        "test tube, pipette, magnet, dropper, thermometer",
        "stool, trash can, gas cylinder, fire extinguisher",
        "periodic table, clock, whiteboard, poster",
        "broom, ladder, umbrella",
    ),
    "nursery": _place(
        _UNPUBLISHED,
        "crib, dresser, low table, toy chest, bench",
        "teddy bear, music box, lamp, picture book, rattle, toy train, doll, drum, bottle, pillow",
        "basket, box, bucket, bowl",
        "block, ball, crayon, toy car, puzzle piece",
        "rocking horse, armchair, dollhouse, beanbag",
        "mobile, painting, clock, mirror",
        "umbrella, scooter, toy broom",
    ),
}
