from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from headstart import strategies, tasks
from headstart.core.strategy import Request, Settings
from headstart.modalities.image import prepare
from headstart.nets import assemble
from headstart.strategies.direct import combine, match, normalised
from headstart.testing.fakes import SHAPES, MemoryExtractor, TinyBackbone, folds, shapes
from made.models import ARCHITECTURE, INPUT, random_backbone

IMAGENET = (
    "goldfish, Carassius auratus",
    "cock",
    "bee",
    "bee eater",
    "ant, emmet, pismire",
    "tabby, tabby cat",
    "Persian cat",
    "Madagascar cat, ring-tailed lemur, Lemur catta",
    "hotdog, hot dog, red hot",
    "Eskimo dog, husky",
    "peacock",
    "drake",
    "strawberry",
    "wolf spider, hunting spider",
)


def request(kind: str = "classification", *, labels=SHAPES, source=SHAPES, **changes) -> Request:
    dataset = shapes(kind, per_class=10, labels=labels[:3])
    assert dataset.task is not None
    values = {
        "dataset": dataset,
        "task": dataset.task,
        "split": folds(dataset, parts=3),
        "features": MemoryExtractor(dataset),
        "backbone": TinyBackbone(labels=source).teach(shapes(classes=6, per_class=20, seed=2)),
    }
    return Request(**{**values, **changes})


class TestMatch:
    @pytest.mark.parametrize(
        ("label", "expected"),
        [
            ("bees", [2]),
            ("Ants", [4]),
            ("cat", [5, 6, 7]),
            ("tabby_cat", [5]),
            ("hot-dog", [8]),
            ("dog", [8, 9]),
            ("husky", [9]),
            ("strawberries", [12]),
            ("spider", [13]),
            ("wolf", []),
            ("cocks", [1]),
            ("bird", []),
            ("goldfish, Carassius auratus", [0]),
            ("", []),
        ],
    )
    def test_one_label(self, label: str, expected: list[int]) -> None:
        assert match([label], IMAGENET) == [expected]

    def test_a_class_goes_to_the_label_that_shares_most_words(self) -> None:
        assert match(["dog", "hot dog"], IMAGENET) == [[9], [8]]

    def test_a_class_that_fits_two_labels_alike_goes_to_neither(self) -> None:
        assert match(["lemur", "cat"], ["cat, lemur"]) == [[], []]

    def test_by_hand_goes_first(self) -> None:
        chosen = {"Persian cats": "pet", "drake": "bird", "husky": "pet"}
        assert match(["bird", "pet", "cat"], IMAGENET, chosen) == [[11], [6, 9], [5, 7]]

    @given(st.permutations(IMAGENET))
    def test_the_order_of_classes_does_not_matter(self, order: list[str]) -> None:
        labels = ["bees", "cat", "hot dog", "dog"]
        expected = [{IMAGENET[i] for i in columns} for columns in match(labels, IMAGENET)]
        assert [{order[i] for i in columns} for columns in match(labels, order)] == expected

    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("Glasses", "glass"),
            ("Golden_Retriever", "golden retriever"),
            ("berries", "berry"),
            ("foxes", "fox"),
            ("benches", "bench"),
            ("cactus", "cactus"),
            ("bass", "bass"),
            ("ＢＥＥＳ ", "bee"),
            ("class 3", "class 3"),
        ],
    )
    def test_normalised(self, name: str, expected: str) -> None:
        assert normalised(name) == expected


class TestFit:
    def test_knows_what_the_classifier_knows(self) -> None:
        asked = request()
        trial = strategies.get("direct").fit(asked)
        assert trial.status == "done"
        assert (
            tasks.get("classification").scores["accuracy"].value(asked.dataset.y, trial.predictions.array[0])
            > 0.6
        )
        assert trial.choices["labels"] == {name: [name] for name in SHAPES[:3]}
        assert trial.reason == "3 of its 6 classes name the labels"
        assert trial.cost.forward_passes == 1.0

    def test_labels_that_are_not_there_are_named(self) -> None:
        trial = strategies.get("direct").fit(request(labels=("disc", "zebra", "yak")))
        assert trial.status == "not applicable"
        assert trial.reason == "'zebra', 'yak' are not among the source's 6 classes"

    def test_by_a_map(self) -> None:
        asked = request(labels=("round", "square", "plus"))
        chosen = Settings(label_map={"Disc": "round", "ring": "round", "cross": "plus"})
        trial = strategies.get("direct").fit(replace(asked, settings=chosen))
        assert trial.status == "done"
        assert trial.choices["labels"]["round"] == ["disc", "ring"]

    @pytest.mark.parametrize(
        ("chosen", "expected"),
        [
            ({"dics": "disc"}, "'dics', which is no class of the source; did you mean 'disc'"),
            ({"disc": "disk"}, "'disk', which is no label of the data; did you mean 'disc'"),
        ],
    )
    def test_a_map_with_a_mistake(self, chosen: dict[str, str], expected: str) -> None:
        trial = strategies.get("direct").fit(request(settings=Settings(label_map=chosen)))
        assert trial.status == "not applicable"
        assert expected in trial.reason

    def test_no_classifier(self) -> None:
        trial = strategies.get("direct").fit(request(backbone=TinyBackbone()))
        assert trial.reason == "the source comes without a classifier"
        other = strategies.get("direct").fit(request("regression"))
        assert other.status == "not applicable"

    def test_names_that_do_not_fit_the_classifier(self) -> None:
        backbone = TinyBackbone(labels=SHAPES)
        backbone.source = replace(backbone.source, labels=("background", *SHAPES))
        trial = strategies.get("direct").fit(request(backbone=backbone))
        assert trial.status == "not applicable"
        assert trial.reason == "its classifier has 6 classes, but 7 names are known"


@pytest.mark.parametrize("kind", ["classification", "multilabel"])
def test_the_model_computes_what_was_predicted(kind: str) -> None:
    backbone = random_backbone(ARCHITECTURE, INPUT)
    names = tuple(f"thing {i}" for i in range(7))
    backbone.source = replace(backbone.source, labels=names)
    assert backbone.classifier is not None
    labels = ("thing 1", "thing 3", "thing 6")
    asked = request(kind, labels=labels, backbone=backbone)
    if kind == "multilabel":  # its fourth label is "bright"
        asked = replace(asked, settings=Settings(label_map={"thing 4": "bright", "thing 5": "bright"}))
    trial = strategies.get("direct").fit(asked)
    assert trial.status == "done", trial.reason
    model = strategies.get("direct").refit(asked, trial)
    pixels = np.stack([prepare(item.read(), model.input) for item in asked.dataset.items])
    found = assemble(model.net, model.tensors, model.input, model.task)(torch.from_numpy(pixels)).numpy()
    assert np.abs(found - trial.predictions.array[0]).max() < 0.01


def test_combine_sums_probabilities() -> None:
    logits = np.log(np.array([[0.1, 0.2, 0.3, 0.4]]))
    assert np.allclose(combine(logits, [[0], [1, 2]], tasks.get("classification")), [[1 / 6, 5 / 6]])
    assert np.allclose(combine(logits, [[0], [1, 2]], tasks.get("multilabel")), [[0.1, 0.5]])
    assert np.isfinite(combine(np.array([[1e4, -1e4]]), [[1], [0]], tasks.get("multilabel"))).all()
