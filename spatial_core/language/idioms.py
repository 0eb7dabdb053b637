"""Phrases that sound like places and are none: "at the end of the day", "on sale"."""

from __future__ import annotations

from spatial_core.language import lexicon as lx
from spatial_core.language.noun_phrases import continues
from spatial_core.language.tokens import Token, matches

_IDIOMS: dict[tuple[str, str], list[tuple[str, ...]]] = {}
for _idiom in (
    "at the end of the day|on the other hand|on the one hand|in the end|in the long run|in the middle of "
    "the night|at the same time|in front of his eyes|in front of her eyes|in front of their eyes|in front "
    "of my eyes|in front of your eyes|in front of our eyes|before his eyes|behind schedule|behind the "
    "scenes|behind bars|behind closed doors|behind the times|on time|in time|on sale|in love|right now|"
    "right away|right before|right after|above all|above average|below average|above and beyond|over the "
    "years|over time|over and over|over again|all over|under pressure|under construction|under control|"
    "under way|under the weather|under arrest|under attack|under stress|under review|under no circumstances|"
    "under these circumstances|under the circumstances|in detail|on fire|in black and white|in the style of|"
    "in the manner of|in the form of|in the shape of|in terms of|in order to|in case of|in addition to|in "
    "addition|in spite of|in favor of|in charge of|in search of|in need of|in honor of|in memory of|in the "
    "process of|in the name of|in the spirit of|in the light of|in light of|in view of|in contrast to|in "
    "general|in particular|in fact|in short|in turn|in person|in public|in private|in advance|in vain|in "
    "common|in total|in full|in half|in pieces|in pairs|in a hurry|in a way|in a moment|in the mood|in high "
    "resolution|in full bloom|in bloom|in flight|in mid air|in mid-air|in midair|in motion|in action|in "
    "progress|in place|in use|in the air|in the open air|in the rain|in the wind|in the dark|in the sun|in "
    "the sunlight|in the shade|in the cold|in the meantime|in the future|in the past|in the present|in the "
    "world|in the first place|in the know|in the nick of time|in good condition|inside joke|inside jokes|"
    "inside out|inside information|upside down|left over|left behind|on average|on purpose|on demand|on "
    "board|on hold|on duty|on strike|on trial|on vacation|on holiday|on the phone|on the verge of|on the "
    "brink of|on the way|on the way to|on the road|on the go|on the move|on the run|on the contrary|on the "
    "whole|on the rise|on the lookout|on the internet|on the web|on the radio|on tv|on television|on foot|"
    "on horseback|on top of that|on top of it all|on top of everything|on top of the world|on account of|on "
    "behalf of|on display|on track|on edge|on one hand|on the job|on the team|on his mind|on her mind|on my "
    "mind|on your mind|on their minds|on the market|on the spot|on the same page|on the nose|on the clock|"
    "on the house|on the mend|on cloud nine|on thin ice|on the fence about|by the way|by hand|by far|by "
    "accident|by mistake|by chance|by heart|by then|by now|by day|by night|by and large|by means of|by "
    "itself|by himself|by herself|by themselves|by default|by design|by virtue of|step by step|day by day|"
    "one by one|little by little|side effects|side effect|around the clock|around the world|around the "
    "corner from success|next to nothing|next to impossible|next to no|close to perfection|close to perfect|"
    "close to tears|close to the heart|far from perfect|far from it|far from over|far from ideal|far from "
    "easy|as far as|so far|by the book|off the record|near the end of the|near future|near miss|in the near "
    "future|between jobs|between the lines|between us|in between jobs|between you and me|beyond belief|"
    "beyond repair|beyond doubt|beyond words|beyond compare|beyond measure|beneath contempt|below zero|"
    "below freezing|above freezing|above suspicion|over the moon|over the phone|over the counter|over "
    "dinner|over lunch|over coffee|over breakfast|over the course of|over the weekend|over budget|across "
    "the board|against all odds|against the odds|against the clock|against the law|against his will|against "
    "her will|against the rules|along the way|along with|all along|along these lines|along the lines of|up "
    "to date|out of the blue|out of order|out of control|out of date|at odds with|at the moment|at first|at "
    "last|at least|at most|at once|at times|at all|at home|at work|at school|at peace|at rest|at war|at "
    "heart|at the expense of|at the cost of|at the mercy of|at the beginning|at the start|at the end|by the "
    "end|in the beginning|in the middle of nowhere|from left to right and|on your left hand side of things|"
    "on its own|on their own|on his own|on her own|on my own|on your own|for sale|face to face with|in "
    "color|in colour|in focus|out of focus|in silhouette|in profile|in perspective|in perfect harmony|in "
    "harmony|in bold letters|in bold|in italics|in capital letters|in large letters|in cursive|in english|"
    "in the foreground of history|in the heart of|in the eyes of|in his eyes|in her eyes|in their eyes|in "
    "my opinion|in your opinion|in his opinion|in her opinion|in the morning|in the evening|in the "
    "afternoon|at night|at dawn|at dusk|at noon|on the menu|on the agenda|on the table for discussion|in "
    "front of an audience of millions|in the face of|on the basis of|on the part of|on the subject of|on "
    "the topic of|in the background of her mind|in the back of his mind|in the back of her mind|in the back "
    "of my mind|at the back of his mind|at the back of her mind|at the back of my mind|in the bag|in the "
    "red|in the black|on the side of caution|on the bright side|on the right track|on the wrong track|on "
    "the left wing of politics|on the rocks|on the cutting edge|on the edge of his seat|on the edge of her "
    "seat|on the edge of their seats|on edge|under his breath|under her breath|under their breath|under "
    "oath|under the impression|under the influence|under the radar|under the hood of the economy|under the "
    "guise of|under the sun|under wraps|under fire|up in the air|over his head|over her head|over my head|"
    "over the hill|behind his back|behind her back|behind my back|behind the wheel of change|in the "
    "limelight|in the spotlight|in the wake of|in the hands of|in the palm of his hand for|in good hands|in "
    "the clouds about|in stark contrast|in sharp contrast|in stark contrast to|in every direction|in all "
    "directions|in the same direction|around every corner|around the holidays|on the surface of it|on a "
    "budget|on a diet|on a whim|on a daily basis|on a regular basis|on a scale of|on the order of|on the "
    "condition that|in the know|in the loop|in the works|in the balance|between now and then|near and dear|"
    "far and wide|near and far|over here|over there|in here|in there|on here|up there|right there|right "
    "here|in no time|in any case|in the long term|in the short term|on the record|on record|on cue|on point|"
    "on its side|on his side|on her side|on its back|on his back|on her back|on all fours|on tiptoe|top to "
    "toe|from behind|from above|from below|inside and out|in and out|on and off|on and on|up and down|"
    "left and right|from top to bottom of "
    "the charts"
).split("|"):
    _tokens = tuple(_idiom.split(" "))
    _IDIOMS.setdefault((_tokens[0], _tokens[1]), []).append(_tokens)
for _entries in _IDIOMS.values():
    _entries.sort(key=lambda words: -len(words))

# "at the end of the day" is time, "at the end of the table" a place: these idioms only hold if no "of"
# follows.
_NOT_BEFORE_OF = frozenset(
    [
        ("at", "the", "end"),
        ("by", "the", "end"),
        ("in", "the", "end"),
        ("at", "the", "beginning"),
        ("at", "the", "start"),
        ("in", "the", "beginning"),
        ("inside", "out"),
        ("all", "over"),
        ("on", "display"),
        ("from", "behind"),
        ("from", "above"),
        ("from", "below"),
    ]
)


def match_idiom(tokens: list[Token], i: int) -> int:
    """Return the index after the non-spatial idiom that starts at token `i`, or 0 if none does."""
    if i + 1 >= len(tokens):
        return 0
    for words in _IDIOMS.get((tokens[i].text, tokens[i + 1].text), ()):
        if matches(tokens, i, words):
            stop = i + len(words)
            if words in _NOT_BEFORE_OF and stop < len(tokens) and tokens[stop].text in ("of", "the", "a"):
                continue
            if words[0] == "on" and words[-1] in ("back", "side", "own") and continues(tokens, stop):
                continue  # "on its back burner"
            if words[-1] == "back" and words[0] == "on" and i and tokens[i - 1].tags & lx.NOUN:
                continue  # "a horse with a monkey on its back"
            return stop
    return 0
