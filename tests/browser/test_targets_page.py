"""The page of targets, and what a trial's page tells of their measurements."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.slow, pytest.mark.alone]


def test_a_measured_target_shows_its_device_its_drift_and_its_predictors_error(
    signed_in: Any, served: Any, measured: Any
) -> None:
    expect(_row(signed_in, served, measured.target)).to_have_text(
        [
            "torch on cpu",
            "float32, batch 1, 16 tokens, 1 thread",
            "any worker",
            "Some CPU",
            measured.device_id,
            str(measured.shapes),
            "+5.0 %",
            f"0.0 %, τ 1.00, {measured.shapes - 2} shapes",  # latency is linear in the sizes
            re.compile(r"[-\d]+ [:\d]+ UTC"),
        ]
    )


@pytest.mark.usefixtures("measured")
def test_a_target_that_nothing_measured_says_so(signed_in: Any, served: Any) -> None:
    expect(_row(signed_in, served, "spare")).to_have_text(
        [
            "torch on cpu",
            "float32, batch 1, 99 tokens, 1 thread",
            "Ray node device=spare",
            *("–", "–", "0", "–", "too few measured", "–"),
        ]
    )


def test_a_trials_page_tells_what_a_device_measured_and_predicts(
    signed_in: Any, served: Any, measured: Any
) -> None:
    signed_in.goto(f"{served.url}/studies/{measured.study}/trials/0")
    facts = signed_in.locator("#latency dl")
    expect(facts).to_have_count(1)
    device, own, quality, predicted = facts.locator("dd").all_inner_texts()
    assert device == f"Some CPU, 1 thread ({measured.device_id})"
    assert quality == "ok"
    [latency] = re.findall(r"^([\d.]+ ms) ± 1 %, 0\.\d+ of the full model's$", own)
    assert predicted.startswith(
        f"{latency} (predictions are wrong by 0.0 % on average over {measured.shapes - 2} shapes"
    )


def _row(page: Any, served: Any, name: str) -> Any:
    """Cells of a target behind its name."""
    page.goto(served.url)
    page.get_by_role("link", name="Targets").click()
    return page.get_by_role("row", name=name).locator("td")
