"""What notebooks show."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from torch import nn

import nas
from nas.study import Study
from nas.study.recovery import Recovery, RecoveryReport
from nas.supernet import Supernet
from search_spaces import SubnetConfig


def score(model: nn.Module) -> float:
    return 1 / (1 + sum(parameter.numel() for parameter in model.parameters()) % 97)


@pytest.fixture(scope="module")
def searched(supernet: Supernet, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A finished study of 8 evaluations; tests only read it."""
    url = f"sqlite:///{tmp_path_factory.mktemp('shown') / 'nas.db'}"
    with nas.create_study(
        "shown <b>", supernet=supernet, objectives=("max accuracy", "min num_parameters"), storage=url
    ) as study:
        study.optimize(score, 8)
        yield study


def pictures_of(page: str) -> list[ElementTree.Element]:
    start, end = page.find("<svg"), page.rfind("</svg>")
    return [] if start < 0 else [ElementTree.fromstring(page[start : end + len("</svg>")])]


def recovery(kind: Any, trial: int, after: float) -> Recovery:
    return Recovery(
        trial=trial,
        kind=kind,
        key="k",
        config=SubnetConfig(hidden=1, layers=()),
        before={} if kind == "scratch" else {"accuracy": 0.5},
        after={"accuracy": after},
        costs={"num_parameters": 1234.0},
        recipe={},
        recipe_sha256="",
        summary="distilled <i>",
        passes=20,
        examples=640,
        seconds=2.0,
        weights_file="w",  # type: ignore[arg-type]  # is not read
        weights_sha256="",
        created_at=None,
    )


def test_a_study_shows_its_front_as_a_picture_and_as_a_table(searched: Study) -> None:
    page = searched._repr_html_()
    (picture,) = pictures_of(page)
    assert "Pareto front of shown" in "".join(picture.itertext())
    for trial in searched.best_trials:
        assert f"<tr><td>{trial.number}</td>" in page


def test_a_name_is_text_in_a_notebook(searched: Study) -> None:
    assert "<b>" not in searched._repr_html_()
    assert "&lt;b&gt;" in searched._repr_html_()


def test_without_the_packages_that_draw_a_study_shows_its_table(
    searched: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nas.study.display.can_draw", lambda: False)
    page = searched._repr_html_()
    assert pictures_of(page) == []
    assert "<th>trial</th>" in page


def test_a_study_without_trials_shows_where_it_stands(make_study: Callable[..., Study]) -> None:
    page = make_study()._repr_html_()
    assert "0 evaluated" in page
    assert pictures_of(page) == []


def test_a_trial_shows_its_architecture_and_its_metrics(searched: Study) -> None:
    trial = searched.best_trials[0]
    page = trial._repr_html_()
    assert len(pictures_of(page)) == 1
    assert "<td>num_parameters</td>" in page


def test_pictures_of_two_trials_name_their_elements_apart(searched: Study) -> None:
    first, second = searched.best_trials[:2]
    names = [
        {element.get("id") for element in ElementTree.fromstring(trial.skyline()).iter()} - {None}
        for trial in (first, second)
    ]
    assert names[0]
    assert not names[0] & names[1]


def test_the_front_of_a_study_is_drawn_with_its_budget(searched: Study) -> None:
    assert "budget" not in searched.plot.front_svg()
    assert "budget" in searched.plot.front_svg(where="num_parameters <= 0.9 * baseline")


def test_a_ringed_trial_is_named_in_the_picture(searched: Study) -> None:
    trial = searched.best_trials[0]
    assert f">trial {trial.number}<" in searched.plot.front_svg(selected=trial)


def test_a_recovery_report_shows_scores_before_and_after_and_the_change_of_order() -> None:
    report = RecoveryReport(
        study="s",
        metric="accuracy",
        direction="max",
        recovered=(recovery("recovered", 3, 0.75),),
        baselines=(recovery("scratch", 3, 0.25),),
        kendall_tau=None,
        num_reused=0,
    )
    page = report._repr_html_()
    assert "<td>3</td><td>recovered</td><td>0.5</td><td>0.75</td><td>1,234</td>" in page
    assert "<td>random weights</td><td>–</td><td>0.25</td>" in page
    assert "before and after: none" in page


def test_a_recovery_shows_its_recipe_as_text() -> None:
    page = recovery("recovered", 3, 0.75)._repr_html_()
    assert "Trial 3, recovered: distilled &lt;i&gt;" in page
    assert "<td>accuracy</td><td>0.5</td><td>0.75</td>" in page


def test_a_target_shows_its_workload() -> None:
    page = nas.Target.local(name="edge <x>", sequence_length=64)._repr_html_()
    assert "Target edge &lt;x&gt;" in page
    assert "<td>sequence_length</td><td>64</td>" in page
    assert "labels" not in page


def test_a_profile_shows_the_costs_of_the_points_of_a_space(searched: Study) -> None:
    page = searched.profile()._repr_html_()
    assert "<th>smallest</th>" in page
    assert "<td>num_parameters</td>" in page


def test_a_front_is_drawn_alike_every_time(searched: Study) -> None:
    trial = searched.best_trials[0]
    assert searched.plot.front_svg(selected=trial) == searched.plot.front_svg(selected=trial)


@pytest.mark.slow
def test_an_export_holds_the_front_with_its_trial_in_a_ring(searched: Study, tmp_path: Path) -> None:
    trial = searched.best_trials[0]
    report = trial.export(tmp_path / "out")
    assert {"architecture.svg", "front.svg"} <= set(report.files)
    front = (report.folder / "front.svg").read_text(encoding="utf-8")
    assert front == searched.plot.front_svg(selected=trial)
    assert "](front.svg)" in (report.folder / "README.md").read_text(encoding="utf-8")
