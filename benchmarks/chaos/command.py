"""`python -m benchmarks chaos`: the campaign and its table."""

from __future__ import annotations

import argparse
import logging
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Final

from benchmarks.chaos.context import Context, tiny_supernet
from benchmarks.chaos.drivers import Drivers
from benchmarks.chaos.outcome import Outcome
from benchmarks.machine import describe_machine


@dataclass(frozen=True)
class Fault:
    """A row of the table of faults.

    Attributes:
        row: its number in docs/faults.md.
        place: module and function that inject it.
    """

    row: int
    name: str
    place: str

    def inject(self, context: Context) -> Outcome:
        """Inject it as often as the campaign asks for."""
        module, _, function = self.place.partition(":")
        action: Callable[[Context], Outcome] = getattr(import_module(f"benchmarks.chaos.{module}"), function)
        return action(context)


FAULTS: Final = (
    Fault(1, "worker killed", "workers_die:workers_killed"),
    Fault(2, "driver killed", "drivers_die:drivers_killed"),
    Fault(3, "supervisor of a job killed", "jobs_die:supervisors_killed"),
    Fault(3, "service killed before it answers", "services_die:services_killed"),
    Fault(4, "PostgreSQL killed", "storage_fails:server_killed"),
    Fault(5, "acknowledgement of a COMMIT lost", "storage_fails:acknowledgements_lost"),
    Fault(6, "node lost", "workers_die:node_killed"),
    Fault(7, "node silent", "workers_die:node_frozen"),
    Fault(8, "head of the cluster lost", "jobs_die:head_killed"),
    Fault(9, "disk full", "storage_fails:disk_full"),
    Fault(10, "files corrupted", "files_break:files_corrupted"),
    Fault(11, "metrics that are no numbers", "evaluations_fail:strange_metrics"),
    Fault(12, "all candidates fail", "evaluations_fail:all_fail"),
    Fault(13, "worker out of memory", "workers_die:out_of_memory"),
    Fault(14, "evaluation hangs", "workers_die:evaluation_hangs"),
    Fault(15, "three drivers", "drivers_die:three_drivers"),
    Fault(16, "driver frozen past its lease", "drivers_die:frozen_drivers"),
    Fault(17, "clock jumps", "storage_fails:clock_jumps"),
    Fault(18, "candidates repeat", "drivers_die:small_space"),
    Fault(19, "many trials", "storage_fails:many_trials"),
    Fault(20, "slow database", "storage_fails:slow_server"),
    Fault(21, "SIGTERM", "drivers_die:terminated"),
    Fault(22, "noisy neighbours", "evaluations_fail:noisy_neighbours"),
    Fault(23, "model, data or settings changed", "evaluations_fail:changed_between_runs"),
    Fault(24, "network file system", "storage_fails:network_file_systems"),
    Fault(25, "export killed", "files_break:exports_killed"),
)
HEADER: Final = (
    "| row | fault | injected | lost | doubled | zombies | repeated | history | seconds | seen |\n"
    "|---|---|---|---|---|---|---|---|---|---|"
)


def main(arguments: Sequence[str]) -> None:
    """Run the rows asked for and exit with 1 if a fault was not survived."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks chaos", description=__doc__)
    parser.add_argument("--rows", help="numbers, such as 2,4,15; all if not given")
    parser.add_argument("--share", type=float, default=1.0, help="of the campaign's faults, above 0 to 1")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    chosen = [fault for fault in FAULTS if given.rows is None or str(fault.row) in given.rows.split(",")]
    print(describe_machine(), file=sys.stderr)
    logging.disable(logging.WARNING)  # every fault is warned of
    outcomes = run_campaign(chosen, share=given.share, seed=given.seed)
    print(summary(outcomes))
    if not all(outcome.is_good for _, outcome, _ in outcomes):
        sys.exit(1)


def run_campaign(faults: Sequence[Fault], *, share: float, seed: int) -> list[tuple[Fault, Outcome, float]]:
    """Inject faults one after the other; a line of the table is printed after each."""
    if not 0 < share <= 1:
        raise ValueError(f"share is {share}; it must lie above 0 and be at most 1")
    results = []
    print(HEADER, flush=True)
    with tempfile.TemporaryDirectory(prefix="nas-chaos-") as path:
        folder = Path(path)
        supernet = tiny_supernet(folder)
        with Drivers(supernet, folder) as drivers:
            context = Context(folder, drivers, supernet, share, random.Random(seed))
            try:
                for fault in faults:
                    since = time.monotonic()
                    outcome = fault.inject(context)
                    results.append((fault, outcome, time.monotonic() - since))
                    print(_line(*results[-1]), flush=True)
            finally:
                context.close()
    return results


def summary(results: Sequence[tuple[Fault, Outcome, float]]) -> str:
    """The sums of the table, and what went wrong."""
    outcomes = [outcome for _, outcome, _ in results]
    lines = [
        f"\n{sum(one.injected for one in outcomes)} faults in {sum(s for *_, s in results):.0f} s: "
        f"{sum(one.lost for one in outcomes)} lost, {sum(one.duplicated for one in outcomes)} doubled, "
        f"{sum(one.zombies for one in outcomes)} zombies, {sum(one.repeated for one in outcomes)} finished "
        f"evaluations repeated, {sum(len(one.problems) for one in outcomes)} problems"
    ]
    for fault, outcome, _ in results:
        lines += [f"row {fault.row}: {problem}" for problem in outcome.problems]
    return "\n".join(lines)


def _line(fault: Fault, outcome: Outcome, seconds: float) -> str:
    history = {None: "", True: "equal", False: "**differs**"}[outcome.is_equal]
    cells = (
        fault.row,
        fault.name if outcome.is_good else f"**{fault.name}**",
        outcome.injected,
        outcome.lost,
        outcome.duplicated,
        outcome.zombies,
        outcome.repeated,
        history,
        f"{seconds:.0f}",
        outcome.note,
    )
    return f"| {' | '.join(map(str, cells))} |"
