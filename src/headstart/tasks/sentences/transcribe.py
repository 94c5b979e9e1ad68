"""Transcripts of recordings, judged by the share of wrong words (WER) and characters (CER)."""

from __future__ import annotations

from headstart.tasks.sentences import CER, EXACT, WER, Sentences, by_name


class Transcribe(Sentences):
    """Methods of speech recognition."""

    kind = "transcribe"
    asks = "a transcript"
    heard = True
    columns = (("audio", "transcript"), ("audio", "transcription"), ("path", "transcript"))
    spelt = True
    scores = by_name(WER, CER, EXACT)
