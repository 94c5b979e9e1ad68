"""How to ask a model over HTTP, as OpenAPI 3.1 has it: made from the model itself."""

from __future__ import annotations

from typing import Any

from headstart import __version__, modalities, tasks
from headstart.core.model import Model
from headstart.serve.asking.limits import Limits
from headstart.serve.asking.requests import JSON, accepted

REFUSALS = {
    400: "The body is empty, or not what its content type says.",
    403: "The Host header names another machine.",
    408: "The body did not come in time.",
    413: "The body is too large.",
    415: "The model reads something else.",
    422: "An item cannot be read, or an option is not one of this model.",
    429: "Too many requests of one client at a time.",
    503: "Too many items wait, or the answer took too long.",
}
"""Status -> when it is given."""
ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {"error": {"type": "string", "description": "One sentence that says what to do."}},
}


def document(model: Model, limits: Limits) -> dict[str, Any]:
    """The OpenAPI document of a model, as plain JSON."""
    room, exclusive = modalities.get(model.input.modality), tasks.for_task(model.task).exclusive
    options = [
        _query("top", "Only so many labels, the most probable ones.", {"type": "integer", "minimum": 1})
    ]
    if exclusive and model.evidence.get("held_out"):
        share = {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}
        options += [
            _query("sets", "Add the set of labels that holds the truth for this share of items.", share),
            _query("risk", "Give only answers of which at most this share is wrong.", share),
        ]
    answers = {
        "type": "object",
        "required": ["task", "predictions"],
        "properties": {
            "task": {"type": "object"},
            "predictions": {"type": "array", "items": {"type": "object", "required": ["id"]}},
        },
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"{model.task.kind} of {room.NOUN}s",
            "version": __version__,
            "description": "Answers are those of `headstart predict --format json`.",
        },
        "paths": {
            "/predict": {
                "post": _asked("Answers for the items of the body.", model, limits, answers, options)
            },
            "/explain": {
                "post": _asked(
                    "What mattered for the answer, of one item.", model, limits, {"type": "object"}, []
                )
            },
            "/model": {"get": _told("What the model is, and how good.", JSON, {"type": "object"})},
            "/healthz": {"get": _told("Whether it answers.", JSON, {"type": "object"})},
            "/metrics": {"get": _told("Counts for Prometheus.", "text/plain", {"type": "string"})},
        },
    }


def _query(name: str, what: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "description": what, "schema": schema}


def _asked(
    what: str, model: Model, limits: Limits, answer: dict[str, Any], options: list[dict[str, Any]]
) -> dict[str, Any]:
    room, called = modalities.get(model.input.modality), modalities.nouns(model.input.modality)[1]
    text = {"type": "string"}
    pair = {"type": "array", "items": text, "minItems": 1, "maxItems": 2}
    cell = {"type": ["string", "number", "boolean", "null"]}
    row = {"type": "object", "properties": dict.fromkeys(model.input.columns_read or (), cell)}
    each = {**row, "additionalProperties": cell} if room.ROWS else {"anyOf": [text, pair]}
    entries = {"type": "array", "minItems": 1, "maxItems": limits.texts, "items": each}
    listed = {
        "type": "object",
        "required": [called],
        "additionalProperties": False,
        "properties": {called: entries},
    }
    binary = {"type": "string", "contentEncoding": "binary"}
    types = accepted(model.input.modality)
    return {
        "summary": what,
        "parameters": options,
        "requestBody": {
            "required": True,
            "content": {
                kind: {"schema": listed if kind == JSON else text if room.IN_WORDS else binary}
                for kind in types
            },
        },
        "responses": {
            "200": {"description": "The answers.", "content": {JSON: {"schema": answer}}},
            **{
                str(status): {"description": when, "content": {JSON: {"schema": ERROR}}}
                for status, when in REFUSALS.items()
            },
        },
    }


def _told(what: str, kind: str, schema: dict[str, Any]) -> dict[str, Any]:
    responses = {"200": {"description": what, "content": {kind: {"schema": schema}}}}
    for status in (403, 429):
        responses[str(status)] = {"description": REFUSALS[status], "content": {JSON: {"schema": ERROR}}}
    return {"summary": what, "responses": responses}
