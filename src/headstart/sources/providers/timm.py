"""`timm/NAME`: pretrained image models of PyTorch Image Models, through the hub's own cache."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.core.source import Source
from headstart.errors import SourceError, UnknownName
from headstart.sources.files.fetching import fetch_file, fetch_hub, hash_prefix, hub_file, torch_hub_file
from headstart.sources.networks import recipes
from headstart.sources.providers import recommended

if TYPE_CHECKING:
    from headstart.sources.cuts.traced import TracedBackbone

SAFE, PICKLED = "model.safetensors", "pytorch_model.bin"


def find(spec: str, name: str) -> Source:
    """The record of a model; parameters are counted without memory for them. Raises `UnknownName`."""
    source = describe(spec, name)
    if source.parameters is not None:
        return source
    parameters = _count(name)
    size = source.size_bytes or (4 * parameters if parameters else None)
    return replace(source, parameters=parameters, size_bytes=size)


def describe(spec: str, name: str) -> Source:
    """The record; for one that is not recommended without the number of parameters: nothing is built."""
    return recommended.find(spec) or record(spec, name)


def record(spec: str, name: str) -> Source:
    """The record as timm has it. Raises `UnknownName`."""
    config = recipes.timm_config(name)
    if config is None or not config.has_weights:
        raise UnknownName(
            "pretrained model of timm", name, names(), listing="headstart sources --search TEXT"
        )
    path = _local(config)
    tagged = name if "." in name or not config.tag else f"{name}.{config.tag}"
    papers = config.paper_ids or ()
    return Source(
        spec=spec,
        name=tagged,
        architecture={"library": "timm", "arch": tagged, "kwargs": {}, "num_classes": config.num_classes},
        input=recipes.timm_contract(config),
        labels=_labels(config),
        revision=path.parent.name if path is not None and path.parent.parent.name == "snapshots" else None,
        licence=config.license,
        local=path is not None,
        size_bytes=path.stat().st_size if path is not None else None,
        paper=papers if isinstance(papers, str) else next(iter(papers), None),
    )


def load(source: Source, *, download: bool = False) -> TracedBackbone:
    """The network with its weights, put in place by timm itself (which knows each checkpoint's quirks).

    Nothing in the file is run. Raises `SourceError` for one that is damaged, of another model, holds
    code, or does not have the hash that its name carries; `WeightsMissing`.
    """
    import timm
    import torch

    from headstart.sources.networks import opening

    arch = str(source.architecture["arch"])
    config = timm.get_pretrained_cfg(arch)
    path = _local(config) or _fetch(config, source, download)
    overlay = {**_handed(config, path, source.spec), "url": "", "hf_hub_id": None, "custom_load": False}
    try:
        with torch.random.fork_rng(devices=[]):
            network = timm.create_model(arch, pretrained=True, pretrained_cfg_overlay=overlay)
        kept: Any = network.pretrained_cfg
        kept.pop("state_dict", None)  # a second copy of the weights
    except Exception as error:  # a damaged file, or one of another model
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise SourceError(
            source.spec, f"its weight file {path} cannot be used ({reason})", "fetch it again"
        ) from error
    return opening.wrap(network.eval(), replace(source, labels=source.labels or _labels(config), local=True))


def _handed(config: Any, path: Path, spec: str) -> dict[str, Any]:
    """What timm is to load: a .safetensors file as it is, anything else as tensors that we read.

    Not all versions of timm read with `weights_only`: then code in a pickled file would run.
    """
    from headstart.sources.files import weights

    prefix = None if config.hf_hub_id else hash_prefix(config.url)
    if prefix is not None:  # the hub checks what it fetches; torch.hub's folder takes any file
        weights.check_sha256(path, prefix, spec)
    if path.suffix == ".safetensors":
        return {"file": str(path)}
    return {"file": "", "state_dict": weights.read(path, spec)}


def names() -> Sequence[str]:
    """All pretrained models, best known tag first."""
    import timm

    found: list[str] = timm.list_pretrained()
    return found


def _labels(config: Any) -> tuple[str, ...] | None:
    from timm.data import infer_imagenet_subset

    if config.label_names:
        return tuple(map(str, config.label_names))
    subset = infer_imagenet_subset({**config.to_dict(), "num_classes": config.num_classes})
    return None if subset is None else recipes.timm_labels(subset)


def _count(name: str) -> int | None:
    import timm
    import torch

    try:
        with torch.device("meta"):
            network = timm.create_model(name, pretrained=False)
    except Exception:  # some constructors compute with their weights; then the number stays unknown
        return None
    return sum(parameter.numel() for parameter in network.parameters())


def _local(config: Any) -> Path | None:
    """The weight file, if it is on this machine."""
    if config.hf_hub_id:
        wanted = [config.hf_hub_filename] if config.hf_hub_filename else [SAFE, PICKLED]
        return next((path for name in wanted if (path := hub_file(config.hf_hub_id, name))), None)
    return torch_hub_file(config.url) if isinstance(config.url, str) and config.url else None


def _fetch(config: Any, source: Source, download: bool) -> Path:
    if config.hf_hub_id:
        return fetch_hub(config.hf_hub_id, config.hf_hub_filename or SAFE, source, download)
    return fetch_file(config.url, source, download)
