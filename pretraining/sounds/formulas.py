"""Seven families of sounds. A class is a set of numbers, drawn once by the seed; all else varies.

Each family is a table of the numbers of its classes, `[C]` or `[C, K]`, and a function from those of N sounds
to waves `[N, LENGTH]`. Nothing that was ever recorded or spoken plays a part.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from pretraining.sounds.waves import (
    FREQUENCIES,
    LENGTH,
    RATE,
    TIMES,
    Draw,
    between,
    filtered,
    peak,
    resonances,
    tilted,
    turns,
    unit,
)

CLASSES = 128
"""In each family."""
Numbers = dict[str, Tensor]


def some(draw: Draw, share: float) -> Tensor:
    """1 for that share of the classes, else 0."""
    return (draw.uniform(0, 1, CLASSES) < share).float()


def words_of(draw: Draw) -> Numbers:
    """Four parts: where a vocal tract resonates, or a hiss lies, how loud and how long each is, and stops."""
    c = CLASSES
    return {
        "first": draw.spread(250, 900, c, 4), "second": draw.spread(700, 2400, c, 4),
        "third": draw.spread(2000, 3400, c, 4), "voiced": (draw.uniform(0, 1, c, 4) < 0.7).float(),
        "loud": draw.uniform(-25, 0, c, 4), "hiss": draw.spread(1500, 7000, c, 4),
        "share": draw.spread(0.5, 2, c, 4), "stop": (draw.uniform(0, 1, c, 4) < 0.25).float(),
    }  # fmt: skip


def words(draw: Draw, p: Numbers) -> Tensor:
    """The pitch, the pace and the length of the vocal tract are the speaker's, not the word's."""
    n = len(p["loud"])
    size = draw.uniform(0.3, 1.0, n, 1) * LENGTH / RATE
    start = draw.uniform(0, 1, n, 1) * (LENGTH / RATE - size)
    place = (TIMES - start) / size
    inside = ((place >= 0) & (place < 1)).float()
    share = draw.near(p["share"], 0.15)
    edges = torch.cat([torch.zeros(n, 1), (share / share.sum(1, keepdim=True)).cumsum(1)], 1)
    pitch = draw.spread(75, 320, n, 1) * between(torch.exp(0.15 * draw.normal(n, 4)), place)
    phase = turns(pitch)
    pulses = torch.exp(draw.spread(2, 12, n, 1) * (torch.cos(phase) - 1))
    pulses = pulses - pulses.mean(1, keepdim=True)
    breath = 0.3 * draw.normal(n, LENGTH) * draw.uniform(0.02, 0.2, n, 1)
    hiss = draw.normal(n, LENGTH) * 0.3
    tract = draw.spread(0.82, 1.22, n, 1)
    fade = 0.02 / size
    widths = 0.5 * torch.tensor([[90.0, 110, 170]]).expand(n, 3) * 1.3
    gains = torch.tensor([[1.0, 0.6, 0.35]]).expand(n, 3)
    out = torch.zeros(n, LENGTH)
    for k in range(4):
        begin, end = edges[:, k, None], edges[:, k + 1, None]
        loud = torch.sigmoid((place - begin) / fade * 4) * torch.sigmoid((end - place) / fade * 4)
        loud = loud * 10 ** (draw.uniform(-3, 3, n, 1) / 20 + p["loud"][:, k, None] / 20)
        loud = loud * (1 - p["stop"][:, k, None] * (place < (begin + end) / 2).float() * 0.97)
        voiced = p["voiced"][:, k, None]
        centres = torch.stack([p["first"][:, k], p["second"][:, k], p["third"][:, k]], 1)
        voice = resonances(draw.near(centres, 0.05) * tract, widths, gains)
        centre = draw.near(p["hiss"][:, k, None], 0.06) * tract
        noise = 1.5 / (1 + ((FREQUENCIES - centre) / (0.25 * centre)) ** 2)
        out += filtered((pulses + breath) * loud * voiced, voice)
        out += filtered(hiss * loud * (1 - voiced), noise) * 0.5
    return out * inside


def tones_of(draw: Draw) -> Numbers:
    """Pitch, overtones, trembling, vibrato, bend, attack, decay, and where the body resonates."""
    c = CLASSES
    return {
        "pitch": draw.spread(90, 2000, c), "bright": draw.spread(0.5, 8, c), "tremor": draw.spread(2, 40, c),
        "trembles": draw.uniform(0, 1, c) * some(draw, 0.6), "vibrato": draw.spread(2, 15, c),
        "vibrates": draw.uniform(0, 0.12, c) * some(draw, 0.6), "bend": draw.uniform(-0.7, 0.7, c),
        "attack": draw.spread(0.005, 0.3, c), "decay": draw.spread(0.08, 3, c),
        "body": draw.spread(300, 4000, c),
    }  # fmt: skip


def tones(draw: Draw, p: Numbers) -> Tensor:
    """Barking, crowing, crying, horns: a tone with overtones that comes and goes."""
    p = {name: value[:, None] for name, value in p.items()}
    n = len(p["pitch"])
    t = (TIMES - draw.uniform(0, 0.6, n, 1)).clamp(min=0)
    pitch = draw.near(p["pitch"], 0.04) * torch.exp(p["bend"] * (t / p["decay"]).clamp(max=1))
    vibrato = draw.near(p["vibrato"], 0.05) * t + draw.uniform(0, 1, n, 1)
    pitch = pitch * (1 + p["vibrates"] * torch.sin(2 * math.pi * vibrato))
    phase = turns(pitch.clamp(max=3500))
    x = torch.exp(draw.near(p["bright"]) * (torch.cos(phase) - 1))
    x = x - x.mean(1, keepdim=True)
    tremor = draw.near(p["tremor"], 0.05) * t + draw.uniform(0, 1, n, 1)
    x = x * (1 + p["trembles"] * torch.sin(2 * math.pi * tremor))
    x = x * (1 - torch.exp(-t / draw.near(p["attack"]) * 3)) * torch.exp(-t / draw.near(p["decay"], 0.15))
    body = draw.near(p["body"], 0.05)
    return filtered(x, 0.2 + peak(body, 0.3 * body))


def chirps_of(draw: Draw) -> Numbers:
    """How a whistle rises and falls, how long it is, and how long it rests."""
    c = CLASSES
    return {
        "points": draw.spread(500, 6500, c, 4), "length": draw.spread(0.04, 0.6, c),
        "gap": draw.spread(0.03, 0.6, c), "rough": draw.uniform(0, 1, c) * some(draw, 0.4),
        "beat": draw.spread(15, 120, c),
    }  # fmt: skip


def chirps(draw: Draw, p: Numbers) -> Tensor:
    """Birds and sirens: a whistle again and again."""
    n = len(p["length"])
    length, gap = draw.near(p["length"])[:, None], draw.near(p["gap"])[:, None]
    place = torch.remainder(TIMES + draw.uniform(0, 1, n, 1), length + gap) / length
    x = torch.sin(turns(between(draw.near(p["points"], 0.02) * torch.exp(0.04 * draw.normal(n, 1)), place)))
    x = x * (1 + p["rough"][:, None] * torch.sin(2 * math.pi * draw.near(p["beat"])[:, None] * TIMES))
    return x * torch.sin(math.pi * place.clamp(0, 1)).clamp(min=0) ** 0.5 * (place < 1)


def noise_of(draw: Draw) -> Numbers:
    """Two bands, a tilt, and how the noise swells and moves."""
    c = CLASSES
    return {
        "centre": draw.spread(80, 6000, c), "width": draw.spread(60, 4000, c),
        "other": draw.spread(80, 6000, c), "wide": draw.spread(60, 2000, c), "gain": draw.uniform(0, 1, c),
        "tilt": draw.uniform(-2, 1, c), "rate": draw.spread(0.4, 30, c),
        "swell": draw.uniform(0, 1, c) * some(draw, 0.7), "sharp": draw.spread(0.5, 6, c),
        "sweep": draw.uniform(-1, 1, c),
    }  # fmt: skip


def noise(draw: Draw, p: Numbers) -> Tensor:
    """Wind, waves, rain, breath."""
    p = {name: value[:, None] for name, value in p.items()}
    n = len(p["rate"])
    x = draw.normal(n, LENGTH)
    centre, other = draw.near(p["centre"]), draw.near(p["other"])
    second, tilt = p["gain"] / (1 + ((FREQUENCIES - other) / p["wide"]) ** 2), tilted(p["tilt"] * 0.5)
    one = filtered(x, (peak(centre, p["width"]) + second) * tilt)
    two = filtered(x, (peak(centre * torch.exp(p["sweep"]), p["width"]) + second) * tilt)
    wave = 0.5 + 0.5 * torch.sin(
        2 * math.pi * (draw.near(p["rate"], 0.05) * TIMES + draw.uniform(0, 1, n, 1))
    )
    wave = wave.clamp(min=0) ** p["sharp"]
    return (unit(one) * (1 - wave) + unit(two) * wave) * (1 - p["swell"] + p["swell"] * wave)


def impacts_of(draw: Draw) -> Numbers:
    """Five resonances with their decay, a rhythm, and how hard it is struck."""
    c = CLASSES
    return {
        "pitches": draw.spread(100, 6000, c, 5), "decays": draw.spread(0.006, 0.4, c, 5),
        "gains": draw.spread(0.1, 1, c, 5), "rate": draw.spread(1, 14, c),
        "uneven": draw.uniform(0, 1, c) * some(draw, 0.5), "noise": draw.uniform(0, 1, c),
        "swing": draw.uniform(0, 0.4, c),
    }  # fmt: skip


def impacts(draw: Draw, p: Numbers) -> Tensor:
    """Clocks, steps, knocks, bells."""
    n = len(p["rate"])
    rate = draw.near(p["rate"], 0.05)[:, None]
    beat = TIMES * rate + draw.uniform(0, 1, n, 1)
    number = beat.floor()
    odd = torch.remainder(number, 2)
    late = p["swing"][:, None] * odd
    since, struck = (beat - number - late).clamp(min=0) / rate, (beat - number >= late).float()
    loud = 1 - p["uneven"][:, None] * odd
    pitches = draw.near(p["pitches"], 0.03) * torch.exp(0.04 * draw.normal(n, 1))
    decays, gains = draw.near(p["decays"], 0.1), draw.near(p["gains"], 0.3)
    x = torch.zeros(n, LENGTH)
    for k in range(5):
        ringing = gains[:, k, None] * torch.exp(-since / decays[:, k, None])
        x += ringing * torch.sin(2 * math.pi * pitches[:, k, None] * since)
    short = decays.mean(1, keepdim=True) * 0.3
    x += p["noise"][:, None] * draw.normal(n, LENGTH) * torch.exp(-since / short)
    return x * struck * loud


def engines_of(draw: Draw) -> Numbers:
    """Strokes a second, their sharpness, three resonances, noise, and whether it speeds up."""
    c = CLASSES
    return {
        "rate": draw.spread(12, 180, c), "sharp": draw.spread(1, 30, c),
        "centres": draw.spread(100, 4000, c, 3), "widths": draw.spread(60, 1200, c, 3),
        "gains": draw.spread(0.1, 1, c, 3), "noise": draw.uniform(0, 1.2, c),
        "rise": draw.uniform(-0.5, 0.5, c), "half": draw.uniform(0, 1, c),
    }  # fmt: skip


def engines(draw: Draw, p: Numbers) -> Tensor:
    """Motors, saws, helicopters."""
    n = len(p["rate"])
    drift = between(torch.exp(0.06 * draw.normal(n, 6)), (TIMES / TIMES[-1]).expand(n, -1))
    rate = draw.near(p["rate"], 0.06)[:, None] * drift * torch.exp(p["rise"][:, None] * TIMES / TIMES[-1])
    phase = turns(rate) + draw.uniform(0, 6, n, 1)
    x = torch.exp(2 * p["sharp"][:, None] * (torch.cos(phase) - 1))
    x = x * (1 + p["half"][:, None] * torch.cos(phase / 2) * 0.8)
    x = unit(x - x.mean(1, keepdim=True))
    loud = 0.4 + 0.6 * (x.abs() / (x.abs().amax(1, keepdim=True) + 1e-6))
    x = x + p["noise"][:, None] * draw.normal(n, LENGTH) * loud
    body = (draw.near(p["centres"], 0.05), draw.near(p["widths"], 0.1), draw.near(p["gains"], 0.2))
    return filtered(x, 0.05 + resonances(*body))


def crackle_of(draw: Draw) -> Numbers:
    """Snaps a second, their band and how unlike they are, and the bed of noise below them."""
    c = CLASSES
    return {
        "rate": draw.spread(5, 2500, c), "centre": draw.spread(300, 6500, c),
        "width": draw.spread(150, 4000, c), "unlike": draw.uniform(0.2, 2.2, c),
        "bed": draw.uniform(0, 0.7, c), "tilt": draw.uniform(-2, 0.5, c), "burst": draw.uniform(0, 1, c),
        "swell": draw.spread(0.7, 10, c),
    }  # fmt: skip


def crackle(draw: Draw, p: Numbers) -> Tensor:
    """Fire, drops, gravel, applause."""
    p = {name: value[:, None] for name, value in p.items()}
    n = len(p["rate"])
    wave = 0.5 + 0.5 * torch.sin(2 * math.pi * (draw.near(p["swell"]) * TIMES + draw.uniform(0, 1, n, 1)))
    chance = draw.near(p["rate"], 0.1) / RATE * (1 - p["burst"] + 2 * p["burst"] * wave)
    snaps = (draw.uniform(0, 1, n, LENGTH) < chance).float()
    snaps = snaps * torch.exp(p["unlike"] * draw.normal(n, LENGTH)) * draw.normal(n, LENGTH).sign()
    x = filtered(snaps, peak(draw.near(p["centre"], 0.05), p["width"]))
    return unit(x) + p["bed"] * unit(filtered(draw.normal(n, LENGTH), tilted(p["tilt"])))


FAMILIES: dict[str, tuple[Callable[[Draw], Numbers], Callable[[Draw, Numbers], Tensor]]] = {
    "words": (words_of, words),
    "tones": (tones_of, tones),
    "chirps": (chirps_of, chirps),
    "noise": (noise_of, noise),
    "impacts": (impacts_of, impacts),
    "engines": (engines_of, engines),
    "crackle": (crackle_of, crackle),
}
"""Name -> what draws the numbers of its classes, and what makes sounds of them."""
