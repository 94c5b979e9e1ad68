"""Sources that write: each family against `generate` of transformers, on stored states and from the input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from headstart import modalities, sources
from headstart.core.generator import Writes, Writing
from headstart.errors import SourceError
from headstart.modalities.text import Text
from headstart.sources.text.networks import transformer
from headstart.testing.generator import check_generator
from made.pretrained import WRITERS, write_model, write_writer

TEXTS = ("rain snow the a", "bread soup", "train ticket hotel airport luggage map bus")
LONGEST = 8


@pytest.fixture(scope="module", params=sorted(WRITERS))
def backbone(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = write_writer(tmp_path_factory.mktemp("writers") / request.param, request.param)
    found = sources.load(f"hf:{folder}")
    assert found.source.writes
    assert isinstance(found, Writes)
    return found.prompted(())


def prepared(backbone: Any) -> torch.Tensor:
    room = modalities.get("text")
    return torch.from_numpy(room.collate([room.prepare(Text(text), backbone.source.input) for text in TEXTS]))


def states(backbone: Any, place: str) -> torch.Tensor:
    batch = prepared(backbone)
    found: torch.Tensor = backbone.states(backbone.normalise(batch), (place,))[place]
    return found


def test_it_writes_what_transformers_does_of_each_text_alone(backbone: Any) -> None:
    generator = backbone.generator().writes(LONGEST)
    said = generator.write(states(backbone, generator.place), generator.place)
    assert torch.equal(said, generator.write(prepared(backbone), "input"))
    writing, library = generator.writing, transformer.library()
    start = list(writing.start)
    how = library.GenerationConfig(
        max_new_tokens=LONGEST + max(0, len(start) - 1),
        do_sample=False,
        eos_token_id=list(writing.end),
        pad_token_id=1,
        decoder_start_token_id=start[0] if start else None,
        forced_bos_token_id=start[1] if len(start) > 1 else None,
    )
    for row, batch in zip(said.tolist(), prepared(backbone).long(), strict=True):
        ids = batch[0, batch[1] > 0][None]
        mask = torch.ones_like(ids)
        whole = generator.module.generate(input_ids=ids, attention_mask=mask, generation_config=how)[
            0
        ].tolist()
        written = [token for token in row if token >= 0]
        assert whole[len(start) or ids.shape[1] :][: len(written)] == written
        assert len(written) == LONGEST or written[-1] in writing.end


def test_it_keeps_what_the_contract_promises(backbone: Any) -> None:
    check_generator(backbone, "rain snow")


def test_weights_that_the_backbone_has_are_in_memory_once(backbone: Any) -> None:
    apart = {p.data_ptr() for p in backbone.generator().copy().module.parameters()}
    own = {p.data_ptr() for p in backbone.module.parameters()}
    whole = {p.data_ptr() for p in backbone.generator().module.parameters()}
    assert own <= whole
    assert not own & apart


def test_a_prompt_comes_from_the_record(tmp_path: Path) -> None:
    tasks = {"summarization": {"prefix": "the "}, "translation_en_to_de": {"prefix": "a "}}
    tasks["translation_en_to_fr"] = {"prefix": "it "}
    found: Any = sources.load(f"hf:{write_writer(tmp_path / 't5', task_specific_params=tasks)}")
    assert found.prompted(("summarization",)).source.input.prefix == "the "
    assert found.prompted(("translation",)).source.input.prefix == ""  # one of two: none is taken
    assert found.prompts(("translation",)) == ("a ", "it ")
    assert found.behind("it ").source.input.prefix == "it "
    assert found.prompted(("summarization",)).generator() is found.generator()


def test_a_causal_network_leaves_room_for_the_answer(tmp_path: Path) -> None:
    found: Any = sources.load(f"hf:{write_writer(tmp_path / 'gpt2', 'gpt2')}")
    assert found.prompted(()).source.input.max_length == found.source.input.max_length // 2
    assert found.generator().place == "input"


def test_a_tokenizer_for_each_language_says_what_to_do(tmp_path: Path) -> None:
    folder = write_writer(tmp_path / "marian", "marian")
    (folder / "tokenizer.json").unlink()
    for name in ("source.spm", "target.spm", "vocab.json"):
        (folder / name).write_text("{}")
    with pytest.raises(SourceError, match=r"a pair of files, source\.spm and target\.spm"):
        sources.load(f"hf:{folder}")


def test_what_cannot_write_says_so(tmp_path: Path) -> None:
    bert = sources.load(f"hf:{write_model(tmp_path / 'bert')}")
    assert not bert.source.writes
    assert not isinstance(bert, Writes)
    alone: Any = sources.load(f"hf:{write_writer(tmp_path / 'endless', 'gpt2', eos_token_id=None)}")
    with pytest.raises(SourceError, match="no token of it ends a text"):
        alone.generator()
    folder = write_writer(tmp_path / "half", "bart")
    from safetensors.numpy import load_file, save_file

    kept = {k: v for k, v in load_file(folder / "model.safetensors").items() if ".decoder.layers" not in k}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    half: Any = sources.load(f"hf:{folder}")
    with pytest.raises(SourceError, match="missing"):
        half.generator()


@pytest.mark.parametrize("fields", [{"end": []}, {"end": [-1]}, {"longest": 0}, {"longest": 10**9}])
def test_a_way_to_write_that_no_network_has_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="way to write"):
        Writing.from_json({**Writing((3,)).to_json(), **fields})
