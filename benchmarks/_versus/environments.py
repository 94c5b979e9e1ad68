"""A virtual environment for each peer, made once from the pins of `peers.json`.

A peer that is "layered" sees the packages of this interpreter behind its own: the same torch on both sides, and not
a second one on the disk; what it needs in another version it gets for itself. pip keeps to `constraints.txt` and to the
peer's own pins.
"""

from __future__ import annotations

import json
import subprocess
import sysconfig
import venv
from pathlib import Path

HERE = Path(__file__).parent
CONSTRAINTS = HERE.parents[1] / "constraints.txt"
PEERS = json.loads((HERE / "peers.json").read_text(encoding="utf-8"))
PATIENCE = 1200
"""Seconds after which pip is given up."""


class NotInstalled(Exception):
    """A peer that is not to be had; says what pip said."""


def constraints_of(peer: str) -> str:
    """The content of a constraints file: the peer's own pins before those that this interpreter's packages have."""
    wanted = PEERS[peer]
    shared = CONSTRAINTS.read_text(encoding="utf-8").splitlines() if wanted["layered"] else []
    own = {pin.partition("==")[0] for pin in wanted["pins"]}
    return "\n".join([*(line for line in shared if line.partition("==")[0] not in own), *wanted["pins"], ""])


def python_of(peer: str, folder: Path) -> Path:
    """The interpreter of a peer's environment under `folder`, made where none with its versions is there. Raises
    `NotInstalled`."""
    home, wanted = folder / peer, PEERS[peer]
    python = home / "bin" / "python"
    if python.is_file():
        layer(peer, home)
        if fits(peer, python):
            return python
    venv.create(home, with_pip=True, clear=True)
    (home / "pins.txt").write_text(constraints_of(peer), encoding="utf-8")
    layer(peer, home)
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    try:
        done = subprocess.run(
            [*command, "-c", str(home / "pins.txt"), *wanted["install"]],
            capture_output=True, text=True, check=False, timeout=PATIENCE,
        )  # fmt: skip
    except subprocess.TimeoutExpired as late:
        raise NotInstalled(f"pip had not finished after {PATIENCE} seconds") from late
    if done.returncode:
        told = [line.strip() for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise NotInstalled(" ".join(told) or f"pip ended with {done.returncode}")
    return python


def layer(peer: str, home: Path) -> None:
    """Let a layered environment see the packages of this interpreter."""
    if PEERS[peer]["layered"]:
        packages = next((home / "lib").glob("python*/site-packages"))
        (packages / "layer.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")


def fits(peer: str, python: Path) -> bool:
    """Whether an environment has what the peer is made of, in these versions."""
    pinned = dict(line.split("==") for line in constraints_of(peer).splitlines() if "==" in line)
    names = [name.partition("==") for name in (*PEERS[peer]["install"], *PEERS[peer]["pins"])]
    wanted = {name: version or pinned[name] for name, _, version in names}
    code = (
        "import importlib.metadata as m, json, sys; wanted = json.loads(sys.argv[1]);"
        "sys.exit(any(m.version(name) != version for name, version in wanted.items()))"
    )
    done = subprocess.run([str(python), "-c", code, json.dumps(wanted)], capture_output=True, check=False)
    return done.returncode == 0


def versions_of(peer: str, python: Path) -> dict[str, str]:
    """What its environment sees: the peer itself and, where it is layered, torch."""
    names = [name.partition("==")[0] for name in PEERS[peer]["install"]]
    names += ["torch"] if PEERS[peer]["layered"] else []
    code = "import importlib.metadata as m, json, sys; print(json.dumps({n: m.version(n) for n in sys.argv[1:]}))"
    done = subprocess.run([str(python), "-c", code, *names], capture_output=True, text=True, check=True)
    found: dict[str, str] = json.loads(done.stdout)
    return found
