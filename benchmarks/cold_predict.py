"""How long one answer takes from a cold process, and how much memory: bundle, exported model, and a floor.

    python benchmarks/cold_predict.py NAME MODEL ITEM [--text] [--times 9]

MODEL is a bundle, ITEM one file of it (with --text a text itself); NAME is what the result is called. The bundle is
copied, and exported beside the second copy. Each process starts anew; all kinds take turns, after one turn that does
not count. The floor is what none of it can beat: onnxruntime on the same graph, and Pillow (or tokenizers) to make
its input, with no word of Headstart. This file itself imports nothing but the standard library, for a process is said
to have had the memory of the one that started it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RESULTS = Path(__file__).parent / "results" / "cold_predict.json"
PYTHON = [sys.executable, "-P", "-c"]
LIGHT = (
    "import sys; from headstart import light; print(light.load(sys.argv[1]).predict([sys.argv[2]]).answers)"
)
FLOOR = {
    "pixels": """
import sys, numpy, onnxruntime
from PIL import Image
session = onnxruntime.InferenceSession(sys.argv[1] + "/model.onnx")
entry = session.get_inputs()[0]
image = Image.open(sys.argv[2]).convert("RGB").resize(entry.shape[:1:-1], Image.Resampling.BICUBIC)
print(session.run(None, {entry.name: numpy.asarray(image).transpose(2, 0, 1)[None]}))
""",
    "tokens": """
import sys, numpy, onnxruntime
from tokenizers import Tokenizer
session = onnxruntime.InferenceSession(sys.argv[1] + "/model.onnx")
found = Tokenizer.from_file(sys.argv[1] + "/model.tokenizer.json").encode(sys.argv[2])
batch = numpy.array([[found.ids, found.attention_mask, found.type_ids]], numpy.int32)
print(session.run(None, {session.get_inputs()[0].name: batch}))
""",
}


def once(command: list[str]) -> tuple[float, float]:
    """Seconds on the clock and peak memory in MB of a process."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    took = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command} ended with {process.returncode}")
    return took, used.ru_maxrss / 1000


def summary(values: list[float], digits: int) -> dict[str, float]:
    found = {"median": statistics.median(values), "least": min(values), "most": max(values)}
    return {name: round(value, digits) for name, value in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("name")
    parser.add_argument("model", type=Path)
    parser.add_argument("item")
    parser.add_argument("--text", action="store_true")
    parser.add_argument("--times", type=int, default=9)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as room:
        plain, beside = Path(room, "plain"), Path(room, "beside")
        for place in (plain, beside):
            shutil.copytree(asked.model, place)
        command = [sys.executable, "-m", "headstart"]
        subprocess.run([*command, "export", beside, "--onnx"], check=True, stdout=subprocess.DEVNULL)
        exported = f"{beside}-onnx"
        entry = json.loads(Path(exported, "model.json").read_text(encoding="utf-8"))["input"]["name"]
        given = ["--text", asked.item] if asked.text else [asked.item]
        kinds = {
            "headstart predict, the bundle": [*command, "predict", str(plain), *given],
            "headstart predict, exported beside it": [*command, "predict", str(beside), *given],
            "headstart.light in Python": [*PYTHON, LIGHT, exported, asked.item],
            "import headstart": [*PYTHON, "import headstart"],
            "headstart --help": [*command, "--help"],
            "python": [*PYTHON, "pass"],
        }
        if entry in FLOOR:
            kinds["floor"] = [*PYTHON, FLOOR[entry], exported, asked.item]
        for line in kinds.values():
            once(line)
        found: dict[str, list[tuple[float, float]]] = {kind: [] for kind in kinds}
        for _ in range(asked.times):
            for kind, line in kinds.items():
                found[kind].append(once(line))
    rows = {
        kind: {"seconds": summary([t for t, _ in runs], 3), "megabytes": summary([m for _, m in runs], 0)}
        for kind, runs in found.items()
    }
    known = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else {}
    known[asked.name] = {"times": asked.times, "cores": os.cpu_count(), "rows": rows}
    RESULTS.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
    for kind, row in rows.items():
        second, memory = row["seconds"], row["megabytes"]
        spread = f"[{second['least']:.2f}, {second['most']:.2f}]"
        print(f"{kind:40s} {second['median']:6.2f} s {spread:14s} {memory['median']:5.0f} MB")


if __name__ == "__main__":
    main()
