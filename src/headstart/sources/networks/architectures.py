"""From an architecture in JSON to a network with random weights, by the library it comes from.

An architecture is `{"library", "arch", "kwargs", "num_classes"}`; "channel_multiplier" makes the
narrow variants of MobileNet that have no name of their own in timm, "boxes" the trunk of a detector. To
add a library: a function here and its line in `LIBRARIES`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from headstart.core.untrusted import reason
from headstart.errors import HeadstartError, SourceError, UnknownName
from headstart.sources.files import audit

if TYPE_CHECKING:
    from torch import nn

GENERATORS = {
    "mobilenetv1": "_gen_mobilenet_v1",
    "mobilenetv2": "_gen_mobilenet_v2",
    "mobilenetv3": "_gen_mobilenet_v3",
}
"""Family -> timm's generator, which takes a channel multiplier."""

LISTING = "headstart sources --search TEXT"

NEEDED: Mapping[str, Mapping[str, Any]] = {
    "inception_v3": {"aux_logits": True, "init_weights": True},
    "googlenet": {"aux_logits": True, "init_weights": True},
}
"""Arguments without which torchvision warns, or leaves out layers that its weight files hold."""


def build(architecture: Mapping[str, Any]) -> nn.Module:
    """The whole network in eval mode, with a classifier of at least one class, randomly initialised.

    Draws from torch's global generator. Raises `SourceError`, also for arguments that would reach beyond the
    network (`headstart.sources.networks.audit`), or `UnknownName`.
    """
    audit.check(architecture)
    library = str(architecture.get("library", ""))
    if library not in LIBRARIES:
        raise UnknownName("model library", library, sorted(LIBRARIES))
    arch = str(architecture.get("arch", ""))
    classes = max(1, int(architecture.get("num_classes") or 0))
    try:
        network = LIBRARIES[library](architecture, arch, classes, dict(architecture.get("kwargs") or {}))
    except HeadstartError:
        raise
    except Exception as error:  # whatever a library raises for arguments that do not go together
        raise SourceError(f"{library}/{arch}", f"cannot be built ({reason(error)})") from error
    return network.eval()


def _timm(architecture: Mapping[str, Any], arch: str, classes: int, kwargs: dict[str, Any]) -> nn.Module:
    import timm

    if not timm.is_model(arch.partition(".")[0]):
        raise UnknownName("model of timm", arch, timm.list_models(), listing=LISTING)
    multiplier = architecture.get("channel_multiplier")
    if multiplier is None:
        network: nn.Module = timm.create_model(arch, pretrained=False, num_classes=classes, **kwargs)
        return network
    from timm.models import efficientnet, mobilenetv3

    family = arch.partition("_")[0]
    if family not in GENERATORS:
        raise SourceError(f"timm/{arch}", f"channel_multiplier is known for {', '.join(GENERATORS)} only")
    module = mobilenetv3 if family == "mobilenetv3" else efficientnet
    generate: Callable[..., nn.Module] = getattr(module, GENERATORS[family])
    kwargs |= {"channel_multiplier": float(multiplier), "pretrained": False, "num_classes": classes}
    return generate(arch, **kwargs)


def _torchvision(
    architecture: Mapping[str, Any], arch: str, classes: int, kwargs: dict[str, Any]
) -> nn.Module:
    from torchvision import models

    if architecture.get("boxes"):
        from headstart.sources.networks import detectors

        return detectors.trunk(detectors.whole(architecture))
    if arch not in models.list_models(module=models):
        known = models.list_models(module=models)
        raise UnknownName("model of torchvision", arch, known, listing=LISTING)
    arguments = {**NEEDED.get(arch, {}), **kwargs}
    network: nn.Module = models.get_model(arch, weights=None, num_classes=classes, **arguments)
    return network


def _transformers(
    architecture: Mapping[str, Any],
    arch: str,
    classes: int,  # noqa: ARG001
    kwargs: dict[str, Any],  # noqa: ARG001
) -> nn.Module:
    if not architecture.get("boxes"):
        raise SourceError(f"transformers/{arch}", "its architecture does not say how many classes it finds")
    from headstart.sources.detection import transformed

    return transformed.rebuilt(architecture)


def _own(_: Mapping[str, Any], arch: str, classes: int, kwargs: dict[str, Any]) -> nn.Module:
    from headstart.sources.networks import small

    if arch != "small-resnet":
        raise UnknownName("network of Headstart", arch, ["small-resnet"])
    return small.build(kwargs, classes)


LIBRARIES: Mapping[str, Callable[[Mapping[str, Any], str, int, dict[str, Any]], Any]] = {
    "timm": _timm,
    "torchvision": _torchvision,
    "headstart": _own,
    "transformers": _transformers,
}
"""Name -> (architecture, arch, number of classes, further arguments) -> network."""
