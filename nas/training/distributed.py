"""Training on several processes, of one machine or of a Ray cluster.

Every process draws the same sub-networks, since these are a function of seed and step, and sees its share of
each batch; gradients are added up after all passes of a step. The engine is Ray Train (`workers.ray_train`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from nas.data import BatchedDataset
from nas.errors import ConfigError, TargetUnavailableError
from nas.supernet import Supernet
from nas.training.budget import Budget
from nas.training.options import TrainOptions
from nas.training.ranks import Ranks
from nas.training.strategy import Strategy
from nas.training.teacher import Teacher
from nas.training.trainer import TrainingReport, train_supernet
from search_spaces import SearchSpace


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Where the processes run.

    Attributes:
        num_ranks: processes.
        address: `local` for this machine, `auto` or HOST:PORT of a Ray cluster.
        threads: CPU threads of each process.
        gpus_per_rank: whole GPUs of each process.
        folder: for weights on their way; must be seen by every node of a cluster. None takes a temporary
            one, on this machine only.
        max_failures: times that lost processes are started again; with a checkpoint they go on where they
            stood.
    """

    num_ranks: int
    address: str = "local"
    threads: int = 1
    gpus_per_rank: int = 0
    folder: Path | None = None
    max_failures: int = 0

    def __post_init__(self) -> None:
        if self.num_ranks < 2:
            raise ConfigError(f"num_ranks is {self.num_ranks}; it must be at least 2: one is train_supernet")
        if self.folder is None and self.address != "local":
            raise ConfigError(f"address is {self.address!r}; give a folder that all its nodes see")


def train_on_ranks(
    supernet: Supernet,
    data: BatchedDataset,
    *,
    cluster: Cluster,
    strategy: str | Strategy = "random",
    budget: Budget,
    space: SearchSpace | None = None,
    options: TrainOptions | None = None,
    checkpoint: str | Path | None = None,
    teacher: Teacher | None = None,
) -> TrainingReport:
    """As `train_supernet`, on several processes; without dropout the weights are the same up to rounding.

    Args:
        supernet: trained in place, by the weights that the processes hand back.
        data: copied to every process.
        cluster: where they run.
        strategy: see `train_supernet`, like all that follow; `batch_size` counts all processes together.
        budget: passes over whole batches, not over a process's share.
        space: sub-networks to sample.
        options: settings.
        checkpoint: a folder that every node of the cluster sees.
        teacher: copied to every process.

    Raises:
        ConfigError: as `train_supernet`.
        TargetUnavailableError: Ray cannot be used, or a process was lost too often.
    """
    from workers import PoolError
    from workers.ray_train import RankGroup, run_ranks

    settings = {
        "strategy": strategy,
        "budget": budget,
        "space": space,
        "options": options,
        "checkpoint": None if checkpoint is None else Path(checkpoint).resolve(),
        "teacher": teacher,
    }
    with _folder(cluster) as folder:
        supernet.save(folder / "before")
        group = RankGroup(
            num_ranks=cluster.num_ranks,
            folder=folder / "ray",
            address=cluster.address,
            threads=cluster.threads,
            gpus_per_rank=cluster.gpus_per_rank,
            max_failures=cluster.max_failures,
        )
        try:
            report = run_ranks(_Work(folder, data, settings), group)
        except PoolError as error:
            raise TargetUnavailableError(str(error)) from error
        _take_over(supernet, Supernet.load(folder / "after"))
    return report


@dataclass(frozen=True)
class _Work:
    """What a process does: load, train, and if it is rank 0 save."""

    folder: Path
    data: BatchedDataset
    settings: dict[str, Any]

    def __call__(self) -> TrainingReport:
        ranks = Ranks.of_process_group()
        supernet = Supernet.load(self.folder / "before")
        if torch.cuda.is_available():
            teacher = self.settings["teacher"]
            models: list[Any] = [supernet.model, *([] if teacher is None else [teacher.model])]
            for model in models:
                model.to("cuda")
        report = train_supernet(supernet, self.data, ranks=ranks, **self.settings)
        if ranks.rank == 0:
            supernet.save(self.folder / "after")
        return report


@contextmanager
def _folder(cluster: Cluster) -> Iterator[Path]:
    if cluster.folder is not None:
        cluster.folder.mkdir(parents=True, exist_ok=True)
        yield cluster.folder.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="nas-ranks-") as folder:
        yield Path(folder)


def _take_over(supernet: Supernet, trained: Supernet) -> None:
    """Copy weights and provenance of the trained supernet."""
    theirs = dict(trained.model.named_parameters())
    with torch.no_grad():
        for name, weight in supernet.model.named_parameters():
            weight.copy_(theirs[name])
    supernet.provenance = trained.provenance
