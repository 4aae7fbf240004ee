"""The demo language model: it learns in context, on contexts that it never saw."""

from __future__ import annotations

import json

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from data.demo import DEMO_SEED, FAMILIES
from data.demo_quality import QUALITY_SEED, TWIN, Quality, measure
from data.train_demo_lm import FIRST_TRAINING_SEED, Size, make_model
from nncift_core.config import LanguageModelConfig
from nncift_core.lm.loading import demo_model_dir, open_model
from nncift_core.lm.prompts import Prompter
from nncift_core.lm.scoring import ScoringEngine

MOST_BYTES = 16_000_000


@pytest.fixture(scope="module")
def quality() -> Quality:
    language_model = open_model(LanguageModelConfig())
    return measure(
        ScoringEngine(language_model), language_model.prompter, targets=4, same=3, other=5
    )


def test_an_example_of_the_same_context_helps_more_than_one_of_another_family(quality):
    assert quality.auc >= 0.95
    assert min(quality.auc_by_family.values()) >= 0.85
    assert set(quality.auc_by_family) == set(FAMILIES)


def test_a_right_answer_helps_more_than_its_wrong_twin_where_only_an_example_shows_the_rule(
    quality,
):
    assert quality.right_over_wrong_hidden >= 0.80
    assert quality.mean["same"] > quality.mean[TWIN]


def test_a_right_example_halves_the_loss_of_the_response(quality):
    assert quality.loss_with <= 0.5 * quality.loss_without
    assert quality.loss_other > quality.loss_with


def test_its_influence_varies(quality):
    assert quality.spread >= 0.05


def test_it_is_small_and_holds_no_pickle():
    files = list(demo_model_dir().iterdir())
    assert sum(file.stat().st_size for file in files) <= MOST_BYTES
    assert {file.suffix for file in files} <= {".safetensors", ".json"}


def test_its_contexts_were_never_trained_on():
    assert DEMO_SEED < FIRST_TRAINING_SEED
    assert QUALITY_SEED < FIRST_TRAINING_SEED


def test_the_folder_says_how_it_was_trained_and_that_the_export_gives_the_same_logits():
    about = json.loads((demo_model_dir() / "training.json").read_text())
    # Logits reach some tens; kernels of other shapes round their float32 sums differently.
    assert about["largest_logit_difference"] <= 1e-4
    assert about["tokens"] > 1_000_000


def test_a_saved_model_gives_the_logits_of_the_one_in_memory(tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(demo_model_dir())
    model = make_model(Size(width=64, inner=128, layers=2, heads=2), tokenizer, seed=3).eval()
    model.save_pretrained(tmp_path)
    again = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32).eval()
    ids = torch.tensor([Prompter(tokenizer, "plain").response("Answer: 17 bolts (checked)")])
    with torch.no_grad():
        expected, found = model(ids).logits, again(ids).logits
    assert expected.std() > 0.01
    assert torch.equal(expected, found)


def test_digits_are_single_tokens():
    tokenizer = AutoTokenizer.from_pretrained(demo_model_dir())
    for digit in "0123456789":
        assert len(tokenizer(digit, add_special_tokens=False)["input_ids"]) == 1
    assert len(tokenizer("4711", add_special_tokens=False)["input_ids"]) == 4
