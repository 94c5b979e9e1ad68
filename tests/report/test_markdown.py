from __future__ import annotations

import re
from typing import Any

import pytest

from headstart.report import markdown


def test_every_kind_of_run(content: Any) -> None:
    text = markdown.render(content.record, content.insight, content.events)
    assert text.startswith("## Transfer helps\n\n90 %")
    assert text.index("### Leaderboard") < text.index("### What transfer was compared with")
    assert "<script>" not in text
    for block in re.split(r"\n\n", text):
        lines = block.splitlines()
        if lines[0].startswith("|"):
            assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1, block
    assert "headstart fit 'my photos'" in text
    assert "a: lora: no time left" in text


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("a | b", r"a \| b"),
        ("<b>&", "&lt;b&gt;&amp;"),
        ("[x](http://y)", r"[x]\(http://y)"),
        ("two\nlines", "two lines"),
        ("`*_~#\\", r"\`\*\_\~\#\\"),
    ],
)
def test_names_are_never_markup(given: str, expected: str) -> None:
    assert markdown.safe(given) == expected


def test_a_command_with_backticks_stays_in_its_fence(make: Any) -> None:
    content = make()
    content.record["command"] = "headstart fit 'a```b'"
    assert "````sh\nheadstart fit 'a```b'\n````" in markdown.render(content.record, {}, [])
