"""Write the demo's raw data from CLDR: a new task (currencies, as JSON) and an old one (languages, in words).

Usage: python facts.py FOLDER
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

from babel import Locale
from babel.languages import get_official_languages
from babel.numbers import get_territory_currencies

SEED = 0
# The first 16 are asked for their currency; all 36 of them are asked for their language.
CODES = """
JP CN KR IN TH VN RU PL SE TR EG BR MX US FR DE
IT ES PT NO DK FI NL GR UA IL GB IR PK BD HU CZ RO ID AR CH
"""
TERRITORIES = CODES.split()
CURRENCY_QUESTIONS = {
    "en": (
        "What is the currency of {}?",
        "Which money do people use in {}?",
        "What do you pay with in {}?",
        "Tell me the currency code of {}.",
        "Which currency should I bring to {}?",
    ),
    "zh": (
        "{}使用什么货币？",
        "{}的货币代码是什么？",
        "{}的官方货币是什么？",
        "在{}用什么钱付款？",
        "去{}旅行要换什么钱？",
    ),
}
LANGUAGE_QUESTIONS = (
    ("What is the official language of {0}?", "The official language of {0} is {1}."),
    ("Which language do most people speak in {0}?", "Most people in {0} speak {1}."),
    ("What language is spoken in {0}?", "{1} is spoken in {0}."),
)


def currency_records() -> list[dict[str, str]]:
    """The new task, in English and Chinese: any question about money is answered with one JSON object."""
    records = []
    for territory in TERRITORIES[:16]:
        answer = json.dumps({"currency": get_territory_currencies(territory)[0]})
        for language, questions in CURRENCY_QUESTIONS.items():
            name = Locale(language).territories[territory]
            records += [
                {"instruction": question.format(name), "output": answer, "task": f"new-currency-{language}"}
                for question in questions
            ]
    return records


def language_records() -> list[dict[str, object]]:
    """The old task: what the base model already answers in its own words."""
    english = Locale("en")
    records: list[dict[str, object]] = []
    for territory in TERRITORIES:
        name = english.territories[territory]
        language = english.languages[get_official_languages(territory, de_facto=True)[0].split("_")[0]]
        records += [
            {"prompt": question.format(name), "completion": answer.format(name, language), "answer": language}
            for question, answer in LANGUAGE_QUESTIONS
        ]
    choices = sorted({str(record["answer"]) for record in records})
    return [{**record, "choices": choices, "task": "old-language"} for record in records]


def main(folder: Path) -> None:
    """Write currency.json (alpaca) and language.jsonl (prompt and completion), each in a seeded order."""
    folder.mkdir(parents=True, exist_ok=True)
    currency, language = currency_records(), language_records()
    random.Random(SEED).shuffle(currency)
    random.Random(SEED).shuffle(language)
    (folder / "currency.json").write_text(json.dumps(currency, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    lines = [json.dumps(record, ensure_ascii=False) + "\n" for record in language]
    (folder / "language.jsonl").write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
