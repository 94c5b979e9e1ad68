"""What a pass is to store: sections, columns and views, from a spec and a backbone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from headstart.core import fingerprint
from headstart.core.features import FeatureSpec, Tap
from headstart.errors import BadOption, UnknownName
from headstart.modalities.base import Modality
from headstart.store.disk import keys
from headstart.store.disk.keys import Section

MOST_VIEWS = 256
MOST_SIDE = 4096


@dataclass(frozen=True)
class Want:
    """Columns of a section for some views of every item."""

    section: Section
    columns: tuple[str, ...]
    views: tuple[int, ...]

    @property
    def inputs(self) -> bool:
        """Whether this is prepared inputs, which need no network."""
        return not self.section.weights


def complete(backbone: Any, spec: FeatureSpec, modality: Modality) -> FeatureSpec:
    """The spec with its taps and its recipe named: all of the backbone's taps when it asks for nothing else.

    Raises `UnknownName` for a stage, cut or recipe that is not there, `BadOption` for the rest.
    """
    if not 0 <= spec.views <= MOST_VIEWS:
        raise BadOption("views", spec.views, f"from 0 to {MOST_VIEWS}")
    longest = None if backbone is None else backbone.source.input.max_length
    most = max(MOST_SIDE, longest or 0)
    if spec.inputs is not None and not 1 <= spec.inputs <= most:
        raise BadOption("inputs", spec.inputs, f"a size from 1 to {most}")
    spec = replace(spec, view_kind=spec.view_kind or modality.DEFAULT_VIEW)
    if spec.views:
        modality.VIEWS[spec.view_kind]  # raises when there is none of that name
    if backbone is None:
        if spec.taps or spec.cut or spec.inputs is None:
            raise BadOption("backbone", None, "given unless nothing but prepared inputs is wanted")
        return spec
    stages = [stage.name for stage in backbone.stages]
    for tap in spec.taps:
        if tap.stage not in stages:
            raise UnknownName("stage", tap.stage, stages)
    if spec.cut is not None and spec.cut not in backbone.cuts:
        raise UnknownName("cut", spec.cut, list(backbone.cuts))
    if not spec.taps and spec.cut is None and spec.inputs is None:
        spec = replace(spec, taps=tuple(backbone.taps()))
    return replace(spec, taps=tuple(dict.fromkeys(spec.taps)))


def sections(backbone: Any, spec: FeatureSpec, precision: str, modality: Modality) -> dict[int, Section]:
    """View -> section. The item as it is belongs to no recipe, so every recipe shares it."""
    if backbone is None or not (spec.taps or spec.cut):
        return {}
    contract = backbone.source.input.to_json()
    preprocessing = fingerprint.of_json({"contract": contract, "code": modality.PREPARATION})
    about = {"source": backbone.source.name, "spec": backbone.source.spec, "input": contract}
    plain = Section(backbone.digest, preprocessing, "", precision, about)
    varied = replace(plain, recipe=spec.view_kind)
    return {view: varied if view else plain for view in range(1 + spec.views)}


def input_section(backbone: Any, spec: FeatureSpec, modality: Modality) -> tuple[Section, str] | None:
    """Section and column of prepared inputs: of some kinds of data in one way for all sources, of others as
    each source wants them."""
    if spec.inputs is None:
        return None
    column = modality.stored_column(spec.inputs)
    kind = column.partition(":")[0]
    if modality.STORED_ALIKE:
        return Section("", fingerprint.of_json({kind: modality.PREPARATION}), about={"source": kind}), column
    if backbone is None:
        raise BadOption("backbone", None, f"given: without it there are no {kind}")
    contract = backbone.source.input.to_json()
    preprocessing = fingerprint.of_json({kind: modality.PREPARATION, "contract": contract})
    return Section("", preprocessing, about={"source": kind, "input": contract}), column


def wants(
    spec: FeatureSpec, views: dict[int, Section], inputs: tuple[Section, str] | None
) -> tuple[Want, ...]:
    """All that has to be on disk in the end."""
    columns = [keys.tap_column(tap) for tap in spec.taps]
    if spec.cut is not None:
        columns.append(keys.state_column(spec.cut, spec.length))
    found = [
        Want(section, tuple(columns), tuple(view for view, s in views.items() if s == section))
        for section in dict.fromkeys(views.values())
    ]
    if inputs is not None:
        found.append(Want(inputs[0], (inputs[1],), (0,)))
    return tuple(found)


def cuts_of(backbone: Any, columns: Sequence[str]) -> tuple[dict[str, Tap], dict[str, str]]:
    """The columns as taps, and every column's cut."""
    cut_of = {stage.name: stage.cut for stage in backbone.stages}
    taps = {c: Tap.parse(c.removeprefix("tap:")) for c in columns if c.startswith("tap:")}
    cuts = {c: cut_of[tap.stage] for c, tap in taps.items()}
    cuts |= {c: keys.cut_of(c)[0] for c in columns if c.startswith("state:")}
    return taps, cuts


def distinct(items: np.ndarray) -> np.ndarray:
    """int64: rows of the first item of every content, in order."""
    return np.sort(np.unique(items, return_index=True)[1]).astype(np.int64)
