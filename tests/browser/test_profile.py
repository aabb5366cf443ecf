"""The job form's profile of a search space; the process that makes it is a quick one here."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from nas.objectives import EXACT_METRICS
from nas.service.profiling import Profiler

pytestmark = [pytest.mark.slow, pytest.mark.alone]

POINTS = ("smallest", "middle", "largest", "full")
#: It tells of the config that it is given, once the file is there.
PROCESS = f"""
import json, pathlib, sys, time
config = json.load(sys.stdin)
while not pathlib.Path(sys.argv[1]).exists():
    time.sleep(0.02)
costs = {{name: 1000.0 * (at + 1) for at, name in enumerate({tuple(EXACT_METRICS)})}}
print(json.dumps({{"profile": {{
    "space": config["space"]["kind"],
    "cardinality": 10**21,
    "costs": {{point: {{name: at + cost for name, cost in costs.items()}}
              for at, point in enumerate({POINTS})}},
    "satisfiable": {{config["constraints"][0]: 0.25}},
    "unknown": config["constraints"][1:],
}}}}))
"""


@pytest.fixture
def finish(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[], None]:
    """Lets profiles be made from now on."""
    command = (sys.executable, "-S", "-c", PROCESS, str(tmp_path / "finish"))
    quick, profile = Profiler(command), Profiler.profile
    monkeypatch.setattr(Profiler, "profile", lambda _, config: profile(quick, config))
    return (tmp_path / "finish").touch


@pytest.fixture
def form(signed_in: Any, served: Any) -> Any:
    """The page of jobs, its form filled in."""
    page = signed_in
    page.goto(f"{served.url}/jobs")
    page.get_by_label("Name of the study").fill("profiled")
    page.get_by_label("Search space").select_option("layer")
    page.get_by_label("Budgets, a line each").fill("num_parameters <= 0.9 * baseline\naccuracy >= 0.1")
    return page


def test_the_keyboard_profiles_the_space_and_keeps_its_place(
    form: Any, served: Any, finish: Callable[[], None]
) -> None:
    expect(form.locator("#profiled")).to_be_hidden()
    form.locator("#submit").get_by_role("button", name="Submit").focus()
    form.keyboard.press("Tab")
    expect(form.get_by_role("button", name="Profile")).to_be_focused()
    finish()
    form.keyboard.press("Enter")
    expect(form.locator("#profiled-text")).to_have_text("The space layer holds 1.0e+21 sub-networks.")
    cells = form.locator("#profiled-costs").get_by_role("row", name="Parameters 1,000").locator("td")
    expect(cells).to_have_text(["1,000", "1,001", "1,002", "1,003"])
    expect(form.locator("#profiled-costs tbody tr")).to_have_count(len(EXACT_METRICS))
    expect(form.locator("#profiled-budgets li")).to_have_text(
        [
            "num_parameters <= 0.9 * baseline: met by 25.0 % of sub-networks drawn at random",
            "accuracy >= 0.1: only an evaluation can tell",
        ]
    )
    expect(form.get_by_role("button", name="Profile")).to_be_focused()
    assert served.ledger.jobs(study="profiled") == []  # nothing was submitted


def test_a_profile_of_what_the_form_no_longer_says_is_not_shown(
    form: Any, finish: Callable[[], None]
) -> None:
    button = form.get_by_role("button", name="Profile")
    button.click()
    expect(form.locator("#profiled-text")).to_have_text("Working it out…")
    form.get_by_label("Search space").select_option("uniform")
    finish()
    expect(button).not_to_have_attribute("aria-disabled", "true")
    expect(form.locator("#profiled")).to_be_hidden()
    button.click()
    expect(form.locator("#profiled-text")).to_contain_text("The space uniform holds")
    form.get_by_label("Search space").select_option("layer")
    expect(form.locator("#profiled")).to_be_hidden()


def test_a_space_that_cannot_be_profiled_is_explained(form: Any, console: Any) -> None:
    console.allowed.append("status of 422")
    form.get_by_label("Budgets, a line each").fill("nonsense")
    form.get_by_role("button", name="Profile").click()
    expect(form.get_by_role("alert")).to_contain_text("nonsense")
    expect(form.locator("#profiled")).to_be_hidden()
    form.get_by_label("Name of the study").fill("")
    form.get_by_role("button", name="Profile").click()  # the browser asks for the name first
    expect(form.locator("#name:invalid")).to_be_focused()
