"""all-MiniLM-L6-v2 on SST-2: fine-tuned, ranked, trained as a supernet, searched by accuracy and latency.

The data are tab-separated files `train.tsv`, `dev.tsv` and `test.tsv` with columns `sentence` and `label`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from transformers import AutoModelForSequenceClassification

import nas
from benchmarks.assets import minilm
from benchmarks.real_runs import run, steps
from nas.data import EncodedDataset

BUDGETS: Final = tuple(f"latency_ms <= {share} * baseline" for share in (0.75, 0.5, 0.3))
_MAX_LENGTH: Final = 64
#: Examples of each part, in a whole run and a quick one.
_EXAMPLES: Final = {"train": (24_000, 64), "dev": (2_000, 32), "test": (872, 32)}


def main(arguments: list[str]) -> None:
    """Run, or go on, and print the table."""
    parser = run.options("sentiment", __doc__, trials=40)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/sst2"), help="folder of the files")
    given = parser.parse_args(arguments)
    settings = run.settings_of(given)
    source = run.folder_of(minilm(settings.cache))
    start = nas.Supernet.from_pretrained(source, num_labels=2, seed=settings.seed)
    data = {part: _part(part, given.data, start, settings) for part in _EXAMPLES}
    supernet = run.built(settings.folder / "supernet", lambda: start, _steps(data["train"], settings))
    study = nas.create_study(
        "sst2",
        supernet=supernet,
        objectives=["max accuracy", "min latency_ms"],
        target=nas.Target.local(batch_size=1, sequence_length=32),
        storage=run.storage_in(settings.folder),
        seed=settings.seed,
        load_if_exists=True,
    )
    run.searched(study, nas.DatasetEvaluator(data=data["dev"]), settings)
    found = run.rows(
        study,
        BUDGETS,
        settings.folder / "exports",
        lambda model: steps.accuracy(model, AutoModelForSequenceClassification, data["test"]),
    )
    print(run.table(found, ("latency_ms", "accuracy"), "accuracy on test"))


def _part(part: str, folder: Path, start: nas.Supernet, settings: run.Settings) -> EncodedDataset:
    examples = nas.load_examples(
        folder / f"{part}.tsv", text="sentence", limit=settings.size(*_EXAMPLES[part])
    )
    return nas.encode(examples, start.tokenizer, max_length=_MAX_LENGTH)


def _steps(train: EncodedDataset, settings: run.Settings) -> dict[str, run.Step]:
    """One epoch for the full model; then units are sorted, and sub-networks trained at random."""
    options = nas.TrainOptions(learning_rate=5e-5, seed=settings.seed)
    return {
        "finetuned": steps.training(train, "standard", settings.size(len(train) // 32, 2), options),
        "ranked": steps.ranking(train, settings.size(512, 32)),
        "trained": steps.training(train, "random", settings.size(800, 8), options),
    }


if __name__ == "__main__":
    main(sys.argv[1:])
