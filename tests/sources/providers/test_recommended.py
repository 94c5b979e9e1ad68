"""What is written down about recommended sources is what their libraries say."""

from __future__ import annotations

import pytest

from headstart.sources.networks import recipes
from headstart.sources.providers import recommended, timm, torchvision
from headstart.sources.providers.recommended import TABLE, Entry


@pytest.mark.parametrize("entry", [e for e in TABLE if e.modality == "image"], ids=lambda e: e.spec)
def test_entry(entry: Entry) -> None:
    source = recommended.find(entry.spec)
    assert source is not None
    library, _, name = entry.spec.partition("/")
    real = (timm if library == "timm" else torchvision).record(entry.spec, name)
    assert source.architecture == real.architecture
    assert source.input == real.input
    assert source.licence == real.licence
    assert entry.note
    if library == "timm":
        assert entry.parameters == timm._count(name)
    else:
        assert entry.parameters == real.parameters
        assert entry.prior == real.prior
        assert recipes.torchvision_weights(name, "").url.endswith(f"/{entry.file}")


def test_smallest_first() -> None:
    for modality in ("image", "text"):
        found = [recommended.find(spec) for spec in recommended.specs(modality)]
        sizes = [source.parameters or 0 for source in found if source is not None]
        assert sizes == sorted(sizes)
        assert len(sizes) > 5
