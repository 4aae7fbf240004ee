"""Pool and target in different languages: said when sure, silent otherwise."""

from __future__ import annotations

import pytest

from nncift_core.datasets import language_warning
from nncift_core.datasets.language import language_of
from nncift_core.types import Row

TEXTS = {
    "English": "What is the capital of France, and how many people live in the city?",
    "German": "Wie heißt die Hauptstadt von Frankreich und wie viele Menschen leben in der Stadt?",
    "French": "Quelle est la capitale de la France et combien de personnes vivent dans la ville ?",
    "Spanish": "¿Cuál es la capital de Francia y cuántas personas viven en la ciudad?",
    "Italian": "Qual è la capitale della Francia e quante persone vivono nella città che conosci?",
    "Portuguese": "Qual é a capital da França e quantas pessoas não vivem mais em uma cidade?",
    "Dutch": "Wat is de hoofdstad van Frankrijk en hoe veel mensen wonen er in het centrum?",
    "Polish": "Jak się nazywa stolica Francji i czy jest to miasto, które nie jest na morzu?",
    "Cyrillic script": "Как называется столица Франции и сколько людей живёт в городе?",
    "Greek": "Ποια είναι η πρωτεύουσα της Γαλλίας;",
    "Chinese": "法国的首都是哪里？这座城市有多少人口？ Use NumPy and Matplotlib.",
    "Japanese": "フランスの首都はどこですか。人口は何人ですか。",
    "Korean": "프랑스의 수도는 어디이며 인구는 몇 명입니까?",
    "Arabic script": "ما هي عاصمة فرنسا وكم عدد سكانها؟",
    "Devanagari script": "फ्रांस की राजधानी क्या है?",
}


def rows(*texts: str, times: int = 20) -> list[Row]:
    return [Row(f"{i:016x}-0", text, text) for i in range(times) for text in texts]


@pytest.mark.parametrize("language", TEXTS)
def test_languages(language: str) -> None:
    assert language_of(TEXTS[language]) == language


@pytest.mark.parametrize(
    "text",
    ["", "42 + 17 = 59", "x = f(y); return [a[i] for i in range(n)]", "SELECT id FROM t", "!?"],
)
def test_unsure(text: str) -> None:
    assert language_of(text) is None


@pytest.mark.parametrize("target", [name for name in TEXTS if name != "English"])
def test_a_warning_names_both(target: str) -> None:
    warning = language_warning(rows(TEXTS["English"]), rows(TEXTS[target]))
    assert warning is not None and f"in {target}, the training pool in English" in warning


def test_silence_where_the_pool_covers_the_target() -> None:
    english, german = TEXTS["English"], TEXTS["German"]
    assert language_warning(rows(english), rows(english)) is None
    assert language_warning(rows(english, english, german), rows(german)) is None
    assert language_warning(rows(german), rows(english, german)) is None, "no main language"
    code = "for i in range(10): print(i)"
    assert language_warning(rows(code), rows(german)) is None
    assert language_warning(rows(english), rows(code)) is None
    assert language_warning([], rows(german)) is None


def test_a_few_rows_are_enough() -> None:
    assert language_warning(rows(TEXTS["English"], times=2), rows(TEXTS["French"], times=2))
