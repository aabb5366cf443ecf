"""A study's page by mouse and by keyboard."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.slow, pytest.mark.alone]

BUDGET = "Parameters, at most, slider"
SET = "(e, value) => { e.value = value; e.dispatchEvent(new Event('input', {bubbles: true})) }"
KINDS = ("trial", "full model", "uniform", "layer drop", "random", "best in budget")


@pytest.fixture
def study(signed_in: Any, served: Any) -> Any:
    """The page of the tiny study."""
    signed_in.goto(f"{served.url}/studies/tiny")
    return signed_in


def _best(page: Any) -> int:
    return int(re.search(r"trial (\d+)", page.locator("#best").inner_text()).group(1))


def _with_answer(page: Any, act: Any) -> None:
    """Act, and wait until the page has swapped the answer in."""
    with page.expect_response(re.compile("/view")):
        act()
    expect(page.locator(".htmx-request, .htmx-swapping, .htmx-settling")).to_have_count(0)


def test_moving_a_slider_selects_a_smaller_sub_network(study: Any, served: Any) -> None:
    size = {t.number: t.costs["num_parameters"] for t in served.ledger.trials(served.ledger.study("tiny").id)}
    before = _best(study)
    slider = study.get_by_label(BUDGET)
    budget = 0.9 * size[before]
    _with_answer(
        study,
        lambda: slider.evaluate(SET, budget),
    )
    assert size[_best(study)] <= 1.01 * budget < size[before]
    assert study.locator("#pareto .ring").count() == 1
    assert "max.num_parameters=" in study.url
    assert "num_parameters <=" in study.locator("#commands").text_content()


def test_a_slider_moves_by_keyboard_and_says_its_value(study: Any) -> None:
    slider = study.get_by_label(BUDGET)
    assert slider.get_attribute("aria-valuetext") == "no budget"
    slider.focus()
    _with_answer(study, lambda: study.keyboard.press("PageDown"))
    assert re.match(r"[\d.]+", slider.get_attribute("aria-valuetext"))
    _with_answer(study, lambda: study.get_by_role("button", name="No budget").click())
    assert slider.get_attribute("aria-valuetext") == "no budget"


def test_a_budget_that_nothing_meets_names_what_binds_and_what_comes_nearest(study: Any) -> None:
    _with_answer(study, lambda: study.get_by_label("Parameters, at most", exact=True).fill("1"))
    text = study.locator("#best").inner_text()
    assert "No sub-network is within this budget" in text
    assert "num_parameters <= 1" in text
    assert re.search(r"Nearest\s+trial \d+", text)


def test_the_arrow_keys_walk_along_the_front_and_enter_opens_a_trial(study: Any) -> None:
    study.locator("#pareto a.m[tabindex='0']").focus()
    study.keyboard.press("Home")
    first = study.evaluate("document.activeElement.id")
    study.keyboard.press("ArrowRight")
    second = study.evaluate("document.activeElement.id")
    assert first != second
    assert study.evaluate("document.activeElement.getAttribute('aria-label')").startswith(KINDS)
    study.keyboard.press("Enter")
    study.wait_for_url(re.compile("/trials/" + second.removeprefix("mark-")))


def test_the_first_stop_of_tab_skips_to_the_content(study: Any) -> None:
    study.keyboard.press("Tab")
    assert study.evaluate("document.activeElement.textContent") == "Skip to the content"
    study.keyboard.press("Enter")
    assert study.evaluate("document.activeElement.id") == "main"


def test_the_table_is_sorted_and_filtered_by_the_server(study: Any) -> None:
    _with_answer(study, lambda: study.locator("#trials").get_by_role("link", name="Parameters").click())
    rows = study.locator("#trials tbody th").all_inner_texts()
    _with_answer(study, lambda: study.locator("#trials").get_by_role("link", name="Parameters").click())
    assert study.locator("th[aria-sort='descending']").inner_text().startswith("Parameters")
    assert study.locator("#trials tbody th").all_inner_texts() != rows
    _with_answer(study, lambda: study.get_by_label("Only where").fill("loss >= 1e6"))
    assert "No trial matches" in study.locator("#trials").inner_text()


def test_a_filter_that_is_no_constraint_is_explained(study: Any, console: Any) -> None:
    console.allowed.append("status of 422")
    console.allowed.append("Response Status Error Code 422")
    study.get_by_label("Only where").fill("nonsense")
    study.get_by_role("alert").wait_for()
    assert "nonsense" in study.get_by_role("alert").inner_text()


def test_ticked_trials_are_compared(study: Any) -> None:
    for number in (0, 1):
        study.get_by_label(f"Compare trial {number}", exact=True).check()
    study.get_by_role("button", name="Compare the ticked ones").click()
    study.get_by_role("heading", name="Comparison").wait_for()
    assert study.locator("img.skyline").count() >= 2
    assert (
        study.locator("img.skyline").first.evaluate(
            "async (e) => { await e.decode(); return e.naturalWidth }"
        )
        > 0
    )


def test_a_trial_shows_its_layers_and_commands(study: Any, served: Any) -> None:
    study.goto(f"{served.url}/studies/tiny/trials/0")
    assert study.get_by_role("region", name="Cost per layer").locator("tbody tr").count() == 3
    study.get_by_text("No device has measured").wait_for()
    study.get_by_text("The same by command and in Python").click()
    assert "tiny@0" in study.locator("pre").first.inner_text()
