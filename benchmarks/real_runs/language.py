"""SmolLM2-135M-Instruct on English: ranked, trained a little, searched by perplexity and size.

Units are ranked and sub-networks trained on OpenWebText; candidates are scored on one half of the Wikipedia
passages and the table's last column on the other half. Then the full model and each export answer the same
questions.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any, Final

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import nas
from benchmarks.assets import english, smollm2
from benchmarks.real_runs import run, steps
from nas.data import EncodedDataset, Texts, load_texts, pack_texts

BUDGETS: Final = tuple(f"num_parameters <= {share} * baseline" for share in (0.95, 0.9, 0.8))
QUESTIONS: Final = ("What is the capital of France?", "Write one sentence about the sea.")
_BLOCK: Final = 256
#: So little training does not mend a narrower residual stream, few heads, or half of the layers gone.
CHOICES: Final = {
    "num_hidden_layers": {"min": 20, "max": 30, "step": 1},
    "num_key_value_heads": [2, 3],
    "intermediate_size": {"min": 1024, "max": 1536, "step": 128},
    "hidden_size": [576],
}


def main(arguments: list[str]) -> None:
    """Run, or go on, and print the table and the answers."""
    settings = run.settings_of(run.options("language", __doc__, trials=40).parse_args(arguments))
    source = run.folder_of(smollm2(settings.cache))
    train, validation, test = _data(source, run.folder_of(english(settings.cache)), settings)

    def start() -> nas.Supernet:
        return nas.Supernet.from_pretrained(source, task="causal-lm", seed=settings.seed)

    supernet = run.built(settings.folder / "supernet", start, _steps(train, settings))
    study = nas.create_study(
        "english",
        supernet=supernet,
        space=supernet.space("uniform", choices=CHOICES),
        objectives=["min perplexity", "min num_parameters"],
        storage=run.storage_in(settings.folder),
        seed=settings.seed,
        load_if_exists=True,
    )
    run.searched(study, nas.DatasetEvaluator(data=validation, batch_size=4), settings)
    answers: list[str] = []

    def score(model: Any) -> float:
        loaded = _loaded(model)
        answers.append("\n".join(f"> {text}" for text in _answers(loaded, source)))
        return perplexity(loaded, test)

    found = run.rows(study, BUDGETS, settings.folder / "exports", score)
    print(run.table(found, ("perplexity",), "perplexity on test"))
    for row, text in zip(found, answers, strict=True):
        print(f"\n{row.name}\n{text}")


def perplexity(model: Any, data: EncodedDataset) -> float:
    """exp(negative log likelihood ÷ tokens) over blocks whose first token is given."""
    total, tokens = 0.0, 0
    with torch.inference_mode():
        for batch in data.batches(4, order="length"):
            logits = model(**batch.inputs).logits[:, :-1].float()
            wanted = batch.labels[:, 1:]
            total += torch.nn.functional.cross_entropy(
                logits.reshape(-1, logits.shape[-1]), wanted.reshape(-1), reduction="sum"
            ).item()
            tokens += wanted.numel()
    return math.exp(total / tokens)


def _data(
    model: Path, folder: Path, settings: run.Settings
) -> tuple[EncodedDataset, EncodedDataset, EncodedDataset]:
    """Blocks to train on, to score candidates on, and to score finished models on."""
    tokenizer = AutoTokenizer.from_pretrained(model)
    web, passages = (load_texts(folder / f"{name}.jsonl").texts for name in ("openwebtext", "wikipedia"))
    half = len(passages) // 2
    parts = ((web, 400, 4), (passages[:half], 40, 2), (passages[half:], 120, 2))
    train, validation, test = (
        pack_texts(Texts(texts=texts).limit(settings.size(*sizes)), tokenizer, max_length=_BLOCK)
        for texts, *sizes in parts
    )
    return train, validation, test


def _steps(train: EncodedDataset, settings: run.Settings) -> dict[str, run.Step]:
    """Units are sorted first: the model knows its task already."""
    options = nas.TrainOptions(batch_size=4, learning_rate=1e-4, seed=settings.seed, frozen=("embed_tokens",))
    return {
        "ranked": steps.ranking(train, settings.size(64, 4), batch_size=4),
        "trained": steps.training(train, "random", settings.size(240, 4), options, choices=CHOICES),
    }


def _loaded(model: Any) -> Any:
    """A model, or the exported folder of one, in bfloat16."""
    if isinstance(model, Path):
        model = AutoModelForCausalLM.from_pretrained(model, trust_remote_code=True)
    return model.to(torch.bfloat16).train(mode=False)


def _answers(model: Any, source: Path) -> list[str]:
    """What the model says to each question, by its chat template, the likeliest word each time."""
    tokenizer: Any = AutoTokenizer.from_pretrained(source)
    said = []
    for question in QUESTIONS:
        prompt = tokenizer.apply_chat_template(
            [{"role": "user", "content": question}],
            add_generation_prompt=True,
            return_tensors="pt",
            return_dict=True,
        )
        answer = model.generate(**prompt, max_new_tokens=32, do_sample=False)[
            0, prompt["input_ids"].shape[1] :
        ]
        said.append(" ".join(tokenizer.decode(answer, skip_special_tokens=True).split()))
    return said


if __name__ == "__main__":
    main(sys.argv[1:])
