"""`headstart serve`: a model that answers over HTTP, and a page to try it on."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from headstart.cli._options import ModelPath
from headstart.cli._screen import warn
from headstart.serve.asking.limits import Limits

Host = Annotated[str, typer.Option("--host", help="Address to listen on. Others than this machine: 0.0.0.0.")]
Port = Annotated[
    int, typer.Option("--port", help="Port to listen on; 0: any that is free.", min=0, max=65535)
]
Most = Annotated[int, typer.Option("--max-bytes", help="Of one request's body.", min=1)]
Seconds = Annotated[float, typer.Option("--timeout", help="Seconds until a request is given up.", min=1)]
Batch = Annotated[
    int, typer.Option("--batch-size", help="Items of several requests computed at once.", min=1)
]
Waiting = Annotated[
    int, typer.Option("--queue", help="Items that may wait; more are turned away (503).", min=1)
]
Clients = Annotated[int, typer.Option("--per-client", help="Requests of one address at a time (429).", min=1)]


def serve_command(
    model: ModelPath,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    max_bytes: Most = Limits.bytes,
    timeout: Seconds = Limits.seconds,
    batch_size: Batch = Limits.batch,
    queue: Waiting = Limits.waiting,
    per_client: Clients = Limits.per_client,
) -> None:
    """Answer over HTTP: a page to try the model on, JSON for programs, /healthz and /metrics.

    What `headstart export` has written beside the model answers in its place, without loading torch. Ctrl-C or
    SIGTERM: requests that have come are answered, new ones are not taken. There is no login: whoever reaches the
    port may ask.
    """
    from headstart import light
    from headstart._lazy import optional

    for module in ("starlette", "uvicorn"):
        optional(module, extra="serve", needed_for="answering over HTTP")
    from headstart.export.model import load_model
    from headstart.serve import run
    from headstart.serve.app import LOOPBACK, Server

    limits = Limits(bytes=max_bytes, seconds=timeout, batch=batch_size, waiting=queue, per_client=per_client)
    loaded = light.of_bundle(model) or load_model(model)
    server = Server(loaded.predictor, limits, anywhere=host not in LOOPBACK)
    if server.anywhere:
        warn(f"headstart: {host} may be reached from other machines, and there is no login\n")
    run.until_ended(server, host, port, lambda address: _told(address, loaded))


def _told(address: str, loaded: object) -> None:
    sys.stdout.write(f"{address}  answers with {loaded!r}; Ctrl-C ends it\n")
    sys.stdout.flush()
