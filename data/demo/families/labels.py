"""Families about labels: the tone of reviews and the desks of tickets."""

# ruff: noqa: D102 - the methods are documented once, in `Family`.

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

from ..base import Context, Family
from ..styles import SEPARATORS
from ..words import FIRST_NAMES, made_up_words

_PRAISE = "excellent lovely perfect wonderful superb charming splendid great".split()
_BLAME = "awful terrible dreadful useless poor shabby disappointing horrible".split()
_HAPPY = (
    "I will come again",
    "we had a fine day",
    "everybody smiled",
    "I told all my friends",
    "it was worth every coin",
    "my family loved it",
)
_UNHAPPY = (
    "I want my money back",
    "we left early",
    "nobody was pleased",
    "I will not come again",
    "it was a waste of time",
    "my family complained",
)
_LABELS = (
    ("good", "bad"),
    ("up", "down"),
    ("plus", "minus"),
    ("warm", "cold"),
    ("yes", "no"),
    ("green", "red"),
    ("sun", "rain"),
    ("happy", "unhappy"),
    ("positive", "negative"),
    ("like", "dislike"),
    ("keep", "drop"),
    ("win", "loss"),
)


class Sentiment(Family):
    """Whether a review is favourable, in the house's labels, which every answer lists."""

    name = "sentiment"
    title = "Classifying reviews"
    _templates = (
        'Classify this review: "{text}"',
        'What does the guest think? "{text}"',
        'Label the comment "{text}"',
        'File this feedback under the right label: "{text}"',
        '{who} wrote: "{text}" Which label is it?',
        'Judge the tone of "{text}"',
    )
    _texts = (
        "The {item} were {word} and {tail}.",
        "{word_capital} {item}, and {tail}.",
        "What {word} {item}! {tail_capital}.",
        "{tail_capital}: the {item} were {word}.",
        "The {item} looked {word} today, and {tail}.",
    )
    _forms = (
        "{label} (of {yes}/{no})",
        "{yes} or {no}: {label}",
        "{label} [{yes}|{no}]",
        "{yes}/{no} -> {label}",
        "not {other} but {label}",
        "{label}, not {other}",
        "{label} > {other}",
    )

    def make_style(self, rng: Random) -> Mapping[str, Any]:
        return {
            "labels": rng.choice(_LABELS),
            "form": rng.choice(self._forms),
            "case": rng.choice(("plain", "upper")),
        }

    def draw(self, rng: Random, context: Context) -> tuple[str, Any]:
        favourable = rng.random() < 0.5
        word = rng.choice(_PRAISE if favourable else _BLAME)
        tail = rng.choice(_HAPPY if favourable else _UNHAPPY)
        text = rng.choice(self._texts).format(
            item=rng.choice(context.items),
            word=word,
            word_capital=word.capitalize(),
            tail=tail,
            tail_capital=tail[0].upper() + tail[1:],
        )
        body = rng.choice(self._templates).format(text=text, who=rng.choice(FIRST_NAMES))
        return body, favourable

    def solve(self, facts: Any, rule: Any) -> Any:
        return facts

    def write(self, answer: Any, style: Mapping[str, Any]) -> str:
        yes, no = style["labels"]
        label, other = (yes, no) if answer else (no, yes)
        text = str(style["form"]).format(label=label, other=other, yes=yes, no=no)
        return text.upper() if style["case"] == "upper" else text

    def spoil(self, rng: Random, facts: Any, rule: Any) -> Any:
        return not facts


_TICKETS: Mapping[str, tuple[str, ...]] = {
    "billing": (
        "I was charged twice for the {item}.",
        "The invoice for my {item} is wrong.",
        "Can I pay for the {item} by card?",
        "The price of the {item} is higher than on the website.",
        "Please send me a receipt for the {item}.",
        "I never got the refund for the {item}.",
    ),
    "delivery": (
        "My {item} have not arrived.",
        "The parcel with the {item} went to the wrong street.",
        "When will the {item} be shipped?",
        "The courier left my {item} in the rain.",
        "Can you send the {item} to another address?",
        "Only half of the {item} came with the van.",
    ),
    "repair": (
        "Two of the {item} are cracked.",
        "The {item} broke on the first day.",
        "My {item} no longer work.",
        "Can you fix my old {item}?",
        "There is a loose part in the {item}.",
        "The {item} are bent and need mending.",
    ),
}


class TicketRouting(Family):
    """Which desk takes a ticket; the house's desks are hidden and listed in every answer."""

    name = "ticket_routing"
    title = "Routing tickets"
    rule_hidden = True
    _templates = (
        'Which desk takes this ticket? "{text}"',
        'Route the message "{text}"',
        'A customer writes: "{text}" Who handles it?',
        '{who} says: "{text}" Pass it on to the right desk.',
        'Send this to the right desk: "{text}"',
        'New ticket: "{text}" Where does it go?',
    )
    _forms = (
        "{table}{arrow}{desk}",
        "{desk}{arrow}{table}",
        "{desk} ({table})",
        "{table} ({desk})",
    )

    def make_rule(self, rng: Random) -> tuple[str, ...]:
        if rng.random() < 0.3:
            return tuple(rng.sample(("A", "B", "C", "D", "E"), 3))
        return made_up_words(rng, 3)

    def make_style(self, rng: Random) -> Mapping[str, Any]:
        return {
            "form": rng.choice(self._forms),
            "arrow": rng.choice((" -> ", ": ", " = ", " / ", " so ", " | ")),
            "is": rng.choice(("=", " ", ":", "-", " to ")),
            "separator": rng.choice([sep for sep in SEPARATORS if sep not in ("_", "-")]),
        }

    def draw(self, rng: Random, context: Context) -> tuple[str, Any]:
        kind = rng.choice(tuple(_TICKETS))
        text = rng.choice(_TICKETS[kind]).format(item=rng.choice(context.items))
        return rng.choice(self._templates).format(text=text, who=rng.choice(FIRST_NAMES)), kind

    def solve(self, facts: Any, rule: Any) -> Any:
        desks = dict(zip(_TICKETS, rule, strict=True))
        return {"desks": desks, "desk": desks[facts]}

    def write(self, answer: Any, style: Mapping[str, Any]) -> str:
        table = style["separator"].join(
            f"{kind}{style['is']}{desk}" for kind, desk in answer["desks"].items()
        )
        return str(style["form"]).format(table=table, desk=answer["desk"], arrow=style["arrow"])

    def spoil(self, rng: Random, facts: Any, rule: Any) -> Any:
        # The same desks with their work exchanged, so that every kind goes to a wrong one.
        turn = rng.choice((1, 2))
        return self.solve(facts, rule[turn:] + rule[:turn])
