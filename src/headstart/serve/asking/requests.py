"""A request's body -> items, or the sentence that says why not."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from starlette.requests import ClientDisconnect

from headstart import modalities
from headstart.core.dataset import Item, TextItem
from headstart.core.untrusted import Damaged, read_json
from headstart.data.items.entries import BytesItem
from headstart.serve.asking.limits import Limits

JSON, PLAIN, BYTES = "application/json", "text/plain", "application/octet-stream"


class Refused(Exception):
    """A request that is not answered: its status and the sentence."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


def accepted(modality: str) -> tuple[str, ...]:
    """The media types of a body with items of that modality."""
    room = modalities.get(modality)
    if room.ROWS:
        return (JSON,)
    return (JSON, PLAIN) if room.IN_WORDS else (f"{modality}/*", BYTES)


async def body_of(request: Any, limits: Limits) -> bytes:
    """All of a body. Raises `Refused`: 413 where it is too large, 408 where it does not come, 400 where it is
    empty."""
    said = request.headers.get("content-length", "0")
    content, most = bytearray(), limits.bytes
    large = Refused(413, f"the body is over {most:,} bytes; this server takes no more (--max-bytes)")
    if said.isdecimal() and int(said) > most:
        raise large
    try:
        async with asyncio.timeout(limits.seconds):
            async for piece in request.stream():
                content += piece
                if len(content) > most:
                    raise large
    except ClientDisconnect:
        raise Refused(400, "the connection ended before the body did") from None
    except TimeoutError:
        raise Refused(408, f"the body had not come after {limits.seconds:g} seconds") from None
    if not content:
        raise Refused(400, "the body is empty")
    return bytes(content)


def items_of(body: bytes, media: str, modality: str, limits: Limits) -> list[Item]:
    """The items of a body of that media type ("Image/PNG; q=1").

    Raises `Refused`: 415 for another type, 400 for what is not what its type says, 422 for what asks for
    something else.
    """
    kind = media.partition(";")[0].strip().lower()
    known = accepted(modality)
    if kind not in known and f"{kind.partition('/')[0]}/*" not in known:
        noun = modalities.nouns(modality)[1]
        raise Refused(415, f"this model reads {noun}: send {' or '.join(known)}, not {kind or 'nothing'}")
    if kind == JSON:
        return _listed(body, modality, limits)
    if modalities.get(modality).IN_WORDS:
        return [TextItem("text 1", _decoded(body))]
    return [BytesItem(f"{modalities.get(modality).NOUN} 1", body)]


def _decoded(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refused(400, f"the text is not UTF-8 (byte {error.start})") from None


def _listed(body: bytes, modality: str, limits: Limits) -> list[Item]:
    try:
        said = read_json(_decoded(body))
    except Damaged as error:
        raise Refused(400, f"the body is no JSON document ({error})") from None
    called = modalities.nouns(modality)[1]
    if not isinstance(said, Mapping) or set(said) != {called} or not isinstance(said[called], list):
        each = "values by column" if modalities.get(modality).ROWS else "texts, or pairs of texts"
        raise Refused(422, f'the body is not an object with "{called}": a list of {each}')
    entries = said[called]
    if not 1 <= len(entries) <= limits.texts:
        raise Refused(422, f"{len(entries)} {called}; this server takes 1 to {limits.texts} at a time")
    return _rows(entries, modality) if modalities.get(modality).ROWS else _texts(entries)


def _rows(rows: list[Any], modality: str) -> list[Item]:
    room: Any = modalities.get(modality)
    items: list[Item] = []
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, Mapping) or not all(
            isinstance(v, str | int | float | None) for v in row.values()
        ):
            raise Refused(
                422, f"row {number} is not values (text, number, true, false, null) by their columns"
            )
        items.append(BytesItem(f"row {number}", room.as_bytes(row)))
    return items


def _texts(texts: list[Any]) -> list[Item]:
    items: list[Item] = []
    for number, text in enumerate(texts, start=1):
        parts = text if isinstance(text, list) else [text]
        if len(parts) not in (1, 2) or not all(isinstance(part, str) for part in parts):
            raise Refused(422, f"text {number} is neither a text nor a pair of texts")
        items.append(TextItem(f"text {number}", *parts))
    return items
