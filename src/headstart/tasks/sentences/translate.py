"""Translation: a text in another language, judged by shared character n-grams (chrF), and BLEU."""

from __future__ import annotations

from headstart.core.task import TRANSLATE
from headstart.tasks.sentences import BLEU, CHRF, REPETITION, Sentences, by_name


class Translate(Sentences):
    """Methods of translation."""

    kind = TRANSLATE
    asks = "a translation"
    columns = (("source", "target"), ("source", "translation"))
    differs = True
    longest = 4.0
    prompts = ("translation",)
    scores = by_name(CHRF, BLEU, REPETITION)
