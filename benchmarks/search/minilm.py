"""MiniLM trained on SST-2: fine-tuned, ranked, and trained as a per-layer supernet."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Final

import nas
from benchmarks.assets import minilm
from benchmarks.real_runs.run import Step, built, folder_of
from benchmarks.search.settings import Real
from benchmarks.study_of_studies.cells import Bench, finetuned
from benchmarks.study_of_studies.command import benches
from benchmarks.study_of_studies.protocol import PROTOCOLS
from benchmarks.study_of_studies.tasks import TASKS, Limits, parts

#: As many as the public development set of SST-2 has; taken from the held-out part of the training file.
EXAMPLES: Final = 872
_CALIBRATION: Final = 256
_PASSES: Final = 800


@lru_cache(maxsize=1)
def real_minilm(folder: Path, data: Path, cache: Path, given: Path | None) -> Real:
    """The supernet saved in a folder, or the one that is trained now, and 872 examples."""
    task = TASKS["sst2"]
    if given is not None:
        supernet = nas.Supernet.load(given)
        found = parts(task, task.read(data), supernet.tokenizer, Limits(validation=EXAMPLES))
        return Real(supernet=supernet, data=found.validation)
    bench = benches(folder, data, folder_of(minilm(cache)), PROTOCOLS["short"])("sst2", 0)
    supernet = built(
        bench.folder, lambda: finetuned(bench), {"ranked": _ranked(bench), "trained": _trained(bench)}
    )
    found = parts(task, task.read(data), supernet.tokenizer, Limits(validation=EXAMPLES))
    return Real(supernet=supernet, data=found.validation)


def _ranked(bench: Bench) -> Step:
    def rank(supernet: nas.Supernet, _: Path) -> None:
        supernet.rank("default", bench.parts.train.calibration(_CALIBRATION))

    return rank


def _trained(bench: Bench) -> Step:
    def train(supernet: nas.Supernet, checkpoint: Path) -> None:
        nas.train_supernet(
            supernet,
            bench.parts.train,
            strategy="random",
            budget=nas.Budget(passes=_PASSES),
            space=supernet.space("medium"),
            checkpoint=checkpoint,
            show_progress_bar=True,
        )

    return train
