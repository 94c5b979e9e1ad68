"""Answers to questions about a passage, judged as SQuAD does: by shared words (F1), and exactly."""

from __future__ import annotations

from headstart.tasks.sentences import EXACT, F1, Sentences, by_name


class Answer(Sentences):
    """Methods of answers."""

    kind = "answer"
    asks = "an answer"
    columns = (("question", "context", "answer"), ("question", "passage", "answer"))
    part = "span"
    prompts = ("question-answering", "question_answering")
    scores = by_name(F1, EXACT)
