"""The application: routes, refusals as sentences, counts, and an end that loses nothing."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from headstart import modalities, tasks
from headstart.core.dataset import Item
from headstart.core.files import plain
from headstart.errors import BadOption, DataError, HeadstartError
from headstart.predict.answers import as_json
from headstart.predict.predictor import Answering
from headstart.predict.selective import Caution
from headstart.serve.asking import openapi
from headstart.serve.asking.limits import Limits
from headstart.serve.asking.requests import JSON, Refused, body_of, items_of
from headstart.serve.desk import Desk, Full
from headstart.serve.explain import explain, explains

STATIC = Path(__file__).parent / "static"
PAGE = {
    "/": ("index.html", "text/html"),
    "/page.js": ("page.js", "text/javascript"),
    "/page.css": ("page.css", "text/css"),
}
GUARD = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' blob: data:; media-src blob:; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
TOLD = ("verdict", "metric", "cross_validated", "chosen", "test")
"""Of a model's evidence."""
LOOPBACK = ("127.0.0.1", "localhost", "[::1]", "::1")
log = logging.getLogger("headstart.serve")

Answer = Callable[[Request], Awaitable[Response]]


@dataclass(eq=False)
class Server:
    """A model, what it grants, and what it has done."""

    predictor: Answering
    limits: Limits
    anywhere: bool = False
    """Whether requests may name any host: not on loopback, where a page from elsewhere could reach it by a
    name of its own (DNS rebinding)."""
    statuses: Counter[int] = field(default_factory=Counter)
    seconds: float = 0.0
    clients: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.desk = Desk(self.predictor, self.limits)
        self.model = self.predictor.model

    async def predict(self, request: Request) -> Response:
        """POST /predict."""
        top, caution = self._options(request.query_params)
        items = await self._items(request)
        rows = await self._within(self.desk.answers(items))
        if all(row.error for row in rows):
            raise Refused(422, "; ".join(f"{row.id}: {row.error}" for row in rows[:3]))
        task = self.model.task
        told = [as_json(caution(task, row), task, top) for row in rows]
        return _json({"task": tasks.told(task), "predictions": told})

    async def explain(self, request: Request) -> Response:
        """POST /explain: of the first item."""
        item = (await self._items(request))[0]
        try:
            return _json(await self._within(self.desk.run(lambda predictor: explain(predictor, item))))
        except (BadOption, DataError) as error:
            raise Refused(422, str(error)) from None

    async def describe(self, request: Request) -> Response:  # noqa: ARG002
        """GET /model."""
        model = self.model
        room, evidence = modalities.get(model.input.modality), model.evidence
        told = {name: evidence[name] for name in TOLD if name in evidence}
        return _json(
            {
                "task": tasks.told(model.task),
                "modality": model.input.modality,
                "reads": room.NOUN,
                "in_words": room.IN_WORDS,
                "columns": model.input.columns_read if room.ROWS else None,
                "pairs": bool((evidence.get("data") or {}).get("pairs")),
                "sets": bool(evidence.get("held_out")) and tasks.for_task(model.task).exclusive,
                "explains": explains(model),
                "source": model.source.get("spec"),
                "evidence": told,
                "limits": vars(self.limits),
            }
        )

    async def health(self, request: Request) -> Response:  # noqa: ARG002
        """GET /healthz."""
        return _json({"status": "ok"})

    async def metrics(self, request: Request) -> Response:  # noqa: ARG002
        """GET /metrics, in the text format of Prometheus."""
        counts = self.desk.counts
        lines = [
            f'headstart_requests_total{{status="{status}"}} {n}'
            for status, n in sorted(self.statuses.items())
        ]
        gauges = {
            "request_seconds_total": self.seconds,
            "items_total": counts.items,
            "batches_total": counts.batches,
            "largest_batch": counts.largest,
            "busy_seconds_total": counts.busy,
            "waiting_items": self.desk.waiting,
        }
        lines += [f"headstart_{name} {value:g}" for name, value in gauges.items()]
        return PlainTextResponse("\n".join(lines) + "\n")

    async def openapi(self, request: Request) -> Response:  # noqa: ARG002
        """GET /openapi.json."""
        return _json(openapi.document(self.model, self.limits))

    async def page(self, request: Request) -> Response:
        """GET / and what belongs to it."""
        name, kind = PAGE[request.url.path]
        return Response((STATIC / name).read_bytes(), media_type=kind, headers=GUARD)

    def _options(self, given: Mapping[str, str]) -> tuple[int | None, Caution]:
        """(top, caution) of a query. Raises `Refused`."""
        if unknown := set(given) - {"top", "sets", "risk"}:
            raise Refused(422, f"no option {min(unknown)!r}; there are top, sets and risk")
        try:
            top = int(given["top"]) if "top" in given else None
            shares = {name: float(given[name]) for name in ("sets", "risk") if name in given}
        except ValueError as error:
            raise Refused(422, f"not a number: {error}") from None
        if top is not None and top < 1:
            raise Refused(422, f"top is {top}; at least 1")
        try:
            return top, Caution.of(self.model.evidence, self.model.task, **shares)
        except BadOption as error:
            raise Refused(422, str(error)) from None

    async def _items(self, request: Request) -> list[Item]:
        body = await body_of(request, self.limits)
        return items_of(body, request.headers.get("content-type", ""), self.model.input.modality, self.limits)

    async def _within(self, answers: Awaitable[Any]) -> Any:
        """The answers, or `Refused` where there are none in time."""
        try:
            async with asyncio.timeout(self.limits.seconds):
                return await answers
        except TimeoutError:
            raise Refused(503, f"no answer within {self.limits.seconds:g} seconds; try again later") from None
        except Full:
            raise Refused(503, f"{self.desk.waiting} items wait already; try again later") from None

    def guarded(self, answer: Answer) -> Answer:
        """The same with refusals as sentences, all counted."""

        async def ask(request: Request) -> Response:
            began, client = time.monotonic(), request.client.host if request.client else ""
            self.clients[client] += 1
            try:
                self._admit(request, client)
                response = await answer(request)
            except Refused as refused:
                response = _json({"error": refused.message}, refused.status)
            except HeadstartError as error:
                log.error("%s", error)
                response = _json({"error": str(error)}, 500)
            finally:
                self.clients[client] -= 1
                if not self.clients[client]:
                    del self.clients[client]
            self.statuses[response.status_code] += 1
            self.seconds += time.monotonic() - began
            return response

        return ask

    def _admit(self, request: Request, client: str) -> None:
        host = re.sub(r":[0-9]*$", "", request.headers.get("host", ""))
        if not self.anywhere and host not in LOOPBACK:
            raise Refused(403, f"this server answers on this machine alone, not as {host!r} (--host)")
        if self.clients[client] > self.limits.per_client:
            raise Refused(
                429, f"over {self.limits.per_client} requests of this client at a time; wait for answers"
            )

    @asynccontextmanager
    async def lifespan(self, app: Any) -> AsyncIterator[None]:  # noqa: ARG002
        """Of the application: at its end the batch under way is finished."""
        yield
        await self.desk.close()


def _json(content: Any, status: int = 200) -> Response:
    text = json.dumps(plain(content), ensure_ascii=False, allow_nan=False, default=str)
    wait = {"Retry-After": "1"} if status in (429, 503) else {}
    return Response(
        text.encode(), status, media_type=JSON, headers={**wait, "X-Content-Type-Options": "nosniff"}
    )


def application(server: Server) -> Any:
    """The ASGI application of a server."""

    async def refused(request: Request, error: Exception) -> Response:  # noqa: ARG001
        assert isinstance(error, HTTPException)
        server.statuses[error.status_code] += 1
        response = _json({"error": f"{error.detail}: see /openapi.json"}, error.status_code)
        response.headers.update(error.headers or {})
        return response

    async def failed(request: Request, error: Exception) -> Response:  # noqa: ARG001
        server.statuses[500] += 1
        return _json({"error": "the model failed on this request; the server's log says how"}, 500)

    asked = {"/predict": server.predict, "/explain": server.explain}
    told = {
        "/model": server.describe, "/healthz": server.health, "/metrics": server.metrics,
        "/openapi.json": server.openapi, **dict.fromkeys(PAGE, server.page),
    }  # fmt: skip
    routes = [Route(path, server.guarded(answer), methods=["POST"]) for path, answer in asked.items()]
    routes += [Route(path, server.guarded(answer), methods=["GET"]) for path, answer in told.items()]
    return Starlette(
        routes=routes,
        lifespan=server.lifespan,
        exception_handlers={HTTPException: refused, Exception: failed},
    )
