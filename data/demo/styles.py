"""House styles that all families share: what stands around an answer, what stands around a task.

A wrapper is hidden from the prompt and revealed by one example. A frame is the visible part of the
prompt that names the context. This file knows nothing of families.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from .words import made_up_word

OPENINGS = (
    "Answer: ", "Result: ", "Reply: ", "-> ", "=> ", ">> ", "= ", "* ", "# ", "Noted: ", "Here: ",
    "Out: ", "Done: ", "Final: ", "A: ", "+ ", "~ ", "| ", "== ", "> ", "Log: ", "Reads: ",
    "Right: ", "Say: ", "Now: ", "Best: ", "Ours: ", "Sheet: ", "1. ", "... ",
)  # fmt: skip
BRACKETS = (
    ("[", "]"), ("(", ")"), ("<", ">"), ("<<", ">>"), ("{", "}"), ("*", "*"), ("**", "**"),
    ("'", "'"), ('"', '"'), ("| ", " |"), ("# ", " #"), ("/", "/"), ("= ", " ="), ("-- ", " --"),
    ("((", "))"), ("[[", "]]"), ("~", "~"), ("+ ", " +"), ("<a>", "</a>"), ("`", "`"),
)  # fmt: skip
CLOSINGS = (
    ".", "!", " ok", " (checked)", " (done)", " / end", " - thanks", " (final)", " [x]", " (ours)",
    " (sent)", " (as asked)", " // ok", " - over", ";", " (copy)", " :)", " *", " - yes", " (new)",
)  # fmt: skip
SEPARATORS = (
    ", ", " - ", "; ", " / ", " => ", " | ", " + ", " & ", " .. ", " : ", "_", "-", " then ",
    " and ", " ~ ", " * ",
)  # fmt: skip


@dataclass(frozen=True)
class Wrapper:
    """What a house writes before and after every answer."""

    opening: str
    closing: str

    def wrap(self, answer: str) -> str:
        """The answer in its house style."""
        return f"{self.opening}{answer}{self.closing}"


def make_wrapper(rng: Random) -> Wrapper:
    """Draw a wrapper; a fifth carry a made-up word, so that unseen ones never run out."""
    kind = rng.random()
    if kind < 0.2:
        word = made_up_word(rng)
        front, back = rng.choice(
            (
                (f"{word}: ", ""),
                (f"[{word}] ", ""),
                (f"{word} = ", ""),
                ("", f" / {word}"),
                ("", f" ({word})"),
                ("", f" #{word}"),
                (f"{word} ", "."),
            )
        )
        return Wrapper(front, back)
    if kind < 0.45:
        front, back = rng.choice(BRACKETS)
        if rng.random() < 0.5:
            return Wrapper(rng.choice(OPENINGS) + front, back)
        return Wrapper(front, back + rng.choice(CLOSINGS))
    closing = rng.choice(CLOSINGS) if rng.random() < 0.7 else ""
    return Wrapper(rng.choice(OPENINGS), closing)


FRAMES = (
    "For the {cue}: {body}",
    "{body} This is for the {cue}.",
    "The {cue} asks: {body}",
    "Request from the {cue}. {body}",
    "{body} (for the {cue})",
    "Note from the {cue}: {body}",
    "I work at the {cue}. {body}",
    "We at the {cue} need this: {body}",
    "{cue}: {body}",
    "{body} Asked by the {cue}.",
    "[{cue}] {body}",
    "A colleague at the {cue} writes: {body}",
    "Today's task at the {cue}. {body}",
    "{body} It goes to the {cue}.",
    "Here is one from the {cue}. {body}",
    "{body} - {cue}",
)
"""Visible frames: where the prompt names its context."""

HINTS = (
    "Answer the usual way.",
    "Use our house style.",
    "As always, please.",
    "Keep to our form.",
    "Same form as last time.",
    "You know how we write it.",
    "Write it as we do here.",
)
"""Harmless reminders that there is a house style, without saying which."""

GREETINGS = ("Hello. ", "Hi, one more. ", "Good morning. ", "Quick one. ", "Please help. ")
FAREWELLS = (" Thanks.", " Thank you.", " Many thanks!", " Cheers.", " Please.")


@dataclass(frozen=True)
class Wording:
    """How a task is put into words around its body."""

    frame: str
    hint: str = ""
    greeting: str = ""
    farewell: str = ""

    def prompt(self, body: str, cue: str) -> str:
        """The whole prompt."""
        inner = f"{body} {self.hint}" if self.hint else body
        text = self.frame.format(cue=cue, body=inner)
        return f"{self.greeting}{text}{self.farewell}"


def make_wording(rng: Random) -> Wording:
    """Draw a frame, with a reminder of the house style in four of ten prompts."""
    hint = rng.choice(HINTS) if rng.random() < 0.4 else ""
    return Wording(rng.choice(FRAMES), hint)


def small_edit(rng: Random, wording: Wording) -> Wording:
    """A slightly different wording of the same prompt; the body is not touched."""
    frame, hint = wording.frame, wording.hint
    greeting, farewell = wording.greeting, wording.farewell
    edit = rng.randrange(4)
    if edit == 0:
        frame = rng.choice([other for other in FRAMES if other != frame])
    elif edit == 1:
        hint = rng.choice([other for other in HINTS if other != hint])
    elif edit == 2:
        greeting = rng.choice([other for other in GREETINGS if other != greeting])
    else:
        farewell = rng.choice([other for other in FAREWELLS if other != farewell])
    return Wording(frame, hint, greeting, farewell)
