"""Texts that are scored, and the long instructions that published judges put around them."""

from __future__ import annotations

PROMPT = (
    "A photograph of a quiet kitchen in the early morning, with soft light from a tall window and a wooden "
    "table with a few crumbs. A small red ball is to the left of a blue cup. The walls are painted in a pale "
    "green, the floor is made of old worn tiles, and the whole picture looks calm, warm and carefully "
    "arranged."
)
"""63 words with one relation, so that a packed row is an ordinary sequence and a plain forward equals it."""

STATEMENTS = (
    "A red ball is to the left of a blue cup.",
    "The blue cup is to the right of a green box.",
    "A yellow lamp is above a black chair.",
    "A white plate is below a brown shelf.",
    "The grey cat is in front of a pink pillow.",
    "The silver car is behind an orange bus.",
    "A purple vase is on top of a wooden stool.",
)
"""One relation each."""

RUBRIC = """You are an experienced judge of pictures that were drawn by a program from a description. \
Your task is to compare the picture above with the description below and to decide how good the picture is. \
Work slowly, look at every part of the picture, and consider the following points one after another.

1. Contents. Make a list of all the things that the description names. For each of them, check that it can \
be seen, that it is complete, and that it cannot be taken for something else. Count the things of which the \
description states a number. A thing that is missing or hidden weighs more than a thing that was added.

2. Properties. Check the colour, the material, the size and the pattern of each thing, and make sure that no \
property has moved from one thing to another. A property that the description does not state is free.

3. Places. For every statement about where things are, decide who is the subject and who is the reference, \
and judge from the point of view of the person who looks at the picture. Left and right are those of the \
viewer, in front means closer to the camera, and on top means touching from above. Be strict: if two things \
are at the same height, neither is above the other.

4. Drawing. Look for hands with wrong fingers, melted borders, text that cannot be read, shadows in the \
wrong direction, and things that pass through each other. Small faults in the background weigh little.

5. Look. Think about composition, light, sharpness and harmony of colours. A picture that is beautiful but \
does not follow the description must not receive a high mark, and a plain picture that follows every word \
should not receive a low one.

After you have considered all the points, give one mark on a scale from zero to ten, where zero means that \
the picture has nothing to do with the description, five means that about half of the statements hold, and \
ten means that a careful person would find no fault. Do not explain the mark and do not repeat the \
description.

Description: """
"""A rubric in the manner and of the length of published reward models: about 430 tokens."""
