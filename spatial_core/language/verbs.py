"""Verbs that state a relation, change what a preposition says, or keep it from being a place."""

from __future__ import annotations

VERB_PREPOSITION: dict[tuple[str, str], tuple[str, bool]] = {}
"""(verb lemma, preposition) -> (relation, inverse): where the verb changes what the preposition says."""


def _verbs(lemmas: str, prepositions: str, relation: str, inverse: bool = False) -> None:
    for lemma in lemmas.split():
        for preposition in prepositions.split():
            VERB_PREPOSITION[lemma, preposition] = (relation, inverse)


_verbs("hang hung suspend dangle", "on from off in by to", "hanging_on")
_verbs(
    "mount attach pin fix affix fasten tape nail clip tack hook screw strap tie secure",
    "on to onto from",
    "hanging_on",
)
_verbs("stick glue", "to on onto", "hanging_on")
_verbs("lean prop rest recline slouch brace", "against", "leaning_against")
_verbs("lean prop", "on upon", "leaning_against")
_verbs("stack pile", "on upon atop onto", "stacked_on")
_verbs("hide obscure occlude conceal block mask screen shield", "by behind", "hidden_by")
_verbs("align line", "with", "aligned_with")
_verbs("face", "toward towards to", "facing")
_verbs("look gaze stare point turn orient angle direct aim glance peer", "at toward towards to", "facing")
_verbs("surround encircle ring enclose encompass border hem circle", "by with", "around", True)
_verbs("frame", "by", "around", True)
_verbs("flank", "by with", "between")
_verbs("cover top crown cap drape", "with by in", "on", True)
_verbs("fill pack load stuff", "with", "inside", True)
_verbs("join", "by", "next_to")
_verbs("drape spread lay throw fold sling sprawl lie toss", "over across", "on")
_verbs("lie rest stretch place drape sprawl spread scatter", "across", "on")
_verbs("string stretch strung", "between", "between")
_verbs("sandwich wedge squeeze", "between", "between")
_verbs("dwarf", "by", "smaller_than")
_verbs("support hold", "by", "on")

DIRECT: dict[str, tuple[str, bool]] = {
    "contain": ("inside", True),
    "house": ("inside", True),
    "hold": ("inside", True),
    "support": ("on", True),
    "surround": ("around", False),
    "encircle": ("around", False),
    "enclose": ("around", False),
    "flank": ("between", True),
    "face": ("facing", False),
    "hide": ("hidden_by", True),
    "obscure": ("hidden_by", True),
    "occlude": ("hidden_by", True),
    "conceal": ("hidden_by", True),
    "block": ("hidden_by", True),
    "carry": ("on", True),
    "touch": ("next_to", False),
    "overlook": ("facing", False),
    "dwarf": ("larger_than", False),
    "crown": ("on", False),
    "overhang": ("above", False),
    "top": ("on", False),
    "border": ("next_to", False),
    "adjoin": ("next_to", False),
    "abut": ("next_to", False),
}
"""Verbs that state a relation of their subject to their direct object."""

NON_SPATIAL_ON = frozenset(
    "turn switch put try take carry move go log sign focus depend rely base insist concentrate agree "
    "comment reflect bet count call spend work keep get pass touch hold catch live feed act report write "
    "speak talk lecture decide plan study hinge dwell train model expand improve vote dine "
    "click tap press read elaborate "
    "impose emphasize emphasise advise lead bring".split()
)
NON_SPATIAL_IN = frozenset(
    "believe interest result participate succeed specialize specialise paint render shoot draw depict dress "
    "wrap cover bathe wear capture engage lose major excel invest involve delight revel interest do style "
    "illustrate write speak turn end culminate rise increase decrease arrive come take join bring give hand "
    "put break check fill cut "
    "stir fold log sign plug zoom differ vary design create present portray execute finish print "
    "rich trust film photograph cloak clothe clad".split()
)
NON_SPATIAL_OVER = frozenset(
    "take think win talk look go hand preside argue cry watch read pass pull give come get rule turn".split()
)
AGENTLESS_BY = frozenset(
    "sit stand lie rest place position locate situate seat park stay wait live hang lean kneel leave set "
    "put walk run pass "
    "swim sleep float hover grow camp gather tuck nestle crouch lay drive sail".split()
)
"""Verbs after which "by" means beside; after any other participle it names the agent."""
