"""Networks that cannot be cut, run or asked in batches are refused in one sentence; what bfloat16 breaks stays
in float32."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from headstart import sources
from headstart.errors import SourceError
from headstart.sources.text.networks.transformer import running
from headstart.testing import backbone as suite
from made import pretrained

pytest.importorskip("transformers")

Make = Callable[..., Path]
PLAIN = pretrained.FAMILIES["bert"][1]
OFFSET = {**PLAIN, "pad_token_id": 1, "max_position_embeddings": 42}
BOTTLENECK = {**PLAIN, "embedding_size": 16, "intra_bottleneck_size": 16, "num_feedforward_networks": 1}
GROUPS = ("q", "k", "v", "post_attention", "intermediate", "output")


HALVED = {
    "bert": (PLAIN, True),
    "deberta": (pretrained.FAMILIES["deberta"][1], False),
    "xmod": ({**OFFSET, "languages": ["en_XX"], "default_language": "en_XX"}, False),
}


@pytest.mark.parametrize("kind", HALVED)
def test_only_what_bfloat16_breaks_stays_in_float32(make: Make, kind: str) -> None:
    fields, halves = HALVED[kind]
    backbone = sources.load(f"hf:{make(kind, fields)}")
    x = backbone.normalise(suite.random_tokens(backbone, 3))
    expected = backbone.full(x)
    with torch.autocast("cpu", torch.bfloat16):
        found = backbone.full(x)
        state = backbone.trunk("layer.1")(x)
        backbone.copy().tail("layer.1").train()(state).float().square().mean().backward()
    assert torch.equal(found, expected) != halves
    assert suite.close(backbone.full(x), expected)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [("fnet", PLAIN), ("convbert", {**PLAIN, "embedding_size": 16}), ("mobilebert", BOTTLENECK)],
)
def test_what_fills_up_a_text_must_not_change_it(make: Make, kind: str, fields: dict[str, Any]) -> None:
    root = make(kind, fields)
    with pytest.raises(SourceError, match="depend on how far texts are filled up in a batch: one"):
        sources.load(f"hf:{root}")


def test_fillers_of_nothing_are_no_neighbours(make: Make) -> None:
    """MobileBERT's tokens look at the next: after the last, at the filler, which may be zero as nothing is."""
    root = make("mobilebert", BOTTLENECK)
    path = root / "model.safetensors"
    tensors = load_file(path)
    tensors["embeddings.word_embeddings.weight"][0] = 0
    save_file(tensors, path, metadata={"format": "pt"})
    suite.check_backbone(sources.load(f"hf:{root}"))


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("squeezebert", {**PLAIN, "embedding_size": 16, **{f"{name}_groups": 1 for name in GROUPS}}),
        ("nystromformer", {**PLAIN, "num_landmarks": 4}),
        ("lilt", PLAIN),
    ],
)
def test_what_cannot_be_run(make: Make, kind: str, fields: dict[str, Any]) -> None:
    root = make(kind, fields)
    with pytest.raises(SourceError, match=r"cannot be run as an encoder \(.+\); take another source$"):
        sources.load(f"hf:{root}")


def test_memory_that_ran_out_and_a_stop_say_so_themselves() -> None:
    for error in (MemoryError, KeyboardInterrupt):
        with pytest.raises(error), running("hf/some"):
            raise error
    with pytest.raises(SourceError, match=r"'hf/some'.* \(first line\)"), running("hf/some"):
        raise ZeroDivisionError("first line\nsecond line")
