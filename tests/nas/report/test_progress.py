from __future__ import annotations

import pytest

from nas.errors import ConfigError
from nas.report.progress import ProgressPoint, progress_chart

pytest.importorskip("altair")


def point(spent, reached, number=0):
    return ProgressPoint(spent=spent, reached=reached, number=number)


def test_a_step_is_drawn_after_its_trial():
    spec = progress_chart(
        [point(1.0, 0.1), point(5.0, 0.4, 7)], x="Examples", y="Volume", title="t"
    ).to_dict()
    assert spec["mark"]["interpolate"] == "step-after"
    assert spec["data"]["values"][1] == {"spent": 5.0, "reached": 0.4, "number": 7}


def test_axes_bear_their_names():
    encoding = progress_chart([point(1.0, 0.1)], x="Examples", y="Volume", title="t").to_dict()["encoding"]
    assert (encoding["x"]["title"], encoding["y"]["title"]) == ("Examples", "Volume")


def test_no_point_is_refused():
    with pytest.raises(ConfigError, match="got no point"):
        progress_chart([], x="a", y="b", title="t")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_value_that_is_not_finite_is_refused(value):
    with pytest.raises(ConfigError, match="both must be finite"):
        point(1.0, value, 3)
