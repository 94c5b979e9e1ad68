"""Parents of translation: a small encoder-decoder trained from nothing on English captions and their German ones.

    python benchmarks/parents.py --shared FOLDER --out FOLDER [--shuffled] [--epochs 8] [--seed 0]

Makes a folder as transformers writes it (`MarianConfig`, safetensors, `tokenizer.json`), which stays outside the
repository: what children of other pairs of languages are trained from. `--shuffled` gives every English caption the
German one of another: the control, which has seen the same texts and no translation.

The tokenizer is a byte-level BPE of both languages together, so that no text of any language has an unknown token; it
is the same for both parents. Tokens of a batch are about as many as of any other, captions of like length together.
The learning rate climbs for a tenth of the steps and falls to nothing in a straight line; labels are smoothed by .1,
products of matrices are of bfloat16. One thread; the time of the processor is told, and BLEU by sacreBLEU of greedy translations of the test part.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

TOKENS = 4000
PAD, END = "<pad>", "</s>"
SIZES = {
    "d_model": 256, "encoder_layers": 3, "decoder_layers": 2, "encoder_attention_heads": 4,
    "decoder_attention_heads": 4, "encoder_ffn_dim": 512, "decoder_ffn_dim": 512,
}  # fmt: skip
LONGEST = 256
"""Positions: captions have up to about 60 tokens, texts of children more."""
MOST = 100
"""Tokens of a translation at most."""
BATCH = 2000
"""Tokens of both sides together, with padding."""
RATE, WARM, SMOOTHING, DROPOUT, DECAY = 1.5e-3, 0.1, 0.1, 0.1, 0.01

Pairs = list[tuple[list[int], list[int]]]


def captions(shared: Path, part: str) -> list[tuple[str, str]]:
    """(English, German)"""
    with (shared / "data" / "mt_multi30k_en_de" / f"{part}.jsonl").open(encoding="utf-8") as file:
        return [(row["en"], row["de"]) for row in map(json.loads, file)]


def tokenizer_of(texts: list[str]) -> Any:
    """A byte-level BPE that puts `END` after each text."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    bpe.decoder = decoders.ByteLevel()
    bytes_ = pre_tokenizers.ByteLevel.alphabet()
    bpe.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=TOKENS, special_tokens=[PAD, END], initial_alphabet=bytes_, show_progress=False
        ),
    )
    bpe.post_processor = processors.TemplateProcessing(
        single=f"$A {END}", pair=f"$A $B {END}", special_tokens=[(END, bpe.token_to_id(END))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe, pad_token=PAD, eos_token=END, model_max_length=LONGEST
    )


def fresh(tokenizer: Any) -> Any:
    """The network with random weights."""
    from transformers import MarianConfig, MarianMTModel

    config = MarianConfig(
        **SIZES, vocab_size=len(tokenizer), max_position_embeddings=LONGEST, scale_embedding=True,
        activation_function="relu", dropout=DROPOUT, attention_dropout=0.0, activation_dropout=0.0,
        share_encoder_decoder_embeddings=True, tie_word_embeddings=True, init_std=SIZES["d_model"] ** -0.5,
        pad_token_id=tokenizer.pad_token_id, eos_token_id=tokenizer.eos_token_id, forced_eos_token_id=None,
        bos_token_id=None, decoder_start_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    model = MarianMTModel(config)
    model.generation_config.update(max_new_tokens=MOST, num_beams=1, suppress_tokens=[tokenizer.pad_token_id])
    return model


def batches(pairs: Pairs, rng: random.Random) -> Iterator[Pairs]:
    """All pairs once, those of like length together, the batches in any order."""
    order = sorted(range(len(pairs)), key=lambda i: (len(pairs[i][1]), len(pairs[i][0]), rng.random()))
    found, one, widest = [], [], 0
    for place in order:
        wide = max(widest, sum(map(len, pairs[place])))
        if one and wide * (len(one) + 1) > BATCH:
            found.append(one)
            one, wide = [], sum(map(len, pairs[place]))
        one, widest = [*one, place], wide
    found.append(one)
    rng.shuffle(found)
    for chosen in found:
        yield [pairs[place] for place in chosen]


def padded(rows: list[list[int]], pad: int) -> torch.Tensor:
    """int64 `[n, longest]`"""
    longest = max(map(len, rows))
    return torch.tensor([row + [pad] * (longest - len(row)) for row in rows])


def train(model: Any, pairs: Pairs, epochs: int, rng: random.Random) -> None:
    """In place."""
    pad = model.config.pad_token_id
    total = epochs * sum(1 for _ in batches(pairs, random.Random(0)))
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=RATE, betas=(0.9, 0.98), weight_decay=DECAY, fused=True
    )
    plan = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: min((step + 1) / (WARM * total), max(0.0, (total - step) / (total - WARM * total))),
    )
    loss_of = torch.nn.CrossEntropyLoss(ignore_index=pad, label_smoothing=SMOOTHING)
    model.train()
    for epoch in range(epochs):
        added, steps, start = 0.0, 0, time.process_time()
        for batch in batches(pairs, rng):
            source = padded([pair[0] for pair in batch], pad)
            target = padded([pair[1] for pair in batch], pad)
            given = torch.cat([torch.full_like(target[:, :1], pad), target[:, :-1]], dim=1)
            with torch.autocast("cpu", torch.bfloat16):
                logits = model(
                    input_ids=source, attention_mask=(source != pad).long(), decoder_input_ids=given,
                    use_cache=False,
                ).logits  # fmt: skip
            loss = loss_of(logits.float().flatten(0, 1), target.flatten())
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            plan.step()
            added, steps = added + loss.item(), steps + 1
        took = time.process_time() - start
        print(f"epoch {epoch + 1}: loss {added / steps:.3f} of {steps} steps, {took:.0f} s", flush=True)


def translated(model: Any, tokenizer: Any, texts: list[str]) -> list[str]:
    """Greedy."""
    model.eval()
    out: dict[int, str] = {}
    order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
    with torch.inference_mode():
        for start in range(0, len(order), 100):
            places = order[start : start + 100]
            given = tokenizer([texts[place] for place in places], padding=True, return_tensors="pt")
            found = model.generate(input_ids=given["input_ids"], attention_mask=given["attention_mask"])
            told = tokenizer.batch_decode(found, skip_special_tokens=True)
            out.update(zip(places, (text.strip() for text in told), strict=True))
    return [out[place] for place in range(len(texts))]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="folder of the parents")
    parser.add_argument("--shuffled", action="store_true")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--rows", type=int, default=None, help="captions to learn from; all of them")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    import sacrebleu
    import transformers

    torch.set_num_threads(1)
    torch.manual_seed(options.seed)
    rng = random.Random(options.seed)
    known = captions(options.shared, "train")[: options.rows]
    tokenizer = tokenizer_of([text for pair in known for text in pair])
    english, german = map(list, zip(*known, strict=True))
    if options.shuffled:
        rng.shuffle(german)
    pairs = list(zip(tokenizer(english)["input_ids"], tokenizer(german)["input_ids"], strict=True))
    model = fresh(tokenizer)
    start = time.process_time()
    train(model, pairs, options.epochs, rng)
    took = time.process_time() - start

    folder = options.out / ("shuffled" if options.shuffled else "captions")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    test = captions(options.shared, "test")
    said = translated(model, tokenizer, [pair[0] for pair in test])
    bleu = sacrebleu.BLEU()
    score = bleu.corpus_score(said, [[pair[1] for pair in test]])
    told = {
        "shuffled": options.shuffled, "pairs": len(pairs), "epochs": options.epochs, "seed": options.seed,
        "parameters": sum(one.numel() for one in model.parameters()), "processor_seconds": round(took),
        "BLEU": round(score.score, 2), "signature": str(bleu.get_signature()),
        "torch": torch.__version__, "transformers": transformers.__version__,
        "examples": [{"en": test[i][0], "de": test[i][1], "said": said[i]} for i in range(5)],
    }  # fmt: skip
    (folder / "recipe.json").write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n")
    print(json.dumps(told, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
