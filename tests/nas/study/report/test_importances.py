from __future__ import annotations

from nas.report.document import Bar
from nas.study.report.importances import LEAST_TRIALS


def fill(study, number, value):
    """Trials whose accuracy is a function of their parameters."""
    study.full()
    for _ in range(number):
        config = study.unseen()
        study.add({"accuracy": value(study.space.encode(config))}, config=config)


def test_the_dimension_that_decides_comes_first(write, tables_of):
    study = write(sampler="random")
    fill(study, LEAST_TRIALS + 30, lambda parameters: parameters["layers.1.intermediate_size"] / 100)
    first = tables_of(study.document, "importance")[0].rows[0]
    assert first[0] == "layers.1.intermediate_size"
    assert isinstance(first[1], Bar)
    assert first[1].share == 1.0


def test_each_objective_has_its_table(write, tables_of):
    study = write()
    fill(study, LEAST_TRIALS, lambda parameters: parameters["layers.1.intermediate_size"] / 100)
    captions = [table.caption for table in tables_of(study.document, "importance")]
    assert [caption.partition(":")[0] for caption in captions] == ["max accuracy", "min num_parameters"]


def test_a_dimension_with_one_choice_is_left_out(write, tables_of):
    study = write()
    fill(study, LEAST_TRIALS, lambda parameters: parameters["layers.1.intermediate_size"] / 100)
    single = {name for name, values in study.study.spec.space["dimensions"].items() if len(values) == 1}
    shown = {row[0] for table in tables_of(study.document, "importance") for row in table.rows}
    assert single
    assert not single & shown


def test_too_few_sub_networks_are_told(write, text_of):
    study = write()
    fill(study, 5, lambda parameters: 0.5)
    assert f"6 evaluated within the search space, of which {LEAST_TRIALS} are needed" in text_of(
        study.document, "importance"
    )


def test_an_objective_that_never_differs_has_no_importances(write, text_of):
    study = write()
    fill(study, LEAST_TRIALS, lambda parameters: 0.9)
    assert "max accuracy: all sub-networks are equal" in text_of(study.document, "importance")
