"""How far studies are, without reading their trials."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, func, select

from .records import TrialState
from .tables import study, trial

_EVALUATED = (TrialState.DONE, TrialState.PAUSED)


def count_evaluated(connection: Connection, names: Collection[str]) -> dict[str, int]:
    """Trials that have results, DONE or PAUSED, of studies by name; a study that is not there is left out."""
    is_evaluated = trial.c.state.in_(_EVALUATED)
    query = (
        select(study.c.name, func.count(trial.c.number))
        .outerjoin(trial, (trial.c.study_id == study.c.id) & is_evaluated)
        .where(study.c.name.in_(list(names)))
        .group_by(study.c.name)
    )
    return {name: int(count) for name, count in connection.execute(query)}
