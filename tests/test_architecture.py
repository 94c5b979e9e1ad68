"""The house rules: which way imports run, no circles, three floors, readable sizes, a light front door."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "headstart"

LEVELS: dict[str, float] = {
    "errors": 0,
    "_lazy": 0.5,
    "core": 1,
    "cluster": 1.5,
    "measure": 2, "modalities": 2,
    "tasks": 2.5, "data": 3, "sources": 3, "store": 3,
    "passes": 4, "nets": 4, "train": 4,
    "strategies": 5, "predict": 5,
    "planning": 6, "evidence": 6, "ranking": 6, "export": 6,
    "run": 7,
    "insight": 8, "workflows": 8,
    "report": 9, "serve": 9,
    "api": 10, "light": 10,
    "bulk": 10.5,
    "cli": 11, "sklearn": 11,
    "__main__": 12,
}  # fmt: skip
"""Room -> floor. Imports go to a lower floor, or stay inside the room."""

UNBOUND = {"testing"}
"""Rooms outside the order: nothing imports them but tests, and they may import what they test."""

FILE_CAP, FUNCTION_CAP, PARAMETER_CAP, METHOD_CAP = 400, 60, 8, 15
LARGER: dict[str, str] = {}
"""File -> the reason why it may be longer than the cap."""

FILES = sorted(SOURCE.rglob("*.py"))


def module_of(path: Path) -> str:
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def imports_of(path: Path) -> set[str]:
    """Every headstart module a file names, lazy and text imports included."""
    known = {module_of(file) for file in FILES}
    found: set[str] = set()
    tree = ast.parse(path.read_text())
    groups = {  # of entry points, named as the rooms are
        node.value for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg == "group"
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import; write it out"
            found |= {
                f"{node.module}.{alias.name}" if f"{node.module}.{alias.name}" in known else node.module
                for alias in node.names
            }
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in groups:
            name = node.value.partition(":")[0]
            if name in known and name != "headstart":
                found.add(name)
    return {name for name in found if name.split(".")[0] == "headstart"} - {"headstart"}


def room(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_imports_run_downward(path: Path) -> None:
    here = room(module_of(path))
    if here in UNBOUND or not here:
        return
    assert here in LEVELS, f"{path}: the room {here!r} has no floor in this test"
    for module in imports_of(path):
        there = room(module)
        if there == here:
            continue
        assert there not in UNBOUND, f"{path} imports {module}: test helpers stay out of the product"
        assert LEVELS[there] < LEVELS[here], (
            f"{path} (floor {LEVELS[here]}) imports {module} ({LEVELS[there]})"
        )


def test_no_import_circles() -> None:
    graph = {module_of(path): imports_of(path) for path in FILES}
    state: dict[str, int] = {}

    def visit(module: str, trail: tuple[str, ...]) -> None:
        if state.get(module) == 2 or module not in graph:
            return
        assert state.get(module) != 1, f"circle: {' -> '.join((*trail[trail.index(module) :], module))}"
        state[module] = 1
        for other in sorted(graph[module] - {module}):
            visit(other, (*trail, module))
        state[module] = 2

    for module in sorted(graph):
        visit(module, ())


FLOORS = 3
"""In any folder: what is used, what uses it, and what is called from outside."""


@pytest.mark.parametrize("folder", sorted({path.parent for path in FILES}), ids=lambda folder: folder.name)
def test_at_most_three_floors_in_a_room(folder: Path) -> None:
    """The longest chain of imports among the files of a folder; its subfolders are rooms of their own."""
    here = {module_of(path): path for path in FILES if path.parent == folder}

    @cache
    def chain(module: str) -> tuple[str, ...]:
        below = (chain(other) for other in sorted(imports_of(here[module]) & (here.keys() - {module})))
        return (module, *max(below, key=len, default=()))

    longest = max(map(chain, here), key=len)
    assert len(longest) <= FLOORS, (
        f"{folder}: {' -> '.join(longest)}; give what lies below a folder of its own"
    )


def test_the_folders_of_a_room_have_an_order() -> None:
    """Folders do not import each other; a room's own __init__ stands above all of its folders."""
    folder_of = {module_of(path): path.parent for path in FILES if path.parent != SOURCE}
    graph: dict[Path, set[Path]] = {}
    for path in FILES:
        here = module_of(path)
        for other in imports_of(path):
            facade = other.count(".") == 1 or here.count(".") == 1
            if room(other) == room(here) and not facade and folder_of[other] != folder_of[here]:
                graph.setdefault(folder_of[here], set()).add(folder_of[other])
    circle: list[Path] = []
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        circle = error.args[1]
    assert not circle, " -> ".join(map(str, circle))


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_sizes(path: Path) -> None:
    text = path.read_text()
    lines = len(text.splitlines())
    name = module_of(path)
    assert lines <= FILE_CAP or name in LARGER, f"{path}: {lines} lines; split the room"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= FUNCTION_CAP, f"{path}:{node.lineno} {node.name}: {length} lines"
            if not is_command(node):
                arguments = node.args
                count = len([*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs])
                count -= bool(arguments.args) and arguments.args[0].arg in ("self", "cls")
                assert count <= PARAMETER_CAP, f"{path}:{node.lineno} {node.name}: {count} parameters"
        if isinstance(node, ast.ClassDef):
            methods = [n for n in node.body if isinstance(n, ast.FunctionDef)]
            assert len(methods) <= METHOD_CAP, f"{path}:{node.lineno} {node.name}: {len(methods)} methods"


KINDS = {"classification", "multilabel", "regression"}


def test_only_its_own_room_asks_for_a_kind_of_task() -> None:
    for path in FILES:
        if room(module_of(path)) in ("tasks", "testing"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Compare):
                sides = [part for side in (node.left, *node.comparators) for part in ast.walk(side)]
                named = {getattr(part, "id", getattr(part, "attr", "")) for part in sides}
                written = {part.value for part in sides if isinstance(part, ast.Constant)}
                asks = named & {kind.upper() for kind in KINDS} or (
                    written & KINDS and named & {"kind", "task"}
                )
                assert not asks, f"{path}:{node.lineno}: ask for a capability of tasks.base"


def is_command(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Commands have a parameter for each of their options: the command line is their caller."""
    return any("command" in ast.unparse(d) for d in node.decorator_list) or node.name.endswith("_command")


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_import_is_light_and_silent() -> None:
    code = (
        "import os, sys; os.environ.pop('OMP_WAIT_POLICY', None); before = dict(os.environ);"
        "import headstart; assert dict(os.environ) == before, 'an import changes the process';"
        "heavy = {'torch', 'timm', 'sklearn', 'scipy', 'polars', 'numpy', 'PIL'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    assert run_python(code) == ""


def test_command_line_starts_without_torch() -> None:
    code = (
        "import sys, headstart.cli; headstart.cli.build();"
        "heavy = {'torch', 'timm', 'sklearn', 'scipy', 'polars', 'numpy', 'PIL'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    assert run_python(code) == ""
    code = (
        "import os; os.environ.pop('OMP_WAIT_POLICY', None);"
        "import headstart.cli; from headstart import __main__;"
        "headstart.cli.main = lambda: print(os.environ['OMP_WAIT_POLICY']); __main__.main()"
    )
    assert run_python(code) == "PASSIVE\n"  # its threads do not spin while they wait


def test_data_are_read_before_torch_is_needed() -> None:
    code = (
        "import sys, headstart.api, headstart.run.fit;"
        "heavy = {'torch', 'timm', 'sklearn', 'scipy.stats', 'polars'} & set(sys.modules); assert not heavy, heavy"
    )
    assert run_python(code) == ""


def test_the_end_of_a_run_loads_no_second_library() -> None:
    """Each of these takes half a second to a second, in the run's process or in that of the proof."""
    code = (
        "import sys, numpy as np; from headstart.measure import paired, projection; from headstart.nets import base;"
        "projection.plane(np.eye(20)); paired.mcnemar(3, 9);"
        "base.Parts('taps', {'h.weight': np.eye(2), 'h.bias': np.ones(2)}).linear('h', 2, 2);"
        "heavy = {'sklearn', 'pandas', 'scipy.stats', 'sympy', 'timm'} & set(sys.modules); assert not heavy, heavy"
    )
    assert run_python(code) == ""


def test_the_front_door_opens() -> None:
    code = "import headstart as hs; [getattr(hs, name) for name in hs.__all__]; print(len(hs.__all__))"
    assert int(run_python(code)) > 5


@pytest.mark.parametrize("room_name", ["core", "errors", "_lazy"])
def test_contracts_need_only_numpy(room_name: str) -> None:
    allowed = set(sys.stdlib_module_names) | {"numpy", "headstart"}
    for path in FILES:
        if room(module_of(path)) != room_name:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            names = (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
            for name in names:
                assert name.split(".")[0] in allowed, f"{path} imports {name}"


def test_no_room_hides_a_name_of_the_front_door() -> None:
    """A folder `plan` would take the place of the function `headstart.plan` once it is imported."""
    import headstart

    rooms = {room(module_of(path)) for path in FILES}
    hidden = {
        name
        for name in rooms.intersection(headstart.__all__)
        if headstart._WHERE[name] != f"headstart.{name}"
    }
    assert not hidden


def test_only_the_composer_sees_the_whole_run() -> None:
    """`run` keeps the run and stays small; everything else is given the few values that it needs."""
    composer = [path for path in FILES if room(module_of(path)) == "run"]
    assert len(composer) <= 15
    for path in FILES:
        if path not in composer:
            assert "headstart.run.state.context" not in imports_of(path), f"{path} takes the whole run"
