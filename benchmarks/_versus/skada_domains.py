"""skada's shallow estimators on stored features of two domains: accuracy on the target's rows, which they see without labels.

    skada_domains.py CELLS.npz

CELLS has for each cell `NAME/xs`, `NAME/ys`, `NAME/xt`, `NAME/yt`. Each estimator is a scaler, the adapter with its own
defaults and a logistic regression; the last line that is printed has the accuracies by cell and estimator, None where one
fails. Linear optimal transport adds 1e-8 to the covariances, of which POT's matrix root is not finite where there are fewer rows
than columns: it gets the least of `ADDED` with which it is.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import numpy as np
from say import say

ADDED = (1e-8, 1e-6, 1e-4, 1e-2)
"""To the diagonals of the covariances of linear optimal transport; the first is skada's default."""


def estimators() -> dict[str, list[list[object]]]:
    """The adapters by name, each in the forms that are tried until one works; nothing for source-only."""
    import skada

    return {
        "source-only": [[]],
        "CORAL": [[skada.CORALAdapter()]],
        "LinOT": [[skada.LinearOTMappingAdapter(reg=added)] for added in ADDED],
        "SubspaceAlignment": [[skada.SubspaceAlignmentAdapter(n_components=8)]],
        "EntropicOT": [[skada.EntropicOTMappingAdapter()]],
        "ClassRegularizerOT": [[skada.ClassRegularizerOTMappingAdapter()]],
        "DensityReweight": [[skada.DiscriminatorReweightAdapter()]],
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cells", type=Path)
    asked = parser.parse_args()
    from skada import make_da_pipeline
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    warnings.filterwarnings("ignore")
    held = np.load(asked.cells)
    found: dict[str, dict[str, float | None]] = {}
    for name in sorted({key.rpartition("/")[0] for key in held.files}):
        xs, ys, xt, yt = (held[f"{name}/{part}"] for part in ("xs", "ys", "xt", "yt"))
        x = np.concatenate([xs, xt])
        y = np.concatenate([ys, np.full(len(xt), -1)])
        domain = np.concatenate([np.full(len(xs), 1), np.full(len(xt), -2)])
        found[name] = {}
        for title, forms in estimators().items():
            found[name][title] = None
            for steps in forms:
                head = LogisticRegression(C=0.1, max_iter=500)
                if title == "DensityReweight":
                    head = head.set_fit_request(sample_weight=True)
                try:
                    made = make_da_pipeline(StandardScaler(), *steps, head)
                    made.fit(x, y, sample_domain=domain)
                    found[name][title] = float((made.predict(xt) == yt).mean())
                    break
                except Exception as error:
                    print(name, title, repr(error)[:200], flush=True)
    say(accuracy=found)


if __name__ == "__main__":
    main()
