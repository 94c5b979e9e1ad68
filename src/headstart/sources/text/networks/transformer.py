"""Networks of the package `transformers`: built from a configuration, filled with weights that we read.

No code but that of the installed package is run: `trust_remote_code` is nowhere given, and what names code
in a configuration is dropped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from headstart._lazy import optional
from headstart.core.untrusted import limits
from headstart.errors import HeadstartError, NetError, SourceError
from headstart.sources.layers import filling
from headstart.sources.text.files.folder import LIBRARY, SHARED, plain

if TYPE_CHECKING:
    from types import ModuleType


def library() -> ModuleType:
    """The package. Raises `MissingExtra`."""
    return optional(LIBRARY, extra="text", needed_for="a source of Hugging Face")


@contextmanager
def quietly() -> Iterator[None]:
    """Without the library's progress bars and reports: what matters of them is raised by us."""
    logging = library().utils.logging
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


ATTENTION_DROPOUT = ("attention_probs_dropout_prob", "attention_dropout", "attn_pdrop", "attn_dropout")
"""Never used in training: attention then runs in one fused kernel (on a processor the forward half of a step
of MiniLM takes a third of the time, the whole step half). Dropout elsewhere stays."""


def configuration(architecture: Mapping[str, Any], spec: str = "") -> Any:
    """The library's own configuration. Raises `SourceError`."""
    arch = str(architecture["arch"])
    spec = spec or f"{LIBRARY}/{arch}"
    known = library().CONFIG_MAPPING
    if arch not in known:
        raise SourceError(
            spec,
            f"this version of transformers ({library().__version__}) has no model of type {arch!r}; "
            "models that bring their own code are not run",
            "update transformers, or take another source",
        )
    kwargs = plain(architecture.get("kwargs") or {})
    if architecture.get("backbone"):
        kwargs["backbone_config"] = {
            **kwargs.get("backbone_config", {}),
            "backbone": _of_timm(architecture, spec),
        }
    with blaming(spec, "its configuration cannot be used"):  # for fields that do not go together
        config = known[arch](**kwargs)
    config.use_cache = False
    for name in ATTENTION_DROPOUT:
        if hasattr(config, name):
            setattr(config, name, 0.0)
    config.dtype = torch.float32
    return config


def _of_timm(architecture: Mapping[str, Any], spec: str) -> str:
    """The trunk of a detector by its name in timm, whose weights are in the detector's file. Raises
    `SourceError`."""
    import timm

    name = str(architecture["backbone"])
    if set(name) & set(":/") or not timm.is_model(name):
        raise SourceError(spec, f"its trunk {name[:60]!r} is no model of timm", "take another detector")
    return name


ENCODER = "AutoModel"
"""Of which the encoder is kept; of the library's other classes, which write, all of the network."""


def build(architecture: Mapping[str, Any], kind: str = ENCODER) -> nn.Module:
    """The encoder, or another `kind` of network, with random weights by its own initialisation, in eval mode.

    Draws from torch's global generator. Raises `SourceError`, `MissingExtra`.
    """
    config = configuration(architecture)
    with blaming(f"{LIBRARY}/{architecture['arch']}", "cannot be built"), quietly():
        found: Any = getattr(library(), kind).from_config(config)
        return encoder(found) if kind == ENCODER else found.eval()  # type: ignore[no-any-return]


def fill(
    architecture: Mapping[str, Any], tensors: Mapping[str, Tensor], spec: str, auto: str = ENCODER
) -> nn.Module:
    """The same with the weights of a file, put in place by transformers, which knows old names.

    Raises `SourceError` when weights are missing or have other shapes.
    """
    config = configuration(architecture, spec)
    for name, value in (architecture.get("kwargs") or {}).items():
        if "layer" in name and isinstance(value, int) and value > max(limits.ARGUMENTS, len(tensors)):
            problem = f"its configuration says {name} = {value:,}, and its file has {len(tensors):,} tensors"
            raise SourceError(spec, problem, "fetch it again")
    misfit = "its weights do not fit its configuration"
    with blaming(spec, misfit), quietly(), torch.random.fork_rng(devices=[]):
        with torch.device("meta"):
            kind: Any = type(getattr(library(), auto).from_config(config))
        network, report = kind.from_pretrained(
            None,
            config=config,
            state_dict=_untied(architecture, tensors),
            dtype=torch.float32,
            output_loading_info=True,
        )
    found = encoder(network) if auto == ENCODER else network.eval()
    _check(found, network, report, spec)
    return found


def restore(architecture: Mapping[str, Any], tensors: Mapping[str, Any]) -> nn.Module:
    """The encoder with the state of one that was built alike. Raises `NetError` when they do not fit."""
    arch = str(architecture["arch"])
    layers = (architecture.get("kwargs") or {}).get("num_hidden_layers", 0)
    if isinstance(layers, int) and layers > len(tensors):
        raise NetError(arch, f"has {layers:,} layers, and {len(tensors):,} tensors")
    return filling.filled(lambda: build(architecture), tensors, arch)


def encoder(network: nn.Module) -> Any:
    """What of a model turns tokens into states: the encoder of two, without a pooler behind it."""
    found: Any = network
    if getattr(network.config, "is_encoder_decoder", False):
        found = found.get_encoder()
    for extra in ("pooler", "pooler_activation"):
        if isinstance(getattr(found, extra, None), nn.Module):
            setattr(found, extra, None)
    return found.eval()


def _untied(architecture: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """See `headstart.sources.text.files.folder.SHARED`."""
    if architecture["arch"] != SHARED:
        return dict(tensors)
    out: dict[str, Tensor] = {}
    layers = int(architecture["kwargs"]["num_hidden_groups"])
    groups = len({name.partition("albert_layer_groups.")[2].partition(".")[0] for name in tensors} - {""})
    for name, tensor in tensors.items():
        head, mark, rest = name.partition("albert_layer_groups.")
        number, _, rest = rest.partition(".")
        if not mark:
            out[name] = tensor
            continue
        for layer in range(layers):
            if layer * groups // layers == int(number):
                out[f"{head}{mark}{layer}.{rest}"] = tensor.clone()
    return out


def _check(found: nn.Module, network: nn.Module, report: Mapping[str, Any], spec: str) -> None:
    wanted = set(found.state_dict())
    prefix = next((f"{name}." for name, part in network.named_modules() if part is found and name), "")
    # what a formula gives is in no file: the library fills it in
    computed = {
        f"{name}.weight" for name, part in found.named_modules() if "Sinusoidal" in type(part).__name__
    }
    own = {name.removeprefix(prefix) for name in report["missing_keys"]} & wanted - computed
    shapes = [str(entry[0]) for entry in report["mismatched_keys"]]
    strange = [name for name in report["unexpected_keys"] if _inside(name, wanted)]
    problems = [
        f"{len(names)} tensor{'s' if len(names) > 1 else ''} {what} ({', '.join(sorted(names)[:3])})"
        for names, what in ((own, "missing"), (shapes, "of another shape"), (strange, "not expected"))
        if names
    ]
    if problems:
        raise SourceError(
            spec, f"its weights do not fit its configuration: {', '.join(problems)}", "fetch it again"
        )


def _inside(name: str, wanted: set[str]) -> bool:
    """Whether a tensor that is not expected stands among the network's own layers: another architecture."""
    holders = {own.rpartition(".")[0].rpartition(".")[0] for own in wanted}
    parts = name.split(".")[:-2]
    return any(".".join(parts[start:]) in holders for start in range(len(parts)))


@contextmanager
def blaming(
    spec: str, problem: str, remedy: str = "", *, but: tuple[type[Exception], ...] = (HeadstartError,)
) -> Iterator[None]:
    """What a library or a network raises inside, `but` for these, becomes a `SourceError`: this and why."""
    try:
        yield
    except but:
        raise
    except Exception as error:  # code of others runs: it may raise anything
        raise SourceError(spec, f"{problem} ({reason(error)})", remedy) from error


def running(spec: str, remedy: str = "take another source") -> AbstractContextManager[None]:
    """The same while a network is tried; memory that ran out is not its fault."""
    problem = "its network cannot be run as an encoder"
    return blaming(spec, problem, remedy, but=(HeadstartError, MemoryError))


def reason(error: Exception) -> str:
    """The first line of what an error says."""
    return str(error).splitlines()[0][:160] if str(error) else type(error).__name__
