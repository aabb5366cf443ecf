"""A study as a table: in notebooks, and as a data frame."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from nas.errors import ConfigError
from nas.report import can_draw
from nas.report.tables import front_table
from nas.report.thinning import thinned
from nas.study.history import front_of
from nas.study.trial import Trial
from storage import TrialState

if TYPE_CHECKING:
    from nas.study.stored_study import StoredStudy


#: Members of the front that the table lists.
MOST_ROWS: Final = 40


def study_html(study: StoredStudy) -> str:
    """Where a study stands, and its front."""
    trials = study.trials
    done, paused = (sum(t.state is state for t in trials) for state in (TrialState.DONE, TrialState.PAUSED))
    evaluated = f"{done} evaluated" + (f", {paused} paused" if paused else "")
    shown = thinned(front_of(trials, study.objectives), MOST_ROWS)
    members = [(trial.number, trial.architecture, trial.values or ()) for trial in shown]
    title = f"Study {study.name}: {evaluated}, {study.state.value.lower()}"
    objectives = [str(objective) for objective in study.objectives]
    return front_table(title, objectives, members, picture=_picture(study, trials))


def _picture(study: StoredStudy, trials: Sequence[Trial]) -> str:
    """The front as inline SVG; nothing where it cannot be drawn, and the table stands alone."""
    is_drawable = len(study.objectives) > 1 and any(t.values and t.state is TrialState.DONE for t in trials)
    return f"<div>{study.plot.front_svg()}</div>" if is_drawable and can_draw() else ""


def trials_dataframe(trials: Sequence[Trial]) -> Any:
    """All trials as a pandas DataFrame.

    Raises:
        ConfigError: pandas is not installed.
    """
    try:
        pandas = import_module("pandas")
    except ModuleNotFoundError as error:
        raise ConfigError('a data frame needs pandas: pip install "subnas[data]"') from error
    rows = [
        {"number": t.number, "state": t.state.value, "origin": t.origin, **t.metrics, **t.parameters}
        for t in trials
    ]
    return pandas.DataFrame(rows)
