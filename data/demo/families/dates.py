"""Families about days and hours: date formats, due dates, the end of a meeting."""

# ruff: noqa: D102 - the methods are documented once, in `Family`.

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

from ..base import Context, Family
from ..words import FIRST_NAMES, MONTHS


class DateFormats(Family):
    """A date in the house's own way of writing dates."""

    name = "date_formats"
    title = "Date formats"
    _templates = (
        "Write the date {date} for our records.",
        "How do we note {date}?",
        "Put {date} into our date form.",
        "{who} was born on {date}. Enter the birthday.",
        "The {item} arrived on {date}. Enter the date.",
        "Please stamp this letter about the {item} with {date}.",
        "An invoice is dated {date}. How does that look in our files?",
    )

    def make_style(self, rng: Random) -> Mapping[str, Any]:
        return {
            "order": rng.choice(("dmy", "mdy", "ymd")),
            "separator": rng.choice(("-", "/", ".", " ", "_", ":", " of ", "|")),
            "month": rng.choice(("number", "short", "SHORT", "full")),
            "short_year": rng.random() < 0.3,
        }

    def draw(self, rng: Random, context: Context) -> tuple[str, Any]:
        # One example must tell day, month and year apart: days above twelve, years unlike days.
        # May is left out, where the short name is the full one.
        day, year = rng.randint(13, 28), rng.choice((*range(1990, 2013), *range(2029, 2036)))
        month = rng.choice([m for m in range(1, 13) if m != 5])
        name = MONTHS[month - 1]
        date = rng.choice((f"{day} {name} {year}", f"{name} {day}, {year}"))
        body = rng.choice(self._templates).format(
            date=date, item=rng.choice(context.items), who=rng.choice(FIRST_NAMES)
        )
        return body, (day, month, year)

    def solve(self, facts: Any, rule: Any) -> Any:
        return facts

    def write(self, answer: Any, style: Mapping[str, Any]) -> str:
        day, month, year = answer
        name = MONTHS[month - 1]
        months = {
            "number": f"{month:02d}",
            "short": name[:3],
            "SHORT": name[:3].upper(),
            "full": name,
        }
        parts = {
            "d": str(day),
            "m": months[style["month"]],
            "y": f"{year % 100:02d}" if style["short_year"] else str(year),
        }
        return str(style["separator"]).join(parts[letter] for letter in style["order"])

    def spoil(self, rng: Random, facts: Any, rule: Any) -> Any:
        day, month, year = facts
        return rng.choice(
            (
                (day - 1, month, year),
                (day + 1 if day < 28 else day - 2, month, year),
                (day, 6 if month == 4 else month % 12 + 1, year),
                (day, month, year + rng.choice((1, -1, 10))),
            )
        )


class DueDates(Family):
    """The day on which something is due; the house's number of days is hidden."""

    name = "due_dates"
    title = "Due dates of a house"
    rule_hidden = True
    _templates = (
        "A {thing} for {item} came in on {date}. When is it due?",
        "{who} handed in a {thing} on {date}. By when do we finish?",
        "The {thing} about the {item} is dated {date}. Give the last day.",
        "We opened a {thing} on {date} for {who}. Which day closes it?",
        "Start of the {thing}: {date}. When does it end?",
        "{who} asks when the {thing} of {date} will be ready.",
    )
    _things = "loan repair request rental booking reservation complaint trial".split()

    def make_rule(self, rng: Random) -> int:
        return rng.choice((1, 2, 3, 4, 5, 7, 10))

    def make_flavour(self, rng: Random, topic: str) -> Mapping[str, Any]:
        return {"things": tuple(rng.sample(self._things, 2))}

    def make_style(self, rng: Random) -> Mapping[str, Any]:
        forms = (
            "{end} {month}",
            "{month} {end}",
            "{end} {short}",
            "{short} {end}",
            "{start} + {days} = {end} {month}",
            "the {end} ({days} days)",
            "{end} {month}, {days} days later",
            "{short}-{end}",
        )
        return {"form": rng.choice(forms)}

    def draw(self, rng: Random, context: Context) -> tuple[str, Any]:
        # At most day 18, so that no sum leaves its month; not May, which has no short name.
        day, month = rng.randint(1, 18), rng.choice([m for m in MONTHS if m != "May"])
        body = rng.choice(self._templates).format(
            thing=rng.choice(context.flavour["things"]),
            item=rng.choice(context.items),
            who=rng.choice(FIRST_NAMES),
            date=f"{day} {month}",
        )
        return body, {"start": day, "month": month, "short": month[:3]}

    def solve(self, facts: Any, rule: Any) -> Any:
        return {**facts, "days": rule, "end": facts["start"] + rule}

    def write(self, answer: Any, style: Mapping[str, Any]) -> str:
        return str(style["form"]).format(**answer)


class MeetingTimes(Family):
    """When a meeting ends; the house's usual length is hidden."""

    name = "meeting_times"
    title = "Ends of meetings"
    rule_hidden = True
    _templates = (
        "The {kind} starts at {time}. When is it over?",
        "{who} books the room for a {kind} at {time}. Until when is it taken?",
        "Our {kind} about the {item} begins at {time}. When can {who} leave?",
        "Note the end of the {kind} that begins at {time}.",
        "A {kind} with {who} is set for {time}. When does it finish?",
        "From {time} on there is a {kind} about {item}. When does it end?",
    )
    _kinds = "meeting lesson call tour shift rehearsal briefing tasting".split()

    def make_rule(self, rng: Random) -> int:
        return rng.choice((10, 15, 20, 25, 30, 40, 45))

    def make_flavour(self, rng: Random, topic: str) -> Mapping[str, Any]:
        return {"kinds": tuple(rng.sample(self._kinds, 2))}

    def make_style(self, rng: Random) -> Mapping[str, Any]:
        forms = ("{h}{c}{e:02d}", "{h}{c}{s:02d}-{h}{c}{e:02d}", "{h}{c}{e:02d}, {length} min")
        return {"form": rng.choice(forms), "colon": rng.choice((":", ".", "h", "", " "))}

    def draw(self, rng: Random, context: Context) -> tuple[str, Any]:
        # Early in the hour, so that no sum leaves it.
        hour, minute = rng.randint(8, 18), rng.choice((0, 5, 10))
        body = rng.choice(self._templates).format(
            kind=rng.choice(context.flavour["kinds"]),
            item=rng.choice(context.items),
            who=rng.choice(FIRST_NAMES),
            time=f"{hour}:{minute:02d}",
        )
        return body, (hour, minute)

    def solve(self, facts: Any, rule: Any) -> Any:
        hour, minute = facts
        return {"h": hour, "s": minute, "e": minute + rule, "length": rule}

    def write(self, answer: Any, style: Mapping[str, Any]) -> str:
        return str(style["form"]).format(c=style["colon"], **answer)
