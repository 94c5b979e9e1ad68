"""Each kind of network against the formula, written out in numpy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import expit, softmax

from headstart import nets
from headstart.core.model import Model
from headstart.errors import NetError, UnknownName
from headstart.nets.base import Net
from made.models import tiny_images, tiny_model, tiny_task

IMAGES = tiny_images(5)
KINDS = ("constant", "pixels", "rbf", "average", "taps", "classifier")


def put_together(model: Model) -> Net:
    return nets.assemble(model.net, model.tensors, model.input, model.task)


def answers(model: Model, images: np.ndarray = IMAGES) -> np.ndarray:
    with torch.inference_mode():
        return put_together(model)(torch.from_numpy(images)).numpy()


def changed(model: Model, **tensors: np.ndarray | None) -> Model:
    kept = {name: array for name, array in model.tensors.items() if tensors.get(name, array) is not None}
    return replace(model, tensors={**kept, **{k: v for k, v in tensors.items() if v is not None}})


def shrunk(images: np.ndarray, side: int) -> np.ndarray:
    """Area average, by blocks."""
    block = images.shape[-1] // side
    cells = images.reshape(len(images), 3, side, block, side, block).astype(np.float64)
    return cells.mean(axis=(3, 5)).reshape(len(images), -1) / 255


def test_constant() -> None:
    model = tiny_model("constant")
    np.testing.assert_allclose(
        answers(model), np.tile(softmax(model.tensors["head.bias"]), (5, 1)), rtol=1e-6
    )


def test_linear_pixels() -> None:
    model = tiny_model("pixels")
    t = model.tensors
    x = (shrunk(IMAGES, 8) - t["pixels.mean"]) / t["pixels.sd"]
    np.testing.assert_allclose(
        answers(model), softmax(x @ t["head.weight"].T + t["head.bias"], axis=1), atol=1e-5
    )


def test_rbf_pixels() -> None:
    model = tiny_model("rbf")
    t = model.tensors
    x = (shrunk(IMAGES, 8) - t["pixels.mean"]) / t["pixels.sd"]
    distance = ((x[:, None] - t["landmarks"][None]) ** 2).sum(axis=2)
    z = np.exp(-model.net["gamma"] * distance) @ t["head.weight"].T + t["head.bias"]
    np.testing.assert_allclose(answers(model), softmax(z, axis=1), atol=1e-5)


@pytest.mark.parametrize("task", ["classification", "multilabel", "regression"])
def test_average_is_in_the_space_of_predictions(task: str) -> None:
    model = tiny_model("average", tiny_task(task))
    parts = []
    for number, net in enumerate(model.net["members"]):
        inner = {k.split(".", 1)[1]: v for k, v in model.tensors.items() if k.startswith(f"{number}.")}
        parts.append(answers(replace(model, net=net, tensors=inner)))
    expected = sum(w * p for w, p in zip(model.net["weights"], parts, strict=True))
    np.testing.assert_allclose(answers(model), expected, atol=1e-5)
    twice = replace(model, net={**model.net, "weights": [1.0, 0.6, 0.4]})
    np.testing.assert_allclose(answers(twice), expected, atol=1e-5)


@pytest.mark.parametrize(("task", "activate"), [("classification", softmax), ("multilabel", expit)])
@pytest.mark.parametrize("kind", ["pixels", "average"])
def test_temperature_divides_the_logits(task: str, activate: object, kind: str) -> None:
    plain = put_together(tiny_model(kind, tiny_task(task)))
    warm = tiny_model(kind, tiny_task(task), temperature=2.5)
    with torch.inference_mode():
        logits = plain.logits(torch.from_numpy(IMAGES)).double().numpy() / 2.5
    expected = softmax(logits, axis=1) if activate is softmax else expit(logits)
    np.testing.assert_allclose(answers(warm), expected, atol=1e-5)


def test_a_value_has_no_temperature() -> None:
    task = tiny_task("regression")
    with pytest.raises(NetError, match="temperature"):
        put_together(tiny_model("pixels", task, temperature=2.0))


@pytest.mark.parametrize("kind", KINDS)
def test_state_has_the_names_of_the_tensors(kind: str) -> None:
    model = tiny_model(kind, temperature=1.5)
    state = put_together(model).state_dict()
    assert set(state) == set(model.tensors)
    for name, tensor in state.items():
        np.testing.assert_array_equal(tensor.numpy(), model.tensors[name])


@pytest.mark.parametrize("kind", KINDS)
def test_ready_to_predict(kind: str) -> None:
    net = put_together(tiny_model(kind))
    assert not any(module.training for module in net.modules())
    assert not any(parameter.requires_grad for parameter in net.parameters())
    for size in (1, 5):
        found = net(torch.from_numpy(IMAGES[:size]))
        assert found.shape == (size, 3)
        assert found.dtype == torch.float32
        torch.testing.assert_close(found.sum(1), torch.ones(size))


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_does_not_depend_on_its_batch(kind: str) -> None:
    model = tiny_model(kind)
    one_by_one = np.concatenate([answers(model, IMAGES[i : i + 1]) for i in range(5)])
    np.testing.assert_allclose(answers(model), one_by_one, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_tensors_are_not_shared_with_the_model(kind: str) -> None:
    model = tiny_model(kind)
    before = model.fingerprint()
    with torch.no_grad():
        for tensor in put_together(model).state_dict().values():
            tensor.zero_()
    assert model.fingerprint() == before


# what does not fit together


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"head.bias": None}, r"lacks the tensor 'head.bias'"),
        ({"head.bias": np.zeros(4, np.float32)}, r"'head.bias' of shape \[4\] instead of \[3\]"),
        ({"pixels.sd": np.zeros(4, np.float32)}, r"instead of \[192\]"),
        ({"head.weight": np.zeros((3, 5), np.float32)}, r"instead of \[3, 192\]"),
        ({"surprise": np.zeros(1, np.float32)}, r"no use for, such as 'surprise'"),
    ],
)
def test_tensors_that_do_not_fit(tensors: dict, message: str) -> None:
    with pytest.raises(NetError, match=message):
        put_together(changed(tiny_model("pixels"), **tensors))


@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        ("pixels", {"side": 0}, "side 0"),
        ("pixels", {"side": 64}, "images are 32 x 32"),
        ("pixels", {"side": "8"}, "usable 'side'"),
        ("pixels", {"map": "cubic"}, "linear or rbf"),
        ("pixels", {"flavour": 1}, "unknown fields: flavour"),
        ("average", {"weights": [1.0]}, "3 members"),
        ("average", {"weights": [-1.0, 1.0, 1.0]}, "weights"),
        ("average", {"members": []}, "0 members"),
        ("taps", {"taps": []}, "no taps"),
        ("taps", {"taps": ["layer4"]}, "cannot be read"),
        ("taps", {"architecture": 3}, "usable 'architecture'"),
        ("classifier", {"columns": [[0]]}, "1 of 3 labels"),
    ],
)
def test_recipes_that_do_not_fit(kind: str, changes: dict, message: str) -> None:
    model = tiny_model(kind)
    with pytest.raises(NetError, match=message):
        put_together(replace(model, net={**model.net, **changes}))


def test_unknown_kinds_suggest_near_ones() -> None:
    with pytest.raises(UnknownName, match="did you mean 'average'"):
        nets.kind_of({"kind": "averaged"})
    with pytest.raises(UnknownName, match="nonsense"):
        nets.kind_of({"kind": "average", "members": [{"kind": "nonsense"}]})
    with pytest.raises(NetError, match='no "kind"'):
        nets.kind_of({})


def test_unknown_stages_are_named() -> None:
    model = tiny_model("taps")
    with pytest.raises(UnknownName, match="stage"):
        put_together(replace(model, net={**model.net, "taps": ["nowhere/g1"]}))
