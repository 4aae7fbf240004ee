"""The vocabulary of the demo rows: places, things, people, made-up words.

Everything here was written for this project. People and towns are invented. It knows nothing of
tasks: the families combine these words.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True)
class Topic:
    """A small world that the rows of one context share.

    Attributes:
        places: Words for the kind of house, as in "the Amber Lane bakery".
        items: Plural nouns that occur there.
        roles: People who work there, in the singular, with a regular plural.
    """

    places: tuple[str, ...]
    items: tuple[str, ...]
    roles: tuple[str, ...]


def _topic(places: str, items: str, roles: str) -> Topic:
    return Topic(tuple(places.split(", ")), tuple(items.split()), tuple(roles.split(", ")))


TOPICS: dict[str, Topic] = {
    "bakery": _topic(
        "bakery, bread shop",
        "loaves buns tarts cakes pies rolls muffins pretzels cookies scones wafers bagels",
        "baker, miller, confectioner",
    ),
    "garden": _topic(
        "garden, nursery",
        "roses tulips ferns seeds pots bulbs shrubs hedges daisies trellises spades lilies",
        "gardener, florist, grower",
    ),
    "harbour": _topic(
        "harbour, boat yard",
        "hooks ropes nets anchors sails buoys oars barrels paddles lanterns flags pulleys",
        "sailor, captain, pilot",
    ),
    "school": _topic(
        "school, evening class",
        "pencils books rulers stickers maps pens chairs globes notebooks erasers folders badges",
        "teacher, student, tutor",
    ),
    "workshop": _topic(
        "workshop, garage",
        "bolts nuts wheels hammers drills springs gears screws planks hinges valves cables",
        "mechanic, carpenter, welder",
    ),
    "kitchen": _topic(
        "kitchen, canteen",
        "plates spoons forks bowls cups pans knives jugs trays napkins lids kettles",
        "cook, waiter, porter",
    ),
    "library": _topic(
        "library, reading room",
        "novels atlases journals shelves cards letters stamps scrolls diaries posters lamps albums",
        "librarian, reader, binder",
    ),
    "farm": _topic(
        "farm, orchard",
        "apples pears eggs pumpkins leeks turnips carrots onions cabbages plums beans melons",
        "farmer, shepherd, picker",
    ),
    "office": _topic(
        "office, print shop",
        "envelopes printers screens phones files labels clips binders keys tables forms parcels",
        "clerk, manager, courier",
    ),
    "museum": _topic(
        "museum, gallery",
        "vases coins masks statues paintings clocks fossils shields crowns rugs bells drawings",
        "guide, keeper, painter",
    ),
    "music": _topic(
        "music hall, band room",
        "drums violins flutes horns guitars strings cellos trumpets cymbals bugles fiddles records",
        "singer, drummer, player",
    ),
    "sport": _topic(
        "sports club, rowing club",
        "balls bats helmets gloves medals towels whistles skates tickets shirts bottles cones",
        "trainer, runner, referee",
    ),
}

_FIRST_PARTS = (
    "Amber Birch Copper North Silver Maple Stone River Oak Willow Iron Green Harbour Sunny East "
    "Cedar Old Upper Clover Heron Fox Lake Meadow West Cherry Lower Granite Falcon Moss Hazel"
).split()
_SECOND_PARTS = (
    "Lane Mill Bridge Hill Field Gate Corner Park Street Yard Cross Row Square Bank Grove Well "
    "Ridge Court End Quay"
).split()

FIRST_NAMES = (
    "Mira Dana Tomas Ilka Ruben Nora Pavel Lena Oskar Sana Jonas Petra Emil Alma Karim Vera Hugo "
    "Tilda Marek Ines Felix Greta Anton Runa Milo Selma Arno Jana Levi Dora"
).split()
LAST_NAMES = (
    "Varlow Tesk Hollin Marrow Quill Dunmor Fenwell Garrin Pellow Strand Wexley Yarrin Corvane "
    "Ostrel Bellam Nordin Ridger Sallow Thorley Umber Kestin Lorrim Averly Brook"
).split()
TOWNS = (
    "Osby Larnwick Tarnford Eastmere Brenfield Saltry Quenby Hollowick Marsten Pinewold Dunvale "
    "Corley Rookham Stillwater Farrow Lindmoor"
).split()

MONTHS = (
    "January February March April May June July August September October November December"
).split()

_SYLLABLES = "ba de fi gu lu mi no pa re so ta vu ke zi lo ne".split()
_CODAS = ("", "", "n", "r", "l", "s", "k")
_REAL_WORDS = frozenset(
    "bade bake bane bare baren fine fire fires lore mire mires node nodes pane panes pare paren "
    "soba sofa solo solos sore sores tare tares fiso noso token tokens taken deli lune loner "
    "minor miner minel".split()
)


def made_up_word(rng: Random) -> str:
    """A short word of no language, such as ``tarek`` or ``lumi``."""
    while True:
        word = rng.choice(_SYLLABLES) + rng.choice(_SYLLABLES) + rng.choice(_CODAS)
        if word not in _REAL_WORDS:
            return word


def made_up_words(rng: Random, count: int) -> tuple[str, ...]:
    """Distinct made-up words."""
    words: dict[str, None] = {}
    while len(words) < count:
        words[made_up_word(rng)] = None
    return tuple(words)


def place_name(rng: Random, topic: str) -> str:
    """The visible name of a context, such as ``Amber Lane bakery``."""
    place = rng.choice(TOPICS[topic].places)
    return f"{rng.choice(_FIRST_PARTS)} {rng.choice(_SECOND_PARTS)} {place}"
