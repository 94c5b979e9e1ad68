"""XML that somebody else wrote: without document types, so that nothing in it stands for more than it is."""

from __future__ import annotations

from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from headstart.core.untrusted import Damaged, limits, parsing


def parsed(data: bytes) -> Element:
    """The root element. Raises `Damaged` for what is no XML, has a document type, or lies too deep."""
    builder, depth = TreeBuilder(), 0

    def refuse(*_: object) -> None:
        raise Damaged("it has a document type (<!DOCTYPE>), which is not read")

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > limits.JSON_DEPTH:
            raise Damaged(f"elements inside each other, more than {limits.JSON_DEPTH} deep")
        builder.start(name, attributes)

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(name)

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = builder.data
    with parsing():
        parser.Parse(data, True)
        return builder.close()


def text_at(element: Element, path: str) -> str:
    """The text of the element at a path, without blanks. Raises `Damaged` where there is none."""
    found = (element.findtext(path) or "").strip()
    if not found:
        raise Damaged(f"<{path}> is missing" if element.find(path) is None else f"<{path}> is empty")
    return found
