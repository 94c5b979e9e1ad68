"""From a folder to a detector, and to the Backbone that its trunk is."""

from __future__ import annotations

from pathlib import Path

import torch

from headstart.core.source import Source
from headstart.errors import SourceError
from headstart.sources.cuts.traced import TracedBackbone, digest_of, make_plan
from headstart.sources.detection import transformed
from headstart.sources.detection.files import folder
from headstart.sources.files import weights
from headstart.sources.layers import filling
from headstart.sources.text.networks import transformer


def open_folder(source: Source, root: Path) -> TracedBackbone:
    """The source's network with the weights in its folder. Raises `SourceError`, `MissingExtra`."""
    layout = folder.read(root, source.spec)
    transformer.library()
    source, tensors = weights.read_folder(layout.weights, source)
    architecture = layout.architecture
    detector = transformed.fill(architecture, tensors, source.spec)
    network = transformed.trunk(detector)
    pixels = torch.linspace(-2, 2, 3 * 64 * 64).cos().reshape(1, 3, 64, 64)
    with transformer.running(source.spec), torch.inference_mode():
        ours, theirs = network(pixels), transformed.last_map(detector, pixels)
    if ours.shape != theirs.shape or not torch.allclose(ours, theirs, rtol=1e-3, atol=1e-4):
        raise SourceError(
            source.spec, "its trunk is no chain of convolutional stages", "take another detector"
        )
    found = filling.described(source, detector, architecture, layout.contract)
    digest = digest_of(found, dict(detector.state_dict()))
    backbone = TracedBackbone(
        network,
        found,
        make_plan(network, found, head=False),
        classifier=False,
        rebuild=lambda: transformed.rebuilt(architecture),
        digest=digest,
    )
    backbone.detector = detector
    return backbone
