"""`python -m benchmarks fuzz`: REST, configs, constraints, parsers and names of files under abuse; one table.

Exit code 1 if anything was found: an answer of 500 or above, a case over a second, an error that is not ours,
an answer unlike its description, a byte of a file that was not asked for.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from typing import Final

from benchmarks.fuzz.outcome import HEADER, Outcome
from benchmarks.machine import describe_machine

PARTS: Final = ("rest", "traversal", "where", "configs", "parsers")
#: Of 15,000 requests that schemathesis is asked for it leaves a third out, as repeated ones.
_REST, _WHERE, _CONFIGS, _PARSERS = 15_000, 60_000, 40_000, 1_000_000


def main(arguments: list[str]) -> None:
    """Run the parts and print the table, findings below it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks fuzz", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all if none")
    parser.add_argument("--share", type=float, default=1.0, help="of the full number of cases")
    given = parser.parse_args(arguments)
    unknown = [part for part in given.parts if part not in PARTS]
    if unknown:
        parser.error(f"unknown part {unknown[0]!r}; allowed are {', '.join(PARTS)}")
    print(describe_machine(), file=sys.stderr)
    print(HEADER, flush=True)
    outcomes = []
    for part in given.parts or PARTS:
        for outcome in _RUNS[part](given.share):
            outcomes.append(outcome)
            print(outcome.line(), flush=True)
    for outcome in outcomes:
        for finding in outcome.findings[:20]:
            print(f"\n{outcome.part}: {finding}")
    sys.exit(0 if all(outcome.is_good for outcome in outcomes) else 1)


def _count(full: int, share: float) -> int:
    return max(1, round(full * share))


def _rest(share: float) -> Iterator[Outcome]:
    from benchmarks.fuzz.rest import fuzz_rest
    from benchmarks.fuzz.service import AbusedService

    with AbusedService() as service:
        yield from fuzz_rest(service, _count(_REST, share))


def _traversal(share: float) -> Iterator[Outcome]:
    from benchmarks.abuse_payloads import traversal_payloads
    from benchmarks.fuzz.service import AbusedService
    from benchmarks.fuzz.traversal import traverse

    payloads = traversal_payloads()
    with AbusedService() as service:
        yield traverse(service, payloads[:: max(1, round(1 / share))])


def _where(share: float) -> Iterator[Outcome]:
    from benchmarks.fuzz.properties import fuzz_where

    yield fuzz_where(_count(_WHERE, share))


def _configs(share: float) -> Iterator[Outcome]:
    from benchmarks.fuzz.properties import fuzz_configs
    from nas.service.settings import load_settings

    yield fuzz_configs(_count(_CONFIGS, share), load_settings())


def _parsers(share: float) -> Iterator[Outcome]:
    from benchmarks.fuzz.parsers import fuzz_parsers

    yield fuzz_parsers(_count(_PARSERS, share))


_RUNS: Final[dict[str, Callable[[float], Iterator[Outcome]]]] = {
    "rest": _rest,
    "traversal": _traversal,
    "where": _where,
    "configs": _configs,
    "parsers": _parsers,
}
