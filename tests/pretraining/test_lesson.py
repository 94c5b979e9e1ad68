from __future__ import annotations

import torch
from pretraining.generators.base import seeded
from pretraining.lesson import Lesson
from pretraining.stream import Batch
from torch.nn import functional as F

TRAITS = torch.randn(2, 3, 4, generator=seeded(0))
TRAITS[1, :, 2:] = torch.nan  # the second family has two traits
ONE, TWO = torch.tensor([0, 1, 4, 5]), torch.tensor([3, 1, 2, 5])
SHARE = torch.tensor([1.0, 0.25, 0.5, 1.0])
BATCH = Batch(torch.empty(4), ONE, TWO, SHARE)


def by_hand(lesson: Lesson, row: torch.Tensor, label: int) -> torch.Tensor:
    family, code = divmod(label, 3)
    classes = row[2:8].view(2, 3)[family]
    known = 4 if family == 0 else 2
    guess = row[8:].view(2, 4)[family, :known]
    return (
        F.cross_entropy(row[:2], torch.tensor(family), label_smoothing=0.1)
        + F.cross_entropy(classes, torch.tensor(code), label_smoothing=0.1)
        + 0.7 * (guess - TRAITS[family, code, :known]).square().mean()
    )


def test_the_loss_is_that_of_both_classes_by_area() -> None:
    lesson = Lesson(TRAITS, 0.7)
    answer = torch.randn(4, lesson.outputs, generator=seeded(1))
    expected = [
        share * by_hand(lesson, row, int(one)) + (1 - share) * by_hand(lesson, row, int(two))
        for row, one, two, share in zip(answer, ONE, TWO, SHARE, strict=True)
    ]
    torch.testing.assert_close(lesson.loss(answer, BATCH, 0.1), torch.stack(expected).mean())


def test_the_right_answer_is_recognised() -> None:
    lesson = Lesson(TRAITS, 1.0)
    answer = torch.zeros(4, lesson.outputs)
    answer[torch.arange(4), ONE // 3] = 5
    answer[torch.arange(4), 2 + ONE] = 5
    assert lesson.classes_of(answer).tolist() == ONE.tolist()
