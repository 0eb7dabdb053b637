"""The words the parser knows: closed classes in full, open classes by lists and by their endings.

Every word is looked up once and cached. An unknown word is a noun unless its ending says otherwise, so
that a prompt may name things no list has heard of.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

DET, POSS, NUM, ORD, ADJ, ADV, NOUN = 1, 2, 4, 8, 16, 32, 64
FINITE, ING, PARTICIPLE, BE, HAVE, AUX, PRONOUN = 128, 256, 512, 1024, 2048, 4096, 8192
CONJ, PREP, REL, SUBORDINATOR, NEGATION, FUNCTION, BASE = 16384, 32768, 65536, 131072, 262144, 524288, 1048576
"""Word classes, as bits: a word may have several. `BASE` marks a verb's plain form ("stand")."""

VERB = FINITE | ING | PARTICIPLE


class Word(NamedTuple):
    """What the lexicon knows of one lower-case word: its classes and, for a verb, its lemma."""

    tags: int
    lemma: str


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


DETERMINERS = _set(
    "a an the this that these those another each every any no some either neither both all such"
)
INDEFINITE = _set("a an another one some several many few various multiple numerous two three four five six")
POSSESSIVES = _set("its his her their my your our whose")
PRONOUNS = _set(
    "it he she they him them her i we you me us itself himself herself themselves "
    "something someone everything everyone nothing nobody anyone anything everybody somebody "
    "mine yours ours theirs hers"
)
PERSONAL = _set("it he she they him them her itself himself herself themselves")
NUMBERS = {
    word: value
    for value, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
        "sixteen "
        "seventeen eighteen nineteen twenty".split()
    )
} | {"thirty": 30, "forty": 40, "fifty": 50, "hundred": 100, "dozen": 12, "twin": 2, "thousand": 1000}
QUANTIFIERS = _set(
    "several many few various multiple numerous countless more most other enough additional extra much"
)
ORDINALS = _set(
    "first second third fourth fifth sixth seventh eighth ninth tenth last leftmost rightmost topmost "
    "bottommost uppermost lowermost lowest highest central outermost innermost nearest closest farthest "
    "furthest"
)
POSITIONALS = _set(
    "left right top bottom middle center centre upper lower front back rear far near side left-hand "
    "right-hand left-most right-most inner outer opposite foremost hind"
)
"""Words that, before a noun, tell one thing from its twins: "the left lantern", "the top shelf"."""

COLORS = _set(
    "red orange yellow green blue purple violet pink brown black white gray grey beige cream tan teal "
    "turquoise cyan magenta maroon navy olive lime indigo lavender crimson scarlet gold golden silver "
    "silvery bronze copper charcoal ivory mint coral peach burgundy mustard amber ruby emerald sapphire "
    "khaki ochre terracotta aqua rust colorful colourful multicolored multicoloured rainbow monochrome "
    "pastel blond blonde auburn reddish bluish greenish yellowish brownish pinkish whitish blackish greyish "
    "grayish dark light pale bright vivid tawny caramel off-white jet-black snow-white sage rose-gold"
)
MATERIALS = _set(
    "wooden wood metal metallic glass plastic leather ceramic porcelain marble stone brick concrete steel "
    "iron brass copper bronze gold silver wicker rattan bamboo velvet silk cotton wool woolen woollen linen "
    "denim fabric paper cardboard clay terracotta granite crystal rubber oak pine walnut mahogany chrome "
    "aluminum aluminium tin stainless-steel enamel cork straw satin fur felt canvas plaid tiled "
    "wood-paneled cast-iron burlap jute acrylic stainless teak birch maple slate quartz wrought-iron suede "
    "lace knit zinc pewter"
)
ADJECTIVES = (
    _set(
        "big small large little tiny huge giant gigantic enormous massive tall short long wide narrow thick "
        "thin deep shallow broad slim slender high low medium mini miniature oversized compact bulky chunky "
        "great sized round square rectangular circular oval triangular cylindrical conical spherical curved "
        "flat straight pointed angular hexagonal cubic domed arched l-shaped u-shaped heart-shaped "
        "star-shaped semicircular old new young ancient antique vintage modern contemporary retro rustic "
        "classic traditional fresh aged elderly futuristic medieval victorian fashioned old-fashioned "
        "mid-century brand-new soft hard smooth rough shiny glossy matte polished fluffy furry fuzzy hairy "
        "silky sticky wet dry damp dusty dirty clean muddy rusty rustic worn weathered cracked broken "
        "chipped torn tattered crumpled wrinkled sharp blunt transparent translucent clear opaque "
        "reflective sparkling glittering glowing cozy cosy warm cool cold hot frozen icy snowy sunny rainy "
        "foggy misty cloudy stormy windy dim gloomy sunlit moonlit lit well-lit bare empty full open closed "
        "shut half-open half-full half-empty ajar upright upside-down tilted slanted vertical horizontal "
        "diagonal parallel upturned overturned inverted striped dotted spotted checkered checked patterned "
        "floral plain solid printed painted embroidered woven knitted quilted stitched carved etched "
        "engraved ornate decorative intricate elegant simple minimalist minimal beautiful pretty cute "
        "lovely gorgeous handsome ugly nice fancy luxurious stylish chic quaint charming neat tidy messy "
        "cluttered crowded quiet peaceful calm serene lively busy noisy bustling silent still motionless "
        "happy sad angry excited tired sleepy curious playful friendly lonely brave shy proud gentle fierce "
        "wild tame lazy hungry thirsty cheerful joyful thoughtful serious smiling fat skinny bald bearded "
        "barefoot blind dead alive real fake artificial natural organic raw ripe rotten baked fried grilled "
        "roasted steaming frosty creamy sweet sour salty spicy bitter delicious juicy crisp crispy crunchy "
        "electric electronic digital analog mechanical manual portable wireless foldable folding adjustable "
        "single double triple twin identical similar different matching same various separate individual "
        "own main primary secondary central whole entire complete partial half final ultimate heavy "
        "lightweight delicate fragile sturdy strong weak solid hollow stiff flexible loose tight fantastic "
        "magical mysterious mystical strange weird unusual normal ordinary common rare special unique royal "
        "rural urban tropical exotic alpine coastal marine nautical floral botanical celestial cosmic "
        "cubist expensive cheap affordable valuable precious famous popular professional domestic public "
        "private leafy lush mossy grassy rocky sandy wooded forested blooming withered green-leafed "
        "leafless thorny spiky blurry hazy dreamy surreal abstract realistic photorealistic cinematic "
        "dramatic vibrant bold subtle nearby distant faraway remote adjacent neighboring neighbouring "
        "surrounding overhead underlying japanese chinese american french italian british english european "
        "african indian mexican persian turkish scandinavian nordic moroccan asian german russian roman "
        "greek dutch spanish egyptian arabic western eastern female male adult teenage pregnant human "
        "furnished plush potted framed stacked rolled folded sliced leather-bound hardcover paperback "
        "spiral-bound handmade homemade handwritten stuffed cube-shaped two-tiered three-legged four-legged "
        "wall-mounted high-backed low-backed freestanding built-in ready available visible noticeable "
        "prominent recognizable evident possible impossible important essential able likely certain sure "
        "unable glad aware afraid perfect good bad better best worse worst excellent conspicuous towering "
        "stately majestic sleek slick plump stout squat petite lanky bushy feathery airy roomy spacious "
        "vast expansive immense colossal microscopic mid-sized medium-sized full-size life-size life-sized "
        "unlit lidded handleless cordless sleeveless backless bottomless faded bleached pristine immaculate "
        "grimy larger smaller bigger taller shorter wider narrower longer thicker thinner heavier lighter "
        "darker brighter adjustable portable suitable notable comfortable inflatable quotable crooked askew "
        "clumsy fallen nearer closer"
    )
    | COLORS
    | MATERIALS
)
ADVERBS = _set(
    "very quite rather too so also still just only even almost nearly often always never sometimes usually "
    "again already soon once twice then now here there away together apart alone not perhaps maybe instead "
    "however meanwhile thus therefore somewhat well together high low straight outside outdoors indoors "
    "upstairs downstairs forward backward backwards forwards upward upwards downward downwards inward "
    "inwards outward outwards overhead back up down out off aside afar ahead further farther else forth "
    "sideways lengthwise overall otherwise yet later today tonight tomorrow yesterday alike likewise "
    "underfoot abroad halfway midway half-way mid-way hence both"
)
LY_ADJECTIVES = _set(
    "friendly lovely lonely elderly curly woolly wooly silly chilly likely early ugly holy jolly lively "
    "heavenly homely orderly wrinkly bubbly prickly crinkly frilly hilly daily weekly monthly only ghostly "
    "deadly costly stately timely motherly brotherly cuddly scholarly gnarly burly smelly melancholy"
)
LY_NOUNS = _set(
    "family butterfly fly jelly lily belly assembly ally bully rally reply supply dolly italy july doily "
    "dragonfly firefly gully holly barfly monopoly anomaly housefly panoply"
)

MODIFIERS = _set(
    "slightly directly just right immediately partially partly far diagonally closely almost completely "
    "fully precisely exactly perfectly high low halfway midway roughly nearly mostly well somewhat barely "
    "entirely vertically horizontally half-way mid-way squarely loosely tightly safely neatly casually "
    "carefully gently very close farther further up down out off over back immediately prominently upside"
)
"""Adverbs that, before relation words, belong to them: "slightly to the left of"."""

REPORTED_MODIFIERS = _set(
    "slightly directly just right immediately partially partly far diagonally closely almost completely "
    "fully precisely exactly perfectly high low halfway midway roughly nearly mostly well somewhat barely "
    "entirely vertically horizontally half-way mid-way squarely very immediate extreme exact direct dead"
)
"""Those among them (and among adjectives of place) that change the meaning and are kept on the relation."""

# ---------------------------------------------------------------------------------------------- verbs

_REGULAR = (
    "rest lean float hover perch crouch lounge loom tower stretch extend sprawl appear occupy reside remain "
    "stay dangle drift glow nestle protrude emerge peek peer walk jump play look gaze stare point turn "
    "orient angle direct face surround encircle flank frame border contain support hide obscure occlude "
    "conceal block mask cover top crown drape cap fill pack load stuff line align stack pile mount attach "
    "pin fix affix fasten tape nail clip tack hook screw suspend prop place position locate situate seat "
    "park arrange display tuck wedge sandwich balance scatter spread plant install erect gather cluster "
    "crowd group organize organise assemble center centre post pose carry touch cradle grip grasp wear "
    "watch view show feature depict present include reveal illustrate portray capture render paint print "
    "engrave carve etch stamp label mark illuminate light brighten cast reflect pour spill drip flow stream "
    "splash wrap tie roll fold crumple open close lock turn move push pull lift drop hand throw toss catch "
    "kick hit chase follow lead approach enter exit cross pass climb descend land sail row cycle skate surf "
    "dive dance jog march wander stroll travel arrive depart visit return use need want like love hate "
    "enjoy prefer create generate make design style dress decorate adorn embellish accent trim complement "
    "contrast match blend mix add combine separate divide connect link join attach detach bond bind strap "
    "bake cook fry grill boil roast slice chop peel stir whisk serve taste smell prepare preheat season "
    "simmer learn teach explain describe discuss talk speak whisper shout laugh cry smile frown grin wave "
    "nod shake call ask answer reply wonder imagine remember forget believe guess hope wish plan try start "
    "stop finish end begin continue change improve reduce increase decrease grow age remain seem suggest "
    "indicate imply require allow enable help work live rely depend focus base concentrate insist agree "
    "comment reflect spend last happen occur exist play perform practice practise train compete win score "
    "charge power plug switch press click select type scroll download upload install update save print copy "
    "paste delete edit check test measure weigh count calculate consider decide choose pick collect gather "
    "store keep protect guard hug kiss embrace pet stroke scratch lick sniff sleep nap doze relax kneel "
    "curl crawl creep sneak leap hop skip bounce spin rotate swirl twirl twist curve arch bend bow tilt "
    "slant slope lie dominate anchor complete overlook overlap intersect adjoin abut accompany house "
    "shelter enclose encompass encase envelop engulf shade shadow backlight outline silhouette twinkle "
    "sparkle shimmer gleam glint flicker glitter glisten burn smoke steam bloom blossom wilt flutter flap "
    "sway swing trail tower soar hunt fish graze bark howl roar chirp sing read study work write draw "
    "sketch color colour nestle cuddle coil moor tether dock heap rake scoop loop stash bundle huddle slump "
    "hunch serve name title call wash clean wipe sweep mop dust scrub rinse dry water feed eat drink sip "
    "pour gulp nibble chew bite wait queue board ride drive steer pedal bike hike camp tour explore "
    "discover search seek notice observe inspect examine clutch clasp squeeze press pinch poke tap knock "
    "rub brush comb shave style sew knit weave stitch crochet repair mend build construct demolish destroy "
    "ruin damage crack smash shatter split tear rip cut trim prune mow revolve orbit rule govern tuck "
    "nestle cram jam squeeze lodge embed insert immerse submerge sink dip soak plunge bury root ground "
    "populate punctuate line dot litter strew sprinkle dust coat smear stain splatter streak pattern "
    "texture share host hold belong relate refer apply provide offer supply deliver send receive accept "
    "reject ignore avoid prevent cause lead result evoke convey express emphasize emphasise highlight "
    "enhance create add exude radiate emit transform convert develop evolve shape form mold mould sculpt "
    "stand perch hurry rush race dash sprint glide slide slip trip stumble fall collapse crumble wake stay "
    "stretch yawn blink wink squint glance peek glare scan announce declare claim argue admit deny promise "
    "warn threaten apologize thank greet welcome invite introduce own possess acquire obtain lose earn pay "
    "buy sell trade rent borrow lend owe cost"
)
_IRREGULAR = {
    "sit": "sat sat sitting",
    "stand": "stood stood standing",
    "lie": "lay lain lying",
    "lay": "laid laid laying",
    "hang": "hung hung hanging",
    "rise": "rose risen rising",
    "sleep": "slept slept sleeping",
    "kneel": "knelt knelt kneeling",
    "hold": "held held holding",
    "put": "put put putting",
    "set": "set set setting",
    "hide": "hid hidden hiding",
    "run": "ran run running",
    "fly": "flew flown flying",
    "swim": "swam swum swimming",
    "ride": "rode ridden riding",
    "drive": "drove driven driving",
    "write": "wrote written writing",
    "draw": "drew drawn drawing",
    "eat": "ate eaten eating",
    "drink": "drank drunk drinking",
    "grow": "grew grown growing",
    "shine": "shone shone shining",
    "wear": "wore worn wearing",
    "see": "saw seen seeing",
    "go": "went gone going",
    "come": "came come coming",
    "take": "took taken taking",
    "give": "gave given giving",
    "keep": "kept kept keeping",
    "leave": "left left leaving",
    "bring": "brought brought bringing",
    "buy": "bought bought buying",
    "sell": "sold sold selling",
    "find": "found found finding",
    "make": "made made making",
    "feel": "felt felt feeling",
    "fall": "fell fallen falling",
    "spread": "spread spread spreading",
    "throw": "threw thrown throwing",
    "catch": "caught caught catching",
    "bend": "bent bent bending",
    "build": "built built building",
    "break": "broke broken breaking",
    "bind": "bound bound binding",
    "wind": "wound wound winding",
    "cut": "cut cut cutting",
    "say": "said said saying",
    "tell": "told told telling",
    "think": "thought thought thinking",
    "know": "knew known knowing",
    "speak": "spoke spoken speaking",
    "read": "read read reading",
    "get": "got gotten getting",
    "begin": "began begun beginning",
    "become": "became become becoming",
    "sing": "sang sung singing",
    "sink": "sank sunk sinking",
    "sweep": "swept swept sweeping",
    "swing": "swung swung swinging",
    "tear": "tore torn tearing",
    "wake": "woke woken waking",
    "win": "won won winning",
    "lose": "lost lost losing",
    "meet": "met met meeting",
    "pay": "paid paid paying",
    "spend": "spent spent spending",
    "teach": "taught taught teaching",
    "send": "sent sent sending",
    "feed": "fed fed feeding",
    "weave": "wove woven weaving",
    "cast": "cast cast casting",
    "let": "let let letting",
    "creep": "crept crept creeping",
    "spin": "spun spun spinning",
    "tie": "tied tied tying",
    "die": "died died dying",
    "lean": "leant leaned leaning",
    "choose": "chose chosen choosing",
    "forget": "forgot forgotten forgetting",
    "understand": "understood understood understanding",
    "stretch": "stretched stretched stretching",
    "light": "lit lit lighting",
    "hit": "hit hit hitting",
    "shut": "shut shut shutting",
    "prop": "propped propped propping",
    "inset": "inset inset insetting",
    "stick": "stuck stuck sticking",
    "shoot": "shot shot shooting",
    "string": "strung strung stringing",
    "sling": "slung slung slinging",
}
_DOUBLING = _set(
    "pin clip trim top cap tip wrap hug pet nap jog hop skip spin stop plan plug pop sip dip trap strap "
    "slip trip rip nod rub jam cram dot mop chop fit flap tap step shop grin hum zip prop drip slap snap "
    "stir blur rim stud drop tag grab scan scrub split win bat pat chat"
)

NOUN_VERBS = _set(
    "rest stand lie hang lean float walk play look gaze turn angle face flank frame border support block "
    "mask cover top crown drape cap pack load stuff line stack pile mount pin fix tape nail clip tack hook "
    "screw prop place position seat park display tuck wedge sandwich balance spread plant cluster crowd "
    "group center centre post pose touch cradle grip watch view show feature print stamp label mark light "
    "cast pour spill drip flow stream splash wrap tie roll fold lock move push pull lift drop hand throw "
    "catch kick hit chase lead exit cross pass climb land sail row cycle skate surf dive dance march travel "
    "visit return use need want love hate style dress accent trim match mix link bond strap slice chop peel "
    "whisk taste smell season talk whisper shout laugh cry smile frown grin wave nod shake call answer "
    "reply wonder guess hope wish plan start stop finish end change help work score charge power plug "
    "switch press click type scroll update copy paste edit check test measure count pick store guard hug "
    "kiss pet stroke scratch nap curl crawl hop skip bounce spin twist curve arch bend bow tilt slant slope "
    "anchor house shelter shade shadow outline silhouette sparkle glint flicker burn smoke steam bloom "
    "blossom flap swing trail tower hunt fish bark howl roar read study draw sketch color colour name title "
    "wash sweep mop dust water feed drink sip bite wait queue board ride drive bike hike camp tour search "
    "notice tap knock brush comb shave stitch knit repair build ruin damage crack split tear rip cut jam "
    "sink dip root ground dot litter sprinkle coat smear stain streak pattern texture share host offer "
    "supply cause result form mold mould shape hurry rush race dash sprint glide slide slip trip fall claim "
    "promise trade rent cost set run fly swim hide hold keep find feel throw bend break wind cut rise "
    "stretch present book lamp box process paint train bowl glow gleam drink sleep pet dress surround fan "
    "ring light stake ladder table nest cup shelf perch file rack bank fork iron grill saw hammer bus swirl "
    "loom plank cloud star mirror picture photo hat tile lay point face park model design wave stamp pack "
    "deck bat bar pot ball bunch bundle spot bridge engine pipe wire string rope chain button flower seed "
    "stem root leaf can spring saw well match age lounge lay brush"
)
"""Verb lemmas (and a few look-alikes) whose plain and -s forms are also everyday nouns."""

_STRONG = _set(
    "stand rest sit lie hang lean float hover perch face rise loom lounge kneel crouch sleep walk play look "
    "gaze run fly swim grow shine glow remain stay appear protrude extend stretch sprawl peek peer dangle "
    "drift hide hold nestle support surround flank keep stare point contain sway occupy dominate emerge "
    "burn overlook reach tower swing flow wear shimmer sparkle twinkle curl balance separate divide display "
    "feature show reveal reflect complete block obscure overlap touch house carry store wait cast anchor "
    "soar trail graze ride lead smile read watch work live sing dance eat drink hug chase twist face spill "
    "pour lay come go take give make seem become say tell feel lies need want use help begin start end "
    "happen"
)

"""Lemmas that after a noun are far more often its verb than the last part of its name."""

POSTURE = _set(
    "arch sit stand lie rest hang lean float hover perch kneel crouch sleep lounge rise loom tower stretch "
    "extend sprawl appear reside remain stay dangle drift nestle protrude emerge peek peer place position "
    "locate situate seat park arrange tuck wedge balance scatter spread plant set lay put install mount "
    "attach prop stack pile suspend line align gather cluster group fly swim shine glow grow run walk live "
    "wait come go be exist soar burn sway flicker gleam glint sparkle shimmer twinkle curl lurk hide graze "
    "bloom roll pose post display hang inset fix pin affix fasten tape nail clip tack hook lodge embed "
    "strew litter center centre occupy dominate"
)
"""Verbs that put something somewhere: they allow inversion ("on the left sits a mug")."""

STRONG_VERBS = _STRONG | (
    POSTURE
    - _set(
        "place park plant set stack pile hook tape pin nail clip tack bloom display spread cluster group "
        "line inset fix center centre prop mount tuck roll"
    )
)
PLACING = _set(
    "place put set lay position arrange hang mount attach pin prop stack pile park plant add install tuck "
    "drop"
)
PRESENTING = _set(
    "have show feature depict present include reveal illustrate portray capture contain display hold "
    "support see find notice carry house need want create generate draw paint render add imagine consist "
    "store"
)
"""Verbs whose object, not subject, is what a following phrase places ("shows a cat on a sofa")."""

BE_FORMS = _set("is are was were be been being am 's 're isn't aren't wasn't")
HAVE_FORMS = _set("has have had having")
AUXILIARIES = _set(
    "can could will would shall should may might must do does did don't doesn't didn't can't cannot won't "
    "get gets seems seem appears let lets"
)
CONJUNCTIONS = _set("and or & plus nor")
RELATIVES = _set("that which who whom where whose")
SUBORDINATORS = _set(
    "while as because when whereas although though but if since unless until after before so than whether "
    "why how what once yet wherever whenever whatever"
)
PREPOSITIONS = _set(
    "of to from for at with without by in on into onto upon over under above below beneath underneath "
    "behind between beyond beside besides near next around across along alongside against amid amidst among "
    "amongst through throughout toward towards inside outside within about like during despite except per "
    "via off past opposite atop up down regarding until till unlike"
)
NEGATIONS = _set("not n't never without isn't aren't wasn't weren't doesn't don't")
OTHER_FUNCTION = _set("please yes ok okay etc e.g i.e vs versus let's hello hi oh")

# ---------------------------------------------------------------------------------------------- nouns

ING_NOUNS = _set(
    "building painting ceiling railing clothing drawing wing ring string king thing spring evening morning "
    "lighting opening pudding wedding icing stuffing bedding awning fitting covering ending being living "
    "dining parking cutting sling earring sibling crossing setting heading landing paving siding decking "
    "flooring tubing wiring swing sting something nothing anything everything railing frosting topping "
    "filling writing reading carving molding moulding engraving etching plating shelving seating packaging "
    "dressing dumpling duckling sapling offering viking herring outing meeting feeling meaning beginning "
    "training gathering curtaining hairspring scaffolding wallcovering greeting marking serving panelling "
    "paneling fencing roofing piping lining stocking hand-drawing"
)
ED_NOUNS = _set(
    "bed seed shed sled weed reed hundred speed feed need deed breed steed bobsled seabed flowerbed flatbed "
    "daybed moped biped led sunbed watershed toolshed creed bloodshed red sacred naked wicked rugged aged "
    "beloved embed indeed greed crossbred airbed cathedral seaweed flaxseed"
)
COMPOUND_ING = _set(
    "dining parking cutting rolling sleeping frying washing watering mixing reading rocking living waiting "
    "baking camping cooking sewing knitting swimming fishing shopping boxing measuring carving serving "
    "sealing folding hiking running walking drinking filing writing drawing ironing vending swinging "
    "folding gardening shaving changing dressing meeting dining-room chopping hunting riding racing "
    "climbing wading steering loading landing lightning diving spinning printing operating rowing sailing "
    "laughing filling packing playing cleaning conference training hanging-basket ceiling building painting "
    "wedding evening morning pruning potting lighting bathing heating"
)
"""Gerunds that name a kind of thing before a noun ("dining table"): part of the name, not an attribute."""

COMPOUNDS = {
    ("hot", "dog"): 1,
    ("hot", "dogs"): 1,
    ("hot", "plate"): 1,
    ("potted", "plant"): 1,
    ("potted", "plants"): 1,
    ("stuffed", "animal"): 1,
    ("stuffed", "animals"): 1,
    ("double", "bed"): 1,
    ("high", "chair"): 1,
    ("paper", "towel"): 1,
    ("paper", "towels"): 1,
    ("living", "room"): 1,
    ("cell", "phone"): 1,
    ("solar", "panel"): 1,
    ("light", "bulb"): 1,
    ("light", "fixture"): 1,
    ("light", "switch"): 1,
    ("gold", "fish"): 1,
    ("orange", "juice"): 1,
    ("fire", "hydrant"): 1,
    ("square", "root"): 1,
    ("common", "room"): 1,
    ("public", "transport"): 1,
    ("electric", "guitar"): 1,
    ("wet", "suit"): 1,
    ("cork", "board"): 1,
    ("brick", "wall"): 1,
    ("stone", "wall"): 1,
    ("straw", "hat"): 1,
    ("glass", "jar"): 1,
    ("tin", "can"): 1,
    ("iron", "board"): 1,
    ("remote", "control"): 1,
}
"""Adjective-noun pairs that are one name."""

PLURAL_ONLY = _set(
    "scissors skis pants trousers jeans shorts headphones sunglasses binoculars tongs pliers goggles "
    "tweezers pajamas pyjamas clothes stairs earphones earbuds shears leggings overalls eyeglasses "
    "spectacles tights belongings dishes groceries surroundings supplies tools"
)
IRREGULAR_PLURALS = {
    "people": "person",
    "men": "man",
    "women": "woman",
    "children": "child",
    "kids": "kid",
    "mice": "mouse",
    "geese": "goose",
    "feet": "foot",
    "teeth": "tooth",
    "oxen": "ox",
    "knives": "knife",
    "leaves": "leaf",
    "shelves": "shelf",
    "bookshelves": "bookshelf",
    "loaves": "loaf",
    "halves": "half",
    "wolves": "wolf",
    "calves": "calf",
    "scarves": "scarf",
    "wives": "wife",
    "lives": "life",
    "thieves": "thief",
    "hooves": "hoof",
    "elves": "elf",
    "selves": "self",
    "firemen": "fireman",
    "policemen": "policeman",
    "snowmen": "snowman",
    "fishermen": "fisherman",
    "cacti": "cactus",
    "buses": "bus",
    "gases": "gas",
    "lenses": "lens",
    "canvases": "canvas",
    "atlases": "atlas",
    "vases": "vase",
    "cases": "case",
    "bookcases": "bookcase",
    "suitcases": "suitcase",
    "briefcases": "briefcase",
    "bases": "base",
    "roses": "rose",
    "houses": "house",
    "horses": "horse",
    "nurses": "nurse",
    "purses": "purse",
    "noses": "nose",
    "hoses": "hose",
    "blouses": "blouse",
    "axes": "axe",
    "movies": "movie",
    "cookies": "cookie",
    "pies": "pie",
    "ties": "tie",
    "brownies": "brownie",
    "smoothies": "smoothie",
    "zombies": "zombie",
    "shoes": "shoe",
    "canoes": "canoe",
    "toes": "toe",
    "sheeps": "sheep",
    "quizzes": "quiz",
    "caches": "cache",
    "psyches": "psyche",
    "mustaches": "mustache",
    "moustaches": "moustache",
    "avalanches": "avalanche",
    "headaches": "headache",
    "quiches": "quiche",
    "niches": "niche",
}
_S_SINGULAR = _set(
    "lens canvas atlas series species chess chaos gas bus christmas cosmos iris cactus circus compass "
    "harness mattress dress glass grass cypress hibiscus octopus walrus platypus rhinoceros tennis swiss "
    "canvas bus plus bias pancreas always news physics mathematics paris venus mars jesus lotus virus "
    "campus census focus bonus crocus business kindness tigress stress cross boss moss class mass brass "
    "kiss loss toss press thermos princess mess less process progress access success duchess hostess "
    "waitress actress goddess fortress hourglass eyeglass cutlass bass abyss this its his us yes is was has "
    "as"
)

PERSONS = _set(
    "person man woman child boy girl baby kid people toddler infant teenager teen adult lady gentleman guy "
    "player skier surfer snowboarder skateboarder rider cyclist driver pilot passenger pedestrian chef cook "
    "baker waiter waitress doctor nurse teacher student scientist wizard witch knight king queen prince "
    "princess soldier officer policeman policewoman firefighter fireman fisherman farmer gardener artist "
    "painter dancer singer musician guitarist bassist drummer pianist violinist conductor astronaut "
    "explorer detective philosopher monk priest nun bride groom mother father mom dad parent brother sister "
    "son daughter grandmother grandfather uncle aunt cousin friend couple family crowd group team band "
    "worker builder carpenter mechanic engineer designer model actor actress businessman businesswoman "
    "traveler traveller tourist hiker camper runner swimmer climber athlete golfer goalkeeper pitcher "
    "batter catcher umpire referee audience spectator customer shopper vendor merchant barista bartender "
    "librarian photographer cameraman robot samurai ninja pirate cowboy viking warrior hunter sailor "
    "captain hero superhero villain elf fairy giant dwarf angel demon mermaid ghost zombie clown magician "
    "sorcerer shaman alchemist einstein human figure neighbour neighbor girlfriend boyfriend husband wife "
    "elder youth youngster character warrior dj author writer poet reporter member singer snowman "
    "army legion squad crew choir troop"
)
ANIMALS = _set(
    "dog cat horse cow sheep goat pig chicken duck goose bird fish rabbit hamster mouse rat elephant "
    "giraffe zebra lion tiger bear panda monkey gorilla wolf fox deer moose kangaroo koala penguin owl "
    "eagle parrot pigeon sparrow crow swan flamingo peacock turtle frog snake lizard dragon dinosaur "
    "unicorn butterfly bee ant spider ladybug whale dolphin shark octopus seal otter squirrel raccoon "
    "hedgehog puppy kitten calf lamb foal pony donkey bull corgi retriever tabby poodle bulldog labrador "
    "dachshund goldfish jellyfish crab lobster insect beetle worm snail"
)
PICTURE_WORDS = _set(
    "picture image photo photograph frame canvas screen scene composition shot illustration painting "
    "artwork drawing view viewport foreground background layout panel photography render rendering poster "
    "page interface collage snapshot portrait diagram mural sketch design card cover visual banner"
)
"""Nouns that can stand for the whole picture."""

MEDIA_WORDS = _set(
    "picture image photo photograph shot illustration painting artwork drawing view render rendering "
    "close-up closeup portrait snapshot sketch depiction scene poster collage composition still watercolor "
    "watercolour photography diagram print visualization visualisation"
)
"""Nouns that wrap a prompt: "a photo of ..." speaks of what follows."""

SURFACES = _set(
    "table tabletop desk desktop counter countertop shelf wall floor rug carpet mat board blackboard "
    "whiteboard chalkboard corkboard tray bench workbench windowsill sill mantel mantelpiece dresser "
    "nightstand stand platform stage deck porch patio lawn ground field beach road street sidewalk path "
    "pavement bed sofa couch chair armchair stool ottoman seat plate saucer roof rooftop ceiling door "
    "fridge cabinet cart trolley island ledge ladder blanket tablecloth cloth towel pedestal stove stovetop "
    "hob cooktop hotplate sideboard credenza bookcase bookshelf rack placemat coaster page paper sheet "
    "notebook canvas screen surface tile tiles court rink track bridge stairs step staircase hill dune rock "
    "log stump branch pier dock raft sink bathtub pillow cushion mattress hood table-top pegboard easel "
    "keyboard laptop book base tarp sandbox grass sand snow console piano bar hearth balcony"
)
FURNITURE_TOPS = _set(
    "table tabletop desk desktop counter countertop shelf bench workbench tray board windowsill mantel "
    "mantelpiece dresser blanket mat rug plate sideboard ledge"
)
CONTAINERS = _set(
    "box crate basket bowl cup mug glass vase jar bottle pot pan bucket bin bag sack backpack suitcase "
    "chest trunk drawer cabinet cupboard closet wardrobe fridge refrigerator oven microwave sink bathtub "
    "tub tank aquarium cage tent car truck van bus boat ship train wagon cart basin carton case holder "
    "container planter pitcher jug kettle wallet purse envelope pocket nest hole bucket tray caddy hamper "
    "locker safe pool pond bottle barrel can canister tin pouch cooler dish bedroll cradle crib stroller "
    "pram wheelbarrow bookcase bookshelf dresser toolbox lunchbox beaker flask thermos test-tube trough "
    "ladle pitcher terrarium birdcage greenhouse shed vessel tube dispenser rack sleeve flowerpot "
    "pen-holder toilet stall washer dryer dishwasher cubby bin pail casserole teapot decanter goblet urn "
    "lantern jewelry-box shell hammock"
)
PLACES = _set(
    "room kitchen bedroom bathroom classroom garage hallway garden park forest woods library office cafe "
    "restaurant store shop market street aisle city town village house home apartment building barn castle "
    "temple church school museum gallery studio workshop warehouse factory laboratory lab greenhouse "
    "balcony patio yard backyard courtyard field meadow desert jungle beach ocean sea lake river pond pool "
    "sky space cave tunnel station airport harbor harbour port stadium gym theater theatre hospital attic "
    "basement cellar corridor lobby foyer lounge den nursery playroom pantry porch terrace campsite "
    "clearing alley square plaza valley canyon mountain island farm ranch vineyard orchard playground zoo "
    "aquarium circus bakery diner bar pub hotel tent cabin cottage hut shed corner area grove interior "
    "landscape neighborhood neighbourhood countryside environment nook alcove booth bay stable cockpit "
    "compartment snow grass water sand mud flowerbed bush bushes tree trees crowd chamber hall living-room "
    "dining-room conservatory sunroom veranda mudroom laundry arena rooftop swamp marsh"
)
ROOMS = _set(
    "room kitchen bedroom bathroom classroom garage hallway library office cafe restaurant studio workshop "
    "nursery playroom pantry lounge den attic basement corridor lobby foyer hall lab laboratory greenhouse "
    "balcony patio courtyard garden yard backyard campsite tent bakery shop store gym sunroom porch terrace"
)
CLOTHES = _set(
    "dress shirt t-shirt jacket coat suit hat cap scarf uniform pants jeans shorts skirt sweater hoodie "
    "gown robe kimono costume armor armour outfit clothing clothes spacesuit apron vest tie blouse tuxedo "
    "swimsuit bikini boots shoes gloves sunglasses glasses attire overalls khakis sneakers raincoat cloak "
    "pajamas helmet mask makeup headphones jersey sandals heels socks poncho cardigan bandana sari tunic "
    "toga cape parka blazer waistcoat pullover sweatshirt leggings trousers turban veil beret"
)
MEASURES = _set(
    "inch inches foot feet meter meters metre metres centimeter centimeters cm mm step steps pace paces bit "
    "yard yards mile miles distance block blocks way ways"
)
UNITS = _set(
    "inch inches meter meters metre metres centimeter centimeters cm mm mile miles distance bit pace "
    "paces way ways"
)
TIME_WORDS = _set(
    "day days night nights morning mornings evening evenings afternoon afternoons noon midnight dawn dusk "
    "sunrise sunset week weeks weekend weekends month months year years decade decades century centuries "
    "hour hours minute minutes second seconds moment moments time times today tomorrow monday tuesday "
    "wednesday thursday friday saturday sunday january february march april june july august september "
    "october november december spring summer autumn winter holiday holidays season vacation birthday period "
    "era age past future meantime meanwhile am pm o'clock date deadline anniversary twilight daytime "
    "nighttime weekday lunchtime bedtime childhood"
)
ABSTRACT = TIME_WORDS | _set(
    "style manner way fashion mood tone feeling emotion love hate fear joy happiness sadness anger peace "
    "war trouble danger detail details resolution quality quantity focus balance harmony contrast general "
    "particular addition conclusion fact case effect result order search need pressure stress construction "
    "progress process development production use action motion movement position condition state shape form "
    "theory practice principle concept idea thought mind memory dream imagination opinion belief view "
    "perspective sense secret silence noise sound music song voice language french term terms sentence "
    "story tale plot chapter topic subject matter issue problem question answer reason cause purpose goal "
    "aim budget sale demand duty strike average behalf account basis condition contrary verge brink trial  "
    "arrival request breath luck chance risk stake hurry rush need debt pain shock surprise awe wonder "
    "delight despair vain private bulk advance return response exchange comparison relation regard respect "
    "spite case event instance company business industry market economy trade politics history science art "
    "culture religion education health medicine technology work job career life death world universe nature "
    "reality truth beauty elegance simplicity luxury comfort warmth light lighting sunlight moonlight "
    "lamplight candlelight daylight glow shadow shadows darkness brightness color colors colour colours  "
    "hue hues tint tints shade shades texture pattern patterns background foreground atmosphere ambience "
    "ambiance vibe aesthetic focus depth bokeh exposure definition hdr 4k 8k render watercolor watercolour "
    "pixel anime cartoon realism surrealism impressionism cubism minimalism monochrome sepia weather  wind "
    "breeze heat cold shade situation circumstance circumstances experience knowledge skill ability talent "
    "strength weakness advantage disadvantage success failure victory defeat win loss competition "
    "negotiation agreement contract law rule rules policy project task system method technique approach "
    "strategy phase degree degrees extent scale size height width length weight speed rate price cost value "
    "amount number percent percentage half proportion ratio limit limits bounds expectation expectations "
    "hope faith trust doubt confidence courage patience attention care concern interest curiosity influence "
    "impact importance emphasis pressure tension relief rest sleep noise grid circle group  series sequence "
    "rows columns pieces parts bits half halves unison formation fours bloom flight midair pursuit "
    "conversation discussion argument debate speech essay  performance meeting conference ceremony team "
    "squad committee government society community population generation gaze eyes sight vision smile frown "
    "grin laughter expression pose gesture stance posture harmony rhythm flow vein spirit honor honour "
    "favor favour memory celebration preparation anticipation touch contact sync proximity vicinity "
    "distance meaning purpose accuracy precision stock trend topic  diet holiday trip journey tour way foot "
    "horseback alert ease glance average purpose credit loan top budget fly run go rise fall increase "
    "decrease verse prose detail fairness conjunction parallel tandem vogue flux limbo essence theme themes "
    "rendering cgi vector lowlight backlight spotlight high-resolution close-up macro mode angle zoom "
    "shutter aperture blur grain vignette filter ratio direction directions side sides end ends beginning "
    "middle centre center front back left right north south east west somewhere nowhere anywhere everywhere "
    "everything something nothing anything anyone someone everyone instructions recipe tutorial lesson "
    "class course exam test research analysis data information knowledge evidence proof examples version "
    "edition update release support rumor rumour joke format sunshine gossip lie truth advice announcement "
    "victory revenge justice freedom liberty democracy crisis crime violence conflict revolution reform "
    "tradition habit custom culture myth legend fiction fantasy romance adventure mystery comedy tragedy "
    "drama lyric melody rhyme accent dialect grammar vocabulary spelling promise oath vow threat warning "
    "hint clue suspicion guess estimate forecast prediction prospect chance option alternative preference "
    "wish desire ambition passion lust greed envy jealousy pride shame guilt grief sorrow regret remorse "
    "mercy pity sympathy empathy gratitude loyalty duty obligation responsibility privilege reputation "
    "status rank role function behavior behaviour conduct attitude character personality identity ego "
    "temper instinct intuition intelligence wisdom logic intellect genius ignorance error mistake fault "
    "blame excuse pretext motive incentive bankruptcy debt income salary wage profit tax fee fine fund "
    "funding investment inflation currency cash wealth poverty unemployment employment labor labour effort "
    "attempt struggle challenge difficulty obstacle hurdle burden hardship luxury leisure fun pleasure "
    "enjoyment entertainment amusement hobby exercise fitness diet nutrition disease illness fever "
    "infection cure therapy treatment recovery thirties twenties forties fifties sixties seventies eighties "
    "nineties twenty thirty forty fifty sixty seventy eighty ninety zero majority minority total sum "
    "percentage rating ranking list outcome consequence impact significance relevance similarity difference "
    "variety diversity mixture combination aspect factor element component feature characteristic attribute "
    "property quality type kind sort category genre past future  eternity infinity destiny fate fortune "
    "misfortune accident incident event occasion episode routine lifestyle career profession occupation "
    "task mission errand chore assignment homework silence quietness loneliness solitude isolation privacy "
    "intimacy affection romance marriage divorce funeral wedding negotiations talks peace treaty alliance "
    "diplomacy election vote campaign debate protest strike policy regime honesty dignity heaven hell "
    "paradise afterlife soul spirit sin faith prayer blessing curse miracle magic sorcery temperature "
    "humidity climate gravity energy force momentum velocity acceleration pressure voltage current "
    "frequency belt-tightening deadline backlog workflow feedback input output bandwidth login password "
    "username account internet country nation homeland overnight upfront accordance compliance defiance "
    "reliance cents dollars euros pounds bucks dollar euro pound kilometers kilometres miles kilograms "
    "calories minutes ages posture pose stance masterpiece"
)
_ABSTRACT_KEEP = _set(
    "vanity advertisement statement sediment amenity magnet station decoration illustration instrument "
    "apartment ornament basement pavement equipment city harness building painting ceiling railing clothing "
    "fence entrance ambulance appliance ship spaceship battleship airship plantation monument compartment "
    "document garment cement tent vent reservation vegetation cushion pavilion lion onion button dandelion "
    "medallion intersection refreshment segment pigment electricity facility university residence audience "
    "conference mansion television scorpion carnation fountain pension fragment pigmentation formation ring "
    "wing king string sapling dumpling sling spring swing opening bedding awning curtain covering container "
    "crossing earring landing seating decking shelving lighting elephant plant consonant pendant giant ant "
    "infant restaurant witness wilderness ice dice lattice chalice appendance balance ambience lance dance "
    "attachment apparatus installation constellation vacation foundation composition mountain population "
    "stationery bunting netting matting frosting icing topping filling pudding stocking bobsleigh cutting "
    "carving parliament implement supplement condiment ointment parchment pimento partition cushion "
    "sedation railing scaffolding siding paneling panelling molding moulding engraving etching drawing "
    "collection section junction workstation playstation gas-station celebration inscription projection "
    "reflection extension fireplace workplace marketplace birthplace airing fencing clearing ending marking"
)
_ABSTRACT_ENDINGS = (
    "ness",
    "tion",
    "sion",
    "ity",
    "ism",
    "ship",
    "hood",
    "ance",
    "ence",
    "ment",
    "dom",
    "acy",
)

PARTS = _set(
    "edge edges corner corners side sides rim end ends top bottom center centre middle midpoint half front "
    "back rear base foot head tip surface perimeter border margin lip underside interior exterior face "
    "backside"
)
"""Geometric parts: as anchors they qualify the whole ("the board's back edge"), they are no entities."""

COMPONENTS = _set(
    "armrest arm leg lid handle drawer seat backrest shelf door wheel branch roof spout cover page screen "
    "headboard footboard cushion shade neck stem sleeve collar head hand foot feet hands shoulder shoulders "
    "lap back tail nose mouth ear ears eyes eye face hair paw paws wing wings beak burner knob rung tier "
    "petal pocket strap railing brim trunk hood bumper window windshield engine mast deck stern bow shadow "
    "reflection"
)

LIQUIDS = _set(
    "water liquid juice milk coffee tea wine beer soup oil ink paint soda lemonade honey syrup sauce "
    "blood sand"
)
BARE_OBJECTS = _set(
    "bed water grass snow sand mud sky space air ground top sunlight straw hay ice rocks concrete gravel "
    "carpet soil dirt leaves moss glass wood stone paper"
)
"""Nouns that need no determiner to be a place ("in water", "on grass")."""

FORMATIONS = _set(
    "row line column circle semicircle ring arc grid pattern pile stack cluster heap pair group formation"
)
"""Arrangements: what stands "in a row" is in no other thing."""
LINES = _set("row line column grid formation")

UPRIGHT = _set(
    "wall fence hedge tower building house mountain hill tree cliff skyscraper pillar column wave grass heap "
    "pile stack"
)
"""Things that grow from the ground: "higher than" says how tall they are, not where."""

SMALL_SUPPORTS = _set(
    "stand tripod pedestal base stool saucer coaster easel hook hanger leash chain spike string"
)
"""Things that belong to what they carry: "a globe on a brass stand" stays one thing."""

SUBSTANCES = _set(
    "snow dust sweat blood dirt light shadow shadows mud darkness frost ice rain fog mist water sunlight "
    "moonlight rust paint sparkles glitter"
)
LIGHTS = _set(
    "light sunlight moonlight lamplight candlelight daylight glow shadow shadows lighting rays ray "
    "reflection reflections reflects highlight highlights shade brightness illumination warmth emphasis "
    "focus attention gaze eyes steam aroma smell scent sound noise"
)
"""Subjects that fall on things without being placed by the prompt."""


# ---------------------------------------------------------------------------------------------- look-up


def _forms(lemma: str) -> tuple[str, str, str, str]:
    """Return a verb's (third person, past, past participle, -ing) forms."""
    if lemma.endswith(("s", "x", "z", "ch", "sh", "o")):
        third = lemma + "es"
    elif lemma.endswith("y") and lemma[-2] not in "aeiou":
        third = lemma[:-1] + "ies"
    else:
        third = lemma + "s"
    if lemma in _IRREGULAR:
        past, participle, ing = _IRREGULAR[lemma].split()
        return third, past, participle, ing
    if lemma.endswith("e"):
        past = lemma + "d"
        ing = lemma + "ing" if lemma.endswith(("ee", "oe", "ye")) else lemma[:-1] + "ing"
    elif lemma.endswith("y") and lemma[-2] not in "aeiou":
        past, ing = lemma[:-1] + "ied", lemma + "ing"
    elif lemma in _DOUBLING:
        past, ing = lemma + lemma[-1] + "ed", lemma + lemma[-1] + "ing"
    else:
        past, ing = lemma + "ed", lemma + "ing"
    return third, past, past, ing


def _verb_table() -> dict[str, tuple[int, str]]:
    table: dict[str, tuple[int, str]] = {}

    def add(form: str, tag: int, lemma: str) -> None:
        tags, known = table.get(form, (0, lemma))
        table[form] = (tags | tag, known)

    for lemma in [*_REGULAR.split(), *_IRREGULAR]:
        noun = NOUN if lemma in NOUN_VERBS else 0
        third, past, participle, ing = _forms(lemma)
        add(lemma, FINITE | BASE | noun, lemma)
        add(third, FINITE | noun, lemma)
        add(past, FINITE, lemma)
        add(participle, PARTICIPLE, lemma)
        add(ing, ING, lemma)
    # "lay" is the past of "lie" and a verb of its own; as an image caption word it means the posture.
    table["lay"] = (FINITE, "lie")
    table["lays"] = (FINITE, "lie")
    table["laying"] = (ING, "lie")
    table["leaned"] = (FINITE | PARTICIPLE, "lean")
    table["hanged"] = (FINITE | PARTICIPLE, "hang")
    table["lighted"] = (PARTICIPLE, "light")
    del table["left"]
    return table


_VERBS = _verb_table()

_CLOSED: dict[str, int] = {}
for _words, _tag in (
    (DETERMINERS, DET),
    (POSSESSIVES, POSS),
    (PRONOUNS, PRONOUN),
    (frozenset(NUMBERS), NUM),
    (QUANTIFIERS, NUM),
    (ORDINALS, ORD),
    (POSITIONALS, ORD),
    (ADVERBS, ADV),
    (BE_FORMS, BE),
    (HAVE_FORMS, HAVE),
    (AUXILIARIES, AUX),
    (CONJUNCTIONS, CONJ),
    (RELATIVES, REL),
    (SUBORDINATORS, SUBORDINATOR),
    (PREPOSITIONS, PREP),
    (NEGATIONS, NEGATION),
    (OTHER_FUNCTION, FUNCTION),
):
    for _word in _words:
        _CLOSED[_word] = _CLOSED.get(_word, 0) | _tag

_NOT_NOUN_ADJECTIVES = ADJECTIVES - _set(
    "orange gold silver bronze copper glass metal plastic leather ceramic marble stone brick concrete steel "
    "iron brass wicker bamboo velvet silk cotton wool linen denim fabric paper cardboard clay granite "
    "crystal rubber oak pine walnut tin enamel cork straw satin fur felt canvas wood light dark square "
    "giant cold heat rose ruby emerald sapphire amber coral peach mint olive lime cream rust ivory adult "
    "male female human glow half twin solid antique miniature plain rainbow flat classic abstract "
    "terracotta plaid chrome human slate maple quartz lace present remote charcoal caramel porcelain wet "
    "good best knit navy zinc pewter"
)


_ABLE_NOUNS = _set("syllable parable variable renewable collectable")
_NOUN_FORMS = _set("leaves rose roses saw saws felt bore wound drove shot fell rung stuck bound bow cook")
"""Nouns spelled like a past tense."""


@lru_cache(maxsize=16384)
def lookup(word: str) -> Word:
    """Return what the lexicon knows of a lower-case word; unknown words are judged by their ending."""
    tags = _CLOSED.get(word, 0)
    lemma = ""
    verb = _VERBS.get(word)
    if verb is not None and not tags & (DET | POSS | BE | HAVE | AUX | ORD):
        tags |= verb[0]
        lemma = verb[1]
    if word in ADJECTIVES:
        tags |= ADJ
        if word not in _NOT_NOUN_ADJECTIVES:
            tags |= NOUN
        if tags & VERB and word not in ("lit", "broken", "worn", "open", "light", "torn"):
            tags &= ~(FINITE | BASE)
    if (word in PARTS and tags & ORD) or word in _NOUN_FORMS:
        tags |= NOUN
    if word in ING_NOUNS:
        tags |= NOUN
    if tags:
        return Word(tags, lemma)
    if word[0].isdigit():
        return Word(NUM, "")
    if "-" in word:
        tail = word.rsplit("-", 1)[1]
        if tail in ADJECTIVES or tail in (
            "bound",
            "covered",
            "like",
            "style",
            "free",
            "friendly",
            "made",
            "type",
        ):
            return Word(ADJ, "")
        if (
            tail.endswith(("ed", "ing", "en"))
            and tail not in ED_NOUNS
            and tail not in ING_NOUNS
            and len(tail) > 3
        ):
            return Word(ADJ, "")
        return Word(NOUN, "")
    if word.endswith("ing") and len(word) > 4 and word not in ING_NOUNS:
        return Word(ING, word[:-3])
    if word.endswith("ed") and len(word) > 4 and word not in ED_NOUNS:
        return Word(PARTICIPLE, word[:-2])
    if word.endswith("ly") and len(word) > 4:
        return Word(ADJ if word in LY_ADJECTIVES else NOUN if word in LY_NOUNS else ADV, "")
    if word.endswith("ical") and word not in ("chemical", "musical", "periodical"):
        return Word(ADJ, "")
    if word.endswith("able") and not word.endswith("table") and len(word) > 6 and word not in _ABLE_NOUNS:
        return Word(ADJ, "")
    if (
        word.endswith(("ful", "ous", "less", "ible"))
        and len(word) > 5
        and word not in ("dish", "fish", "handful")
    ):
        if word not in (
            "radish",
            "goldfish",
            "jellyfish",
            "starfish",
            "spoonful",
            "armful",
            "catfish",
            "octopus",
        ):
            return Word(ADJ, "")
    return Word(NOUN, "")


@lru_cache(maxsize=8192)
def singular(noun: str) -> str:
    """Return the singular of a lower-case noun; misspelt regular plurals ("toothbrushs") included."""
    if noun in IRREGULAR_PLURALS:
        return IRREGULAR_PLURALS[noun]
    if (
        noun in PLURAL_ONLY
        or noun in _S_SINGULAR
        or not noun.endswith("s")
        or (len(noun) < 4 and noun not in ("tvs", "cds"))
    ):
        return noun
    if noun.endswith(("ss", "us", "is")) and noun not in (
        "taxis",
        "menus",
        "emus",
        "gnus",
        "broccolis",
        "kiwis",
        "bikinis",
    ):
        return noun
    if noun.endswith("ies") and len(noun) > 4:
        return noun[:-3] + "y"
    if noun.endswith(("sses", "shes", "ches", "xes", "zzes", "toes", "roes", "choes")):
        return noun[:-2]
    return noun[:-1]


def is_being(noun: str) -> bool:
    """Return whether a lower-case noun, singular or plural, names a person or an animal."""
    return noun in PERSONS or noun in ANIMALS or singular(noun) in PERSONS or singular(noun) in ANIMALS


def is_plural(noun: str) -> bool:
    """Return whether a noun's form is a plural."""
    return noun in PLURAL_ONLY or singular(noun) != noun


_HARD_ABSTRACT = TIME_WORDS | _set(
    "style manner mood tone feeling atmosphere ambience ambiance vibe aesthetic resolution quality detail "
    "details lighting effect theme palette scheme realism art minimalism definition color colors colour "
    "colours hue hues sense way fashion weather condition conditions depth perspective order formation "
    "contrast composition love life care success progress power energy time industry market system "
    "technique process service business health science"
)


@lru_cache(maxsize=8192)
def is_abstract_compound(noun: str) -> bool:
    """Return whether a compound with this head is abstract: "flat style", but not "sheet music"."""
    return noun in _HARD_ABSTRACT


@lru_cache(maxsize=8192)
def is_abstract(noun: str) -> bool:
    """Return whether a singular noun names nothing that can be somewhere in a picture."""
    if noun in _ABSTRACT_KEEP or noun in SURFACES or noun in CONTAINERS or noun in PLACES or noun in PERSONS:
        return False
    if noun in ABSTRACT:
        return True
    return len(noun) > 5 and noun.endswith(_ABSTRACT_ENDINGS)
