from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import fx

import headstart
from headstart.errors import BadOption
from headstart.sources.networks.small import DEFAULTS, build

BUNDLED = Path(headstart.__file__).parent / "sources" / "bundled"
RECORDS = sorted(BUNDLED.glob("*.json"))


def test_default_network_is_small_enough_to_ship() -> None:
    network = build({}, 0)
    assert sum(value.numel() for value in network.state_dict().values()) * 2 < 2_480_000


@pytest.mark.parametrize("classes", [0, 7])
def test_shapes_and_names(classes: int) -> None:
    network = build({}, classes).eval()
    assert [name for name, _ in network.named_children()] == [
        "stem", "stage1", "stage2", "stage3", "stage4", "pool", "fc",
    ]  # fmt: skip
    with torch.inference_mode():
        assert network(torch.rand(2, 3, 32, 32)).shape == (2, classes or 256)
        assert network(torch.rand(1, 3, 50, 41)).shape == (1, classes or 256)


def test_sides_of_the_stages() -> None:
    network, sides = build({}, 0).eval(), []
    for name in ("stage1", "stage2", "stage3", "stage4"):
        network.get_submodule(name).register_forward_hook(lambda *a: sides.append(a[2].shape[-1]))
    network(torch.rand(1, 3, 32, 32))
    assert sides == [16, 8, 4, 2]


def test_every_option_is_used() -> None:
    kwargs = {"widths": [8, 8, 16, 24], "strides": [1, 1, 2, 1], "depths": [2, 1, 1, 1]}
    network = build({**kwargs, "stem_stride": 1, "channels": 1}, 5).eval()
    assert network(torch.rand(2, 1, 8, 8)).shape == (2, 5)
    assert len(network.get_submodule("stage1")) == 2  # type: ignore[arg-type]


def test_traceable() -> None:
    network = build({}, 3).eval()
    traced = fx.symbolic_trace(network)
    x = torch.rand(2, 3, 32, 32)
    with torch.inference_mode():
        torch.testing.assert_close(traced(x), network(x))


@pytest.mark.parametrize(
    "kwargs",
    [
        {"width": [1, 2, 3, 4]},
        {"widths": [1, 2, 3]},
        {"widths": [0, 1, 1, 1]},
        {"strides": "1222"},
        {"depths": [1, 1, 1, 1.5]},
        {"stem_stride": 0},
        {"channels": True},
    ],
)
def test_mistakes_are_named(kwargs: dict) -> None:
    with pytest.raises(BadOption, match="small-resnet"):
        build(kwargs, 0)


@pytest.mark.parametrize("classes", [-1, 2.0])
def test_number_of_classes(classes: object) -> None:
    with pytest.raises(BadOption, match="num_classes"):
        build({}, classes)  # type: ignore[arg-type]


def test_defaults_are_not_changed_by_use() -> None:
    before = dict(DEFAULTS)
    build({"widths": [8, 8, 8, 8]}, 0)
    assert dict(DEFAULTS) == before


@pytest.mark.parametrize("record", RECORDS, ids=lambda path: path.stem)
class TestBundled:
    """Every source that ships: the record tells the truth about the file beside it."""

    def test_record_fits_the_weights(self, record: Path) -> None:
        known = json.loads(record.read_text())
        data = record.with_suffix(".safetensors").read_bytes()
        assert hashlib.sha256(data).hexdigest() == known["sha256"]
        assert len(data) <= 2_500_000
        assert known["name"] == record.stem
        assert known["licence"] == "Apache-2.0"
        assert "good at" in known["note"]
        assert "bad at" in known["note"]
        assert known["table"]
        assert {"version", "seed", "families"} <= set(known["recipe"])

    def test_loads_and_runs(self, record: Path) -> None:
        known = json.loads(record.read_text())
        if "num_classes" not in known:
            pytest.skip("of another architecture: its own tests open it")
        network = build(known["kwargs"], known["num_classes"])
        tensors = load_file(record.with_suffix(".safetensors"))
        missing, unexpected = network.load_state_dict(tensors, strict=False)
        assert not unexpected
        assert all(name.endswith("num_batches_tracked") for name in missing)
        assert sum(p.numel() for p in network.parameters()) == known["parameters"]
        side = known["input"]
        with torch.inference_mode():
            state = network.eval()((torch.rand(4, 3, side, side) - 0.5) / 0.25)
        assert state.isfinite().all()
        assert state.std() > 0
