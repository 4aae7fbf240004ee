"""Train the small demo language model: python data/train_demo_lm.py [--output DIR] [--seed N].

A Llama of 3.6 million parameters with a tokenizer of its own, trained from nothing on text
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
import transformers
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from data.demo import FAMILIES, Example, wrong
from nncift_core.influence.rating_prompts import K, rating_message
from nncift_core.lm.prompts import ANSWER, FOLLOW, Prompter

FIRST_TRAINING_SEED = 1_000_000
"""Contexts are drawn with seeds from here on: the demo has 0, tests stay below."""

ROW_TOKENS = 256
TIED = "model.embed_tokens.weight"
VOCABULARY = 1536
SHARE_RATINGS = 0.04
SHARE_HIDDEN = 0.65
"""Share of documents from families whose rule only an example shows; they are harder."""

EXAMPLES_BEFORE = (0, 1, 2, 3, 3, 3)
"""How many examples stand before the last one, drawn evenly from these."""

PLAIN_TEXT, PROMPT, RESPONSE, UNINFORMED = range(4)
"""Kinds of tokens: of the template, of prompts, of responses after an example of their context,
and of responses without one, whose style nothing could tell."""


@dataclass(frozen=True)
class Size:
    """Shape of the model and length of the training."""

    width: int = 256
    layers: int = 4
    heads: int = 4
    inner: int = 688
    tokens: int = 15_000_000
    batch_rows: int = 16
    learning_rate: float = 2.5e-3
    muon_rate: float = 4e-3
    warm_up: float = 0.03


@dataclass
class Document:
    """Tokens of one document with the weight of each in the loss.

    Attributes:
        ids: Its tokens.
        kind: For each, PLAIN_TEXT, PROMPT, RESPONSE or UNINFORMED.
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
    hidden = rng.random() < SHARE_HIDDEN
    family = rng.choice([f for f in FAMILIES.values() if f.rule_hidden == hidden])
    context = family.make_contexts(FIRST_TRAINING_SEED + rng.getrandbits(28), 1)[0]
    if rng.random() < SHARE_RATINGS:
        return _rating_document(rng, prompter, family.sample(rng, context))
    rows = [family.sample(rng, context) for _ in range(1 + rng.choice(EXAMPLES_BEFORE))]
    pairs = [(row.prompt, row.response) for row in rows[:-1]]
    while True:
        document = Document()
        informed = False
        for segment in [*prompter.example_prefix(pairs), *prompter.query(rows[-1].prompt)]:
            if segment.kind == "response":
                document.add(segment.ids, RESPONSE if informed else UNINFORMED)
                informed = True
            else:
                document.add(segment.ids, PROMPT if segment.kind == "prompt" else PLAIN_TEXT)
        document.add(prompter.response(rows[-1].response), RESPONSE if informed else UNINFORMED)
        if len(document.ids) <= ROW_TOKENS or not pairs:
            return document
        pairs.pop()


def _rating_document(rng: Random, prompter: Prompter, example: Example) -> Document:
    score = rng.choice((4, 5))
    if rng.random() < 0.5:
        example = wrong(rng, example, rng.choice(("wrong_value", "other_answer", "truncated")))
        score = rng.choice((1, 2))
    document = Document()
    message = rating_message(rng.randrange(K), example.prompt, example.response)
    for segment in prompter.message(message):
        document.add(segment.ids, PROMPT if segment.kind == "prompt" else PLAIN_TEXT)
    document.add(prompter.response(str(score)), RESPONSE)
    return document


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


def packed_states(model: LlamaForCausalLM, ids: torch.Tensor, owner: torch.Tensor) -> torch.Tensor:
    """Last hidden states of packed rows, ``(rows, tokens, width)``.

    Positions restart and attention ends at the border of a document.
    """
    same = (owner[:, :, None] == owner[:, None, :]) & torch.ones(
        ROW_TOKENS, ROW_TOKENS, dtype=torch.bool
    ).tril()
    mask = torch.zeros(same.shape, dtype=model.dtype).masked_fill_(
        ~same, torch.finfo(model.dtype).min
    )[:, None]
    starts = torch.nn.functional.pad(owner[:, 1:] != owner[:, :-1], (1, 0), value=True)
    place = torch.arange(ROW_TOKENS).expand_as(ids)
    positions = place - torch.where(starts, place, 0).cummax(dim=1).values
    states: torch.Tensor = model.model(
        input_ids=ids, attention_mask=mask, position_ids=positions, use_cache=False
    ).last_hidden_state
    return states


def weighted_loss(
    model: LlamaForCausalLM,
    ids: torch.Tensor,
    kinds: torch.Tensor,
    owner: torch.Tensor,
    prompt_weight: float,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Weighted loss of a batch, and the plain mean over its informed response tokens."""
    hidden = packed_states(model, ids, owner)
    predicted = (owner[:, 1:] == owner[:, :-1]) & (owner[:, 1:] >= 0) & (kinds[:, 1:] != PLAIN_TEXT)
    states, truth, kind = hidden[:, :-1][predicted], ids[:, 1:][predicted], kinds[:, 1:][predicted]
    loss = torch.nn.functional.cross_entropy(model.lm_head(states), truth, reduction="none")
    # What nothing could tell is mostly noise; it still has to be learnt a little, since influence
    # compares with the model that saw no example.
    weights = torch.tensor([0.0, prompt_weight, 1.0, 0.3])[kind]
    return (loss * weights).sum() / weights.sum(), loss[kind == RESPONSE].mean().detach()


class MixedPrecision:
    """Muon for the matrices of the layers, AdamW for the rest, both on float32 copies.

    The model computes in bfloat16, whose steps are too coarse to add small updates to; so the
    updates go to float32 copies, and the model gets them rounded. Muon: Jordan et al., 2024.

    Args:
        model: Its weights are turned into bfloat16.
        size: Learning rates.
    """

    def __init__(self, model: LlamaForCausalLM, size: Size) -> None:
        self._master = {name: weight.detach().clone() for name, weight in model.named_parameters()}
        model.to(torch.bfloat16)
        self._weights = dict(model.named_parameters())
        layers = [w for name, w in self._master.items() if w.ndim == 2 and "layers" in name]
        table = [w for name, w in self._master.items() if w.ndim == 2 and "layers" not in name]
        norms = [w for w in self._master.values() if w.ndim < 2]
        self._optimizers = (
            torch.optim.Muon(
                layers,
                lr=size.muon_rate,
                weight_decay=0.02,
                momentum=0.95,
                adjust_lr_fn="match_rms_adamw",
            ),
            torch.optim.AdamW(
                [{"params": table, "weight_decay": 0.02}, {"params": norms, "weight_decay": 0.0}],
                lr=size.learning_rate,
                betas=(0.9, 0.98),
                fused=True,
            ),
        )
        self._highest = [[group["lr"] for group in o.param_groups] for o in self._optimizers]

    def step(self, share: float) -> None:
        """One update with a share of the highest learning rates; gradients are cleared."""
        for name, weight in self._weights.items():
            assert weight.grad is not None
            self._master[name].grad = weight.grad.float()
            weight.grad = None
        torch.nn.utils.clip_grad_norm_(self._master.values(), 1.0)
        for optimizer, highest in zip(self._optimizers, self._highest, strict=True):
            for group, rate in zip(optimizer.param_groups, highest, strict=True):
                group["lr"] = rate * share
            optimizer.step()
        with torch.no_grad():
            for name, weight in self._weights.items():
                weight.copy_(self._master[name])

    def restored(self, model: LlamaForCausalLM) -> LlamaForCausalLM:
        """A float32 model with the float32 weights."""
        exact = LlamaForCausalLM(model.config)
        exact.load_state_dict(self._master | {"lm_head.weight": self._master[TIED]})
        return exact.eval()


def train(size: Size, output: Path, seed: int, every: int) -> None:
    """Train and write model and tokenizer to ``output``, from time to time and at the end."""
    tokenizer = train_tokenizer(Random(f"tokenizer/{seed}"))
    prompter = Prompter(tokenizer, "plain")
    model = make_model(size, tokenizer, seed)
    weights = MixedPrecision(model, size)
    per_step = size.batch_rows * ROW_TOKENS
    steps = math.ceil(size.tokens / per_step)
    print(f"{model.num_parameters():,} parameters, {steps:,} steps of {per_step:,} tokens")
    start, seen = time.monotonic(), []
    model.train()
    # All batches have one shape; without a compiler this only takes longer.
    torch._dynamo.config.suppress_errors = True
    model.model.compile(dynamic=False)
    for step, (ids, kinds, owner) in enumerate(batches(seed, prompter, size.batch_rows), start=1):
        done = step / steps
        # Warm up, hold, and fall to nothing over the last two fifths.
        share = min(1.0, done / size.warm_up, (1.02 - done) / 0.4)
        loss, response_loss = weighted_loss(model, ids, kinds, owner, 0.30 - 0.25 * done)
        loss.backward()  # type: ignore[no-untyped-call]
        weights.step(share)
        seen.append(float(response_loss))
        if step % 25 == 0:
            rate = step * per_step / (time.monotonic() - start)
            recent = sum(seen[-25:]) / 25
            print(
                f"step {step:5} of {steps}  response loss {recent:.3f}  {rate:,.0f} tokens/s",
                flush=True,
            )
        if step % every == 0 or step >= steps:
            exact = weights.restored(model)
            save(exact, tokenizer, output)
            about = {
                "seed": seed,
                "size": vars(size),
                "tokens": step * per_step,
                "response_loss": round(sum(seen[-100:]) / len(seen[-100:]), 4),
                "seconds": round(time.monotonic() - start),
                "largest_logit_difference": logit_difference(exact, output, ids, owner),
                "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
            }
            (output / "training.json").write_text(json.dumps(about, indent=1) + "\n")
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


@torch.no_grad()
def logit_difference(
    model: LlamaForCausalLM, folder: Path, ids: torch.Tensor, owner: torch.Tensor
) -> float:
    """Largest difference of logits: packed as in training, and each document in the saved model."""
    saved = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    packed = model.lm_head(packed_states(model, ids, owner))
    largest = 0.0
    for row in range(len(ids)):
        for number in range(int(owner[row].max()) + 1):
            place = owner[row] == number
            alone = saved(ids[row][place][None]).logits[0]
            largest = max(largest, float((packed[row][place] - alone).abs().max()))
    return largest


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
