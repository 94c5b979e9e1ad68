"""Recurrent networks of characters as sources that write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from headstart import modalities, sources
from headstart.errors import SourceError
from headstart.modalities.text import Text
from headstart.testing.backbone import check_backbone
from headstart.testing.generator import check_generator
from made.characters import HIDDEN, NUMBERS, WIDTH, WINDOW, write_characters


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_characters(tmp_path)


def follows(weights: Path, text: str) -> torch.Tensor:
    """Logits of the character behind a text, by the layers of torch alone: a window of zeros and characters."""
    state = load_file(weights)
    ids = [NUMBERS["<s>"], *(NUMBERS[c] for c in text)][-WINDOW:]
    x = state["embedding.weight"][torch.tensor([[0] * (WINDOW - len(ids)) + ids])]
    parts = [x]
    for name, given in (("rnn_1.", WIDTH), ("rnn_2.", HIDDEN)):
        layer = nn.LSTM(given, HIDDEN, batch_first=True)
        layer.load_state_dict({k.removeprefix(name): v for k, v in state.items() if k.startswith(name)})
        parts.append(layer(parts[-1])[0])
    whole = torch.cat(parts, -1)[0]  # [T, D]
    mean = (whole @ state["attention.weight"][0]).softmax(0) @ whole
    return state["output.weight"] @ mean + state["output.bias"]


def test_both_contracts_hold(path: Path) -> None:
    backbone: Any = sources.load(f"file:{path}")
    check_backbone(backbone, least_cuts=2)
    check_generator(backbone, "Rain, 2 trains?")


@pytest.mark.parametrize("prompt", ["", "So", "a text that is longer than one window"])
@torch.no_grad()
def test_it_expects_what_its_window_says(path: Path, prompt: str) -> None:
    backbone: Any = sources.load(f"file:{path}").prompted(())  # type: ignore[attr-defined]
    room, generator, answer = modalities.get("text"), backbone.generator(), "is it so"
    other = room.prepare(Text("beside it a much longer text, so that it is filled up"), backbone.source.input)
    batch = room.collate([room.prepare(Text(prompt), backbone.source.input), other])
    answers = torch.tensor([generator.tokens(answer, 99)] * 2)
    z = generator.logits(torch.from_numpy(batch), answers, "input")[0]
    for place in range(len(answer) + 2):
        torch.testing.assert_close(
            z[place], follows(path, prompt + f" {answer}"[:place]), atol=1e-5, rtol=1e-5
        )


def test_a_character_without_a_number_is_none_and_is_never_written(path: Path) -> None:
    generator = sources.load(f"file:{path}").generator()  # type: ignore[attr-defined]
    assert generator.tokens("a\u4e00", 9)[:3] == [NUMBERS[" "], NUMBERS["a"], 0]
    assert generator.writing.never == (0,)
    assert generator.text([NUMBERS["a"], 0, NUMBERS["b"]]) == "ab"


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"vocabulary": None}, "names no file of characters"),
        ({"vocabulary": "../numbers.json"}, "names no file of characters"),
        ({"start": "<go>"}, "must say start"),
        ({"window": 0}, "must say start"),
        ({"window": 10**9}, "at most"),
    ],
)
def test_a_record_that_lacks_something_is_refused(
    tmp_path: Path, fields: dict[str, Any], problem: str
) -> None:
    with pytest.raises(SourceError, match=problem):
        sources.find(f"file:{write_characters(tmp_path, **fields)}")


def test_other_weights_and_too_many_characters_are_refused(path: Path) -> None:
    from safetensors.torch import save_file

    state = load_file(path)
    save_file({k: v for k, v in state.items() if not k.startswith("output")}, path)
    with pytest.raises(SourceError, match="output"):
        sources.load(f"file:{path}")
    save_file({"weight": state["output.bias"]}, path)
    with pytest.raises(SourceError, match=r"not embedding\.weight"):
        sources.load(f"file:{path}")
    narrow = {k: v[:9].clone() if k.startswith(("embedding", "output")) else v for k, v in state.items()}
    save_file(narrow, path)
    with pytest.raises(SourceError, match="larger numbers than its network knows"):
        sources.load(f"file:{path}")
