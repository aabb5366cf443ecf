"""Wrong stops: how often a candidate that nothing truly dominates is left paused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from benchmarks.search.answers import OracleSource
from benchmarks.search.figures import Figure, percent
from benchmarks.search.journal import Cells, Record
from benchmarks.search.oracle import Oracle
from benchmarks.search.racing import SETS, candidates, raced
from benchmarks.search.racing_options import declared_rate
from benchmarks.search.runs import Plan, random_minilm
from benchmarks.search.settings import Settings
from benchmarks.table import Goal

PART: Final = "stops"


def cells(settings: Settings) -> Cells:
    """A cell for each set and seed, each seed a truth of its own."""
    found: dict[str, Callable[[], Record]] = {}
    for kind in SETS:
        for seed in range(settings.seeds):
            found[f"{PART}/{kind}/{seed}"] = partial(_cell, settings, kind, seed)
    return found


def figures(records: Sequence[Record]) -> list[Figure]:
    """Wrong stops of each set as a share of all candidates."""
    found = []
    for kind in dict.fromkeys(str(record["kind"]) for record in records):
        own = [record for record in records if record["kind"] == kind]
        totals = {name: sum(int(r[name]) for r in own) for name in ("candidates", "wrong", "front", "paused")}
        also = (
            "{wrong} wrong of {candidates} candidates, {paused} left paused, {front} truly on a front".format(
                **totals
            )
        )
        case = f"wrong stops ÷ candidates, oracle, {kind}"
        rates = [int(record["wrong"]) / int(record["candidates"]) for record in own]
        goal = Goal("<=", float(own[0]["declared"]))
        found.append(Figure(part=PART, case=case, values=rates, shown=percent, goal=goal, also=also))
        on_front = totals["wrong"] / max(1, totals["front"])
        case = f"wrong stops ÷ members of the true fronts, {kind}"
        found.append(Figure(part=PART, case=case, values=[on_front], shown=percent, goal=goal, runs=len(own)))
    return found


def _cell(settings: Settings, kind: str, seed: int) -> Record:
    oracle = Oracle(seed + 1, examples=settings.effort.examples, sizes=settings.effort.sizes)
    source, supernet = OracleSource(oracle, seed + 1), random_minilm(settings.effort.sizes)
    configs = candidates(kind, source, supernet, settings.effort.simulated, seed=seed)
    result = raced(configs, source, supernet, Plan(seed=seed))
    return {"part": PART, "kind": kind, "seed": seed, "declared": declared_rate(), **result}
