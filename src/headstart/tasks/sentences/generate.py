"""Texts that follow a prompt, judged by the character n-grams and words that both have (chrF, ROUGE-L)."""

from __future__ import annotations

from headstart.tasks.sentences import CHRF, EXACT, REPETITION, ROUGE_L, Sentences, by_name


class Generate(Sentences):
    """Methods of generation."""

    kind = "generate"
    asks = "a text"
    columns = (("prompt", "completion"), ("prompt", "response"), ("instruction", "output"))
    prompts = ("text-generation", "text_generation")
    scores = by_name(CHRF, ROUGE_L, EXACT, REPETITION)
