"""What a pass is to store: sections, columns and views, from a spec and a backbone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from headstart.core import fingerprint
from headstart.core.backbone import Tap
from headstart.core.features import FeatureSpec
from headstart.errors import BadOption, UnknownName
from headstart.modalities import image
from headstart.store import keys
from headstart.store.keys import Section

MOST_VIEWS = 256


@dataclass(frozen=True)
class Want:
    """Columns of a section for some views of every item."""

    section: Section
    columns: tuple[str, ...]
    views: tuple[int, ...]

    @property
    def pixels(self) -> bool:
        """Whether this is prepared images, which need no network."""
        return not self.section.weights


def complete(backbone: Any, spec: FeatureSpec) -> FeatureSpec:
    """The spec with its taps named: all of the backbone's when it asks for nothing else.

    Raises `UnknownName` for a stage, cut or recipe that is not there, `BadOption` for the rest.
    """
    if not 0 <= spec.views <= MOST_VIEWS:
        raise BadOption("views", spec.views, f"from 0 to {MOST_VIEWS}")
    if spec.inputs is not None and not 1 <= spec.inputs <= 4096:
        raise BadOption("pixels", spec.inputs, "a side from 1 to 4096")
    if spec.views:
        image.VIEWS[spec.view_kind]  # raises when there is none of that name
    if backbone is None:
        if spec.taps or spec.cut or spec.inputs is None:
            raise BadOption("backbone", None, "given unless nothing but pixels is wanted")
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


def sections(backbone: Any, spec: FeatureSpec, precision: str) -> dict[int, Section]:
    """View -> section. The item as it is belongs to no recipe, so every recipe shares it."""
    if backbone is None or not (spec.taps or spec.cut):
        return {}
    contract = backbone.source.input.to_json()
    preprocessing = fingerprint.of_json({"contract": contract, "code": image.PREPARATION})
    about = {"source": backbone.source.name, "spec": backbone.source.spec, "input": contract}
    plain = Section(backbone.digest, preprocessing, "", precision, about)
    varied = replace(plain, recipe=spec.view_kind)
    return {view: varied if view else plain for view in range(1 + spec.views)}


def pixel_section(spec: FeatureSpec) -> Section | None:
    """The section of prepared images, shared by all sources."""
    if spec.inputs is None:
        return None
    preprocessing = fingerprint.of_json({"pixels": image.PREPARATION})
    return Section("", preprocessing, about={"source": "pixels"})


def wants(spec: FeatureSpec, views: dict[int, Section], pixels: Section | None) -> tuple[Want, ...]:
    """All that has to be on disk in the end."""
    columns = [keys.tap_column(tap) for tap in spec.taps]
    if spec.cut is not None:
        columns.append(keys.state_column(spec.cut))
    found = [
        Want(section, tuple(columns), tuple(view for view, s in views.items() if s == section))
        for section in dict.fromkeys(views.values())
    ]
    if pixels is not None and spec.inputs is not None:
        found.append(Want(pixels, (keys.pixels_column(spec.inputs),), (0,)))
    return tuple(found)


def cuts_of(backbone: Any, columns: Sequence[str]) -> tuple[dict[str, Tap], dict[str, str]]:
    """The columns as taps, and every column's cut."""
    cut_of = {stage.name: stage.cut for stage in backbone.stages}
    taps = {c: Tap.parse(c.removeprefix("tap:")) for c in columns if c.startswith("tap:")}
    cuts = {c: cut_of[tap.stage] for c, tap in taps.items()}
    cuts |= {c: c.removeprefix("state:") for c in columns if c.startswith("state:")}
    return taps, cuts


def distinct(items: np.ndarray) -> np.ndarray:
    """int64: rows of the first item of every content, in order."""
    return np.sort(np.unique(items, return_index=True)[1]).astype(np.int64)
