from __future__ import annotations

import pytest

from nas.report.document import Chart
from nas.study.report import front as front_module
from storage import TrialState

OF_FOUR = ("max accuracy", "min num_parameters", "min macs", "max f1")


def charts(section):
    return [block for block in section.blocks if isinstance(block, Chart)]


def drawn(chart):
    """Rows of the layer with the tooltip; a chart with a single layer has its data outside it."""
    layer = next(layer for layer in chart.spec["layer"] if "tooltip" in layer["encoding"])
    return layer.get("data", chart.spec.get("data"))["values"]


def test_members_of_the_front_are_listed_the_best_in_the_first_objective_first(write, tables_of):
    study = write()
    study.full()
    for accuracy in (0.5, 0.7, 0.3):
        study.add({"accuracy": accuracy})
    rows = tables_of(study.document, "front")[0].rows
    assert [row[0] for row in rows] == [str(trial.number) for trial in study.study.best_trials]


def test_paused_sub_networks_are_not_on_the_front_nor_drawn(write, section_of, tables_of):
    study = write()
    study.full(accuracy=0.5)
    paused = study.add({"accuracy": 0.99}, state=TrialState.PAUSED)
    section = section_of(study.document, "front")
    assert str(paused) not in [row[0] for row in tables_of(study.document, "front")[0].rows]
    assert [row["name"] for row in drawn(charts(section)[0])] == ["full model"]
    assert (
        "1 paused sub-networks, of which there are only estimates, are left out."
        in charts(section)[0].caption
    )


@pytest.mark.parametrize("number", [2, 3, 4])
def test_each_objective_is_drawn_against_the_first(write, section_of, number):
    study = write(objectives=OF_FOUR[:number])
    study.full(accuracy=0.9, f1=0.8)
    study.add({"accuracy": 0.8, "f1": 0.9})
    assert len(charts(section_of(study.document, "front"))) == number - 1


def test_one_objective_has_a_best_and_no_chart(write, section_of, tables_of):
    study = write(objectives=("max accuracy",))
    study.full(accuracy=0.5)
    best = study.add({"accuracy": 0.8})
    assert charts(section_of(study.document, "front")) == []
    assert [row[0] for row in tables_of(study.document, "front")[0].rows] == [str(best)]


def test_a_baseline_on_the_front_is_drawn_as_its_member(write, section_of):
    study = write()
    study.full(accuracy=0.9)
    rows = drawn(charts(section_of(study.document, "front"))[0])
    assert [(row["name"], row["kind"]) for row in rows] == [("full model", "Pareto front")]


def test_of_many_points_the_front_and_the_baselines_are_drawn_and_others_sampled(
    write, section_of, monkeypatch
):
    monkeypatch.setattr(front_module, "MOST_POINTS", 3)
    study = write()
    study.full(accuracy=0.99)
    study.add({"accuracy": 0.0}, config=study.space.smallest(), origin="baseline:random")
    for _ in range(9):
        study.add({"accuracy": 0.0})
    chart = charts(section_of(study.document, "front"))[0]
    kinds = [row["kind"] for row in drawn(chart)]
    assert (kinds.count("Pareto front"), kinds.count("dominated")) == (2, 3)
    assert "Drawn are 5 of 11 evaluated sub-networks" in chart.caption


def test_latency_stands_with_its_interval_and_its_flag(write, tables_of):
    latency = {"latency_ms": 8.0, "latency_ratio": 0.5, "latency_ratio_low": 0.49, "latency_ratio_high": 0.51}
    from nas import Target

    target = Target.local(sequence_length=16)
    study = write(objectives=("max accuracy", "min latency_ms"), target=target)
    study.full(accuracy=0.9, latency_ms=16.0, latency_ratio=1.0, latency_is_quiet=1.0)
    study.add({"accuracy": 0.8, "latency_is_quiet": 0.0, **latency})
    table = tables_of(study.document, "front")[0]
    titles = [heading.title for heading in table.headings]
    row = dict(zip(titles, table.rows[1], strict=True))
    assert (row["latency_ms ↓"], row["Latency measured"]) == ("8.00 ±2%*", "contended")


def test_the_class_that_loads_a_member_is_told(write, tables_of):
    study = write()
    study.full()
    table = tables_of(study.document, "front")[0]
    row = dict(zip([heading.title for heading in table.headings], table.rows[0], strict=True))
    assert row["Loads with"] == "stock class"
