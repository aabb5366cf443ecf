"""What every pool promises, run against each of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from workers import Completion, Lane, Pool, PoolError, SerialPool, Task

ARRAYS = {"weights": np.arange(6.0)}


def drain(pool: Pool) -> list[Completion]:
    """Return all completions until nothing is in flight."""
    completions: list[Completion] = []
    while pool.in_flight:
        completions += pool.wait(60)
    return completions


def lane_of(function: Callable[[object], object]) -> Lane:
    return Lane(factory=lambda arrays: function, num_workers=2)


@pytest.fixture(params=["serial", pytest.param("ray", marks=[pytest.mark.slow, pytest.mark.alone])])
def pool(request: pytest.FixtureRequest) -> Iterator[Pool]:
    if request.param == "serial":
        made: Pool = SerialPool()
    else:
        from workers import RayPool

        request.getfixturevalue("ray_cluster")
        made = RayPool()
    with made:
        yield made
    assert made.in_flight == 0
    assert made.worker_ids() == []


class TestEveryPool:
    def test_returns_the_result_of_each_task(self, pool: Pool) -> None:
        pool.start({"quality": Lane(factory=lambda arrays: lambda n: n * n, num_workers=2)}, {})
        for number in range(10):
            pool.submit(Task(number=number, payload=number, lane="quality"))
        completions = drain(pool)
        assert {c.task.number: c.result for c in completions} == {n: n * n for n in range(10)}
        assert all(c.failure is None and c.attempt == 1 and not c.retrying for c in completions)

    def test_results_do_not_depend_on_the_order_of_submission(self, pool: Pool) -> None:
        pool.start(
            {"quality": Lane(factory=lambda arrays: lambda n: n + arrays["weights"].sum(), num_workers=2)},
            ARRAYS,
        )
        results = []
        for order in (range(5), reversed(range(5))):
            for number in order:
                pool.submit(Task(number=number, payload=number, lane="quality"))
            results.append({c.task.number: c.result for c in drain(pool)})
        assert results[0] == results[1] == {n: n + 15.0 for n in range(5)}

    def test_reports_an_exception_of_the_evaluator_as_a_bug_with_its_traceback_and_does_not_retry(
        self, pool: Pool
    ) -> None:
        def broken(payload: object) -> object:
            raise KeyError(f"no {payload}")

        pool.start({"quality": lane_of(broken)}, {})
        pool.submit(Task(number=7, payload="embedding", lane="quality"))
        (completion,) = drain(pool)
        assert completion.failure is not None
        assert completion.failure.reason == "bug"
        assert completion.failure.message == "KeyError: 'no embedding'"
        assert "in broken" in completion.failure.traceback
        assert (completion.attempt, completion.retrying, completion.result) == (1, False, None)

    def test_goes_on_after_a_failure(self, pool: Pool) -> None:
        pool.start({"quality": lane_of(math.log)}, {})
        for number, payload in enumerate((1.0, -1.0, 1.0)):
            pool.submit(Task(number=number, payload=payload, lane="quality"))
        assert sorted(c.result is None for c in drain(pool)) == [False, False, True]

    def test_retries_lack_of_memory_up_to_three_attempts(self, pool: Pool) -> None:
        def hungry(payload: object) -> object:
            raise MemoryError

        pool.start({"quality": lane_of(hungry)}, {})
        pool.submit(Task(number=0, payload=None, lane="quality"))
        completions = drain(pool)
        assert [(c.attempt, c.retrying) for c in completions] == [(1, True), (2, True), (3, False)]
        assert {c.failure.reason for c in completions if c.failure} == {"oom"}

    def test_takes_the_reason_that_an_exception_declares(self, pool: Pool) -> None:
        def not_finite(payload: object) -> object:
            error = ValueError("loss is nan")
            error.reason = "nan"  # type: ignore[attr-defined]
            raise error

        pool.start({"quality": lane_of(not_finite)}, {})
        pool.submit(Task(number=0, payload=None, lane="quality"))
        (completion,) = drain(pool)
        assert completion.failure is not None
        assert completion.failure.reason == "nan"

    def test_survives_an_exception_that_cannot_be_pickled(self, pool: Pool) -> None:
        def broken(payload: object) -> object:
            class UnpicklableError(Exception):
                def __init__(self) -> None:
                    super().__init__("holds a generator")
                    self.generator = (number for number in range(3))

            raise UnpicklableError

        pool.start({"quality": lane_of(broken)}, {})
        pool.submit(Task(number=0, payload=None, lane="quality"))
        (completion,) = drain(pool)
        assert completion.failure is not None
        assert completion.failure.reason == "bug"
        assert "holds a generator" in completion.failure.message

    def test_arrays_arrive_unchanged_and_read_only(self, pool: Pool) -> None:
        def factory(arrays):  # type: ignore[no-untyped-def]
            return lambda payload: (arrays["weights"].tolist(), arrays["weights"].flags.writeable)

        pool.start({"quality": Lane(factory=factory, num_workers=1)}, ARRAYS)
        pool.submit(Task(number=0, payload=None, lane="quality"))
        (completion,) = drain(pool)
        assert completion.result == ([0.0, 1.0, 2.0, 3.0, 4.0, 5.0], False)

    def test_lanes_have_their_own_evaluators(self, pool: Pool) -> None:
        lanes = {
            "quality": Lane(factory=lambda arrays: lambda payload: "quality of " + payload, num_workers=1),
            "latency": Lane(
                factory=lambda arrays: lambda payload: "latency of " + payload, num_workers=1, exclusive=True
            ),
        }
        pool.start(lanes, {})  # type: ignore[arg-type]
        pool.submit(Task(number=0, payload="a", lane="quality"))
        pool.submit(Task(number=0, payload="b", lane="latency"))
        assert {c.result for c in drain(pool)} == {"quality of a", "latency of b"}

    def test_counts_free_workers_and_tasks_in_flight(self, pool: Pool) -> None:
        pool.start({"quality": Lane(factory=lambda arrays: lambda payload: payload, num_workers=1)}, {})
        assert (pool.free("quality"), pool.in_flight) == (1, 0)
        pool.submit(Task(number=0, payload=None, lane="quality"))
        pool.submit(Task(number=1, payload=None, lane="quality"))
        assert (pool.free("quality"), pool.in_flight) == (0, 2)
        drain(pool)
        assert (pool.free("quality"), pool.in_flight) == (1, 0)

    def test_names_the_process_that_ran_a_task(self, pool: Pool) -> None:
        import os

        pool.start({"quality": lane_of(lambda payload: os.getpid())}, {})
        pool.submit(Task(number=0, payload=None, lane="quality"))
        (completion,) = drain(pool)
        assert completion.worker in pool.worker_ids()
        assert completion.worker.endswith(f"/{completion.result}")

    def test_wait_returns_at_once_when_nothing_is_in_flight(self, pool: Pool) -> None:
        pool.start({"quality": lane_of(lambda payload: payload)}, {})
        assert pool.wait(3600) == []

    def test_refuses_to_start_with_a_factory_that_raises_and_shows_why(self, pool: Pool) -> None:
        def factory(arrays):  # type: ignore[no-untyped-def]
            raise FileNotFoundError("no checkpoint")

        with pytest.raises(PoolError, match="no checkpoint"):
            pool.start({"quality": Lane(factory=factory, num_workers=1)}, {})
        with pytest.raises(PoolError, match="not started"):
            pool.submit(Task(number=0, payload=None, lane="quality"))

    def test_refuses_a_task_for_a_lane_that_was_not_started(self, pool: Pool) -> None:
        pool.start({"quality": lane_of(lambda payload: payload)}, {})
        with pytest.raises(ValueError, match="'latency' was not started; started lanes: quality"):
            pool.submit(Task(number=0, payload=None, lane="latency"))

    def test_close_drops_what_is_in_flight_and_may_be_repeated(self, pool: Pool) -> None:
        pool.start({"quality": lane_of(lambda payload: payload)}, {})
        pool.submit(Task(number=0, payload=None, lane="quality"))
        pool.close()
        pool.close()
        assert pool.in_flight == 0
        with pytest.raises(PoolError, match="closed"):
            pool.submit(Task(number=1, payload=None, lane="quality"))


def test_the_serial_pool_gives_torch_the_threads_of_the_lane_and_takes_them_back() -> None:
    import torch

    before = torch.get_num_threads()
    lane = Lane(
        factory=lambda arrays: lambda payload: torch.get_num_threads(), num_workers=1, threads=before + 1
    )
    with SerialPool() as pool:
        pool.start({"quality": lane}, {})
        pool.submit(Task(number=0, payload=None, lane="quality"))
        assert [c.result for c in drain(pool)] == [before + 1]
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("timeout_s", [0, -1.0, math.nan])
def test_a_task_needs_a_positive_timeout(timeout_s: float) -> None:
    with pytest.raises(ValueError, match="timeout_s"):
        Task(number=0, payload=None, lane="quality", timeout_s=timeout_s)


@pytest.mark.parametrize("field", ["num_workers", "threads"])
def test_a_lane_needs_at_least_one_worker_and_thread(field: str) -> None:
    with pytest.raises(ValueError, match=field):
        Lane(**({"factory": lambda arrays: lambda payload: None, "num_workers": 1} | {field: 0}))  # type: ignore[arg-type]
