"""A recurrent network of characters (textgenrnn's kind) as a source of texts in one style: nats a character.

Two LSTMs over the last 40 characters, a weighted average of their states, and a softmax over the characters. Arms:
the network as it is, its second LSTM and what follows trained further on the stored states of the first, the same
architecture from scratch, and counts of single characters.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

WINDOW, START = 40, "<s>"
HELD = 0.2
"""Of the texts to learn from, those that tell when to stop."""
EPOCHS, PATIENCE, BATCH = 30, 3, 128
RATES = {"last": 1e-3, "scratch": 3e-3}


class Characters(nn.Module):
    """int64 `[B, WINDOW]` -> logits `[B, V]`."""

    def __init__(self, vocabulary: int = 465, width: int = 100, hidden: int = 128) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.rnn_1 = nn.LSTM(width, hidden, batch_first=True)
        self.rnn_2 = nn.LSTM(hidden, hidden, batch_first=True)
        self.attention = nn.Linear(width + 2 * hidden, 1, bias=False)
        self.output = nn.Linear(width + 2 * hidden, vocabulary)

    def first(self, tokens: Tensor) -> Tensor:
        """`[B, WINDOW, width + hidden]`: what is stored once."""
        embedded = self.embedding(tokens)
        return torch.cat([embedded, self.rnn_1(embedded)[0]], -1)

    def rest(self, state: Tensor) -> Tensor:
        """From that state to logits."""
        hidden = self.rnn_1.hidden_size
        x = torch.cat([state, self.rnn_2(state[..., -hidden:])[0]], -1)
        logits: Tensor = self.output((x * self.attention(x).softmax(1)).sum(1))
        return logits

    def forward(self, tokens: Tensor) -> Tensor:
        return self.rest(self.first(tokens))


def load(folder: Path) -> tuple[Characters, dict[str, int]]:
    """The network of the folder, and its characters' numbers."""
    from safetensors.torch import load_file

    network = Characters()
    network.load_state_dict(load_file(folder / "textgenrnn_default.safetensors"))
    return network, json.loads((folder / "vocab.json").read_text())


def windows(texts: list[str], vocabulary: dict[str, int]) -> tuple[Tensor, Tensor, np.ndarray]:
    """(int64 `[n, WINDOW]` what was before, int64 `[n]` the character, int64 `[n]` the text it is of), also of the
    end of each text; characters without a number are left out."""
    given, wanted, of = [], [], []
    for number, text in enumerate(texts):
        ids = [vocabulary[START], *(vocabulary[c] for c in text if c in vocabulary), vocabulary[START]]
        for place in range(1, len(ids)):
            before = ids[max(0, place - WINDOW) : place]
            given.append([0] * (WINDOW - len(before)) + before)
            wanted.append(ids[place])
            of.append(number)
    return torch.tensor(given), torch.tensor(wanted), np.array(of)


def nats(run: Callable[[Tensor], Tensor], given: Tensor, wanted: Tensor) -> np.ndarray:
    """float64 `[n]`: what each character costs."""
    out = []
    with torch.inference_mode():
        for start in range(0, len(given), 512):
            logits = run(given[start : start + 512])
            out.append(functional.cross_entropy(logits, wanted[start : start + 512], reduction="none"))
    return torch.cat(out).double().numpy()


def trained(
    network: Characters, given: Tensor, wanted: Tensor, held: np.ndarray, *, last: bool, seed: int
) -> Callable[[Tensor], Tensor]:
    """What gives logits, of the epoch that is best on the rows `held`."""
    own = [
        one for name, one in network.named_parameters() if not last or not name.startswith(("emb", "rnn_1"))
    ]
    with torch.no_grad():
        x = torch.cat([network.first(part) for part in given.split(512)]) if last else given
    run = network.rest if last else network
    optimizer = torch.optim.AdamW(own, lr=RATES["last" if last else "scratch"], weight_decay=0.01)
    rng, learn = np.random.default_rng(seed), np.flatnonzero(~held)
    best, state, worse = np.inf, {}, 0
    for _ in range(EPOCHS):
        found = float(nats(run, x[held], wanted[held]).mean())
        if found < best:
            best, worse = found, 0
            state = {name: value.clone() for name, value in network.state_dict().items()}
        elif (worse := worse + 1) == PATIENCE:
            break
        for rows in np.array_split(rng.permutation(learn), max(1, len(learn) // BATCH)):
            loss = functional.cross_entropy(run(x[rows]), wanted[rows])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(own, 1.0)
            optimizer.step()
    network.load_state_dict(state)
    return network


def arms(
    network: Characters, vocabulary: dict[str, int], learn: list[str], test: list[str], seed: int
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """(nats of every character of the test texts by arm, the text that each is of)."""
    torch.manual_seed(seed)
    given, wanted, of = windows(learn, vocabulary)
    held = np.isin(of, np.random.default_rng(seed).permutation(len(learn))[: round(HELD * len(learn))])
    x, y, texts = windows(test, vocabulary)
    counts = np.bincount(wanted.numpy(), minlength=network.output.out_features) + 0.5
    found: dict[str, Any] = {
        "single characters": -np.log(counts / counts.sum())[y.numpy()],
        "untouched": nats(network.eval(), x, y),
    }
    size = (network.output.out_features, network.embedding.embedding_dim, network.rnn_1.hidden_size)
    found["scratch"] = nats(trained(Characters(*size), given, wanted, held, last=False, seed=seed), x, y)
    found["last layers"] = nats(trained(network, given, wanted, held, last=True, seed=seed), x, y)
    return found, texts
