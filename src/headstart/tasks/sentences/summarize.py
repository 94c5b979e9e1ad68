"""Summaries, judged by the words that they share with the one that was wanted (ROUGE)."""

from __future__ import annotations

from headstart.tasks.sentences import REPETITION, ROUGE_1, ROUGE_2, ROUGE_L, Sentences, by_name


class Summarize(Sentences):
    """Methods of summaries."""

    kind = "summarize"
    asks = "a summary"
    columns = (
        ("document", "summary"), ("article", "summary"), ("dialogue", "summary"), ("text", "summary"),
        ("article", "highlights"),
    )  # fmt: skip
    part = "sentences"
    longest = 1.0
    prompts = ("summarization",)
    scores = by_name(ROUGE_1, ROUGE_2, ROUGE_L, REPETITION)
