"""Train the small demo language model: python data/train_demo_lm.py [--output DIR] [--seed N].

A Llama of about two million parameters with a tokenizer of its own, trained from nothing on text
of the demo generator. Documents hold up to three examples of one context before the last one, so
that the model learns to take hidden rules and styles from an example. Contexts come from seeds
that neither the demo files nor any test uses. It stands alone so that the model can be made again.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import numpy as np
import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from data.demo import FAMILIES, wrong
from nncift_core.influence.rating_prompts import K, rating_message
from nncift_core.lm.prompts import ANSWER, FOLLOW, Prompter

FIRST_TRAINING_SEED = 1_000_000
"""Contexts are drawn with seeds from here on: the demo has 0, tests stay below."""

ROW_TOKENS = 256
VOCABULARY = 1536
SHARE_RATINGS = 0.06
EXAMPLES_BEFORE = (0, 1, 1, 1, 2, 2, 3)
"""How many examples stand before the last one, drawn evenly from these."""


@dataclass(frozen=True)
class Size:
    """Shape of the model and length of the training."""

    width: int = 192
    layers: int = 4
    heads: int = 6
    inner: int = 512
    tokens: int = 14_000_000
    batch_rows: int = 16
    learning_rate: float = 2.5e-3
    warm_up: float = 0.03


@dataclass
class Document:
    """Tokens of one document with the weight of each in the loss.

    Attributes:
        ids: Its tokens.
        kind: For each, 0 template, 1 prompt, 2 response.
    """

    ids: list[int] = field(default_factory=list)
    kind: list[int] = field(default_factory=list)

    def add(self, ids: list[int], kind: int) -> None:
        """Append tokens of one kind."""
        self.ids += ids
        self.kind += [kind] * len(ids)


def train_tokenizer(rng: Random, rows: int = 30_000) -> PreTrainedTokenizerFast:
    """Byte-level BPE with single digits, learnt from demo text."""
    tokenizer = Tokenizer(models.BPE())
    # Words keep their space, digits stand alone, signs do not merge into words.
    words = r" ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]|\s+"
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(words), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["<|end|>", "<|pad|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_texts(rng, rows), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|end|>",
        pad_token="<|pad|>",
        model_max_length=1024,
        clean_up_tokenization_spaces=False,
    )


def _texts(rng: Random, rows: int) -> Iterator[str]:
    families = list(FAMILIES.values())
    for number in range(rows):
        family = rng.choice(families)
        context = family.make_contexts(FIRST_TRAINING_SEED + rng.getrandbits(28), 1)[0]
        example = family.sample(rng, context)
        yield f"\n\nPrompt:\n{example.prompt}\n\nResponse:\n{example.response}"
        if number % 20 == 0:
            yield from (ANSWER, FOLLOW)
            for part in rating_message(rng.randrange(K), "", ""):
                if isinstance(part, str):
                    yield part


def make_document(rng: Random, prompter: Prompter) -> Document:
    """Examples of a fresh context and a query of the same, or a row with its rating."""
    family = rng.choice(list(FAMILIES.values()))
    context = family.make_contexts(FIRST_TRAINING_SEED + rng.getrandbits(28), 1)[0]
    document = Document()
    if rng.random() < SHARE_RATINGS:
        example = family.sample(rng, context)
        score = rng.choice((4, 5))
        if rng.random() < 0.5:
            kind = rng.choice(("wrong_value", "other_answer", "truncated"))
            example = wrong(rng, example, kind)
            score = rng.choice((1, 2))
        message = rating_message(rng.randrange(K), example.prompt, example.response)
        for segment in prompter.message(message):
            document.add(segment.ids, 1 if segment.kind == "prompt" else 0)
        document.add(prompter.response(str(score)), 2)
        return document
    rows = [family.sample(rng, context) for _ in range(1 + rng.choice(EXAMPLES_BEFORE))]
    pairs = [(row.prompt, row.response) for row in rows[:-1]]
    while True:
        document = Document()
        for segment in [*prompter.example_prefix(pairs), *prompter.query(rows[-1].prompt)]:
            document.add(segment.ids, {"template": 0, "prompt": 1, "response": 2}[segment.kind])
        document.add(prompter.response(rows[-1].response), 2)
        if len(document.ids) <= ROW_TOKENS or not pairs:
            return document
        pairs.pop()


def batches(
    seed: int, prompter: Prompter, rows: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Endless batches of packed rows: tokens, kinds and document numbers, ``(rows, 256)`` each.

    Documents are never cut; what is left of a row is padding with document number -1.
    """
    rng = Random(f"training/{seed}")
    waiting: list[Document] = []
    while True:
        ids = np.full((rows, ROW_TOKENS), prompter.tokenizer.pad_token_id, dtype=np.int64)
        kinds = np.zeros((rows, ROW_TOKENS), dtype=np.int64)
        owner = np.full((rows, ROW_TOKENS), -1, dtype=np.int64)
        for row in range(rows):
            used = number = 0
            while True:
                while len(waiting) < 24:
                    document = make_document(rng, prompter)
                    if len(document.ids) <= ROW_TOKENS:
                        waiting.append(document)
                fitting = [d for d in waiting if used + len(d.ids) <= ROW_TOKENS]
                if not fitting:
                    break
                document = fitting[0] if number == 0 else max(fitting, key=lambda d: len(d.ids))
                waiting.remove(document)
                end = used + len(document.ids)
                ids[row, used:end], kinds[row, used:end] = document.ids, document.kind
                owner[row, used:end] = number
                used, number = end, number + 1
        yield torch.from_numpy(ids), torch.from_numpy(kinds), torch.from_numpy(owner)


def make_model(size: Size, tokenizer: PreTrainedTokenizerFast, seed: int) -> LlamaForCausalLM:
    """A Llama with random weights."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=size.width,
        intermediate_size=size.inner,
        num_hidden_layers=size.layers,
        num_attention_heads=size.heads,
        num_key_value_heads=size.heads,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        rope_parameters={"rope_type": "default", "rope_theta": 10_000.0},
        attn_implementation="sdpa",
    )
    return LlamaForCausalLM(config)


def weighted_loss(
    model: LlamaForCausalLM,
    ids: torch.Tensor,
    kinds: torch.Tensor,
    owner: torch.Tensor,
    prompt_weight: float,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Weighted loss of a batch, and the plain mean over its response tokens.

    Positions restart and attention ends at the border of a document.
    """
    same = (owner[:, :, None] == owner[:, None, :]) & torch.ones(
        ROW_TOKENS, ROW_TOKENS, dtype=torch.bool
    ).tril()
    mask = torch.zeros(same.shape).masked_fill_(~same, torch.finfo(torch.float32).min)[:, None]
    starts = torch.nn.functional.pad(owner[:, 1:] != owner[:, :-1], (1, 0), value=True)
    place = torch.arange(ROW_TOKENS).expand_as(ids)
    positions = place - torch.where(starts, place, 0).cummax(dim=1).values
    hidden = model.model(
        input_ids=ids, attention_mask=mask, position_ids=positions, use_cache=False
    ).last_hidden_state
    predicted = (owner[:, 1:] == owner[:, :-1]) & (owner[:, 1:] >= 0) & (kinds[:, 1:] > 0)
    states, truth, kind = hidden[:, :-1][predicted], ids[:, 1:][predicted], kinds[:, 1:][predicted]
    loss = torch.nn.functional.cross_entropy(model.lm_head(states), truth, reduction="none")
    weight = torch.where(kind == 2, 1.0, prompt_weight)
    return (loss * weight).sum() / weight.sum(), loss[kind == 2].mean().detach()


def train(size: Size, output: Path, seed: int, every: int) -> None:
    """Train and write model and tokenizer to ``output``, from time to time and at the end."""
    tokenizer = train_tokenizer(Random(f"tokenizer/{seed}"))
    prompter = Prompter(tokenizer, "plain")
    model = make_model(size, tokenizer, seed)
    decayed = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim == 1]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.05}, {"params": plain, "weight_decay": 0.0}],
        betas=(0.9, 0.98),
        fused=True,
    )
    per_step = size.batch_rows * ROW_TOKENS
    steps = math.ceil(size.tokens / per_step)
    print(f"{model.num_parameters():,} parameters, {steps:,} steps of {per_step:,} tokens")
    start, seen = time.monotonic(), []
    model.train()
    for step, (ids, kinds, owner) in enumerate(batches(seed, prompter, size.batch_rows), start=1):
        done = step / steps
        warm = min(1.0, done / size.warm_up)
        rate = size.learning_rate * warm * (0.02 + 0.98 * (1 + math.cos(math.pi * done)) / 2)
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss, response_loss = weighted_loss(model, ids, kinds, owner, 0.35 - 0.30 * done)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        seen.append(float(response_loss))
        if step % 25 == 0:
            rate_now = step * per_step / (time.monotonic() - start)
            recent = sum(seen[-25:]) / 25
            print(f"step {step:5} of {steps}  response loss {recent:.3f}  {rate_now:,.0f} tokens/s")
        if step % every == 0 or step >= steps:
            save(model, tokenizer, output)
        if step >= steps:
            return


def save(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, output: Path) -> None:
    """Write a Hugging Face model folder."""
    model.save_pretrained(output)
    tokenizer.save_pretrained(output)
    for file in output.glob("*.json"):
        # Names of this machine's folders do not belong into the files.
        content = json.loads(file.read_text())
        content.pop("_name_or_path", None)
        content.pop("name_or_path", None)
        file.write_text(json.dumps(content, indent=1, ensure_ascii=False, sort_keys=True) + "\n")


def main() -> None:
    """Read the options and train."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    folder = Path(__file__).resolve().parent / "demo_lm"
    parser.add_argument("--output", type=Path, default=folder, help="model folder to write")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--every", type=int, default=200, help="steps between two checkpoints")
    for name, value in vars(Size()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    options = vars(parser.parse_args())
    output, seed, every = options.pop("output"), options.pop("seed"), options.pop("every")
    train(Size(**options), output, seed, every)


if __name__ == "__main__":
    main()
