"""Circular validation: there and back. What an adapter says of the target is taken for its labels, the domains change
roles, and the answers for the source are held against the labels that it has.

Bruzzone and Marconcini, "Domain Adaptation Problems: A DASVM Classification Technique and a Circular Validation
Strategy", IEEE TPAMI 2010. Needs no label of the target.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from headstart.core.strategy import Adapter, NotApplicable, Request
from headstart.measure import validators


def circular(adapter: Adapter, request: Request, predictions: np.ndarray) -> float:
    """Balanced accuracy on the source's labels, 0 to 1, from `predictions` float `[m, K]` of `request.target`.

    Where all of the target gets one class, the balanced accuracy of that constant answer.
    """
    source = np.flatnonzero(request.dataset.targets.known)
    y, target, said = request.dataset.targets[source], request.target, predictions.argmax(axis=1)
    assert target is not None
    outputs = request.task.outputs
    if len(np.unique(said)) < 2:
        return validators.balanced(y, np.full(len(y), said[0] if len(said) else 0), outputs)
    labels = np.full(len(request.dataset), -1, np.int64)
    labels[target] = said
    turned = replace(request, dataset=replace(request.dataset, targets=labels), target=source)
    try:
        back = adapter.adapt(turned).predict(source)
    except NotApplicable:
        return float("nan")
    return validators.balanced(y, back.argmax(axis=1), outputs)
