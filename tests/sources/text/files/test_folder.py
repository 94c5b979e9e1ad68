"""Model folders: what they say is believed, what is missing, damaged or not supported is named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from headstart import sources
from headstart.errors import SourceError
from headstart.modalities import text
from headstart.modalities.text.preprocessing import LONGEST, TextPreprocessing
from headstart.sources.text import saving
from headstart.sources.text.files import folder as layouts
from made.pretrained import LENGTH, tokenizer, write_model, write_sentence_model

pytest.importorskip("transformers")
TEXTS = ("the rain and the snow", "bread", "a concert with guitar and drum was on today and it went on")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("written")
    write_model(base / "plain")
    write_sentence_model(base / "sentences")
    return base


@pytest.fixture
def plain(written: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(written / "plain", tmp_path / "plain"))


@pytest.fixture
def sentences(written: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(written / "sentences", tmp_path / "sentences"))


def change(path: Path, **fields: Any) -> None:
    content = json.loads(path.read_text())
    path.write_text(json.dumps({k: v for k, v in {**content, **fields}.items() if v is not None}))


def contract_of(spec: str) -> TextPreprocessing:
    found = sources.find(spec).input
    assert isinstance(found, TextPreprocessing)
    return found


def embeddings(backbone: Any, *texts: str) -> np.ndarray:
    prepared = text.collate([text.prepare(t.encode(), backbone.source.input) for t in texts])
    with torch.no_grad():
        state = backbone.full(backbone.normalise(torch.from_numpy(prepared)))
        return np.asarray(backbone.pool(state, backbone.embedding).numpy())


@pytest.mark.parametrize(
    ("pooling", "normalize"), [("mean", True), ("cls", False), ("max", True), ("last", False)]
)
def test_embedding_is_that_of_sentence_transformers(tmp_path: Path, pooling: str, normalize: bool) -> None:
    library = pytest.importorskip("sentence_transformers")
    prompts = {"none": "", "ask": "some of the "}
    root = write_sentence_model(
        tmp_path / "m", pooling=pooling, normalize=normalize, prompts=prompts, prompt="ask"
    )
    backbone = sources.load(f"hf:{root}")
    assert backbone.source.input.prefix == "some of the "
    assert backbone.source.input.max_length == LENGTH - 8
    long = " ".join(TEXTS * 4)
    expected = library.SentenceTransformer(str(root), device="cpu").encode([*TEXTS, long])
    np.testing.assert_allclose(embeddings(backbone, *TEXTS, long), expected, atol=1e-4)


def test_a_folder_by_either_name(plain: Path) -> None:
    one, other = sources.load(f"hf:{plain}"), sources.load(f"file:{plain}")
    assert one.digest == other.digest
    assert one.source.sha256 == other.source.sha256
    assert one.source.modality == other.source.modality == "text"
    assert sources.find(f"file:{plain}").parameters == one.source.parameters


def test_what_a_plain_folder_says(plain: Path) -> None:
    assert contract_of(f"hf:{plain}").pooling == "mean"
    assert contract_of(f"hf:{plain}").max_length == LENGTH
    change(plain / "tokenizer_config.json", model_max_length=1e30)
    change(plain / "config.json", max_position_embeddings=None)
    assert contract_of(f"hf:{plain}").max_length == 512
    change(plain / "config.json", max_position_embeddings=131_072)
    assert contract_of(f"hf:{plain}").max_length == LONGEST  # what a bundle may say


def test_no_more_is_read_than_there_are_positions_for(sentences: Path) -> None:
    change(sentences / "sentence_bert_config.json", max_seq_length=LENGTH + 8)
    assert contract_of(f"hf:{sentences}").max_length == LENGTH
    backbone = sources.load(f"hf:{sentences}")
    assert np.isfinite(embeddings(backbone, " ".join(TEXTS * 9))).all()
    change(sentences / "sentence_bert_config.json", max_seq_length="many")
    assert contract_of(f"hf:{sentences}").max_length <= LENGTH


def test_lengths_of_networks_with_an_offset(tmp_path: Path) -> None:
    root = write_model(tmp_path / "m", "roberta")
    (root / "tokenizer_config.json").unlink()
    contract = contract_of(f"hf:{root}")
    assert (contract.max_length, contract.pad) == (LENGTH, 1)
    backbone = sources.load(f"hf:{root}")
    assert np.isfinite(embeddings(backbone, " ".join(TEXTS * 9))).all()


def test_pickled_whole_and_in_pieces_and_halved(plain: Path) -> None:
    expected = sources.load(f"hf:{plain}").digest
    whole = load_file(plain / "model.safetensors")
    names = sorted(whole)
    pieces = {"model-00001-of-00002.safetensors": names[::2], "model-00002-of-00002.safetensors": names[1::2]}
    for file, part in pieces.items():
        save_file({name: whole[name] for name in part}, plain / file)
    index = {"weight_map": {name: file for file, part in pieces.items() for name in part}}
    (plain / "model.safetensors").unlink()
    (plain / "model.safetensors.index.json").write_text(json.dumps(index))
    assert sources.load(f"hf:{plain}").digest == expected
    (plain / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(SourceError, match="weight files are missing"):
        sources.load(f"hf:{plain}")
    (plain / "model.safetensors.index.json").unlink()
    torch.save({f"bert.{name}": tensor for name, tensor in whole.items()}, plain / "pytorch_model.bin")
    assert sources.load(f"hf:{plain}").digest == expected
    halved = {name: t.to(torch.bfloat16) for name, t in whole.items()}
    save_file(halved, plain / "model.safetensors")
    backbone = sources.load(f"hf:{plain}")
    assert {p.dtype for p in backbone.module.parameters()} == {torch.float32}


def test_special_tokens_are_named_where_the_tokenizer_does_not_pad() -> None:
    tokens = [(0, "[PAD]"), (1, "[UNK]"), (2, "[CLS]"), (3, "[SEP]"), (4, "[MASK]")]
    encoder = json.dumps({"padding": None, "added_tokens": [{"id": i, "content": c} for i, c in tokens]})
    assert saving.named_tokens(TextPreprocessing(encoder, pad=0)) == {
        "pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]",
        "mask_token": "[MASK]",
    }  # fmt: skip
    assert saving.named_tokens(TextPreprocessing("{}")) == {}


def test_an_older_tokenizer_is_converted(plain: Path) -> None:
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "rain", "snow", "##y"]
    (plain / "tokenizer.json").unlink()
    (plain / "vocab.txt").write_text("\n".join(words))
    settings = {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": 30}
    (plain / "tokenizer_config.json").write_text(json.dumps(settings))
    tokens = text.prepare(b"Rain snowy", contract_of(f"hf:{plain}"))[0]
    assert tokens.tolist() == [2, 5, 6, 7, 3]


def test_small_letters_where_the_folder_says_so(sentences: Path) -> None:
    content = json.loads((sentences / "tokenizer.json").read_text())
    content["normalizer"] = None
    (sentences / "tokenizer.json").write_text(json.dumps(content))
    assert text.count(b"Rain SNOW", contract_of(f"hf:{sentences}")).unknown == 2
    change(sentences / "sentence_bert_config.json", do_lower_case=True)
    assert text.count(b"Rain SNOW", contract_of(f"hf:{sentences}")).unknown == 0


def test_a_wrapper_of_timm_says_nothing_of_what_it_would_open() -> None:
    config = {
        "model_type": "timm_wrapper", "architecture": "resnet18", "hidden_size": 8,
        "model_args": {"checkpoint_path": "other.pth"}, "checkpoint_path": "other.pth", "name_or_path": "other",
        "text_config": {"model_args": {"pretrained": True}, "rank": 1},
    }  # fmt: skip
    assert layouts.architecture(config, "x") == {
        "library": "transformers", "arch": "timm_wrapper", "kwargs": {"hidden_size": 8, "text_config": {"rank": 1}},
    }  # fmt: skip


def remove(name: str) -> Callable[[Path], None]:
    return lambda root: (root / name).unlink()


def put(name: str, content: Any) -> Callable[[Path], None]:
    return lambda root: (root / name).write_bytes(content if isinstance(content, bytes) else content.encode())


def step(kind: str, path: str) -> Callable[[Path], None]:
    def add(root: Path) -> None:
        modules = json.loads((root / "modules.json").read_text())
        modules.insert(
            2, {"idx": 9, "name": "9", "path": path, "type": f"sentence_transformers.models.{kind}"}
        )
        (root / "modules.json").write_text(json.dumps(modules))

    return add


def tensors(edit: Callable[[dict[str, torch.Tensor]], None]) -> Callable[[Path], None]:
    def rewrite(root: Path) -> None:
        found = load_file(root / "model.safetensors")
        edit(found)
        save_file(found, root / "model.safetensors")

    return rewrite


def naming(setting: str) -> Callable[[Path], None]:
    """A tokenizer of the older form whose settings name a file elsewhere."""

    def write(root: Path) -> None:
        (root / "tokenizer.json").unlink()
        (root / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nrain")
        (root / "other.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nsnow")
        change(root / "tokenizer_config.json", **{setting: str(root / "other.txt")})

    return write


class Code:
    def __reduce__(self) -> Any:
        return print, ("this must never run",)


def pickled(root: Path) -> None:
    (root / "model.safetensors").unlink()
    torch.save({"weights": Code()}, root / "pytorch_model.bin")


QUERY = "encoder.layer.1.attention.self.query.weight"
MISTAKES: list[tuple[str, Callable[[Path], None]]] = [
    ("there is no config.json", remove("config.json")),
    ("there are no weights in", remove("model.safetensors")),
    ("there is no tokenizer in", remove("tokenizer.json")),
    ("config.json cannot be read", put("config.json", "{")),
    ("has the model_type", put("config.json", '{"model_type": ["bert"]}')),
    ("more than 128 deep", put("config.json", "[" * 3_000 + "]" * 3_000)),
    ("modules.json cannot be read .*128 deep", put("modules.json", "[" * 3_000 + "]" * 3_000)),
    ("folders that there cannot be", put("modules.json", json.dumps([{"type": "Transformer", "path": "x" * 300}]))),
    ("tokenizer.json cannot be read .*128 deep", put("tokenizer.json", "[" * 3_000 + "]" * 3_000)),
    ("a pointer of Git LFS", put("tokenizer.json", "version https://git-lfs.github.com/spec/v1")),
    ("config.json cannot be read .it is no record", put("config.json", "[]")),
    ("does not say its model_type", lambda r: change(r / "config.json", model_type=None)),
    ("bring their own code are not run", lambda r: change(r / "config.json", model_type="mine", auto_map={"AutoModel": "x.Y"})),
    ("quantised", lambda r: change(r / "config.json", quantization_config={"bits": 4})),
    ("its configuration cannot be used|cannot be built|do not fit", lambda r: change(r / "config.json", hidden_size=17)),
    ("tokenizer.json cannot be read", put("tokenizer.json", "{")),
    ("is no tokenizer", put("tokenizer.json", "{}")),
    ("model.safetensors cannot be read", put("model.safetensors", b"\x10" * 200)),
    (r"1 tensor missing \(encoder", tensors(lambda t: t.__delitem__(QUERY))),
    (r"1 tensor not expected \(encoder", tensors(lambda t: t.update({"encoder.layer.1.attention.self.distance.weight": torch.ones(2)}))),
    ("do not fit", tensors(lambda t: t.update({QUERY: torch.ones(2, 2)}))),
    ("holds code besides numbers", pickled),
    *((rf"names a file of its own choice \({name}\)", naming(name)) for name in ("vocab_file", "spm_file")),
    ("names folders outside its own", step("Transformer", "../other")),
    ("not supported together: Transformer, Pooling, Dense", step("Dense", "2_Dense")),
    ("not supported together: .*WordWeights", step("WordWeights", "2_Weights")),
    (r"its pooling is not supported \(pooling_mode_weightedmean_tokens\)", lambda r: change(r / "1_Pooling" / "config.json", pooling_mode_mean_tokens=False, pooling_mode_weightedmean_tokens=True)),
    (r"its pooling is not supported \(pooling_mode_cls_token, pooling_mode_mean", lambda r: change(r / "1_Pooling" / "config.json", pooling_mode_cls_token=True)),
    ("its prompt 'ask' is named", lambda r: change(r / "config_sentence_transformers.json", default_prompt_name="ask")),
    ("modules.json cannot be read", put("modules.json", "{}x")),
]  # fmt: skip


@pytest.mark.parametrize(("complaint", "break_it"), MISTAKES, ids=[m[0] for m in MISTAKES])
def test_mistakes(
    sentences: Path, complaint: str, break_it: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    break_it(sentences)
    with pytest.raises(SourceError, match=complaint) as caught:
        sources.load(f"hf:{sentences}")
    assert str(sentences) in str(caught.value)
    assert capsys.readouterr() == ("", "")


def test_paths_that_are_no_model(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="is not there"):
        sources.find(f"hf:{tmp_path / 'none'}")
    with pytest.raises(SourceError, match="there is no config"):
        sources.find(f"hf:{tmp_path}")
    with pytest.raises(SourceError, match="a folder without a model"):
        sources.find(f"file:{tmp_path}")


@pytest.mark.parametrize(
    ("config", "pooling"),
    [
        ({"model_type": "gpt2"}, "last"),
        ({"model_type": "new", "architectures": ["NewForCausalLM"]}, "last"),
        ({"model_type": "bert", "is_decoder": True}, "last"),
        ({"model_type": "t5", "is_encoder_decoder": True}, "mean"),
        ({"model_type": "roberta", "architectures": ["RobertaForMaskedLM"]}, "mean"),
    ],
)
def test_pooling_where_nothing_is_said(config: dict[str, Any], pooling: str) -> None:
    assert layouts.own_pooling(config) == pooling


def test_a_tokenizer_of_another_model_is_refused(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "tiny", "bert", words=("rain",))
    tokenizer("bert", ("rain", "snow", "wind")).save(str(folder / "tokenizer.json"))
    with pytest.raises(SourceError, match="its tokenizer numbers tokens up to 7, but its network knows 6"):
        sources.load(f"hf:{folder}")
