"""From start to end of a server: uvicorn, told to lose nothing."""

from __future__ import annotations

import socket
from collections.abc import Callable

import uvicorn

from headstart.errors import BadOption
from headstart.serve.app import Server, application

BACKLOG = 256
"""Connections that the system holds until they are taken."""


def until_ended(server: Server, host: str, port: int, told: Callable[[str], None]) -> None:
    """Listen until Ctrl-C or SIGTERM; `told` gets the address once connections are taken.

    Raises `BadOption` for an address that cannot be had.
    """
    listening = _bound(host, port)
    taken = listening.getsockname()[1]
    config = uvicorn.Config(
        application(server),
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=10,
        timeout_graceful_shutdown=int(server.limits.seconds) + 1,
        h11_max_incomplete_event_size=16_384,
        http="h11",
        ws="none",
        backlog=BACKLOG,
    )
    told(f"http://{f'[{host}]' if ':' in host else host}:{taken}/")
    with listening:
        uvicorn.Server(config).run(sockets=[listening])


def _bound(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        found = socket.socket(family, kind, protocol)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind(address)
            found.listen(BACKLOG)
        except OSError:
            found.close()
            raise
    except socket.gaierror as error:
        raise BadOption("--host", host, f"an address of this machine ({error.strerror})") from None
    except OSError as error:
        raise BadOption("--port", port, f"one that is free on {host} ({error.strerror})") from None
    return found
