"""A server under load: valid and hostile requests mixed, what is lost, what grows, how late answers are.

    python benchmarks/serve.py RUN FILES... [--minutes 30] [--clients 64]

RUN is a finished run of images (with `headstart export RUN --onnx` the server needs no torch), FILES are pictures
for it. First one client alone, then eight, then `--clients` of which half send what no server should fall over:
cut files, noise, lies about the length or type, half a request and silence, unknown paths and options. Every valid
answer is held against `headstart predict`; memory and open files are those of the server's process.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psutil

RESULTS = Path(__file__).parent / "results" / "serve.json"
HOST = "127.0.0.1"


class Load:
    """Clients of one server."""

    def __init__(self, port: int, pictures: dict[bytes, Any]) -> None:
        self.port, self.pictures = port, pictures
        self.times: list[float] = []
        self.statuses: Counter[str] = Counter()
        self.wrong: list[str] = []

    def valid(self, draw: random.Random) -> None:
        body = draw.choice(list(self.pictures))
        began = time.monotonic()
        try:
            connection = http.client.HTTPConnection(HOST, self.port, timeout=60)
            connection.request("POST", "/predict", body, {"Content-Type": "image/jpeg"})
            response = connection.getresponse()
            told = json.loads(response.read())
            connection.close()
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.wrong.append(f"lost: {type(error).__name__} {error}")
            return
        self.times.append(time.monotonic() - began)
        self.statuses[f"valid {response.status}"] += 1
        if response.status == 200 and told["predictions"][0]["probabilities"] != self.pictures[body]:
            self.wrong.append("another answer than predict gives")
        elif response.status not in (200, 429, 503):
            self.wrong.append(f"a valid request had {response.status}")

    def hostile(self, draw: random.Random) -> None:
        body = draw.choice(list(self.pictures))
        kind, path = "image/jpeg", "/predict"
        match draw.randrange(8):
            case 0:
                body = body[: draw.randrange(1, len(body))]
            case 1:
                body = draw.randbytes(draw.randrange(1, 50_000))
            case 2:
                kind = draw.choice(("", "text/html", "application/json", "image/", "multipart/form-data"))
            case 3:
                path = draw.choice(
                    ("/predict?top=-1", "/predict?sets=inf", "/../etc/passwd", "/%00", "/predict?x=1")
                )
            case 4:
                body = b""
            case 5:
                return self.raw(
                    b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\nabc", draw
                )
            case 6:
                return self.raw(draw.randbytes(draw.randrange(1, 2_000)), draw)
            case _:
                cells = list(body)
                for _ in range(20):
                    cells[draw.randrange(len(cells))] = draw.randrange(256)
                body = bytes(cells)
        try:
            connection = http.client.HTTPConnection(HOST, self.port, timeout=60)
            connection.request("POST", path, body, {"Content-Type": kind} if kind else {})
            response = connection.getresponse()
            text = response.read().decode()
            connection.close()
        except (OSError, http.client.HTTPException) as error:
            self.statuses[f"hostile {type(error).__name__}"] += 1
            return None
        self.statuses[f"hostile {response.status}"] += 1
        if response.status >= 500 and response.status != 503:
            self.wrong.append(f"a hostile request had {response.status}: {text[:200]}")
        if "Traceback" in text:
            self.wrong.append("a traceback was sent")
        return None

    def raw(self, sent: bytes, draw: random.Random) -> None:
        with socket.socket() as one:
            one.settimeout(2)
            try:
                one.connect((HOST, self.port))
                one.sendall(sent)
                time.sleep(draw.random() * 0.2)
            except OSError:
                pass
        self.statuses["hostile cut off"] += 1

    def run(self, clients: int, seconds: float, hostile: float = 0.0) -> dict[str, Any]:
        """So many clients for so long, one request after the other each."""
        self.times, end = [], time.monotonic() + seconds

        def client(number: int) -> None:
            draw = random.Random(number)
            while time.monotonic() < end:
                (self.hostile if draw.random() < hostile else self.valid)(draw)

        threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        times = sorted(self.times)
        return {
            "clients": clients,
            "answers_a_second": round(len(times) / seconds, 1),
            "median_ms": round(1000 * statistics.median(times), 1),
            "p95_ms": round(1000 * times[int(0.95 * len(times))], 1),
        }


def expected(run: str, files: list[str]) -> dict[bytes, Any]:
    """Content of a file -> the probabilities that `headstart predict` gives of it."""
    command = [sys.executable, "-m", "headstart", "predict", run, *files, "--format", "json"]
    told = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    return {Path(one["id"]).read_bytes(): one["probabilities"] for one in told["predictions"]}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run")
    parser.add_argument("files", nargs="+")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--clients", type=int, default=64)
    asked = parser.parse_args()
    pictures = expected(asked.run, asked.files)
    serve = [
        sys.executable,
        "-m",
        "headstart",
        "serve",
        asked.run,
        "--port",
        "0",
        "--timeout",
        "5",
        "--per-client",
        "256",
    ]
    with (  # a pipe that nobody reads would hold the server up
        tempfile.TemporaryFile("w+") as said,
        subprocess.Popen(serve, stdout=subprocess.PIPE, stderr=said, text=True) as process,
    ):
        assert process.stdout is not None
        port = int(process.stdout.readline().split()[0].rstrip("/").rpartition(":")[2])
        server, load = psutil.Process(process.pid), Load(port, pictures)
        load.run(2, 5)
        found: dict[str, Any] = {
            "pictures": len(pictures),
            "alone": load.run(1, 20),
            "eight": load.run(8, 20),
        }
        load.run(asked.clients, 30, hostile=0.5)
        memory, files = server.memory_info().rss, server.num_fds()
        load.statuses.clear()
        found["mixed"] = load.run(asked.clients, 60 * asked.minutes, hostile=0.5)
        time.sleep(12)
        found |= {
            "minutes": asked.minutes,
            "memory_mb": round(memory / 2**20),
            "memory_growth": round(server.memory_info().rss / memory - 1, 4),
            "open_files": [files, server.num_fds()],
            "statuses": dict(sorted(load.statuses.items())),
            "wrong": dict(Counter(load.wrong)),
        }
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)
        said.seek(0)
        errors = said.read()
        found["tracebacks"] = errors.count("Traceback")
        if found["tracebacks"]:
            print(errors[-3000:], file=sys.stderr)
    RESULTS.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
