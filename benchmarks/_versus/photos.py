"""Peers that learn from photographs: fastai, plain torch, the Trainer of transformers.

A process trains one of them on `DATA/train` for so many epochs, starting from the same weights, and says its accuracy
on `DATA/test`. "probe" trains a head on the frozen network, "stage" the last stage and the head, "full" all. What is not
named here is the library's own default. Batches are equal on all sides; augmentation there is none on any.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from say import between, say

LAST = "layer4"
"""The last stage of a ResNet."""


def fastai(asked: argparse.Namespace) -> dict[str, Any]:
    """`vision_learner` and one-cycle training: BatchNorm of the frozen body is trained, as its defaults have it."""
    from fastai.vision.all import ImageDataLoaders, L, accuracy, params, vision_learner

    def splitter(model: Any) -> Any:
        last = getattr(model[0].model, LAST)
        inside = {id(parameter) for parameter in last.parameters()}
        before = [parameter for parameter in params(model[0]) if id(parameter) not in inside]
        return L([before, params(last), params(model[1:])])

    loaders = ImageDataLoaders.from_folder(asked.data, train="train", valid="test", bs=asked.batch)
    own = {"splitter": splitter} if asked.kind == "stage" else {}
    learner = vision_learner(
        loaders, asked.arch, metrics=accuracy, pretrained_cfg_overlay={"file": str(asked.weights)}, **own
    )
    if asked.kind == "stage":
        learner.freeze_to(1)
    if asked.kind == "full":
        learner.unfreeze()
    with learner.no_bar(), learner.no_logging():
        learner.fit_one_cycle(asked.epochs)
        return {"accuracy": float(learner.validate()[1])}


def network(asked: argparse.Namespace, classes: int) -> Any:
    """timm's network with a new linear head; what is not trained asks for no gradient and stays in eval mode."""
    import timm
    import torch

    model = timm.create_model(
        asked.arch, pretrained=True, pretrained_cfg_overlay={"file": str(asked.weights)}, num_classes=classes
    )
    trained = {"probe": [], "stage": [getattr(model, LAST, None)], "full": [model]}[asked.kind]
    model.requires_grad_(False)
    for part in (*trained, model.get_classifier()):
        part.requires_grad_(True)

    def train(mode: bool = True) -> Any:
        torch.nn.Module.train(model, False)
        for part in trained if mode else ():
            torch.nn.Module.train(part, True)
        return model

    model.train = train
    return model


def folders(asked: argparse.Namespace, model: Any) -> tuple[Any, Any]:
    from torchvision import datasets, transforms

    change = transforms.Compose(
        [
            transforms.ToTensor(),
            transforms.Normalize(model.default_cfg["mean"], model.default_cfg["std"]),
        ]
    )
    return tuple(datasets.ImageFolder(asked.data / part, change) for part in ("train", "test"))


def plain(asked: argparse.Namespace) -> dict[str, Any]:
    """The loop of a tutorial: SGD with momentum, the frozen part without gradients."""
    import torch

    model = network(asked, asked.classes)
    train, test = folders(asked, model)
    loader = torch.utils.data.DataLoader(train, asked.batch, shuffle=True, num_workers=asked.workers)
    held = torch.utils.data.DataLoader(test, asked.batch, num_workers=asked.workers)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=1e-2, momentum=0.9)
    marks = []
    for _ in range(asked.epochs):
        model.train()
        for pixels, labels in loader:
            loss = torch.nn.functional.cross_entropy(model(pixels), labels)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            marks.append((time.perf_counter(), time.process_time()))
    model.eval()
    with torch.inference_mode():
        right = sum(int((model(pixels).argmax(1) == labels).sum()) for pixels, labels in held)
    return {"accuracy": right / len(test), **(between(marks) if asked.kind == "full" else {})}


def trainer(asked: argparse.Namespace) -> dict[str, Any]:
    """`transformers.Trainer`; its learning rate is for encoders of texts, so that of the plain loop's Adam is set."""
    import numpy as np
    import torch
    import transformers

    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = network(asked, asked.classes)

        def forward(self, pixel_values: Any, labels: Any = None) -> dict[str, Any]:
            logits = self.model(pixel_values)
            return {"loss": torch.nn.functional.cross_entropy(logits, labels), "logits": logits}

    class Rows(torch.utils.data.Dataset):
        def __init__(self, folder: Any) -> None:
            self.folder = folder

        def __len__(self) -> int:
            return len(self.folder)

        def __getitem__(self, row: int) -> dict[str, Any]:
            pixels, label = self.folder[row]
            return {"pixel_values": pixels, "labels": label}

    model = Model()
    train, test = (Rows(folder) for folder in folders(asked, model.model))
    given = transformers.TrainingArguments(
        output_dir=str(asked.room),
        num_train_epochs=asked.epochs,
        per_device_train_batch_size=asked.batch,
        per_device_eval_batch_size=asked.batch,
        dataloader_num_workers=asked.workers,
        learning_rate=1e-3,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        use_cpu=True,
    )
    loop = transformers.Trainer(model=model, args=given, train_dataset=train)
    loop.train()
    answers = loop.predict(test)
    return {"accuracy": float(np.mean(answers.predictions.argmax(1) == answers.label_ids))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("peer", choices=("fastai", "plain", "trainer"))
    parser.add_argument("kind", choices=("probe", "stage", "full"))
    parser.add_argument("data", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--arch", default="resnet18")
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--room", type=Path, required=True)
    asked = parser.parse_args()
    asked.classes = sum(folder.is_dir() for folder in (asked.data / "train").iterdir())
    say(**{"fastai": fastai, "plain": plain, "trainer": trainer}[asked.peer](asked))


if __name__ == "__main__":
    main()
