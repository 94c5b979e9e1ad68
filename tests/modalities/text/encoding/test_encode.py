"""From texts to tokens: the package's tokenizer and our list of words, alone, in pairs, joint and apart."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart import modalities
from headstart.core.dataset import TextItem
from headstart.core.untrusted import Damaged
from headstart.errors import TextError, UnknownName
from headstart.modalities import text
from headstart.modalities.text.encoding.words import PATTERN, WHOLE, WordEncoder
from headstart.modalities.text.preprocessing import BI_ENCODER, CROSS_ENCODER, TextPreprocessing, encoder_of

WORDS = WordEncoder(("red", "green", "blue", "red green"), ngrams=2)
CONTRACT = TextPreprocessing(WORDS.to_json(), max_length=6)


FRAMES = {
    "yes": ("[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1"),
    "start": ("[CLS] $A", "[CLS] $A $B:1"),
    "end": ("$A [SEP]", "$A [SEP] $B:1 [SEP]:1"),
}


def subwords(frame: str = "yes") -> str:
    """A word-level tokenizer of the package, with BERT's frame around texts unless told otherwise."""
    tokenizers = pytest.importorskip("tokenizers")
    vocabulary = {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "red": 3, "green": 4, "blue": 5}
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="[UNK]"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    if frame in FRAMES:
        single, pair = FRAMES[frame]
        made.post_processor = tokenizers.processors.TemplateProcessing(
            single=single, pair=pair, special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
        )
    return str(made.to_str())


def test_words_and_their_pairs_have_numbers_and_others_are_counted() -> None:
    assert WORDS.encode("Red green, purple RED") == ([1, 2, 1, 4], 3)  # purple, "green purple", "purple red"
    assert WordEncoder(("x", "!"), pattern=WHOLE).encode("x!?")[0] == [1, 2]
    again = WordEncoder.from_json(json.loads(WORDS.to_json()))
    assert again == WORDS


@pytest.mark.parametrize(
    "change", [{"version": 2}, {"words": None}, {"pattern": "(a+)+$"}, {"ngrams": 10**9}]
)
def test_a_list_of_words_that_is_none(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="a list of words"):
        WordEncoder.from_json({**json.loads(WORDS.to_json()), **change})


@pytest.mark.parametrize("pairs", ["single", "joint", BI_ENCODER])
@pytest.mark.parametrize("frame", [None, *FRAMES])
def test_made_up_texts_are_of_known_words(frame: str | None, pairs: str) -> None:
    encoder = subwords(frame) if frame else WORDS.to_json()
    contract = TextPreprocessing(
        encoder, max_length=99, pairs=BI_ENCODER if pairs == BI_ENCODER else CROSS_ENCODER
    )
    found = text.dummy_batch(contract, 4, pairs=pairs != "single")
    assert found.shape[:2] == (4, contract.channels)
    assert np.array_equal(found, text.dummy_batch(contract, 4, pairs=pairs != "single"))
    read = found[:, 1].sum(1)
    assert (np.diff(read) > 0).all()
    assert read[3] <= 99
    assert len(np.unique(found[3, 0])) > 2
    if frame in {None, "yes"}:  # others glue the two together
        assert (found[:, 2].max() > 0) == (pairs == "joint")


def test_an_encoder_without_words_makes_up_empty_texts() -> None:
    contract = TextPreprocessing(WordEncoder(()).to_json(), max_length=20)
    assert text.dummy_batch(contract, 2).tolist() == [[[0], [0], [0]]] * 2


def test_a_text_is_tokens_mask_and_types() -> None:
    found = text.prepare(b"red blue", CONTRACT)
    assert found.dtype == np.int32
    assert found.tolist() == [[1, 3], [1, 1], [0, 0]]
    assert text.prepare(b"purple", CONTRACT).tolist() == [[0], [0], [0]]
    assert text.prepare(b"red red red red red red red red", CONTRACT).shape == (3, 6)


def test_one_text_is_no_pair() -> None:
    with pytest.raises(TextError, match="compares the two of a pair"):
        text.prepare(b"red green", replace(CONTRACT, pairs=BI_ENCODER))


def test_the_tokenizer_alone_reads_as_the_contract_says() -> None:
    """Sources bring a length and a filling up of their own, which hold for nothing here."""
    tokenizers = pytest.importorskip("tokenizers")
    told = tokenizers.Tokenizer.from_str(subwords())
    told.enable_truncation(4)
    told.enable_padding(length=9)
    contract = TextPreprocessing(told.to_str(), max_length=6)
    alone = tokenizers.Tokenizer.from_str(text.encoder_of(contract).alone())
    for some in ("red", "red green blue red green blue red"):
        assert alone.encode(some).ids == text.prepare(some.encode(), contract)[0].tolist()
    assert WordEncoder.from_json(json.loads(text.encoder_of(CONTRACT).alone())) == WORDS


def test_pairs_joint_and_apart() -> None:
    pair = TextItem("1", "red", "blue green").read()
    assert text.prepare(pair, CONTRACT).tolist() == [[1, 3, 2], [1, 1, 1], [0, 1, 1]]
    apart = text.prepare(pair, replace(CONTRACT, pairs=BI_ENCODER))
    assert apart.tolist() == [[1, 0], [1, 0], [0, 0], [3, 2], [1, 1], [0, 0]]


def test_a_framed_tokenizer_cuts_the_longer_text_first() -> None:
    contract = TextPreprocessing(subwords(), max_length=7)
    assert text.prepare(b"red green", contract)[0].tolist() == [1, 3, 4, 2]
    pair = TextItem("1", "red", "blue blue blue blue blue blue").read()
    found = text.prepare(pair, contract)
    assert found[0].tolist() == [1, 3, 2, 5, 5, 5, 2]
    assert found[2].tolist() == [0, 0, 0, 1, 1, 1, 1]
    counted = text.count(pair, contract)
    assert (counted.tokens, counted.read) == (10, 7)


def test_a_tokenizer_without_pairs_gets_a_line_between() -> None:
    contract = TextPreprocessing(subwords(frame="no"), max_length=16)
    assert text.prepare(TextItem("1", "red", "blue").read(), contract)[0].tolist() == [3, 5]
    assert text.count(b"red mauve", contract).unknown == 1


@pytest.mark.parametrize("frame", ["no", "start", "words"])
def test_a_long_first_text_leaves_room_for_the_second(frame: str) -> None:
    encoder = WordEncoder(("red", "green", "blue")).to_json() if frame == "words" else subwords(frame=frame)
    contract = TextPreprocessing(encoder, max_length=6)
    for first, second in (("red " * 9, "blue"), ("red", "blue " * 9), ("red " * 9, "blue " * 9)):
        pair = TextItem("1", first, second).read()
        found = text.prepare(pair, contract)[0].tolist()
        assert len(found) == 6 == text.count(pair, contract).read
        red, blue = (text.prepare(word, replace(contract, max_length=9))[0, -1] for word in (b"red", b"blue"))
        own = [token for token in found if token in (red, blue)]
        assert own == sorted(own, key=[red, blue].index)
        assert own.count(red) >= min(2, len(first.split()))
        assert own.count(blue) >= min(2, len(second.split()))


def test_a_separator_that_also_ends_a_text_is_one() -> None:
    """T5's pairs look like two texts one after the other."""
    contract = TextPreprocessing(subwords(frame="end"), max_length=16)
    assert text.prepare(TextItem("1", "red", "blue").read(), contract)[0].tolist() == [3, 2, 5, 2]
    short = replace(contract, max_length=5)
    assert text.prepare(TextItem("1", "red " * 9, "blue").read(), short)[0].tolist() == [3, 3, 2, 5, 2]


def test_the_prefix_stands_before_each_text() -> None:
    contract = replace(CONTRACT, prefix="green ", pairs=BI_ENCODER)
    found = text.prepare(TextItem("1", "red", "blue").read(), contract)
    assert found[0, 0] == found[3, 0] == 2


def test_a_tokenizer_that_is_none_and_a_contract_of_another() -> None:
    with pytest.raises(ValueError, match="a tokenizer that cannot be opened"):
        text.prepare(b"red", TextPreprocessing('{"version": "1.0"}'))
    with pytest.raises(ValueError, match="the tokenizer's fingerprint is not that"):
        TextPreprocessing.from_json(CONTRACT.to_json(), {"tokenizer.json": subwords().encode()})
    assert TextPreprocessing.from_json(CONTRACT.to_json(), CONTRACT.files()) == CONTRACT


def test_views_are_seeded_and_leave_words_out() -> None:
    words = b" ".join(b"w%d" % i for i in range(200))
    contract = TextPreprocessing(WordEncoder(tuple(f"w{i}" for i in range(200))).to_json())
    one = text.prepare(words, contract, view=1, key="a")
    assert np.array_equal(one, text.prepare(words, contract, view=1, key="a"))
    assert not np.array_equal(one, text.prepare(words, contract, view=2, key="a"))
    assert 160 <= one.shape[1] < 200
    assert text.prepare(b"w1", contract, view=1, key="b")[0].tolist() == [2]  # never all of them
    with pytest.raises(UnknownName, match="view recipe"):
        text.prepare(b"w1", contract, view=1, kind="mixup")


@given(st.lists(st.integers(1, 9), min_size=1, max_size=5))
def test_a_batch_hides_what_fills_it_up(lengths: list[int]) -> None:
    alone = [text.prepare(b"red " * n, replace(CONTRACT, max_length=9)) for n in lengths]
    batch = text.collate(alone)
    assert batch.shape == (len(lengths), 3, max(lengths))
    assert batch[:, 1].sum(axis=1).tolist() == lengths
    stored = text.stored(b"red " * lengths[0], CONTRACT, 12)
    assert stored.shape == (3, 12)
    assert np.array_equal(stored[:, : min(6, lengths[0])], alone[0][:, : min(6, lengths[0])])


def test_longest_leaves_out_what_cannot_be_read() -> None:
    items = (TextItem("1", "red green"), TextItem("2", " "), TextItem("3", "blue"))
    assert modalities.longest(items, CONTRACT) == 3  # red, green, "red green"
    with pytest.raises(TextError, match="whitespace only"):
        text.open_item(items[1].read())


@given(st.text(), st.text())
def test_the_bytes_of_a_pair_give_it_back(one: str, two: str) -> None:
    data = TextItem("1", "a" + one, two).read()
    if "\0" in one + two:
        with pytest.raises(TextError, match="zero bytes"):
            text.open_item(data)
        return
    found = text.open_item(data)
    assert found == (("a" + one).replace("\x1e", " "), two.replace("\x1e", " "))


def test_the_two_modalities_are_found_by_name() -> None:
    assert modalities.get("text") is text
    assert WORDS.pattern == PATTERN
    with pytest.raises(UnknownName, match="did you mean 'image'"):
        modalities.get("images")


def split_by(expression: str, **more: object) -> TextPreprocessing:
    """A tokenizer that splits texts by a regular expression of its own."""
    content = json.loads(subwords("none"))
    content["pre_tokenizer"] = {
        "type": "Split", "pattern": {"Regex": expression}, "behavior": "Isolated", "invert": False
    }  # fmt: skip
    return TextPreprocessing(json.dumps({**content, **more}), max_length=6)


KNOWN = {
    "GPT-2": r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    "Llama 3": r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+",
    "Qwen 2": r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+",
    "Llama 4": r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    "DeepSeek": r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+|\s+",
    "BLOOM": r" ?[^(\s|[.,!?…。，、।۔،])]+",
    "CLIP": r"'s|'t|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+",
    "digits in threes": r"(?=(\d{3})+(?!\d))",
}


@pytest.mark.parametrize("name", KNOWN)
def test_expressions_of_known_tokenizers(name: str) -> None:
    assert text.prepare(b"red green, it's 12345 blue", split_by(KNOWN[name])).shape[0] == 3


@pytest.mark.parametrize(
    "expression",
    ["(a+)+b", "(a|a)*b", "((a|b)c)*", "(a?){50}", r"(\w)\1+", "a*a*a*a*b", "(?~x)", "[a", "(a", "a)"],
)
def test_expressions_that_may_run_for_ever(expression: str) -> None:
    with pytest.raises(Damaged, match="a tokenizer whose regular expression"):
        encoder_of(split_by(expression))


def test_a_text_that_a_tokenizer_gives_up_is_one_that_fails() -> None:
    contract = split_by(r"a*a*a*(?!\S)x?[^a]")
    assert text.prepare(b"red", contract).shape == (3, 1)
    with pytest.raises(Damaged):
        text.prepare(b"a" * 3_000, contract)


def panics() -> str:
    content = json.loads(subwords())
    content["post_processor"]["special_tokens"].pop("[SEP]")
    return json.dumps(content)


def huge() -> str:
    content = json.loads(subwords("none"))
    content["model"]["vocab"]["far"] = 2**31
    return json.dumps(content)


@pytest.mark.parametrize("make", [panics, huge, lambda: "[" * 3_000, lambda: "{}", lambda: "[1]"])
def test_a_tokenizer_that_is_none(make: Callable[[], str]) -> None:
    with pytest.raises(Damaged) as caught:
        encoder_of(TextPreprocessing(make()))
    assert "\n" not in str(caught.value)
