"""How recordings are prepared, for programs that have only the exported network: as fields, and in words."""

from __future__ import annotations

from typing import Any

from headstart.modalities.audio import preprocessing as recipes
from headstart.modalities.audio.preprocessing import AudioPreprocessing


def of_recordings(contract: AudioPreprocessing) -> dict[str, Any]:
    """What `headstart.modalities.audio.prepare` and `collate` do to recordings, step by step."""
    return {
        "rate": contract.rate,
        "longest": contract.longest,
        "recipe": {name: value for name, value in contract.to_json().items() if name != "modality"},
        "padding": {"side": "right", "value": 0, "to": "the longest of the batch", "mask": 0},
        "rows": [*(["sample"] if contract.waves else [f"{contract.mels} bands"]), "mask"],
        "steps": [
            "decode to floats from -1 to 1; mix all channels down to their mean",
            f"cut off what is beyond {contract.longest:g} seconds",
            f"resample to {contract.rate} samples a second with soxr, quality HQ",
            _values(contract),
            "add a row of ones, the mask",
            "fill up at the end with zeros in every row to the longest of the batch: float32 [N, rows, T]",
        ],
    }


def _values(contract: AudioPreprocessing) -> str:
    if contract.recipe == recipes.WAVE:
        return "the samples are the values"
    if contract.recipe == recipes.UNIT:
        return "take away the mean of the recording's samples, and divide by sqrt(variance + 1e-7)"
    size, hop, mels = contract.n_fft, contract.hop, contract.mels
    if contract.recipe == recipes.AST:
        return (
            f"frames of {size} samples every {hop}, the first at the beginning: take away each one's mean, "
            f"subtract {recipes.EMPHASIS} of the sample before (of the first: of itself), multiply with the "
            f"symmetric Hann window, transform at the next power of 2, square, sum into {mels} triangles "
            "on the mel scale 1127 ln(1 + f / 700) from 20 Hz to half the rate, take the natural logarithm "
            f"of at least {recipes.KALDI_FLOOR}, subtract {contract.mean:g} and divide by "
            f"{2 * contract.std:g}"
        )
    frames = (
        f"frames of {size} samples around every {hop}th sample, the ends reflected: multiply with the "
        f"periodic Hann window, transform, square, sum into {mels} triangles of area 1 on Slaney's mel scale"
    )
    if contract.recipe == recipes.MEL:
        loud = f"what is quieter than {recipes.LOUDNESS:g} dBFS is made as loud"
        return f"{loud}; {frames} from 0 to half the rate"
    return (
        f"in windows of {contract.seconds:g} seconds, each followed by silence where it is not full: "
        f"{frames} from 0 to {recipes.WHISPERS_TOP} Hz, as many frames as "
        f"{'the windows have' if contract.whole else 'the recording has'}; take the "
        f"logarithm to base 10 of at least {recipes.QUIETEST}, raise to at least 8 under the window's "
        "largest value, add 4 and divide by 4"
    )
