"""What a task family is: contexts with a hidden house rule, examples, wrong twins, rewordings.

A family turns seeded draws into (prompt, response) examples. Its contexts differ in a rule and a
style that no prompt tells and that any one right example shows completely. It knows nothing of
files, pools, targets or shares; `generate.py` puts those together.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from random import Random
from typing import Any, ClassVar

from .styles import Wording, Wrapper, make_wording, make_wrapper, small_edit
from .words import TOPICS, place_name

WRONG_KINDS = ("wrong_value", "other_answer", "wrong_format", "truncated")
"""How an answer can be spoilt. The first three are wrong answers, the last is cut off."""

DEMO_SEED = 0
"""The seed of the committed demo files; a model is to be trained on contexts of other seeds."""

DEMO_CONTEXTS = 5
"""Contexts of each family in the demo."""


@dataclass(frozen=True)
class Context:
    """One house: a visible name and topic, and what its prompts hide.

    Attributes:
        family: Name of the family that it belongs to.
        name: Id, unique within a draw of contexts: ``family/seed-number``.
        cue: Visible name that every prompt of the context mentions.
        topic: Key of `TOPICS`; its things and people occur in the prompts.
        flavour: Further visible habits (the container, the currency).
        rule: Hidden: what turns the facts of a prompt into the answer's content.
        style: Hidden: how the content is written.
        wrapper: Hidden: what stands before and after it.
    """

    family: str
    name: str
    cue: str
    topic: str
    flavour: Mapping[str, Any]
    rule: Any
    style: Mapping[str, Any]
    wrapper: Wrapper

    @property
    def items(self) -> tuple[str, ...]:
        """Plural nouns of the topic."""
        return TOPICS[self.topic].items

    @property
    def roles(self) -> tuple[str, ...]:
        """People of the topic."""
        return TOPICS[self.topic].roles


@dataclass(frozen=True)
class Example:
    """One row with what it was made from.

    Attributes:
        prompt: What is asked.
        response: The answer, right unless `fault` says otherwise.
        context: The house it belongs to; names the family too.
        body: The prompt without frame, reminder and greeting: equal bodies are the same task.
        facts: What the family drew; the answer follows from it and the rule.
        wording: The frame around the body.
        fault: One of `WRONG_KINDS`, or None.
    """

    prompt: str
    response: str
    context: Context
    body: str
    facts: Any = field(repr=False)
    wording: Wording = field(repr=False)
    fault: str | None = None

    @property
    def family(self) -> str:
        """Name of the family."""
        return self.context.family


class Family(ABC):
    """A kind of task. Subclasses draw facts, solve them under a rule and write the answer.

    Attributes:
        name: Short id, also the `subtask` of its rows.
        title: Words for people.
        rule_hidden: True where the content of the answer, not only its form, depends on the
            hidden rule. There the wrong value of an example follows another rule.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    rule_hidden: ClassVar[bool] = False

    # What a family defines

    def make_rule(self, rng: Random) -> Any:
        """Draw a hidden rule; None where the content follows from the prompt alone."""
        return None

    def make_flavour(self, rng: Random, topic: str) -> Mapping[str, Any]:
        """Draw the visible habits of a context."""
        return {}

    @abstractmethod
    def make_style(self, rng: Random) -> Mapping[str, Any]:
        """Draw how answers are written."""

    def make_wrapper(self, rng: Random) -> Wrapper:
        """Draw what stands around the answers."""
        return make_wrapper(rng)

    @abstractmethod
    def draw(self, rng: Random, context: Context) -> tuple[str, Any]:
        """Draw a task: the body of its prompt and the facts behind it."""

    @abstractmethod
    def solve(self, facts: Any, rule: Any) -> Any:
        """The content of the right answer."""

    @abstractmethod
    def write(self, answer: Any, style: Mapping[str, Any]) -> str:
        """The content in a house's style, without its wrapper."""

    def spoil(self, rng: Random, facts: Any, rule: Any) -> Any:
        """A plausible wrong content: that of another rule. Families without a rule override it."""
        return self.solve(facts, self.make_rule(rng))

    # What every family can do

    @cached_property
    def contexts(self) -> tuple[Context, ...]:
        """The contexts of the committed demo."""
        return self.make_contexts(DEMO_SEED, DEMO_CONTEXTS)

    def make_contexts(self, seed: int, count: int) -> tuple[Context, ...]:
        """Draw contexts whose names, wrappers and, while there are enough, rules all differ.

        Args:
            seed: The same seed gives the same contexts; another seed gives unseen ones.
            count: How many.
        """
        rng = Random(f"contexts/{self.name}/{seed}")
        made: list[Context] = []
        rejected = 0
        while len(made) < count:
            context = self._make_context(rng, f"{self.name}/{seed}-{len(made)}")
            if self._clashes(context, made, rejected):
                rejected += 1
                continue
            rejected = 0
            made.append(context)
        return tuple(made)

    def _make_context(self, rng: Random, name: str) -> Context:
        topic = rng.choice(tuple(TOPICS))
        return Context(
            family=self.name,
            name=name,
            cue=place_name(rng, topic),
            topic=topic,
            flavour=self.make_flavour(rng, topic),
            rule=self.make_rule(rng),
            style=self.make_style(rng),
            wrapper=self.make_wrapper(rng),
        )

    def _clashes(self, context: Context, others: Sequence[Context], rejected: int) -> bool:
        """Whether a context is too much like earlier ones; small sets of rules run out.

        Names and wrappers must always differ. Topic and rule differ from all others at first,
        after many rejected draws the rule from the last one only, and at last neither.
        """
        if any(context.cue == o.cue or context.wrapper == o.wrapper for o in others):
            return True
        same_rule = [self.rule_hidden and context.rule == other.rule for other in others]
        if rejected < 50:
            return any(same_rule) or any(context.topic == other.topic for other in others)
        return rejected < 100 and any(same_rule[-1:])

    def respond(self, answer: Any, context: Context) -> str:
        """The response with this content in this context's style."""
        return context.wrapper.wrap(self.write(answer, context.style))

    def sample(self, rng: Random, context: Context) -> Example:
        """Draw a right example of a context."""
        body, facts = self.draw(rng, context)
        wording = make_wording(rng)
        return Example(
            prompt=wording.prompt(body, context.cue),
            response=self.respond(self.solve(facts, context.rule), context),
            context=context,
            body=body,
            facts=facts,
            wording=wording,
        )

    def reword(self, rng: Random, example: Example) -> Example:
        """A near duplicate: the same task and answer, the wording around it slightly edited."""
        wording = small_edit(rng, example.wording)
        if rng.random() < 0.3:
            wording = small_edit(rng, wording)
        if wording == example.wording:
            wording = replace(wording, farewell=" Thanks a lot.")
        prompt = wording.prompt(example.body, example.context.cue)
        return replace(example, prompt=prompt, wording=wording)
