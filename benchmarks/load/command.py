"""`python -m benchmarks load`: requests a second and times of answers, by database, quiet and disturbed.

A study of 20,000 trials is in each database. Clients ask a mix as fast as they are answered, then at a given
rate, then at that rate while a search runs, and, on PostgreSQL, while the server is killed and comes back. At
a rate a time counts from when the request was due. Exit code 1 if a goal is missed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.chaos.postgres import PostgresServer, binaries
from benchmarks.filled_study import filled_study
from benchmarks.load.clients import Plan
from benchmarks.load.service import RunningService
from benchmarks.machine import describe_machine

STUDY: Final = "filled"
GOAL_RATE: Final = 200.0
GOAL_P99_S: Final = 0.25
GOAL_PAGE_S: Final = 2.0
#: After the server answers again, until requests that waited for it are through.
_AFTER_OUTAGE_S: Final = 3.0
_OUTAGE_S: Final = 3.0
_COLUMNS: Final = ("case", "requests/s", "p50", "p95", "p99", "slowest study page", "statuses", "met")
_HEADER: Final = f"| {' | '.join(_COLUMNS)} |\n|{'---|' * len(_COLUMNS)}"


@dataclass(frozen=True, kw_only=True)
class Result:
    """Answers of one case.

    Attributes:
        outage: between which seconds requests were due that an outage held up; None without one.
    """

    case: str
    answers: Sequence[tuple[str, int, float, float]]
    outage: tuple[float, float] | None = None

    @property
    def is_good(self) -> bool:
        """Whether goals are kept: times outside of an outage, no 5xx and no broken connection ever."""
        bad = [status for _, status, *_ in self.answers if status == 0 or status >= 500]
        return (
            not bad
            and self.rate >= GOAL_RATE
            and self.quantile(0.99) <= GOAL_P99_S
            and self.page_s <= GOAL_PAGE_S
        )

    @property
    def rate(self) -> float:
        """Answers a second, until the last one was there."""
        return len(self.answers) / max(at + seconds for _, _, seconds, at in self.answers)

    @property
    def page_s(self) -> float:
        """The slowest page of the study, outside of an outage."""
        return max((seconds for kind, _, seconds, at in self._quiet if kind == "study page"), default=0.0)

    def quantile(self, share: float) -> float:
        """Of the times, outside of an outage."""
        return float(np.quantile([seconds for _, _, seconds, _ in self._quiet], share))

    @property
    def _quiet(self) -> list[tuple[str, int, float, float]]:
        low, high = self.outage or (np.inf, -np.inf)
        return [one for one in self.answers if not low <= one[3] <= high]

    def line(self) -> str:
        """As a row of the table."""
        times = " | ".join(f"{1000 * self.quantile(share):.0f} ms" for share in (0.5, 0.95, 0.99))
        statuses = ", ".join(f"{n} × {status or 'broken'}" for status, n in sorted(self._statuses.items()))
        case = self.case
        if self.outage is not None:
            held = [seconds for _, _, seconds, at in self.answers if self.outage[0] <= at <= self.outage[1]]
            case += f"; held up by the outage {len(held)}, at most {max(held, default=0.0):.1f} s"
        met = "yes" if self.is_good else "**no**"
        return f"| {case} | {self.rate:.0f} | {times} | {1000 * self.page_s:.0f} ms | {statuses} | {met} |"

    def by_kind(self) -> Iterator[str]:
        """A line for each kind of request."""
        for kind in sorted({one[0] for one in self.answers}):
            times = [seconds for found, _, seconds, _ in self._quiet if found == kind]
            if times:
                p50, p99 = np.quantile(times, [0.5, 0.99])
                yield f"  {kind}: {len(times)}, p50 {1000 * p50:.0f} ms, p99 {1000 * p99:.0f} ms"

    @property
    def _statuses(self) -> Counter[int]:
        return Counter(status for _, status, *_ in self.answers)


def main(arguments: list[str]) -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks load", description=__doc__)
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--rate", type=float, default=220.0, help="requests a second of the cases at a rate")
    parser.add_argument("--seconds", type=float, default=30.0, help="of each case")
    parser.add_argument("--trials", type=int, default=20_000, help="of the study")
    parser.add_argument("--without-search", action="store_true", help="leave the cases with a search out")
    given = parser.parse_args(arguments)
    print(describe_machine(), file=sys.stderr)
    print(_HEADER, flush=True)
    names = ("sqlite", "postgresql") if given.database == "both" else (given.database,)
    results = [result for name in names for result in _of_database(name, given)]
    sys.exit(0 if all(result.is_good for result in results) else 1)


def _of_database(name: str, given: argparse.Namespace) -> Iterator[Result]:
    if name == "postgresql" and binaries() is None:
        print("PostgreSQL is not installed: its cases are left out", file=sys.stderr)
        return
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nas-load-")))
        server = stack.enter_context(PostgresServer()) if name == "postgresql" else None
        url = f"sqlite:///{folder / 'nas.db'}" if server is None else server.url
        filled_study(url, given.trials, STUDY)
        service = stack.enter_context(RunningService(url, folder))
        service.ask("GET", f"/api/v1/studies/{STUDY}")  # reads the study once
        for result in _cases(name, service, server, given):
            print(result.line(), flush=True)
            print("\n".join(result.by_kind()), file=sys.stderr, flush=True)
            yield result


def _cases(
    name: str, service: RunningService, server: PostgresServer | None, given: argparse.Namespace
) -> Iterator[Result]:
    yield _measured(f"{name}, as fast as answered", service, given, rate=0.0)
    yield _measured(f"{name}, {given.rate:g} a second", service, given, rate=given.rate)
    if given.without_search:
        if server is not None:
            yield _measured(f"{name}, killed once", service, given, rate=given.rate, server=server)
        return
    job = service.start_search()
    yield _measured(f"{name}, a search runs", service, given, rate=given.rate)
    if server is not None:
        yield _measured(f"{name}, a search runs, killed once", service, given, rate=given.rate, server=server)
    print(f"  the search evaluated {service.end_search(job)} trials", file=sys.stderr)


def _measured(
    case: str,
    service: RunningService,
    given: argparse.Namespace,
    *,
    rate: float,
    server: PostgresServer | None = None,
) -> Result:
    plan = Plan(port=service.port, study=STUDY, clients=given.clients, seconds=given.seconds, rate=rate)
    with _Bounce(server, after_s=given.seconds / 2) if server is not None else nullcontext() as bounce:
        process = subprocess.run(
            [sys.executable, "-m", "benchmarks.load.clients", json.dumps(asdict(plan))],
            input=f"{service.token}\n",
            capture_output=True,
            text=True,
            check=True,
        )
    answers = [tuple(one) for one in json.loads(process.stdout)]
    return Result(
        case=case,
        answers=answers,
        outage=None if bounce is None else bounce.window,
    )


class _Bounce:
    """Context manager: kills a server in the middle, and starts it again after some seconds."""

    def __init__(self, server: PostgresServer, *, after_s: float) -> None:
        self._server, self._after_s = server, after_s
        self._thread = threading.Thread(target=self._run)
        self.window = (after_s, after_s)

    def __enter__(self) -> _Bounce:
        self._began = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._thread.join()

    def _run(self) -> None:
        time.sleep(self._after_s)
        low = time.monotonic() - self._began
        self._server.kill()
        time.sleep(_OUTAGE_S)
        self._server.start()
        # Clients start a moment after this clock: their own times are a little smaller than ours.
        self.window = (low - 2.0, time.monotonic() - self._began + _AFTER_OUTAGE_S)
