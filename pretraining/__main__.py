"""`python -m pretraining`: train every recipe and write the sources into the package."""

from __future__ import annotations

import argparse
from pathlib import Path

from pretraining.publish import publish
from pretraining.recipe import CONFIGS, read
from pretraining.train import WORK, train


def main() -> None:
    """One recipe after the other; a stopped run goes on where it was."""
    parser = argparse.ArgumentParser(description=__doc__)
    known = sorted(path.stem for path in CONFIGS.glob("*.json"))
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(known)} (default: all)")
    parser.add_argument("--work", type=Path, default=WORK, help="where checkpoints and metrics lie")
    parser.add_argument("--out", type=Path, default=None, help="where the sources go (default: the package)")
    options = parser.parse_args()
    for name in options.names or known:
        publish(train(read(CONFIGS / f"{name}.json"), options.work), out=options.out)


if __name__ == "__main__":
    main()
