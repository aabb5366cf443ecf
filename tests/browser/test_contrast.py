"""Texts, controls and marks stand out from what is behind them, in light and in dark (WCAG 1.4.3, 1.4.11)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from nas.service.web.plots.scatter import KINDS

pytestmark = [pytest.mark.slow, pytest.mark.alone]

#: Ratios of what a page shows, by what it is; see the file.
MEASURE = Path(__file__).with_name("contrast.js").read_text(encoding="utf-8")
SCHEMES = ("light", "dark")


def test_the_measure_knows_the_limits(signed_in: Any) -> None:
    found = signed_in.evaluate(
        """() => ['#767676', '#777777'].map((color) => {
            const text = document.createElement('p');
            document.querySelector('main').replaceChildren(text);
            text.textContent = 'a';
            text.style.cssText = `color: ${color}; background: white`;
            return (MEASURE)().texts.find((one) => one.what === 'a').ratio;
        })""".replace("MEASURE", MEASURE)
    )
    assert [round(ratio, 2) for ratio in found] == [
        4.54,
        4.48,
    ]  # either side of 4.5, as WCAG's tools have them


@pytest.mark.parametrize(
    "name", ["studies", "study", "baselines", "trial", "compare", "jobs", "job", "exports", "targets"]
)
def test_a_page_can_be_read(signed_in: Any, served: Any, measured: Any, name: str) -> None:
    address, is_there = _pages(served, measured)[name]
    signed_in.goto(served.url + address)
    is_there(signed_in)
    _check(signed_in)


def test_the_login_page_can_be_read(stranger: Any, served: Any) -> None:
    stranger.goto(served.url)
    stranger.get_by_label("Token").fill("x")
    _check(stranger)


def _pages(served: Any, measured: Any) -> dict[str, tuple[str, Callable[[Any], Any]]]:
    """Addresses, and what waits until all of a page is there."""
    job = served.ledger.create_job("contrast", config={"name": "contrast"}, trials=10)

    def shows(selector: str) -> Callable[[Any], Any]:
        return lambda page: expect(page.locator(selector).first).to_be_visible()

    trials = served.ledger.trials(served.ledger.study(measured.study).id)
    sizes = sorted(trial.costs["num_parameters"] for trial in trials)
    half = int(sizes[len(sizes) // 2])
    return {
        "studies": ("/", shows(".card")),
        "study": (f"/studies/{measured.study}?max.num_parameters={half}", shows("text=too few evaluated")),
        "baselines": ("/studies/tiny?max.num_parameters=1", shows("text=No sub-network is within")),
        "trial": (f"/studies/{measured.study}/trials/0", shows("#latency dl")),
        "compare": (f"/compare?study={measured.study}&trial=0&trial=1", shows("table")),
        "jobs": ("/jobs", shows("#jobs table")),
        "job": (f"/jobs/{job.id}", shows("#events li")),
        "exports": ("/exports", shows("h1")),
        "targets": ("/targets", shows("#targets table")),
    }


def _check(page: Any) -> None:
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        found = page.evaluate(MEASURE)
        assert found["texts"]
        shown = [one for ones in found.values() for one in ones]
        faint = {one["what"]: round(one["ratio"], 2) for one in shown if one["ratio"] < one["least"]}
        assert faint == {}, scheme


def test_the_plot_of_the_tests_has_marks_of_each_kind(signed_in: Any, served: Any, measured: Any) -> None:
    shown = set()
    for name in ("study", "baselines"):
        signed_in.goto(served.url + _pages(served, measured)[name][0])
        marks = signed_in.evaluate(MEASURE)["marks"]
        shown |= {word for mark in marks for word in mark["what"].split()}
    assert shown >= {*KINDS, "ring", "out", "front-line", "budget", "axis"}
