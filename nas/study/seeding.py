"""The first sub-networks of a study, those made from measurements of its supernet among them."""

from __future__ import annotations

from typing import Final

from nas.progress import Progress, no_progress
from nas.search import Seed, initial_design
from nas.search.design import SeedMeasurements, has_measured
from nas.study.spec import StudySpec
from nas.supernet import Supernet
from search_spaces import SearchSpace, SubnetConfig
from storage import Ledger

#: Kind of the event that says what the seeds' measurements took.
SEEDS_MEASURED: Final = "seeds_measured"


def first_seeds(
    ledger: Ledger,
    study_id: int,
    spec: StudySpec,
    *,
    space: SearchSpace,
    supernet: Supernet,
    progress: Progress = no_progress,
) -> list[Seed]:
    """Make a study's initial design, and note what its measurements took.

    They are a function of supernet, space, budgets and seed: whatever the sampler, it begins with the same.
    """
    measured = SeedMeasurements.of(supernet, progress=progress) if has_measured(spec.design) else None

    def is_affordable(config: SubnetConfig) -> bool:
        broken = spec.violations(spec.costs(config), spec.full_costs, spec.exact_constraints)
        return all(violation <= 0 for violation in broken.values())

    seeds = initial_design(
        space,
        spec.design,
        seed=spec.seed,
        measured=measured,
        is_affordable=is_affordable,
        layer_order=supernet.layer_order,
    )
    if measured is not None:
        facts = {
            "forward_passes": measured.passes,
            "backward_passes": measured.backward_passes,
            "seconds": round(measured.seconds, 3),
        }
        ledger.add_event(study_id, SEEDS_MEASURED, facts)
    return seeds
