"""A short part of the fuzzing: each part runs, finds what is there to find, and finds nothing in ours."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import strategies as st

from benchmarks.abuse_payloads import traversal_payloads
from benchmarks.fuzz.outcome import Outcome
from benchmarks.fuzz.properties import _ran, fuzz_configs, fuzz_where
from benchmarks.fuzz.seeds import _INPUTS
from benchmarks.fuzz.targets import run_one, targets
from nas.service.settings import load_settings


def test_seeds_pass_every_parser() -> None:
    chosen = targets(load_settings())
    for number in range(len(chosen)):
        for text in _INPUTS:
            run_one(chosen, bytes([number]) + text.encode())


def test_constraints_are_refused_or_read_alike_again() -> None:
    outcome = fuzz_where(300)
    assert (outcome.findings, outcome.cases >= 300) == ((), True)


@pytest.mark.slow
def test_configs_are_refused_or_the_accounts_own() -> None:
    outcome = fuzz_configs(150, load_settings())
    assert (outcome.findings, outcome.cases >= 150) == ((), True)


def test_an_unexpected_error_is_a_finding() -> None:
    def check(value: int) -> None:
        if value > 1000:
            raise RuntimeError("found")

    outcome = _ran("part", 500, st.integers(), check)
    assert "RuntimeError: found" in outcome.findings[0]
    assert not outcome.is_good


def test_a_case_over_a_second_is_not_good() -> None:
    assert not Outcome(part="part", cases=1, seconds=1.5, slowest_s=1.5).is_good
    assert Outcome(part="part", cases=1, seconds=0.5, slowest_s=0.5).is_good


def test_there_are_300_payloads_and_each_is_another() -> None:
    payloads = traversal_payloads()
    assert len(payloads) == len(set(payloads)) >= 300


@pytest.mark.slow
def test_parsers_hold_under_mutation() -> None:
    pytest.importorskip("atheris", reason="atheris is in the extra fuzz")
    from benchmarks.fuzz.parsers import fuzz_parsers

    outcome = fuzz_parsers(1000)
    assert (outcome.findings, outcome.cases) == ((), 1000)


@pytest.fixture(scope="module")
def abused() -> Iterator[object]:
    from benchmarks.fuzz.service import AbusedService

    with AbusedService(60) as service:
        yield service


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_no_name_leads_out_of_a_folder(abused: object) -> None:
    from benchmarks.fuzz.traversal import traverse

    outcome = traverse(abused, traversal_payloads()[::60])  # type: ignore[arg-type]
    assert outcome.findings == ()
    assert outcome.cases > 400


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_rest_answers_strange_requests_as_described(abused: object) -> None:
    from benchmarks.fuzz.rest import fuzz_rest

    outcomes = fuzz_rest(abused, 160)  # type: ignore[arg-type]
    assert [finding for outcome in outcomes for finding in outcome.findings] == []
    assert sum(outcome.cases for outcome in outcomes) > 150
