"""One function on several processes in one torch process group."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workers.protocol import PoolError
from workers.ray_train import RankGroup, run_ranks

pytestmark = [pytest.mark.slow, pytest.mark.alone]


def _run(function: Callable[[], Any], folder: Path, **changes: Any) -> Any:
    return run_ranks(function, RankGroup(num_ranks=2, folder=folder, **changes))


def _lose_a_process_once(folder: Path) -> Callable[[], str]:
    def work() -> str:
        import torch.distributed as dist

        mark = folder / "was-here"
        if dist.get_rank() == 0 and not mark.exists():
            mark.touch()
            os._exit(1)
        dist.barrier()
        return "second time"

    return work


# These two come first, with clusters of their own: Ray Train does not free what a lost group occupied.
def test_a_lost_process_ends_the_group_with_an_error(tmp_path: Path) -> None:
    with pytest.raises(PoolError, match="Ray Train's processes failed"):
        _run(_lose_a_process_once(tmp_path), tmp_path / "records")


def test_a_group_that_lost_a_process_starts_again_as_often_as_told(tmp_path: Path) -> None:
    assert _run(_lose_a_process_once(tmp_path), tmp_path / "records", max_failures=1) == "second time"


@pytest.mark.usefixtures("ray_cluster")
def test_every_rank_takes_part_and_rank_0_answers(tmp_path: Path) -> None:
    def work() -> tuple[int, int, float, int]:
        import torch
        import torch.distributed as dist

        total = torch.tensor(float(dist.get_rank() + 1))
        dist.all_reduce(total)
        return dist.get_rank(), dist.get_world_size(), float(total), torch.get_num_threads()

    assert _run(work, tmp_path) == (0, 2, 3.0, 1)


@pytest.mark.usefixtures("ray_cluster")
def test_an_error_of_the_function_arrives_as_itself(tmp_path: Path) -> None:
    def work() -> None:
        import torch.distributed as dist

        if dist.get_rank() == 1:
            raise LookupError("no such weight")
        dist.barrier()

    with pytest.raises(LookupError, match="no such weight"):
        _run(work, tmp_path)
