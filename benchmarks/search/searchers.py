"""Hypervolume at equal examples: ours, Optuna's samplers on the raw per-layer space, and whittle's searchers.

All ask the same oracle, all see the same points of the per-layer space, and each evaluates until it has used
the examples of so many full evaluations. A front has those sub-networks only that were evaluated in full by
then; all fronts are compared by the truth.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import optuna

from benchmarks.search.answers import Asked, OracleSource, config_of
from benchmarks.search.figures import Figure, plain, times
from benchmarks.search.journal import Cells, Record
from benchmarks.search.oracle import Kept, Oracle
from benchmarks.search.runs import Plan, random_minilm, search
from benchmarks.search.settings import Settings
from benchmarks.search.volume import true_points, volume
from benchmarks.table import Goal
from search_spaces import SubnetConfig

PART: Final = "searchers"
OURS: Final = "ours"
_AHEAD: Final = Goal(">=", 1.0)
#: The one truth that all searchers are compared on.
_TRUTH: Final = 0
#: Shares of the examples after which fronts are compared.
CHECKPOINTS: Final = (0.25, 0.5, 1.0)
_OPTUNA: Final[dict[str, Callable[[int], optuna.samplers.BaseSampler]]] = {
    "Optuna NSGA-II": lambda seed: optuna.samplers.NSGAIISampler(seed=seed),
    "Optuna TPE": lambda seed: optuna.samplers.TPESampler(seed=seed),
    "random search": lambda seed: optuna.samplers.RandomSampler(seed=seed),
}
#: Those of whittle that need nothing but whittle and syne-tune.
_WHITTLE: Final = ("random_search", "local_search", "morea")
_ROOT: Final = Path(__file__).resolve().parents[2]

#: Sub-networks by key, and what was asked of them in order.
Trace = tuple[dict[str, SubnetConfig], Sequence[Asked]]


def cells(settings: Settings) -> Cells:
    """A cell for each searcher and seed."""
    methods: dict[str, Callable[[int], Trace]] = {
        OURS: partial(_ours, settings, is_raced=True),
        "ours without racing": partial(_ours, settings, is_raced=False),
        **{name: partial(_optunas, settings, name) for name in _OPTUNA},
    }
    if settings.peer_python is not None:
        methods |= {f"whittle {name}": partial(_whittles, settings, name) for name in _WHITTLE}
    found: dict[str, Callable[[], Record]] = {}
    for name, method in methods.items():
        for seed in range(settings.seeds):
            found[f"{PART}/{name}/{seed}"] = partial(_cell, settings, name, method, seed)
    return found


def figures(records: Sequence[Record]) -> list[Figure]:
    """A line for each searcher, with its earlier checkpoints beside it; then ours ÷ each, seed by seed."""
    ours = {record["seed"]: record["volumes"][-1] for record in records if record["method"] == OURS}
    ratios: dict[str, list[float]] = {}
    for record in records:
        if record["method"] != OURS and record["seed"] in ours:
            ratio = ours[record["seed"]] / record["volumes"][-1]
            ratios.setdefault(str(record["method"]), []).append(ratio)
    compared = [
        Figure(part=PART, case=f"hypervolume, ours ÷ {method}", values=values, shown=times, goal=_AHEAD)
        for method, values in ratios.items()
    ]
    return [*_volumes(records), *compared]


def _volumes(records: Sequence[Record]) -> list[Figure]:
    found = []
    for method in dict.fromkeys(str(record["method"]) for record in records):
        own = [record for record in records if record["method"] == method]
        earlier = ", ".join(
            f"{np.mean([record['volumes'][i] for record in own]):.4f} after {share:.0%}"
            for i, share in enumerate(CHECKPOINTS[:-1])
        )
        whole = np.mean([int(record["evaluated"]) for record in own])
        spread = np.std([record["volumes"][-1] for record in own])
        also = f"± {spread:.4f}; {earlier}; {whole:.0f} sub-networks in full"
        volumes = [float(record["volumes"][-1]) for record in own]
        case = f"hypervolume, {own[0]['examples']} examples, {method}"
        found.append(Figure(part=PART, case=case, values=volumes, shown=plain, also=also))
    return found


def completed(asked: Sequence[Asked], examples: int, budget: int) -> list[str]:
    """Keys that were evaluated on all examples before the budget was used up, in that order."""
    spent, seen = 0, dict[str, set[int]]()
    done: dict[str, None] = {}
    for part in asked:
        spent += part.stop - part.start
        if spent > budget:
            break
        seen.setdefault(part.key, set()).update(range(part.start, part.stop))
        if len(seen[part.key]) == examples:
            done[part.key] = None
    return list(done)


def _cell(settings: Settings, name: str, method: Callable[[int], Trace], seed: int) -> Record:
    configs, asked = method(seed)
    effort = settings.effort
    budget = effort.evaluations * effort.examples
    source, spec = _source(settings), _spec(settings)
    volumes, done = [], list[str]()
    for share in CHECKPOINTS:
        done = completed(asked, effort.examples, round(share * budget))
        points = true_points(source, [configs[key] for key in done], spec, "accuracy")
        volumes.append(volume(points, "accuracy"))
    return {
        "part": PART,
        "method": name,
        "seed": seed,
        "examples": budget,
        "volumes": volumes,
        "evaluated": len(done),
    }


def _ours(settings: Settings, seed: int, *, is_raced: bool) -> Trace:
    effort = settings.effort
    found = search(
        _source(settings),
        random_minilm(effort.sizes),
        Plan(seed=seed, is_raced=is_raced),
        examples=effort.evaluations * effort.examples,
    )
    return {config.key: config for config in found.candidates}, found.asked


def _optunas(settings: Settings, name: str, seed: int) -> Trace:
    """Plain Optuna: an integer a dimension, no initial design, repetitions evaluated again."""
    sizes, oracle = settings.effort.sizes, _source(settings).oracle
    asked: list[Kept] = []

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        blocks, top = range(sizes.layers), sizes.neurons // sizes.neuron_step
        heads = tuple(trial.suggest_int(f"heads_{block}", 0, sizes.heads) for block in blocks)
        steps = tuple(trial.suggest_int(f"neurons_{block}", 0, top) for block in blocks)
        asked.append(Kept(heads=heads, neurons=tuple(step * sizes.neuron_step for step in steps)))
        share = sizes.num_parameters(asked[-1]) / sizes.num_parameters(sizes.full)
        return oracle.accuracy(asked[-1]), share

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=_OPTUNA[name](seed))
    study.optimize(objective, n_trials=settings.effort.evaluations)
    return _trace(asked, settings)


def _whittles(settings: Settings, name: str, seed: int) -> Trace:
    """whittle's own searcher in a process of its own."""
    effort = settings.effort
    options = {"seed": seed, "truth": _TRUTH, "evaluations": effort.evaluations, "examples": effort.examples}
    flags = [text for key, value in options.items() for text in (f"--{key}", str(value))]
    assert settings.peer_python is not None
    command = [settings.peer_python, "-W", "ignore", "-m", "benchmarks.search.whittle_side", name, *flags]
    command += ["--sizes", json.dumps(asdict(effort.sizes))]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=True)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[[")]
    return _trace([Kept(heads=tuple(heads), neurons=tuple(neurons)) for heads, neurons in lines], settings)


def _trace(kept: Sequence[Kept], settings: Settings) -> Trace:
    """Full evaluations one after another."""
    shape = _spec(settings).shape
    configs = [config_of(one, shape.hidden_size).canonical(shape) for one in kept]
    asked = [Asked(config.key, 0, settings.effort.examples) for config in configs]
    return {config.key: config for config in configs}, asked


def _source(settings: Settings) -> OracleSource:
    effort = settings.effort
    return OracleSource(Oracle(_TRUTH, examples=effort.examples, sizes=effort.sizes), _TRUTH)


def _spec(settings: Settings) -> Any:
    from nas.study.creation import draft_spec

    supernet = random_minilm(settings.effort.sizes)
    return draft_spec(supernet, supernet.space("medium"), objectives=("max accuracy", "min num_parameters"))
