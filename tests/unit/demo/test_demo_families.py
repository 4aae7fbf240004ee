"""Every family: hidden rules are hidden, one example shows them, wrong twins are wrong."""

import json
from dataclasses import asdict, replace
from datetime import date, datetime, timedelta
from itertools import permutations
from random import Random

import pytest

from data.demo import DEMO_CONTEXTS, FAMILIES, WRONG_KINDS, wrong
from data.demo.words import MONTHS

families = pytest.mark.parametrize("family", FAMILIES.values(), ids=list(FAMILIES))
hidden = pytest.mark.parametrize(
    "family",
    [family for family in FAMILIES.values() if family.rule_hidden],
    ids=[name for name, family in FAMILIES.items() if family.rule_hidden],
)


def right(family, example):
    """The right response, from the facts."""
    return family.respond(family.solve(example.facts, example.context.rule), example.context)


def test_there_are_enough_families_of_both_sorts():
    count = sum(family.rule_hidden for family in FAMILIES.values())
    assert len(FAMILIES) >= 14
    assert 8 <= count <= len(FAMILIES) - 8
    assert all(name == family.name for name, family in FAMILIES.items())


@families
def test_the_prompt_hides_rule_style_and_wrapper(family):
    house, other = family.make_contexts(11, 2)
    disguised = replace(house, rule=other.rule, style=other.style, wrapper=other.wrapper)
    for seed in range(20):
        first = family.sample(Random(seed), house)
        second = family.sample(Random(seed), disguised)
        assert first.prompt == second.prompt
        assert first.response != second.response


@families
def test_the_prompt_names_its_context(family):
    house = family.contexts[0]
    for seed in range(20):
        assert house.cue in family.sample(Random(seed), house).prompt


@families
def test_one_example_reveals_rule_and_style(family):
    """Whatever else explains one right answer explains all right answers of the context."""
    rng = Random(f"reveal/{family.name}")
    explained = 0
    for house in family.make_contexts(5, 8):
        examples = [family.sample(rng, house) for _ in range(12)]
        rules = [house.rule, *(family.make_rule(rng) for _ in range(20))]
        styles = [house.style, *(family.make_style(rng) for _ in range(12))]
        # Styles that differ in one habit only are the ones that an example may fail to tell apart.
        nearly = [{**house.style, key: style[key]} for style in styles[1:] for key in style]
        guesses = [(rule, style) for rule in rules for style in styles]
        for rule, style in [*guesses, *((house.rule, style) for style in nearly)]:
            guess = replace(house, rule=rule, style=style)
            hits = [
                family.respond(family.solve(example.facts, rule), guess) == example.response
                for example in examples
            ]
            explained += all(hits)
            assert all(hits) or not any(hits), (examples[hits.index(True)].response, rule, style)
    assert explained >= 8


@families
def test_wrong_twins_keep_the_prompt_and_never_the_answer(family):
    for house in family.make_contexts(3, 6):
        for seed in range(12):
            example = family.sample(Random(seed), house)
            assert example.response == right(family, example)
            for kind in WRONG_KINDS:
                twin = wrong(Random(seed), example, kind)
                assert (twin.prompt, twin.fault) == (example.prompt, kind)
                assert twin.response.strip()
                assert twin.response != example.response


@families
def test_each_kind_of_wrong_is_what_it_says(family):
    house = family.make_contexts(4, 1)[0]
    for seed in range(10):
        example = family.sample(Random(seed), house)
        value = wrong(Random(seed), example, "wrong_value").response
        assert value.startswith(house.wrapper.opening)
        assert value.endswith(house.wrapper.closing)
        assert example.response.startswith(wrong(Random(seed), example, "truncated").response)
        donor = next(
            other
            for other in (family.sample(Random(k), house) for k in range(100, 200))
            if other.response != example.response
        )
        assert wrong(Random(0), example, "other_answer", donor).response == donor.response


@hidden
def test_a_wrong_value_shows_another_rule(family):
    """Some other rule of the family explains the wrong value."""
    rng = Random(1)
    house = family.make_contexts(6, 1)[0]
    example = family.sample(rng, house)
    twin = wrong(rng, example, "wrong_value")
    if family.name in ("code_words", "ticket_routing"):
        rules = list(permutations(house.rule))
    else:
        rules = [family.make_rule(rng) for _ in range(400)]
    others = [rule for rule in rules if rule != house.rule]
    assert twin.response in {
        family.respond(family.solve(example.facts, rule), house) for rule in others
    }


def test_wrong_refuses_what_it_cannot_do():
    family = FAMILIES["pack_sizes"]
    example = family.sample(Random(0), family.contexts[0])
    with pytest.raises(ValueError, match="unknown kind of wrong answer 'lost'"):
        wrong(Random(0), example, "lost")
    with pytest.raises(ValueError, match="already wrong"):
        wrong(Random(0), wrong(Random(0), example, "truncated"), "wrong_value")
    with pytest.raises(ValueError, match="differs from the right answer"):
        wrong(Random(0), example, "other_answer", donor=example)


@families
def test_contexts_are_distinct_seeded_and_unseen_elsewhere(family):
    houses = family.make_contexts(1, 8)
    assert houses == family.make_contexts(1, 8)
    assert houses[:3] == family.make_contexts(1, 3)
    assert len({house.cue for house in houses}) == 8
    assert len({house.wrapper for house in houses}) == 8
    others = family.make_contexts(2, 8)
    signature = [(h.cue, repr(h.rule), repr(h.style), h.wrapper) for h in houses]
    assert not set(signature) & {(h.cue, repr(h.rule), repr(h.style), h.wrapper) for h in others}
    assert len(family.contexts) == DEMO_CONTEXTS


@hidden
def test_contexts_differ_in_their_rules(family):
    rng = Random(0)
    known = {repr(family.make_rule(rng)) for _ in range(200)}
    rules = {repr(house.rule) for house in family.contexts}
    assert len(rules) == min(DEMO_CONTEXTS, len(known))


@families
def test_rewording_keeps_task_and_answer(family):
    house = family.contexts[1]
    for seed in range(20):
        example = family.sample(Random(seed), house)
        copy = family.reword(Random(seed), example)
        assert copy.prompt != example.prompt
        assert copy.body == example.body and copy.body in copy.prompt
        assert copy.response == example.response


def test_rewording_edits_every_part_of_the_wording():
    family = FAMILIES["facts"]
    edited = set()
    for seed in range(200):
        example = family.sample(Random(seed), family.contexts[0])
        copy = family.reword(Random(seed), example)
        before, after = asdict(example.wording), asdict(copy.wording)
        edited |= {part for part in before if before[part] != after[part]}
    assert edited == {"frame", "hint", "greeting", "farewell"}


# Answers checked by other means than the generator's own


def draws(name, count=60):
    family = FAMILIES[name]
    for seed in range(count):
        house = family.make_contexts(seed, 1)[0]
        _, facts = family.draw(Random(seed), house)
        yield family, house, facts


def test_due_dates_agree_with_the_calendar():
    for family, house, facts in draws("due_dates"):
        start = date(2025, MONTHS.index(facts["month"]) + 1, facts["start"])
        due = start + timedelta(days=house.rule)
        answer = family.solve(facts, house.rule)
        assert (answer["end"], answer["month"]) == (due.day, MONTHS[due.month - 1])


def test_meeting_ends_agree_with_the_clock():
    for family, house, (hour, minute) in draws("meeting_times"):
        end = datetime(2025, 1, 1, hour, minute) + timedelta(minutes=house.rule)
        answer = family.solve((hour, minute), house.rule)
        assert (answer["h"], answer["e"]) == (end.hour, end.minute)


def test_dates_are_real_days():
    for family, house, (day, month, year) in draws("date_formats"):
        date(year, month, day)
        # A two-digit year must not look like the day, nor the short month like the full one.
        assert year % 100 != day and month != 5
        date(*reversed(family.spoil(Random(day), (day, month, year), house.rule)))


def test_extracted_json_parses_and_holds_the_facts():
    for family, house, facts in draws("json_extraction"):
        record = json.loads(family.write(family.solve(facts, None), house.style))
        assert sorted(map(str, record.values())) == sorted(map(str, facts.values()))


def test_python_answers_compute_what_was_asked():
    expected = {
        "adds {n} to a number": lambda x, n: x + n,
        "subtracts {n} from a number": lambda x, n: x - n,
        "multiplies a number by {n}": lambda x, n: x * n,
        "divides a number by {n}": lambda x, n: x / n,
        "tells whether a number is above {n}": lambda x, n: x > n,
        "tells whether a number is below {n}": lambda x, n: x < n,
        "adds {n} to the square of a number": lambda x, n: x**2 + n,
    }
    ran = 0
    for family, house, (operation, n) in draws("small_code", 300):
        if not house.style["language"].startswith(("def ", "{f} = lambda")):
            continue
        names: dict[str, object] = {}
        exec(family.write((operation, n), house.style), names)
        for x in (0, n, 37):
            assert names[house.style["f"]](x) == expected[operation](x, n)
        ran += 1
    assert ran >= 20


def test_word_problems_have_positive_whole_answers():
    for family, _, facts in draws("arithmetic", 200):
        assert family.solve(facts, None)["v"] > 0


def test_a_headline_never_names_two_rules():
    for family, _, facts in draws("table_headlines"):
        rules = ("largest", "smallest", "first", "last")
        assert len({family.solve(facts, rule)["item"] for rule in rules}) == 4


def test_every_signal_occurs_in_every_code_word_prompt():
    for _, _, facts in draws("code_words"):
        assert set(facts) == {0, 1, 2, 3}
