"""Computing a cell: fine-tuned, ranked, trained, and measured by studies of the ledger.

A cell has two studies: its sub-networks on validation data, and those chosen of them on test data. A
third, of the task and seed, has the fine-tuned model before pruning.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np

import nas
from benchmarks.real_runs import run, steps
from benchmarks.study_of_studies.protocol import LADDER_STEPS, Cell, Protocol, by_axis
from benchmarks.study_of_studies.selection import chosen
from benchmarks.study_of_studies.tasks import Parts, Task
from nas.data import EncodedDataset
from search_spaces import SearchSpace, SubnetConfig
from search_spaces.sampling import StratifiedSampler
from storage import StudyState

#: Of the sub-networks that are evaluated.
DESIGN_SEED: Final = 0
_ON_TEST: Final = "/test"
_ROOT: Final = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What the cells of one task and seed share.

    Attributes:
        folder: of the fine-tuned model, and of supernets while they are made.
        storage: URL of the ledger.
        start: the pretrained model with a fresh head.
    """

    task: Task
    seed: int
    parts: Parts
    protocol: Protocol
    folder: Path
    storage: str
    start: Callable[[], nas.Supernet]

    @property
    def unpruned(self) -> str:
        """Name of the study of the fine-tuned model."""
        return f"{self.task.name}/unpruned/{self.seed}"


def finetuned(bench: Bench) -> nas.Supernet:
    """The full model trained for its task, made once; its test metric is in the ledger afterwards."""
    protocol, train = bench.protocol, bench.parts.train
    passes = protocol.finetune_passes(bench.task.epochs, len(train))
    step = steps.training(train, "standard", passes, protocol.options(bench.seed))
    supernet = run.built(bench.folder, bench.start, {"finetuned": step})
    shutil.rmtree(bench.folder / "finetuned-checkpoint", ignore_errors=True)
    if not is_finished(bench.unpruned, bench.storage):
        measure(bench.unpruned, supernet, [supernet.full], bench.parts.test, bench)
    return supernet


def compute(cell: Cell, bench: Bench) -> None:
    """Make the supernet of a cell and measure it; what an interrupted call did is not done again."""
    folder = bench.folder / f"{cell.importance}-{cell.strategy}"
    supernet = run.built(folder, lambda: finetuned(bench), _steps(cell, bench))
    configs = design(supernet.space("uniform"), bench.protocol.sampled)
    measure(cell.name, supernet, configs, bench.parts.validation, bench)
    with nas.load_study(cell.name, storage=bench.storage) as study:
        best = [trial.config for trial in chosen(study).values() if trial is not None]
    measure(f"{cell.name}{_ON_TEST}", supernet, best, bench.parts.test, bench)
    shutil.rmtree(folder)


def design(space: SearchSpace, sampled: int) -> list[SubnetConfig]:
    """Full, smallest, a ladder, and sub-networks of all sizes; equal sizes whatever the order of units."""
    sampler = StratifiedSampler(space, seed=DESIGN_SEED)
    draws = [sampler.draw(i, np.random.default_rng([DESIGN_SEED, i])) for i in range(sampled)]
    every = [SubnetConfig.full(space.shape), space.smallest(), *space.uniform_ladder(LADDER_STEPS), *draws]
    return list({config.key: config for config in every}.values())


def measure(
    name: str, supernet: nas.Supernet, configs: Sequence[SubnetConfig], data: EncodedDataset, bench: Bench
) -> None:
    """Evaluate the full model and sub-networks as a study of the ledger, or those of them that it lacks."""
    with nas.create_study(
        name,
        supernet=supernet,
        objectives=[f"max {bench.task.metric}", "min num_parameters"],
        storage=bench.storage,
        sampler="random",
        enqueue=(),
        load_if_exists=True,
    ) as study:
        for config in configs:
            study.enqueue(config)
        keys = {supernet.full.key, *(config.key for config in configs)}
        evaluator = nas.DatasetEvaluator(data=data, metrics=bench.task.metrics, precision="bfloat16")
        study.optimize(evaluator, len(keys))


def is_finished(name: str, storage: str) -> bool:
    """Whether the ledger has a study with all that was asked of it."""
    try:
        with nas.load_study(name, storage=storage) as study:
            return study.state is StudyState.COMPLETED
    except nas.StudyNotFoundError:
        return False


def is_computed(cell: Cell, storage: str) -> bool:
    """Whether a cell is done."""
    return is_finished(f"{cell.name}{_ON_TEST}", storage)


def test_study(cell: Cell) -> str:
    """Name of the study of the chosen sub-networks on test data."""
    return f"{cell.name}{_ON_TEST}"


@lru_cache(maxsize=1)
def code_sha256() -> str:
    """Hash of the library's source, by which results of different code are told apart."""
    digest = hashlib.sha256()
    for package in ("nas", "search_spaces"):
        for file in sorted((_ROOT / package).rglob("*.py")):
            digest.update(file.relative_to(_ROOT).as_posix().encode() + file.read_bytes())
    return digest.hexdigest()


def _steps(cell: Cell, bench: Bench) -> dict[str, run.Step]:
    protocol, train = bench.protocol, bench.parts.train

    def rank(supernet: nas.Supernet, _: Path) -> None:
        batches = train.calibration(protocol.calibration, seed=cell.seed)
        supernet.rank(by_axis(cell.importance), batches, seed=cell.seed)

    def train_(supernet: nas.Supernet, checkpoint: Path) -> None:
        report = nas.train_supernet(
            supernet,
            train,
            strategy=cell.strategy,
            budget=nas.Budget(passes=protocol.passes),
            options=protocol.options(cell.seed + 1),
            checkpoint=checkpoint,
            show_progress_bar=True,
        )
        supernet.provenance["cell"] = {
            "passes": report.passes,
            "steps": report.steps,
            "examples": report.examples,
            "seconds": report.seconds,
            "code": code_sha256(),
        }

    return {"ranked": rank, "trained": train_}
