"""What is found wrong with a folder's network when it is opened, not when it is used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from headstart import sources
from headstart.errors import SourceError
from headstart.modalities import text
from headstart.sources.text.files import folder
from headstart.testing.texts import WORDS
from made import pretrained

pytest.importorskip("transformers")

PLAIN = pretrained.FAMILIES["bert"][1]
OFFSET = {**PLAIN, "pad_token_id": 1, "max_position_embeddings": pretrained.LENGTH + 2}
POSITIONS = {
    "xmod": {**OFFSET, "languages": ["en_XX"], "default_language": "en_XX"},
    "luke": {**OFFSET, "entity_vocab_size": 10, "entity_emb_size": 16},
    "esm": {**OFFSET, "position_embedding_type": "absolute", "mask_token_id": 4},
    "markuplm": {**OFFSET, "pad_token_id": 0, "max_position_embeddings": pretrained.LENGTH + 1},
    "mpt": {"d_model": 16, "n_heads": 4, "n_layers": 3, "max_seq_len": pretrained.LENGTH},
}


@pytest.mark.parametrize("kind", POSITIONS)
def test_no_text_is_longer_than_the_table_of_positions(make: Callable[..., Path], kind: str) -> None:
    root = make(kind, POSITIONS[kind])
    (root / "tokenizer_config.json").unlink()
    backbone: Any = sources.load(f"hf:{root}")
    tokens = text.prepare(" ".join(WORDS * 3).encode(), backbone.source.input)
    assert tokens.shape == (3, pretrained.LENGTH)
    with torch.no_grad():
        assert backbone.full(backbone.normalise(torch.from_numpy(tokens[None]))).isfinite().all()


def test_positions_that_no_file_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A type that numbers positions from its fillers on, of which we do not know it."""
    root = pretrained.write_model(tmp_path, "roberta")
    (root / "tokenizer_config.json").unlink()
    monkeypatch.setattr(folder, "OFFSET", frozenset())
    with pytest.raises(SourceError, match=r"cannot read texts of 42 tokens.*smaller model_max_length"):
        sources.load(f"hf:{root}")


@pytest.mark.parametrize("kind", ["ibert", "canine"])
def test_a_network_without_a_plain_table_of_words(make: Callable[..., Path], kind: str) -> None:
    root = make(kind, OFFSET if kind == "ibert" else PLAIN)
    with pytest.raises(SourceError, match="cannot be run as an encoder"):
        sources.load(f"hf:{root}")
