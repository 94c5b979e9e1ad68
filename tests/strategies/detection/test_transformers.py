"""Direct use of a detector of transformers: its boxes under the target's names, also from a bundle."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

import drawn
from headstart import data, sources, strategies
from headstart.core.strategy import Request, Settings
from headstart.data.splits import make_split
from headstart.export import bundle
from headstart.predict.predictor import Predictor, stream
from headstart.run import conclude
from headstart.testing.fakes import MemoryExtractor
from sources.detection import folders


def test_it_says_what_the_library_finds(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    network, processor = folders.write(tmp_path / "source", "rt_detr")
    dataset = data.load(drawn.write(tmp_path / "data", 8))
    assert dataset.task is not None
    backbone = sources.mapped(sources.load(f"hf:{tmp_path / 'source'}"), (96, 96))
    split = make_split(dataset, seed=0)
    named = Settings(label_map={"bars": "bar"})
    request = Request(dataset, dataset.task, split, MemoryExtractor(dataset), backbone, settings=named)
    arm = strategies.get("direct", request.task)
    trial = arm.fit(request)
    assert (trial.status, trial.reason) == ("done", "2 of its 3 classes name the labels")
    assert trial.choices["columns"] == [[0], [2]]
    model = replace(arm.refit(request, trial), evidence={})
    plain = {**model.tensors, "settled.thresholds": np.zeros(2, np.float32)}
    item = request.dataset.items[0]
    (said,) = stream(Predictor(replace(model, tensors=plain)), [item])
    with Image.open(item.path) as image:  # type: ignore[attr-defined]
        pixels = torch.from_numpy(np.array(image)).movedim(2, 0)
    with torch.inference_mode():
        out: Any = network(**processor(images=[pixels], return_tensors="pt"))
    (theirs,) = processor.post_process_object_detection(out, threshold=0.0, target_sizes=[pixels.shape[1:]])
    for number, column in enumerate((0, 2)):
        ours = said.answer.take(said.answer.classes == number)
        mine = (theirs["labels"] == column).numpy()
        kept = theirs["scores"].numpy()[mine]
        order = np.argsort(-kept, kind="stable")
        wanted = theirs["boxes"].numpy()[mine][order].clip(0, 96)
        assert len(ours.scores) > 0 or not len(kept)
        best = np.argsort(-ours.scores, kind="stable")
        np.testing.assert_allclose(ours.scores[best], kept[order][: len(best)], atol=1e-5)
        np.testing.assert_allclose(ours.corners[best], wanted[: len(best)], atol=0.01)
    loaded = bundle.load(bundle.save(model, tmp_path / "model", probes=conclude.probes(model, pairs=False)))
    one, two = (next(iter(stream(Predictor(m), [item]))).answer for m in (model, loaded))
    assert one.to_bytes() == two.to_bytes()
