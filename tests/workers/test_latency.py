"""The paired protocol, on a machine whose clocks and neighbours the test decides."""

from __future__ import annotations

import gc
import pickle
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from workers import CpuTimer, LatencyProtocol, PairedSamples, calibrate, measure_pair
from workers.timing import Timing

PROTOCOL = LatencyProtocol(warmup_s=0.0, max_seconds=1000.0)


@dataclass
class Machine:
    """Clocks that only work moves. `noise` stretches the wall time of a call, `share` is the processor's."""

    noise: Callable[[], float] = lambda: 1.0
    share: float = 1.0
    wall: float = 0.0
    cpu: float = 0.0
    waited: float = 0.0
    log: list[str] = field(default_factory=list)

    def work(self, name: str, milliseconds: float) -> Callable[[], object]:
        def call() -> None:
            busy = milliseconds * 1e6 * self.noise()
            self.log.append(name)
            self.cpu += busy
            self.wall += busy / self.share

        return call

    def timer(self, threads: int = 1) -> CpuTimer:
        return CpuTimer(
            threads=threads,
            wall=lambda: round(self.wall),
            cpu=lambda: round(self.cpu),
            waited=lambda: round(self.waited),
        )


def noisy_machine(seed: int, spread: float) -> Machine:
    generator = np.random.default_rng(seed)
    return Machine(noise=lambda: float(np.exp(spread * generator.standard_normal())))


def test_recovers_a_known_ratio_exactly_and_stops_at_the_fewest_pairs_without_noise() -> None:
    machine = Machine()
    found = measure_pair(machine.work("a", 6.0), machine.work("b", 8.0), PROTOCOL, timer=machine.timer())
    assert (found.ratio, found.ratio_low, found.ratio_high) == (0.75, 0.75, 0.75)
    assert (found.cpu_ratio, found.cpu_ratio_low, found.cpu_ratio_high) == (0.75, 0.75, 0.75)
    assert (found.candidate_p50_ms, found.reference_p50_ms) == (6.0, 8.0)
    assert (found.num_pairs, found.converged, found.flag, found.cpu_share) == (30, True, "ok", 1.0)
    assert found.seconds == pytest.approx(30 * 0.014)


def test_reverses_the_order_of_the_two_at_each_pair() -> None:
    machine = Machine()
    protocol = replace(PROTOCOL, warmup_runs=1, min_pairs=4)
    measure_pair(machine.work("a", 5.0), machine.work("b", 5.0), protocol, timer=machine.timer())
    assert "".join(machine.log) == "ab" + "abbaabba"


def test_repeats_short_calls_until_a_sample_is_long_enough() -> None:
    machine = Machine()
    found = measure_pair(machine.work("a", 0.3), machine.work("b", 5.0), PROTOCOL, timer=machine.timer())
    assert (found.candidate_calls, found.reference_calls) == (7, 1)
    assert found.ratio == pytest.approx(0.06)
    assert found.candidate_p50_ms == pytest.approx(0.3)


def test_takes_more_pairs_the_more_noise_there_is_until_the_precision_is_reached() -> None:
    pairs = []
    for spread in (0.0, 0.02, 0.06):
        machine = noisy_machine(1, spread)
        found = measure_pair(machine.work("a", 6.0), machine.work("b", 8.0), PROTOCOL, timer=machine.timer())
        assert found.converged
        assert found.flag == "ok"
        assert (found.ratio_high - found.ratio_low) / 2 / found.ratio <= 0.01
        pairs.append(found.num_pairs)
    assert pairs == sorted(pairs)
    assert pairs[0] == 30 < pairs[2]


def test_ends_at_the_time_limit_and_says_that_it_is_noisy() -> None:
    machine = noisy_machine(2, 0.5)
    protocol = replace(PROTOCOL, max_seconds=2.0)
    found = measure_pair(machine.work("a", 6.0), machine.work("b", 8.0), protocol, timer=machine.timer())
    assert 2.0 <= found.seconds < 2.2
    assert (found.converged, found.flag) == (False, "noisy")


def test_takes_three_pairs_even_when_one_exceeds_the_time_limit() -> None:
    machine = Machine()
    protocol = replace(PROTOCOL, max_seconds=0.001)
    found = measure_pair(machine.work("a", 6.0), machine.work("b", 8.0), protocol, timer=machine.timer())
    assert (found.num_pairs, found.converged, found.ratio) == (3, False, 0.75)


def test_the_interval_covers_the_truth_as_often_as_the_confidence_says() -> None:
    covered = 0
    for seed in range(200):
        machine = noisy_machine(seed, 0.04)
        found = measure_pair(machine.work("a", 6.0), machine.work("b", 8.0), PROTOCOL, timer=machine.timer())
        covered += found.ratio_low <= 0.75 <= found.ratio_high
    # 95 % of 200 is 190; with chance p = 0.95, fewer than 178 happen once in 1,000 times.
    assert covered >= 178


@pytest.mark.parametrize(
    ("share", "flag"), [(1.0, "ok"), (0.96, "ok"), (0.94, "contended"), (0.3, "contended")]
)
def test_is_contended_when_others_take_more_than_a_twentieth_of_the_processor(
    share: float, flag: str
) -> None:
    machine = Machine(share=share)
    found = measure_pair(machine.work("a", 6.0), machine.work("b", 8.0), PROTOCOL, timer=machine.timer())
    assert found.cpu_share == pytest.approx(share, rel=1e-6)
    assert found.flag == flag


@pytest.mark.parametrize(("wait", "share", "flag"), [(0.0, 1.0, "ok"), (1.0, 0.5, "contended")])
def test_with_several_threads_the_share_counts_waiting_for_a_processor(
    wait: float, share: float, flag: str
) -> None:
    machine = Machine(share=0.5)  # four threads of which two are busy at any time

    def held_up(call: Callable[[], object]) -> Callable[[], object]:
        def run() -> None:
            before = machine.cpu
            call()
            machine.waited += wait * (machine.cpu - before)

        return run

    candidate, reference = held_up(machine.work("a", 6.0)), held_up(machine.work("b", 8.0))
    found = measure_pair(candidate, reference, PROTOCOL, timer=machine.timer(threads=4))
    assert found.cpu_share == pytest.approx(share, rel=1e-6)
    assert found.flag == flag


def test_states_tails_only_with_enough_samples_of_single_calls() -> None:
    def tails(min_pairs: int, milliseconds: float) -> tuple[bool, bool]:
        machine, protocol = Machine(), replace(PROTOCOL, min_pairs=min_pairs)
        candidate, reference = machine.work("a", milliseconds), machine.work("b", 8.0)
        found = measure_pair(candidate, reference, protocol, timer=machine.timer())
        return found.candidate_p90_ms is not None, found.candidate_p99_ms is not None

    assert tails(63, 6.0) == (False, False)
    assert tails(64, 6.0) == (True, False)
    assert tails(662, 6.0) == (True, True)
    assert tails(662, 0.1) == (False, False)


def test_statistics_hold_each_known_figure_and_nothing_else() -> None:
    machine = Machine()
    found = measure_pair(machine.work("a", 6.0), machine.work("b", 8.0), PROTOCOL, timer=machine.timer())
    statistics = found.statistics()
    assert statistics["ratio"] == 0.75
    assert statistics["converged"] == 1.0
    assert "candidate_p90_ms" not in statistics
    assert {type(value) for value in statistics.values()} == {float}


def test_raw_samples_survive_bytes_and_pickling() -> None:
    machine = noisy_machine(3, 0.1)
    found = measure_pair(machine.work("a", 6.0), machine.work("b", 8.0), PROTOCOL, timer=machine.timer())
    data = found.samples.to_bytes()
    assert len(data) == 4 * 4 * found.num_pairs
    for copy in (PairedSamples.from_bytes(data), pickle.loads(pickle.dumps(found)).samples):
        for name in ("candidate_wall_ms", "reference_wall_ms", "candidate_cpu_ms", "reference_cpu_ms"):
            np.testing.assert_array_equal(getattr(copy, name), getattr(found.samples, name))
    with pytest.raises(ValueError, match="reshape"):
        PairedSamples.from_bytes(data[:-4])


def test_a_device_without_a_cpu_clock_has_no_cpu_figures_and_is_not_contended() -> None:
    machine = Machine()

    class WallTimer(CpuTimer):
        def time(self, function: Callable[[], object], calls: int) -> Timing:
            return Timing(wall_ns=super().time(function, calls).wall_ns, cpu_ns=0)

        def cpu_share(self, total: Timing, waited_ns: int | None) -> None:
            return None

    timer = WallTimer(wall=lambda: round(machine.wall), cpu=lambda: 0)
    found = measure_pair(machine.work("a", 6.0), machine.work("b", 8.0), PROTOCOL, timer=timer)
    assert (found.ratio, found.cpu_ratio, found.cpu_share, found.flag) == (0.75, None, None, "ok")


def test_collects_no_garbage_while_timing_and_does_again_afterwards() -> None:
    machine, enabled = Machine(), set()
    work = machine.work("a", 5.0)

    def candidate() -> None:
        enabled.add(gc.isenabled())
        work()

    assert gc.isenabled()
    measure_pair(candidate, work, PROTOCOL, timer=machine.timer())
    assert enabled == {False}
    assert gc.isenabled()


def test_collects_garbage_again_when_a_call_raises() -> None:
    with pytest.raises(ZeroDivisionError):
        measure_pair(lambda: 1 / 0, lambda: None, PROTOCOL)
    assert gc.isenabled()


def test_calibration_turns_a_ratio_into_milliseconds() -> None:
    machine = Machine()
    calibration = calibrate(machine.work("b", 8.0), PROTOCOL, timer=machine.timer())
    assert (calibration.reference_ms, calibration.attempts, calibration.flag) == (8.0, 1, "ok")
    assert calibration.latency_ms(0.75) == 6.0


def test_calibration_tries_again_while_contended_and_keeps_the_quietest_window() -> None:
    machine = Machine(share=0.5)
    calls = 0
    work = machine.work("b", 8.0)

    def reference() -> None:
        nonlocal calls
        calls += 1
        machine.share = (0.5, 0.8, 0.6)[
            min(2, (calls - 1) // 33)
        ]  # 3 calls of warm-up and 30 samples a window
        work()

    calibration = calibrate(reference, PROTOCOL, timer=machine.timer())
    assert (calibration.attempts, calibration.flag) == (3, "contended")
    assert calibration.cpu_share == pytest.approx(0.8)
    assert calibration.reference_ms == pytest.approx(10.0)


@pytest.mark.parametrize(
    ("field_name", "value"),
    [
        ("min_pairs", 0),
        ("relative_precision", 0.0),
        ("max_seconds", -1.0),
        ("confidence", 1.0),
        ("warmup_s", -1.0),
    ],
)
def test_a_protocol_out_of_range_is_refused_by_name(field_name: str, value: float) -> None:
    with pytest.raises(ValueError, match=field_name):
        LatencyProtocol(**{field_name: value})  # type: ignore[arg-type]


def test_ranks_by_processor_time_where_others_take_the_processor_from_one_thread() -> None:
    machine, generator = Machine(share=0.5), np.random.default_rng(0)

    def work(milliseconds: float) -> Callable[[], object]:
        call = machine.work("x", milliseconds)

        def run() -> None:
            call()
            machine.wall += 1e6 * float(generator.exponential(20))

        return run

    found = measure_pair(work(6.0), work(8.0), PROTOCOL, timer=machine.timer())
    assert (found.flag, found.is_cpu_ratio) == ("contended", True)
    assert (found.ratio, found.ratio_low, found.ratio_high) == (0.75, 0.75, 0.75)
    assert found.wall_ratio_high - found.wall_ratio_low > 0.1


def test_ranks_by_wall_time_where_nobody_takes_the_processor() -> None:
    machine = Machine(share=0.99)
    found = measure_pair(machine.work("a", 6.0), machine.work("b", 8.0), PROTOCOL, timer=machine.timer())
    assert (found.is_cpu_ratio, found.ratio) == (False, found.wall_ratio)


def test_ranks_by_wall_time_where_processor_time_is_that_of_several_threads() -> None:
    machine = Machine(share=0.5)
    found = measure_pair(
        machine.work("a", 6.0), machine.work("b", 8.0), PROTOCOL, timer=machine.timer(threads=2)
    )
    assert found.is_cpu_ratio is False


@pytest.mark.parametrize(("share", "seconds"), [(1.0, 2.0), (0.5, 4.0), (0.1, 12.0)])
def test_a_pair_gets_its_time_of_the_processor_but_waits_no_longer_than_its_patience(
    share: float, seconds: float
) -> None:
    machine = noisy_machine(2, 0.5)
    machine.share = share
    protocol = replace(PROTOCOL, max_seconds=2.0, patience=6.0, relative_precision=1e-6, absolute_precision=0)
    found = measure_pair(machine.work("a", 6.0), machine.work("b", 8.0), protocol, timer=machine.timer())
    # The last pair began in time; at a tenth of the processor one takes up to a second.
    assert seconds <= found.seconds < seconds + 1.5


def test_a_calibration_does_not_wait_for_a_processor_that_others_take() -> None:
    machine = noisy_machine(2, 0.5)
    machine.share = 0.1
    protocol = replace(PROTOCOL, max_seconds=2.0, relative_precision=1e-6)
    found = calibrate(machine.work("a", 6.0), protocol, timer=machine.timer())
    assert found.attempts == 3
    assert found.seconds < 3 * 2.5


def test_patience_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match=r"patience is 0\.5; it must be 1 or more"):
        LatencyProtocol(patience=0.5)
