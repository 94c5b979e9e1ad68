"""How texts are prepared, for programs that have only the exported network: as fields, and in words."""

from __future__ import annotations

from typing import Any

from headstart.modalities.text.preprocessing import TextPreprocessing


def of_texts(contract: TextPreprocessing) -> dict[str, Any]:
    """What `headstart.modalities.text.prepare` and `collate` do to texts, step by step."""
    apart, most = contract.apart, contract.max_length
    rows = ["tokens", "mask", "types"]
    names = (
        [f"{name} of the {which} text" for which in ("first", "second") for name in rows] if apart else rows
    )
    before = f"put {contract.prefix!r} before the text" if contract.prefix else "put nothing before the text"
    if apart and contract.prefix:
        before = f"put {contract.prefix!r} before each of the two texts"
    cut = "drop what is beyond from the end, the special tokens kept"
    if not apart:
        cut += "; of two texts take tokens from the end of the longer one until both fit"
    return {
        "tokenizer": {"file": "NAME.tokenizer.json", "digest": contract.digest},
        "prefix": contract.prefix,
        "truncation": {
            "max_length": most,
            "side": "right",
            "special_tokens": "counted and kept",
            "pairs": "longest first",
        },
        "padding": {"side": "right", "value": 0, "to": "the longest of the batch", "mask": 0},
        "rows": names,
        "steps": [
            before,
            "cut it into tokens with the tokenizer of the file beside the graph, its special tokens added"
            + ("; each of the two texts by itself" if apart else ""),
            f"at most {most} tokens, special ones counted: {cut}",
            "a tokenizer without a separator gets a line break between two texts that are read jointly",
            f"the rows of an item are {', '.join(names)}; mask is 1 for a token and 0 for padding, types as "
            "the tokenizer gives them (0, and 1 for a second text)",
            "a text without any token has one token 0 with mask 0",
            "fill up at the end with zeros in every row to the longest of the batch: int32 [N, rows, T]",
        ],
    }
