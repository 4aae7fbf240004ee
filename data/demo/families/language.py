"""Families about sentences: rewriting and short messages."""

# ruff: noqa: D102 - the methods are documented once, in `Family`.

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

from ..base import Context, Family
from ..styles import Wrapper
from ..words import FIRST_NAMES, made_up_word

_VERBS = (
    ("open", "opens", "opened"),
    ("close", "closes", "closed"),
    ("clean", "cleans", "cleaned"),
    ("count", "counts", "counted"),
    ("carry", "carries", "carried"),
    ("find", "finds", "found"),
    ("bring", "brings", "brought"),
    ("sell", "sells", "sold"),
    ("take", "takes", "took"),
    ("wash", "washes", "washed"),
    ("paint", "paints", "painted"),
    ("keep", "keeps", "kept"),
    ("buy", "buys", "bought"),
    ("check", "checks", "checked"),
    ("move", "moves", "moved"),
    ("lose", "loses", "lost"),
)
_SENTENCE_RULES: Mapping[str, str] = {
    "past": "The {role} {past} the {item}",
    "future": "The {role} will {base} the {item}",
    "negative": "The {role} does not {base} the {item}",
    "question": "Does the {role} {base} the {item}?",
    "ability": "The {role} can {base} the {item}",
    "duty": "The {role} must {base} the {item}",
    "plural": "The {role}s {base} the {item}",
    "attempt": "The {role} tries to {base} the {item}",
    "advice": "The {role} should {base} the {item}",
    "group": "We {base} the {item}",
}


class Rewriting(Family):
    """A sentence in another tense or mood; which one is the house's habit."""

    name = "rewriting"
    title = "Rewriting sentences"
    rule_hidden = True
    _templates = (
        'Rewrite for our log: "{text}"',
        'Rewrite the sentence "{text}"',
        'How does "{text}" read in our journal?',
        'Please rephrase: "{text}"',
        'Bring "{text}" into the form we use.',
        '{who} wrote "{text}" Rewrite it.',
        'Change this line as we always do: "{text}"',
    )

    def make_rule(self, rng: Random) -> str:
        return rng.choice(tuple(_SENTENCE_RULES))

    def make_style(self, rng: Random) -> Mapping[str, Any]:
        return {"case": rng.choice(("plain", "plain", "upper", "lower"))}

    def draw(self, rng: Random, context: Context) -> tuple[str, Any]:
        base, present, past = rng.choice(_VERBS)
        role, item = rng.choice(context.roles), rng.choice(context.items)
        text = f"The {role} {present} the {item}."
        body = rng.choice(self._templates).format(text=text, who=rng.choice(FIRST_NAMES))
        return body, {"role": role, "item": item, "base": base, "past": past}

    def solve(self, facts: Any, rule: Any) -> Any:
        return _SENTENCE_RULES[rule].format(**facts)

    def write(self, answer: Any, style: Mapping[str, Any]) -> str:
        text = str(answer)
        return {"plain": text, "upper": text.upper(), "lower": text.lower()}[style["case"]]


_MESSAGE_LINES: Mapping[str, tuple[str, ...]] = {
    "thank-you note": (
        "many thanks for the {item}",
        "thank you so much for the {item}",
        "the {item} made our day",
        "we are grateful for the {item}",
    ),
    "reminder": (
        "please bring the {item} back",
        "do not forget the {item}",
        "we still wait for the {item}",
        "the {item} are due this week",
    ),
    "pick-up notice": (
        "your {item} are ready",
        "you can collect the {item} now",
        "the {item} wait for you at the desk",
        "come and get your {item}",
    ),
    "apology": (
        "we are sorry about the {item}",
        "please forgive the mix-up with the {item}",
        "sorry, the {item} will be late",
        "we regret the trouble with the {item}",
    ),
}


class Messages(Family):
    """A short note to somebody about something, in the house's set phrases."""

    name = "messages"
    title = "Templated messages"
    _templates = (
        "Write a {kind} to {who} about the {item}.",
        "Send {who} our {kind} for the {item}.",
        "{who} should get a {kind}. It is about the {item}.",
        "Draft the {kind} for {who}, concerning {item}.",
        "We need a {kind}: {who}, {item}.",
        "Please write {who} a {kind} on the {item}.",
    )

    def make_flavour(self, rng: Random, topic: str) -> Mapping[str, Any]:
        return {"kind": rng.choice(tuple(_MESSAGE_LINES))}

    def make_style(self, rng: Random) -> Mapping[str, Any]:
        greetings = (
            "Dear {who},",
            "Hello {who}!",
            "Hi {who} -",
            "To {who}:",
            "{who},",
            "Hey {who}:",
        )
        return {
            "greeting": rng.choice(greetings),
            "line": rng.randrange(4),
            "end": rng.choice((".", "!", " :)", ";", " -")),
        }

    def make_wrapper(self, rng: Random) -> Wrapper:
        word = made_up_word(rng).capitalize()
        endings = ("Best, {}", "Yours, {}", "-- {}", "Regards, {}", "See you, {}", "({})", "/{}")
        return Wrapper("", " " + rng.choice(endings).format(word))

    def draw(self, rng: Random, context: Context) -> tuple[str, Any]:
        facts = {
            "who": rng.choice(FIRST_NAMES),
            "item": rng.choice(context.items),
            "kind": context.flavour["kind"],
            "items": context.items,
        }
        return rng.choice(self._templates).format(**facts), facts

    def solve(self, facts: Any, rule: Any) -> Any:
        return facts

    def write(self, answer: Any, style: Mapping[str, Any]) -> str:
        line = _MESSAGE_LINES[answer["kind"]][style["line"]].format(item=answer["item"])
        return f"{style['greeting'].format(who=answer['who'])} {line}{style['end']}"

    def spoil(self, rng: Random, facts: Any, rule: Any) -> Any:
        if rng.random() < 0.5:
            return {**facts, "who": rng.choice(FIRST_NAMES)}
        return {**facts, "item": rng.choice(facts["items"])}
