"""Racing against full evaluation of the same candidates: examples spent, and hypervolume lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Final, get_args

import numpy as np

import nas
from benchmarks.search.answers import OracleSource, Source
from benchmarks.search.figures import Figure, percent
from benchmarks.search.journal import Cells, Record
from benchmarks.search.oracle import Oracle
from benchmarks.search.recorded import recording_of
from benchmarks.search.runs import Found, Plan, choose_among, random_minilm, search
from benchmarks.search.settings import Settings
from benchmarks.search.volume import Measure, front_of, true_points, volume
from benchmarks.table import Goal
from search_spaces import SubnetConfig

PART: Final = "racing"
#: Samplers of the searches, without racing, whose candidates are raced afterwards.
SETS: Final = ("random", "tpe")
_SPENT: Final = Goal("<=", 0.30)
_LOST: Final = Goal("<=", 0.005)
#: Of the sub-networks in a set, whatever the seed of a race.
_SET_SEED: Final = 0


def cells(settings: Settings) -> Cells:
    """A cell for each source, set, measure and seed."""
    found: dict[str, Callable[[], Record]] = {}
    field_of = cache(partial(_field, settings))
    for name in ("oracle", "MiniLM, SST-2"):
        for kind in SETS:
            for measure in get_args(Measure):
                for seed in range(settings.seeds):
                    compute = partial(_cell, field_of, name, kind, measure, seed)
                    found[f"{PART}/{name}/{kind}/{measure}/{seed}"] = compute
    return found


def raced(
    configs: Sequence[SubnetConfig], source: Source, supernet: nas.Supernet, plan: Plan
) -> dict[str, float]:
    """Race candidates and compare with what evaluating all of them would have found."""
    return compared(choose_among(configs, source, supernet, plan), source, plan.measure)


def compared(found: Found, source: Source, measure: Measure) -> dict[str, float]:
    """What racing spent and lost, against the truth of all its candidates.

    `wrong` counts candidates left paused that no other candidate truly dominates.
    """
    points = true_points(source, found.candidates, found.spec, measure)
    best, is_paused = front_of(points), np.array(found.is_paused)
    whole = volume(points, measure)
    return {
        "candidates": len(points),
        "spent": found.num_asked / (len(points) * len(source.labels)),
        "lost": 1 - volume(points[np.array(found.on_front)], measure) / whole,
        "paused": int(is_paused.sum()),
        "front": int(best.sum()),
        "wrong": int((best & is_paused).sum()),
    }


def figures(records: Sequence[Record]) -> list[Figure]:
    """Two lines for each source, set and measure."""
    found = []
    for case in dict.fromkeys(str(record["case"]) for record in records):
        own = [record for record in records if record["case"] == case]
        counts = {name: sum(int(record[name]) for record in own) for name in ("wrong", "front", "paused")}
        stops = "{wrong} of {front} members of the true front left paused, {paused} paused".format(**counts)
        where = f"{case}, {own[0]['candidates']} candidates"
        spent, lost = ([float(r[name]) for r in own] for name in ("spent", "lost"))
        found.append(
            Figure(
                part=PART,
                case=f"examples ÷ full, {where}",
                values=spent,
                shown=percent,
                goal=_SPENT,
                also=stops,
            )
        )
        found.append(
            Figure(part=PART, case=f"hypervolume lost, {where}", values=lost, shown=percent, goal=_LOST)
        )
    return found


@dataclass(frozen=True, kw_only=True, eq=False)
class _Field:
    """Candidates and who answers for them."""

    source: Source
    supernet: nas.Supernet
    configs: Sequence[SubnetConfig]


def _cell(
    field_of: Callable[[str, str], _Field], name: str, kind: str, measure: Measure, seed: int
) -> Record:
    field = field_of(name, kind)
    order = np.random.default_rng([seed, 11]).permutation(len(field.configs))
    plan = Plan(measure=measure, seed=seed)
    result = raced([field.configs[i] for i in order], field.source, field.supernet, plan)
    return {"part": PART, "case": f"{name}, {kind}, {measure}", "seed": seed, **result}


def _field(settings: Settings, name: str, kind: str) -> _Field:
    """The candidates of a set; those of the real supernet are recorded in the folder."""
    count = settings.effort.candidates
    if name == "oracle":
        oracle = Oracle(_SET_SEED, examples=settings.effort.examples, sizes=settings.effort.sizes)
        supernet, source = random_minilm(settings.effort.sizes), OracleSource(oracle, _SET_SEED)
        found = candidates(kind, source, supernet, count)
        return _Field(source=source, supernet=supernet, configs=found)
    real, file = settings.real(), Path(settings.folder) / f"recorded-{kind}.npz"
    recording = recording_of(file, real.supernet, real.data)
    if len(recording.configs) < count:
        candidates(kind, recording, real.supernet, count)
        recording.save()
    configs = list(recording.configs.values())[:count]
    return _Field(source=recording, supernet=real.supernet, configs=configs)


def candidates(
    kind: str, source: Source, supernet: nas.Supernet, count: int, *, seed: int = _SET_SEED
) -> list[SubnetConfig]:
    """So many sub-networks of a set, the full model and the initial design among them."""
    plan = Plan(is_raced=False, sampler=kind, seed=seed)
    return list(search(source, supernet, plan, trials=count).candidates)
