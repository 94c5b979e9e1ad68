"""Strategies: one file, one way to use a source (or none). To add one: write the file, add its facts here.

In a package of your own the facts are an entry point of the group "headstart.strategies".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from headstart import tasks
from headstart.core.backbone import Backbone
from headstart.core.facts import Facts, Role
from headstart.core.generator import Prompted, Writes
from headstart.core.registry import Registry, found_at
from headstart.core.strategy import Prepares, Settings, Strategy
from headstart.core.task import Task
from headstart.errors import BadOption, HeadstartError, UnknownName
from headstart.tasks.base import Says

_HERE = "headstart.strategies"
_BOTH = "items without a label are known to add to so few labels"
_OWN = (
    Facts(
        "majority", f"{_HERE}.baselines:Majority", "floor",
        forms={
            "places": f"{_HERE}.dense.baselines:Majority",
            "boxes": f"{_HERE}.detection.baselines:Usual",
            "texts": f"{_HERE}.sentences.baselines:Majority",
        },
        title="the majority class", reason="the least any model must beat",
    ),
    Facts(
        "pixels", f"{_HERE}.baselines:Pixels", "simple", modalities=("image",), plain=32,
        forms={
            "places": f"{_HERE}.dense.baselines:Colours",
            "boxes": f"{_HERE}.detection.baselines:Blobs",
        },
        title="a simple model on raw pixels", short="raw pixels", reason="what needs no source at all",
    ),
    Facts(
        "copy", "", "simple", modalities=("text",), forms={"texts": f"{_HERE}.sentences.baselines:Copy"},
        title="copying a part of the text", short="copying", reason="what needs no learning at all",
    ),
    Facts(
        "tfidf", f"{_HERE}.tfidf:Tfidf", "simple", modalities=("text",), share=0.2,
        forms={"texts": f"{_HERE}.sentences.baselines:Nearest"},
        title="a simple model on words", short="words", reason="what needs no source at all",
    ),
    Facts(
        "bands", f"{_HERE}.bands:Bands", "simple", modalities=("audio",), share=0.2,
        title="a simple model on the loudness of bands", short="loudness of bands",
        reason="what needs no source at all",
    ),
    Facts(
        "linear", f"{_HERE}.rows:Linear", "simple", modalities=("table",), share=0.4,
        title="a linear model on the columns", short="linear", reason="what needs no source at all",
    ),
    Facts(
        "trees", f"{_HERE}.rows:Trees", "simple", modalities=("table",), share=0.8,
        title="gradient-boosted trees", short="trees", reason="what needs no source at all",
    ),
    Facts(
        "direct", f"{_HERE}.direct:Direct", "transfer", modalities=("image",), reads=True, own_pass=True,
        classifies=True, forms={"boxes": f"{_HERE}.detection.direct:Direct"},
        reason="its own classifier may know these labels",
    ),
    Facts(
        "label-names", f"{_HERE}.label_names:LabelNames", "transfer", modalities=("text",), reads=True,
        reason="the names of the labels may say enough",
    ),
    Facts(
        "probe", f"{_HERE}.probe:Probe", "transfer", reads=True, ranks=True,
        forms={
            "places": f"{_HERE}.dense.probe:Probe",
            "boxes": f"{_HERE}.detection.probe:Probe",
            "texts": f"{_HERE}.sentences.probe:Probe",
            "heard": f"{_HERE}.sentences.ctc:Ctc",
        },
        reason="one pass over the data pays for it",
    ),
    Facts(
        "untouched", "", "transfer", forms={"texts": f"{_HERE}.sentences.generated:Untouched"},
        reads=True, own_pass=True, writes=True, untouched=True,
        title="the untouched source", reason="what it writes without any training",
    ),
    Facts(
        "decoder", "", "transfer", trains=True, share=0.5, turn=(0, 0, 0),
        forms={"places": f"{_HERE}.dense.decoder:Decoder"},
        reason="{source} has the best probe; train a decoder on its maps",
    ),
    Facts(
        "voted", f"{_HERE}.voted:Voted", "transfer", unlabelled=True, prior=(0.04, 0.04), known_for=_BOTH,
        reason="items without a label: learn from those on which layers of {source} agree",
    ),
    Facts(
        "propagation", f"{_HERE}.propagation:Propagation", "transfer", unlabelled=True, prior=(0.02, 0.04),
        known_for=_BOTH, reason="items without a label: their neighbours may tell",
    ),
    Facts(
        "match", f"{_HERE}.match:Match", "transfer", unlabelled=True, prior=(0.015, 0.03), known_for=_BOTH,
        reason="items without a label: another view of each must get the same answer",
    ),
    Facts(
        "random-frozen", f"{_HERE}.probe:RandomFrozen", "random",
        forms={
            "places": f"{_HERE}.dense.probe:RandomFrozen",
            "boxes": f"{_HERE}.detection.probe:RandomFrozen",
            "texts": f"{_HERE}.sentences.probe:RandomFrozen",
            "heard": f"{_HERE}.sentences.ctc:RandomFrozen",
        },
        title="the same architecture, random and frozen",
        reason="is it the weights of {source}, or only its architecture?",
    ),
    Facts(
        "scratch", f"{_HERE}.scratch:Scratch", "scratch",
        forms={
            "places": f"{_HERE}.dense.decoder:Scratch",
            "boxes": f"{_HERE}.detection.trained:Scratch",
            "texts": f"{_HERE}.sentences.generated:Scratch",
        },
        writes=True,
        trains=True, all_layers=True,
        # as much as it can use without starving fine-tuning; but an encoder learns next to nothing from a few
        # hundred texts, however long it is trained
        share=0.5, share_of_few=0.2,
        title="the same architecture from scratch", reason="the same architecture without the source",
        step="another source: its architecture from scratch",
    ),
    Facts(
        "contrastive", f"{_HERE}.contrastive:Contrastive", "transfer", modalities=("text",), trains=True,
        share=0.6, share_of_few=0.75, turn=(5, 0, 5),
        # with fewer there are hardly any pairs, with more fine-tuning is as good (Tunstall et al., 2022)
        expert=(4, 128), prior=(0.06, 0.07),
        known_for="learning from pairs is known to be worth more than a frozen network there",
        reason="few labels a class: learn from all pairs of texts what makes them alike",
    ),
    Facts(
        "finetune", f"{_HERE}.finetune:Finetune", "transfer",
        forms={
            "places": f"{_HERE}.dense.decoder:Finetune",
            "boxes": f"{_HERE}.detection.trained:Finetune",
            "texts": f"{_HERE}.sentences.generated:Finetune",
        },
        writes=True,
        trains=True, races=True, share=0.6,
        turn=(1, 1, 1), step="another source",
        reason="{source} has the best probe; train its last layers further",
    ),
    Facts(
        "lora", f"{_HERE}.lora:Lora", "transfer",
        forms={"texts": f"{_HERE}.sentences.generated:Lora"}, writes=True,
        by_hand=("image", "audio"), trains=True, all_layers=True,
        races=True, share=0.5, turn=(2, 2, 3), reason="small changes of low rank to every layer",
    ),
    Facts(
        "bitfit", f"{_HERE}.lora:BitFit", "transfer", by_hand=("image", "audio"), trains=True,
        all_layers=True, races=True, share=0.5, turn=(3, 3, 4), reason="biases and norms alone",
    ),
    Facts(
        "full", f"{_HERE}.finetune:Full", "transfer",
        forms={
            "places": f"{_HERE}.dense.decoder:Full",
            "boxes": f"{_HERE}.detection.trained:Full",
            "texts": f"{_HERE}.sentences.generated:Full",
        },
        writes=True,
        trains=True, all_layers=True, races=True,
        turn=(4, 4, 2), reason="train every layer",
    ),
    Facts(
        "early-probe", f"{_HERE}.probe:EarlyProbe", "fallback",
        reason="earlier layers are less bound to what the source was made for", step="earlier layers",
    ),
    Facts(
        "finetune-slow", f"{_HERE}.finetune:FinetuneSlow", "fallback", trains=True, share=0.5,
        reason="smaller steps change less of what the source has learnt", step="lower learning rates",
    ),
    Facts(
        "stack", f"{_HERE}.ensemble:Ensemble", "ensemble", trains=True,
        reason="lean on the source only in part", step="averaging with the network trained from scratch",
    ),
)  # fmt: skip
STRATEGIES: Registry[Facts] = Registry("strategy", {own.name: own for own in _OWN}, group=_HERE)
"""By name, in the order in which equals are told apart."""


def facts(name: str) -> Facts:
    """What is true of a strategy. Raises `UnknownName`."""
    return STRATEGIES[name]


def every(*roles: Role) -> list[Facts]:
    """All strategies, or those of some roles, in order."""
    known = [STRATEGIES[name] for name in STRATEGIES]
    return [one for one in known if not roles or one.role in roles]


def ranking() -> str:
    """The strategy whose scores sources are ranked by; of several the first."""
    return next(one.name for one in every("transfer") if one.ranks)


def get(name: str, task: Task | None = None) -> Strategy:
    """The strategy of that name, as it is for a task. Raises `UnknownName`."""
    one, methods = facts(name), None if task is None else tasks.for_task(task)
    heard = one.forms.get("heard", "") if isinstance(methods, Says) and methods.heard else ""
    strategy: Strategy = found_at(heard or one.of("" if methods is None else methods.form))()
    return strategy


def called(name: str) -> str:
    """A strategy in a sentence; one that is not installed any more by its name."""
    return (facts(name).title if name in STRATEGIES else "") or name


def ready(modality: str) -> None:
    """Import what the simple model on raw input needs: it takes seconds, by which no arm is to be judged."""
    for one in every("simple"):
        if one.knows(modality) and isinstance(strategy := get(one.name), Prepares):
            strategy.ready()


def check(
    settings: Settings, modality: str, networks: Callable[[], Iterable[Backbone]], *, form: str = ""
) -> None:
    """Refuse settings that no training can follow, before any has begun; `form` is that of the answers.

    A stage to freeze, linear layers to adapt, and what a prompt is for, must exist in one of the `networks`
    at least, which are only opened where such are asked for. Raises `BadOption` or `UnknownName`.
    """
    from headstart.strategies.gradient import _design
    from headstart.strategies.gradient._adapters import resolve
    from headstart.strategies.lora import named_targets
    from headstart.strategies.sentences._learning import LowRank

    def layers(backbone: Backbone) -> object:
        """Those that are meant, of the network or of its decoder."""
        try:
            return resolve(backbone, backbone.tail(backbone.cuts[0]), targets)
        except BadOption:
            if not isinstance(backbone, Writes):
                raise
            return LowRank(targets).names(backbone.generator())

    def reads_prompts(backbone: Backbone) -> None:
        if not isinstance(backbone, Prompted):
            raise BadOption("prompt", settings.prompt, "left out: no source here writes texts about texts")

    _design.check(settings, modality)
    freeze, targets = settings.freeze, named_targets(settings.lora_targets)
    if freeze not in (None, _design.AUTO):
        _one_at_least(networks(), lambda backbone: _design.frozen_stage(backbone, freeze))
    if targets:
        _one_at_least(networks(), layers)
    if settings.prompt is not None:
        if not any(one.needs_writer(form) for one in every("transfer")):
            raise BadOption("prompt", settings.prompt, "left out: no answer of this task is written")
        _one_at_least(networks(), reads_prompts)


def _one_at_least(backbones: Iterable[Backbone], test: Callable[[Backbone], object]) -> None:
    """Raises what `test` raises of the first network when it raises of all."""
    problem: HeadstartError | None = None
    for backbone in backbones:
        try:
            test(backbone)
        except (BadOption, UnknownName) as error:
            problem = problem or error
        else:
            return
    if problem is not None:
        raise problem
