"""Functions that run on several processes at once, in one torch process group; a thin layer over Ray."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final, TypeVar

from ray import cloudpickle

from workers.launch import LocalResources
from workers.protocol import PoolError
from workers.ray_session import RaySession

T = TypeVar("T")

_OBJECT_STORE_BYTES: Final = 512 * 2**20
#: Attribute of what a rank raised: when, in seconds of the epoch.
_RAISED_AT: Final = "raised_at_s"
#: Ray Train restarts a group that lost a process only once it has heard that all have begun; a process that
#: ends before is taken for a fault of the controller. Ranks give that message the time to arrive.
_LAUNCH_GRACE_S: Final = 2.0


@dataclass(frozen=True, kw_only=True)
class RankGroup:
    """Processes that run one function together.

    Attributes:
        num_ranks: how many.
        address: `local` starts a cluster for this run alone, otherwise as for a pool.
        threads: CPU threads of each.
        gpus_per_rank: whole GPUs of each; without any, torch's process group is gloo's, otherwise nccl's.
        folder: where Ray Train keeps its records; every node of a cluster must see it.
        max_failures: times that the whole group is started again after one of its processes failed.
        timeout_s: how long one waits for another before the group counts as failed.
    """

    num_ranks: int
    folder: Path
    address: str = "local"
    threads: int = 1
    gpus_per_rank: int = 0
    max_failures: int = 0
    timeout_s: int = 1800


def run_ranks(function: Callable[[], T], group: RankGroup) -> T:
    """Call a function on every rank, each in a process of its own, and return what rank 0 returned.

    `torch.distributed` is initialised there. The function runs from the start again if a process was lost,
    so it should go on where it stood.

    Raises:
        PoolError: Ray or Ray Train cannot be used, or a process was lost too often.
        Exception: what the function raised first, on whichever rank.
    """
    session = RaySession(group.address)
    try:
        session.open(
            LocalResources(num_cpus=group.num_ranks * group.threads, object_store_bytes=_OBJECT_STORE_BYTES)
        )
        return _fit(function, group)  # type: ignore[no-any-return]  # Ray's results are Any
    finally:
        session.close()


def _fit(function: Callable[[], T], group: RankGroup) -> Any:
    try:
        train = import_module("ray.train")  # what it exports depends on RAY_TRAIN_V2_ENABLED
        torch_train = import_module("ray.train.torch")
    except (ImportError, RuntimeError) as error:  # Ray raises either where pyarrow or pandas is missing
        raise PoolError(f"Ray Train cannot be used: {error}. Run: pip install 'subnas[train]'") from error
    resources = {"CPU": float(group.threads)}
    if group.gpus_per_rank:
        resources["GPU"] = float(group.gpus_per_rank)
    trainer = torch_train.TorchTrainer(
        _Rank(
            function=cloudpickle.dumps(function),  # type: ignore[no-untyped-call]  # Ray leaves it bare
            import_paths=[os.path.abspath(path) for path in sys.path],
            threads=group.threads,
        ).run,
        torch_config=torch_train.TorchConfig(timeout_s=group.timeout_s),
        scaling_config=train.ScalingConfig(
            num_workers=group.num_ranks, use_gpu=group.gpus_per_rank > 0, resources_per_worker=resources
        ),
        run_config=train.RunConfig(
            storage_path=str(group.folder.resolve()),
            failure_config=train.FailureConfig(max_failures=group.max_failures),
            logging_config=train.LoggingConfig(log_level="ERROR"),
        ),
    )
    try:
        return trainer.fit().return_value
    except train.TrainingFailedError as error:
        raise _cause(error) from error


@dataclass(frozen=True)
class _Rank:
    """What a process does: find modules as the driver does, then call the function."""

    function: bytes
    import_paths: Sequence[str]
    threads: int

    def run(self) -> Any:
        import torch

        known = {os.path.realpath(path) for path in sys.path}
        sys.path.extend(
            path for path in self.import_paths if os.path.realpath(path) not in known and Path(path).exists()
        )
        torch.set_num_threads(self.threads)
        time.sleep(_LAUNCH_GRACE_S)
        try:
            return cloudpickle.loads(self.function)()
        except Exception as error:
            error.__dict__[_RAISED_AT] = time.time()
            raise


def _cause(error: Exception) -> Exception:
    """What the function raised first, or an error of the group if a process was lost: others fail of that."""
    failures = [getattr(one, "_base_exc", one) for one in getattr(error, "worker_failures", {}).values()]
    if failures and all(_RAISED_AT in getattr(one, "__dict__", {}) for one in failures):
        first: Exception = min(failures, key=lambda one: one.__dict__[_RAISED_AT])
        return first
    return PoolError(f"Ray Train's processes failed: {error}")
