"""What the doctor says of texts: encodings, languages, what gives the label away, lengths."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from headstart.core.dataset import Dataset, FileItem, TextItem
from headstart.core.task import Task
from headstart.data import load
from headstart.data.checks import doctor
from headstart.data.checks.findings import languages, leaks
from headstart.data.checks.findings.text_checks import length_findings
from headstart.modalities import text as modality
from headstart.modalities.text.encoding.words import WordEncoder
from headstart.modalities.text.preprocessing import TextPreprocessing
from headstart.testing.texts import sentences

SENTENCES = {
    "English": "I was there when they came and it is not what you think",
    "German": "Das ist nicht so gut, wie ich es mir am Anfang auf der Reise vorgestellt habe",
    "French": "Je ne sais pas si elle est avec nous dans la maison, mais c'est très bien",
    "Spanish": "No sé dónde está la casa de los padres, pero es muy grande y me gusta",
    "Italian": "Non so dove sono gli altri, ma la casa è molto bella e mi piace anche il giardino",
    "Portuguese": "Eu não sei onde está a casa dos pais, mas é muito grande e tem uma porta",
    "Dutch": "Ik weet niet waar het is, maar we hebben nog een huis met een tuin",
    "Swedish": "Jag vet inte var det är, men vi har ett hus och en trädgård som är mycket stor",
    "Danish or Norwegian": "Jeg ved ikke hvor det er, men vi har et hus og en have som er meget stor",
    "Polish": "Nie wiem gdzie to jest, ale jak się tylko da, to już tam jestem przy tym",
    "Czech": "Nevím, kde to je, ale když jsem tam byl, tak se mi to velmi líbilo a bylo to také pro nás",
    "Finnish": "En tiedä missä se on, mutta kun olen siellä niin kaikki on hyvin ja myös tämä",
    "Turkish": "Bunun ne olduğunu bilmiyorum ama çok güzel bir ev ve daha sonra ben de gibi",
    "Cyrillic": "Я не знаю, где находится этот дом",
    "Greek": "Δεν ξέρω πού είναι το σπίτι",
    "Arabic": "لا أعرف أين يقع المنزل",
    "Hebrew": "אני לא יודע איפה הבית",
    "Japanese": "私はその家がどこにあるか知りません",
    "Chinese": "我不知道房子在哪里",
    "Korean": "나는 그 집이 어디에 있는지 모른다",
    "": "Berlin 2024",
}


def dataset_of(texts: list[str], labels: list[int] | None = None, ids: list[str] | None = None) -> Dataset:
    names = ids or [f"row {i + 1}" for i in range(len(texts))]
    items = tuple(TextItem(name, text) for name, text in zip(names, texts, strict=True))
    task = Task("classification", ("neg", "pos"), "accuracy") if labels is not None else None
    return Dataset("x", "text", items, task, None if labels is None else np.array(labels))


def codes(dataset: Dataset) -> list[str]:
    found = leaks.findings(dataset, [item.text for item in dataset.items if isinstance(item, TextItem)])
    return [finding.code for finding in found]


@pytest.mark.parametrize("language", SENTENCES)
def test_languages_are_told_by_writing_and_little_words(language: str) -> None:
    assert languages.language_of(SENTENCES[language]) == language


def test_a_part_in_another_language_is_told_with_its_number() -> None:
    texts = [f"{SENTENCES['English']} {i}" for i in range(96)] + [
        f"{SENTENCES['German']} {i}" for i in range(4)
    ]
    (found,) = [f for f in doctor.check(dataset_of(texts)).findings if f.code == "HS214"]
    assert found.message == (
        "of 100 texts whose language is clear 96 are English, 4 German (such as row 97, row 98, row 99)"
    )
    assert languages.told(dataset_of(texts[:98]), dict(enumerate(texts[:98]))) == ("English", "")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("le cafÃ© est".encode(), "holds 'Ã©' where 'é' was meant"),
        ("\u00d0\u0178\u00d1\u20ac".encode(), "holds '\u00d0\u0178\u00d1\u20ac' where 'Пр' was meant"),
        ("RÉSUMÉ\u00a0: voici, »groß« et «\u00a0né\u00a0»".encode(), ""),
        ("itâ€™s".encode(), "holds 'â€™' where '’' was meant"),
        ("what\ufffdis".encode(), "signs that were lost"),
        ("what ï¿½ is".encode(), "signs that were lost"),
        ("déjà".encode("cp1252"), "read as Windows-1252"),
        ("déjà vu, « né » – Ümlaut, ça, São, ÑANDÚ “ok” 日本 €".encode(), ""),
        ("déjà vu".encode("utf-16"), ""),
    ],
)
def test_wrong_encodings_are_told_from_foreign_letters(data: bytes, message: str) -> None:
    found = modality.examine(data)
    assert found.facts == (("HS212",) if message else ())
    assert message in found.detail


def test_files_that_are_no_texts(tmp_path: Path) -> None:
    contents = {"empty": b"", "blank": b" \n\t", "zeros": b"a\0b", "good": b"a good text"}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    items = tuple(FileItem(name, tmp_path / name) for name in (*contents, "nowhere"))
    report = doctor.check(Dataset("x", "text", items))
    assert {f.where: f.code for f in report.errors} == {
        "empty": "HS102", "blank": "HS102", "zeros": "HS106", "nowhere": "HS101",
    }  # fmt: skip


def test_a_pair_with_one_text_is_a_warning() -> None:
    items = (TextItem("1", "a good one", ""), TextItem("2", "a", "b"), TextItem("3", " ", ""))
    report = doctor.check(Dataset("x", "text", items, pairs=True))
    assert [(f.code, f.where) for f in report.errors] == [("HS102", "3")]
    assert [(f.where, f.message) for f in report.warnings if f.code == "HS216"] == [
        ("1", "its second text is empty")
    ]


def test_conflicting_labels_are_told_of_texts() -> None:
    report = doctor.check(dataset_of(["same thing here"] * 2, [0, 1]))
    (found,) = [f for f in report.findings if f.code == "HS403"]
    assert found.message == "the same text as row 1, labelled neg and pos"


def shuffled(kind: str, count: int = 60) -> tuple[list[str], list[int]]:
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.arange(count) % 2).tolist()
    words = [" ".join(rng.choice(["one", "two", "three", "red", "blue"], 8)) for _ in labels]
    forms = {
        "none": lambda word, label, i: word,
        "mark": lambda word, label, i: f"{word[:9]} {'[POS]' if label else ''} {word[9:]}",
        "first": lambda word, label, i: f"{'Praise' if label else ''} {word}".strip(),
        "topic": lambda word, label, i: f"{word[:6 + i % 20]} {'routing' if label else ''} {word[6 + i % 20:]}",
        "number": lambda word, label, i: f"{word} ref {i + 1000 * label}",
        "free number": lambda word, label, i: f"{word} ref {(i * 37) % 60}",
        "stars": lambda word, label, i: f"{4 + i % 2 if label else 1 + i % 3} stars {word}",
    }  # fmt: skip
    return [
        forms[kind](word, label, i) for i, (word, label) in enumerate(zip(words, labels, strict=True))
    ], labels


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("none", []), ("mark", ["HS312"]), ("first", ["HS312"]), ("topic", []), ("number", ["HS313"]),
     ("free number", []), ("stars", ["HS313"])],
)  # fmt: skip
def test_what_gives_the_label_away(kind: str, expected: list[str]) -> None:
    texts, labels = shuffled(kind)
    assert codes(dataset_of(texts, labels)) == expected


def test_rows_or_ids_in_the_order_of_classes_are_a_note() -> None:
    texts, labels = shuffled("none")
    order = np.argsort(labels, kind="stable").tolist()
    assert codes(dataset_of([texts[i] for i in order], sorted(labels))) == ["HS314"]
    ids = [f"doc-{i + 500 * label:04}" for i, label in enumerate(labels)]
    assert codes(dataset_of(texts, labels, ids)) == ["HS314"]


def test_what_all_texts_share_is_a_note() -> None:
    texts, labels = shuffled("none")
    shared = [f"Answer to our customer survey: {text}, sent from my telephone." for text in texts]
    assert codes(dataset_of(shared, labels)) == ["HS217", "HS217"]


@pytest.mark.shared
@pytest.mark.parametrize(
    "name", ["text_trec6", "text_cola", "text_cr", "text_agnews", "amazon_books", "amazon_dvd"]
)
def test_no_false_alarm_on_real_texts(shared: Path, name: str) -> None:
    dataset = load(shared / "data" / name)
    report = doctor.check(dataset)
    assert not report.errors
    assert not {"HS214", "HS312", "HS313", "HS217"} & {f.code for f in report.findings}


def contract(words: tuple[str, ...], length: int) -> TextPreprocessing:
    return TextPreprocessing(WordEncoder(words).to_json(), max_length=length)


def test_length_and_unknown_words() -> None:
    dataset = dataset_of(["alpha beta gamma delta"] * 3 + ["alpha beta"] * 16 + ["alpha omega"])
    known = contract(("alpha", "beta", "gamma", "delta"), 3)
    cut, unknown = length_findings(dataset, known), length_findings(dataset, contract(("alpha",), 9))
    assert [f.code for f in cut] == ["HS213"]
    assert "3 of 20 texts (15.0%) are longer than the 3 tokens" in cut[0].message
    assert "row 1, has 4 tokens" in cut[0].message
    assert cut[0].severity == "warning"
    assert [f.code for f in unknown] == ["HS215"]
    assert "56.5% of the words" in unknown[0].message
    assert unknown[0].message.index("'beta'") < unknown[0].message.index("'omega'")
    assert not length_findings(dataset, contract(("alpha", "beta", "gamma", "delta", "omega"), 9))


def test_a_few_long_texts_are_a_note() -> None:
    dataset = dataset_of(["alpha beta gamma delta"] + ["alpha beta"] * 30)
    (found,) = length_findings(dataset, contract(("alpha", "beta", "gamma", "delta"), 3))
    assert found.severity == "note"


def test_lengths_of_a_few_thousand_are_sampled() -> None:
    dataset = sentences(per_class=900, classes=3)
    words = tuple(
        {word for item in dataset.items if isinstance(item, TextItem) for word in item.text.split()}
    )
    (found,) = length_findings(dataset, contract(words, 8))
    assert "of 2,000 texts looked at" in found.message
