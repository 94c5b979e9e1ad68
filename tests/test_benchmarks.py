"""What `benchmarks/speed.py` and `benchmarks/growth.py` claim, and from which versions."""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

FOLDER = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Opens a script, or a file of its room, without leaving it in sight of other tests."""
    monkeypatch.syspath_prepend(str(FOLDER / "_versus"))
    monkeypatch.syspath_prepend(str(FOLDER))

    def module(name: str) -> ModuleType:
        return importlib.import_module(name)

    return module


def side(median: float, **more: Any) -> dict[str, Any]:
    own = {name: {"median": value} for name, value in more.items() if name == "accuracy"}
    row = {"seconds": {"median": median}, "value": {"median": more.get("value", 0.0)}}
    return {"parts": {"": row}, **({"cosine": more["cosine"]} if "cosine" in more else {}), **own}


@pytest.mark.parametrize(
    ("equal", "ours", "theirs", "others", "told"),
    [
        ("accuracy", {"accuracy": 0.9}, {"accuracy": 0.9}, 0.0, ""),
        ("accuracy", {"accuracy": 0.89}, {"accuracy": 0.9}, 0.0, "accuracy is lower"),
        ("accuracy", {"accuracy": 0.9}, {"accuracy": 0.8}, 0.5, "not idle"),
        ("accuracy", {"accuracy": 0.9}, {}, 0.0, ""),
        ("cosine", {}, {"cosine": 0.9995}, 0.0, ""),
        ("cosine", {}, {"cosine": 0.99}, 0.0, "features differ"),
        ("values", {"value": 1.0}, {"value": 1.000001}, 0.0, ""),
        ("values", {"value": 1.0}, {"value": 1.01}, 0.0, "scores differ"),
    ],
)
def test_a_ratio_is_claimed_for_equal_work_alone(
    load: Any, equal: str, ours: dict, theirs: dict, others: float, told: str
) -> None:
    speed = load("speed")
    runner = speed.Runner(argparse.Namespace(quick=False), Path())
    case = speed.Case("a case", "photos", lambda _: [], equal)
    said = runner.doubt(case, side(1.0, **ours), side(9.0, **theirs), "", others)
    assert told in said
    assert bool(said) == bool(told)


def test_nothing_is_claimed_in_a_trial(load: Any) -> None:
    speed = load("speed")
    runner = speed.Runner(argparse.Namespace(quick=True), Path())
    case = speed.Case("a case", "photos", lambda _: [])
    assert "trial" in runner.doubt(case, side(1.0, accuracy=1.0), side(9.0, accuracy=0.1), "", 0.0)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("no picture under '/tmp/a/b'", "no picture under 'b'"),
        ("nothing at /home/me/room/x.jpg", "nothing at x.jpg"),
        ("1/2/3 of it", "1/2/3 of it"),
    ],
)
def test_folders_of_the_machine_are_left_out(load: Any, text: str, told: str) -> None:
    assert load("speed").FOLDERS.sub("", text) == told


def test_exponents_of_powers(load: Any) -> None:
    exponents = load("growth").exponents
    assert exponents([(10, 7.0), (100, 70.0), (1000, 700.0)]) == {"all": 1.0, "last": 1.0}
    assert exponents([(10, 5.0), (100, 5.0), (1000, 500.0)])["last"] == 2.0


def test_an_environment_that_is_there_is_taken_where_its_versions_are_those(
    load: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    environments = load("environments")
    here = {"layered": False, "install": [f"numpy=={np.__version__}"], "pins": []}
    monkeypatch.setitem(environments.PEERS, "numbers", here)
    assert environments.fits("numbers", Path(sys.executable))
    for other in (["numpy==0.1"], ["headstart-of-nobody==1"]):
        monkeypatch.setitem(environments.PEERS, "others", {**here, "install": other})
        assert not environments.fits("others", Path(sys.executable))
    (tmp_path / "numbers" / "bin").mkdir(parents=True)
    (tmp_path / "numbers" / "bin" / "python").symlink_to(sys.executable)
    monkeypatch.setattr(environments, "fits", lambda peer, python: peer == "numbers" and python.is_file())
    monkeypatch.setattr(environments.venv, "create", lambda *_, **__: pytest.fail("it was made again"))
    assert environments.python_of("numbers", tmp_path) == tmp_path / "numbers" / "bin" / "python"


def test_every_package_of_a_peer_has_one_version(load: Any) -> None:
    environments, cases = load("environments"), load("cases")
    lock = dict(line.split("==") for line in environments.CONSTRAINTS.read_text().splitlines()[1:])
    for peer, wanted in environments.PEERS.items():
        lines = environments.constraints_of(peer).splitlines()
        names = [line.partition("==")[0] for line in lines if "==" in line]
        assert len(names) == len(set(names))
        assert ("torch" in names) == wanted["layered"]
        for package in wanted["install"]:
            assert "==" in package or package in lock
    place = cases.Place(Path("data"), Path("room"), quick=True, one_thread=True)
    asked = {
        arm.peer
        for case in cases.CASES.values()
        if case.data not in ("texts", "few")  # their sides look for files
        for arm in (*case.arms(place), *case.before(place))
    }
    assert asked - {""} <= environments.PEERS.keys()


def test_the_made_source_reads_the_made_texts(load: Any, tmp_path: Path) -> None:
    growth = load("growth")
    data, spec = growth.write(growth.Size(40, classes=4, width=8), tmp_path)
    import headstart as hs
    from headstart import sources

    dataset, backbone = hs.load(data), sources.load(spec)
    assert len(dataset) == 40
    assert dataset.task is not None
    assert dataset.task.outputs == 4
    assert backbone.width(backbone.embedding) == 8


def test_a_network_of_characters_is_trained_behind_what_is_stored(load: Any) -> None:
    characters = load("_characters")
    torch.manual_seed(0)
    network, vocabulary = characters.Characters(6, 4, 5), {"<s>": 1, "a": 2, "b": 3, "c": 4}
    given, wanted, of = characters.windows(["abab", "cz"], vocabulary)
    assert wanted.tolist() == [2, 3, 2, 3, 1, 4, 1]  # z has no number
    assert of.tolist() == [0] * 5 + [1] * 2
    assert given[2].tolist()[-3:] == [1, 2, 3]
    own = torch.nn.functional.cross_entropy(network(given), wanted, reduction="none").detach()
    np.testing.assert_allclose(characters.nats(network, given, wanted), own, rtol=1e-5)
    found, texts = characters.arms(network, vocabulary, ["abab"] * 20, ["abab", "ab"], 0)
    assert found.keys() == {"single characters", "untouched", "scratch", "last layers"}
    assert found["last layers"].mean() < found["untouched"].mean()
    assert len(texts) == len(found["scratch"]) == 8


def test_a_training_of_the_last_layers_leaves_the_first_alone(load: Any) -> None:
    characters = load("_characters")
    torch.manual_seed(0)
    network = characters.Characters(6, 4, 5)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    given, wanted, _ = characters.windows(["aab"] * 20, {"<s>": 1, "a": 2, "b": 3})
    characters.trained(network, given, wanted, np.arange(len(wanted)) % 5 == 0, last=True, seed=0)
    moved = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == {name for name in before if not name.startswith(("embedding", "rnn_1"))}


def test_a_difference_is_a_ratio_of_sums_over_groups(load: Any) -> None:
    sequences = load("sequences")
    found = sequences.interval([3.0, 5.0, 1.0], [1.0, 5.0, 0.0], ["a", "a", "b"], [4, 4, 2])
    assert (found["difference"], found["groups"], found["items"]) == (0.3, 2, 3)
    assert found["low"] == pytest.approx(2 / 8)  # both draws are of the one group, or of the other
    assert found["high"] == pytest.approx(1 / 2)
