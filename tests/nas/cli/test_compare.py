from __future__ import annotations

from types import SimpleNamespace

import pytest

from nas.cli.compare import compared
from nas.objectives import parse_objectives

pytestmark = pytest.mark.usefixtures("in_finished")


@pytest.fixture
def numbers(command):
    front = command("trials", "ls", "tiny", "--front", "--json").json
    return [trial["number"] for trial in front][:2]


def test_trials_stand_side_by_side(command, numbers):
    outcome = command("compare", "tiny", *numbers)
    assert outcome.code == 0, outcome.err
    first, second = numbers
    assert outcome.rows[0] == ["trial", str(first), "trial", str(second)]
    assert [row[0] for row in outcome.rows[1:6]] == ["layers", "heads", "FFN", "hidden", "num_parameters"]
    assert ["state", "done", "done"] in outcome.rows


def test_the_full_model_stands_beside_them_if_wanted(command, numbers):
    found = command("compare", "tiny", numbers[0], "--baselines", "--json").json
    assert (found["full_model"]["origin"], found["trials"][0]["number"]) == ("baseline:full", numbers[0])


def row(number: int, cost: float, origin: str = "sampler") -> SimpleNamespace:
    return SimpleNamespace(number=number, metrics={"num_parameters": cost}, origin=origin)


class Ladder:
    """A study of two searched trials and a ladder of three uniform ones."""

    name = "tiny"
    objectives = parse_objectives(["max accuracy", "min num_parameters"])
    baselines = tuple(
        row(n, cost, "baseline:uniform_ladder") for n, cost in ((1, 10.0), (2, 20.0), (3, 30.0))
    )

    def trial(self, number):
        return {7: row(7, 21.0), 8: row(8, 90.0)}[number]


def test_each_trial_has_the_uniform_one_that_costs_about_as_much():
    found = compared(Ladder(), [7, 8], has_baselines=True)
    assert {number: one.number for number, one in found.uniform.items()} == {7: 2, 8: 3}
    assert [title for title, _ in found.columns] == ["trial 7", "trial 8", "uniform 2", "uniform 3"]


def test_every_column_is_named_once_if_quiet(command, numbers):
    listed = command("compare", "tiny", numbers[0], "--baselines", "-q").out.split()
    assert listed[0] == f"tiny@{numbers[0]}"
    assert len(set(listed)) == len(listed)


def test_a_single_trial_has_nothing_to_be_compared_with(command, numbers):
    outcome = command("compare", "tiny", numbers[0], numbers[0])
    assert (outcome.code, "name 2 to 8 different ones" in outcome.err) == (2, True)


def test_a_trial_that_is_not_there_exits_with_2(command):
    outcome = command("compare", "tiny", 0, 9999)
    assert (outcome.code, "has no trial 9999" in outcome.err) == (2, True)
