"""Three tasks by Klein's protocol: 70 % of the training file to train on, 30 % to validate on, a test file.

Source: Klein et al. 2024 (arXiv 2405.02267), Sec. 4, whose validation part is limited too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from nas.data import EncodedDataset, Examples, docstring_corpus, encode, load_examples

VALIDATION_SHARE: Final = 0.3
#: The split is the same for every seed of training.
SPLIT_SEED: Final = 0
DATA: Final = Path("../shared/data")
_SENTENCES_A_LIBRARY: Final = 1200


@dataclass(frozen=True, kw_only=True, slots=True)
class Files:
    """Labelled texts to split, and those that nothing is chosen by."""

    train: Examples
    test: Examples


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """Data of a task as a model takes it."""

    train: EncodedDataset
    validation: EncodedDataset
    test: EncodedDataset


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """A classification task.

    Attributes:
        name: as on the command line.
        metric: what sub-networks are chosen by.
        max_length: tokens.
        epochs: of fine-tuning the full model before anything is ranked.
        read: its texts, from the folder of data.
    """

    name: str
    metric: str
    max_length: int
    epochs: float
    read: Callable[[Path], Files]

    @property
    def metrics(self) -> tuple[str, ...]:
        """What is measured: the metric, and accuracy."""
        return tuple(dict.fromkeys([self.metric, "accuracy"]))


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """The most examples of each part; None for all."""

    train: int | None = None
    validation: int | None = 2_048
    test: int | None = None


def parts(task: Task, files: Files, tokenizer: Any, limits: Limits) -> Parts:
    """Split, limit and encode the texts of a task."""
    split = files.train.split(VALIDATION_SHARE, seed=SPLIT_SEED)

    def encoded(examples: Examples, limit: int | None) -> EncodedDataset:
        kept = examples if limit is None else examples.limit(limit)
        return encode(kept, tokenizer, max_length=task.max_length)

    return Parts(
        train=encoded(split.kept, limits.train),
        validation=encoded(split.held_out, limits.validation),
        test=encoded(files.test, limits.test),
    )


def _sst2(folder: Path) -> Files:
    train, test = (load_examples(folder / "sst2" / f"{part}.tsv") for part in ("train", "test"))
    return Files(train=train, test=test)


def _mrpc(folder: Path) -> Files:
    train, test = (
        load_examples(folder / "mrpc" / f"{part}.tsv", label="Quality") for part in ("train", "test")
    )
    return Files(train=train, test=test)


def _docstrings(folder: Path) -> Files:
    """Sentences of installed libraries; of the corpus' own parts, validation is left out."""
    del folder
    corpus = docstring_corpus(limit_per_label=_SENTENCES_A_LIBRARY)
    return Files(train=corpus.train, test=corpus.test)


TASKS: Final = {
    task.name: task
    for task in (
        Task(name="sst2", metric="accuracy", max_length=64, epochs=1, read=_sst2),
        Task(name="mrpc", metric="f1", max_length=128, epochs=4, read=_mrpc),
        Task(name="docstrings", metric="accuracy", max_length=48, epochs=4, read=_docstrings),
    )
}
