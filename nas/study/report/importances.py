"""Which dimensions of the search space decide each objective."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from nas.objectives import Objective
from nas.report.document import Bar, Block, Heading, Paragraph, Section, Table
from nas.report.thinning import thinned
from nas.study.report.reading import Reading
from nas.study.spec import StudySpec
from search_spaces import Dimension

if TYPE_CHECKING:
    import optuna

    from storage import TrialRecord

#: PED-ANOVA looks at the best tenth, of which there should be five at least.
LEAST_TRIALS: Final = 50
MOST_TRIALS: Final = 1000
_SHOWN: Final = 12
_METHOD: Final = (
    "PED-ANOVA (Watanabe et al. 2023): how far the best tenth of the sub-networks differs from all of them "
    "in each dimension, as a share of all differences. It says what to vary to be among the best, not how "
    "the objective changes on average. Names of dimensions count layers from 0, pictures from 1."
)

_UNEVEN: Final = " The sampler did not draw them evenly, so read small differences with care."


def importances_section(reading: Reading) -> Section:
    """A table of dimensions for each objective."""
    return Section(title="Importance of dimensions", anchor="importance", blocks=tuple(_blocks(reading)))


def _blocks(reading: Reading) -> list[Block]:
    records = _usable(reading)
    if len(records) < LEAST_TRIALS:
        text = (
            f"There are too few sub-networks to tell: {len(records)} evaluated within the search space, of "
            f"which {LEAST_TRIALS} are needed."
        )
        return [Paragraph(text=text)]
    values = {trial.number: trial.values or () for trial in reading.done}
    shares = dimension_importances(reading.spec, thinned(records, MOST_TRIALS), values)
    blocks: list[Block] = [Paragraph(text=_method(reading, len(records)))]
    for objective, found in zip(reading.objectives, shares, strict=True):
        blocks.append(_table(objective, found) if found else _nothing(objective))
    return blocks


def dimension_importances(
    spec: StudySpec, records: Sequence[TrialRecord], values: Mapping[int, Sequence[float]]
) -> list[Mapping[str, float]]:
    """By objective, the shares of the dimensions with more than one choice, the largest first.

    Args:
        spec: of the study.
        records: evaluated sub-networks that are points of its space.
        values: of the objectives, by the number of the trial.
    """
    study = _optuna_study(spec, records, values)
    return [_importances(study, index, one) for index, one in enumerate(spec.objectives)]


def points_of_space(spec: StudySpec, records: Iterable[TrialRecord]) -> list[TrialRecord]:
    """Those that are points of the search space; the full model need not be one."""
    names = set(spec.space["dimensions"])
    return [one for one in records if set(one.parameters) == names]


def _usable(reading: Reading) -> list[TrialRecord]:
    """Evaluated sub-networks that are points of the space."""
    done = {trial.number for trial in reading.done}
    return points_of_space(reading.spec, (one for one in reading.records if one.number in done))


def _optuna_study(
    spec: StudySpec, records: Sequence[TrialRecord], values: Mapping[int, Sequence[float]]
) -> optuna.Study:
    """The sub-networks as an Optuna study in memory; of their attributes importances need none."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        directions=["maximize" if one.direction == "max" else "minimize" for one in spec.objectives]
    )
    distributions: dict[str, optuna.distributions.BaseDistribution] = {}
    for name, choices in spec.space["dimensions"].items():
        low, high, step = Dimension(name, tuple(choices)).bounds
        distributions[name] = optuna.distributions.IntDistribution(low, high, step=step)
    study.add_trials(
        optuna.trial.create_trial(
            params=dict(one.parameters), distributions=distributions, values=list(values[one.number])
        )
        for one in records
    )
    return study


def _importances(study: optuna.Study, index: int, objective: Objective) -> Mapping[str, float]:
    """Shares of the dimensions with more than one choice, the largest first; empty where nothing differs."""
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    trials = study.get_trials(deepcopy=False)
    values = np.array([trial.values[index] for trial in trials])
    if np.all(values == values[0]):
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns that small targets are taken for better: they are
        shares = get_param_importances(
            study,
            evaluator=PedAnovaImportanceEvaluator(),
            target=lambda trial: objective.minimised(trial.values[index]),
        )
    distributions = trials[0].distributions
    return {name: float(share) for name, share in shares.items() if not distributions[name].single()}


def _method(reading: Reading, found: int) -> str:
    used = (
        f"{found:,} sub-networks" if found <= MOST_TRIALS else f"{MOST_TRIALS:,} of {found:,}, evenly spread"
    )
    note = "" if reading.spec.sampler == "random" else _UNEVEN
    return f"{_METHOD} Seen were {used}.{note}"


def _table(objective: Objective, shares: Mapping[str, float]) -> Table:
    most = max(shares.values()) or 1.0
    rows = [
        (name, Bar(share=share / most, text=f"{100 * share:.1f} %"))
        for name, share in list(shares.items())[:_SHOWN]
    ]
    caption = f"{objective}: importance of each dimension"
    if len(shares) > _SHOWN:
        caption += f", the largest {_SHOWN} of {len(shares)}"
    return Table(
        caption=f"{caption}.",
        headings=(Heading(title="Dimension", is_number=False), Heading(title="Share", is_number=False)),
        rows=tuple(rows),
    )


def _nothing(objective: Objective) -> Paragraph:
    return Paragraph(text=f"{objective}: all sub-networks are equal, so no dimension matters.")
