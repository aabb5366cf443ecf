"""A study's page while its search goes on."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from storage import Proposal, StudyState

pytestmark = [pytest.mark.slow, pytest.mark.alone]


def test_results_appear_on_the_open_page_and_what_was_set_in_it_stays(signed_in: Any, served: Any) -> None:
    ledger = served.ledger
    tiny = ledger.study("tiny")
    trials = [trial for trial in ledger.trials(tiny.id) if trial.state.value == "DONE"]
    ledger.create_study("live", spec=tiny.spec, fingerprint={}, seed=0)
    lease = ledger.acquire("live", owner="test", seconds=600)
    ledger.set_study_state(lease, StudyState.RUNNING)
    page = signed_in
    _finish(ledger, lease, 0, trials[0])
    page.goto(f"{served.url}/studies/live")
    expect(page.locator("#pareto .m")).to_have_count(1)
    page.get_by_label("Parameters, at most", exact=True).fill("1000000")
    page.wait_for_url("**max.num_parameters=1000000**")
    page.get_by_label("Compare trial 0", exact=True).check()
    _finish(ledger, lease, 1, trials[1])
    expect(page.locator("#pareto .m")).to_have_count(2)
    expect(page.get_by_label("Parameters, at most", exact=True)).to_have_value("1000000")
    expect(page.get_by_label("Compare trial 1", exact=True)).not_to_be_checked()
    expect(page.get_by_label("Compare trial 0", exact=True)).to_be_checked()
    expect(page.locator("#status")).to_contain_text("2 of 2 proposed trials evaluated")


def _finish(ledger: Any, lease: Any, number: int, like: Any) -> None:
    """One more trial is evaluated, with the results of another one."""
    proposal = Proposal(
        key=like.key,
        config=like.config,
        parameters=like.parameters,
        sampler_attributes={},
        costs=like.costs,
        origin="sampler",
    )
    ledger.propose(lease, [proposal])
    ledger.dispatch(lease, number)
    ledger.complete(lease.study_id, number, like.metrics)
