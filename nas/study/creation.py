"""Making and finding studies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Literal

from nas.errors import ConfigError
from nas.evaluation import Target
from nas.objectives import parse_constraints, parse_objectives
from nas.racing import Racing
from nas.search import check_design, known_samplers
from nas.search.design import DEFAULT_DESIGN
from nas.study.ledger_errors import translated
from nas.study.spec import StudySpec, fingerprint
from nas.study.stored_study import DEFAULT_ARTIFACTS
from nas.study.study import Study
from nas.supernet import Supernet
from nas.tasks import max_tokens
from search_spaces import SearchSpace, Workload, restore_space
from storage import Ledger, StudyExistsError

DEFAULT_STORAGE: Final = "sqlite:///nas.db"
DEFAULT_RACING: Final = Racing()
MAX_NAME_LENGTH: Final = 200
MAX_SEED: Final = 2**63
Sampler = Literal["nsga2", "nsga3", "tpe", "gp", "random", "local_search", "evolution", "greedy", "grid"]
_BYTES: Final = {"float32": 4, "bfloat16": 2, "float16": 2}


def create_study(
    name: str,
    *,
    supernet: Supernet,
    space: SearchSpace | str = "uniform",
    objectives: Sequence[str] = ("max accuracy", "min num_parameters"),
    constraints: Sequence[str] = (),
    target: Target | None = None,
    storage: str = DEFAULT_STORAGE,
    sampler: Sampler = "evolution",
    seed: int = 0,
    enqueue: Sequence[str] = DEFAULT_DESIGN,
    metrics: Sequence[str] = (),
    deterministic: bool = False,
    parallel: int = 4,
    racing: Racing | None = DEFAULT_RACING,
    load_if_exists: bool = False,
    artifacts: str | Path = DEFAULT_ARTIFACTS,
) -> Study:
    """Create a study, or take up one of that name.

    Args:
        name: unique within the database.
        supernet: ranked and, if wanted, trained.
        space: a search space or the kind of one.
        objectives: one to four of `max METRIC` and `min METRIC`.
        constraints: budgets, `METRIC (<=|>=) NUMBER [UNIT] [* baseline]`.
        target: what latency is measured on; costs are counted at its workload.
        storage: database URL.
        sampler: `evolution` (screened by a surrogate), `tpe` (multivariate), `nsga2`, `nsga3`, `gp`,
            `local_search`, `greedy`, `random` or `grid`.
        seed: of every random choice.
        enqueue: parts of the initial design.
        metrics: names that the evaluator reports besides the known ones.
        deterministic: propose in batches of `parallel`, for a history that is the same in every run.
        parallel: size of such a batch.
        racing: how evaluations on data are stopped early; None evaluates every sub-network in full.
        load_if_exists: resume a study of that name, if it was created with the same supernet and settings.
        artifacts: folder for the weights of recovered sub-networks.

    Raises:
        ConfigError: a setting that is not allowed, a study that exists, or one that differs.
        StorageError: the database cannot be used.
    """
    with translated():
        chosen = supernet.space(space) if isinstance(space, str) else space
        draft = draft_spec(
            supernet, chosen, objectives=objectives, constraints=constraints, target=target, metrics=metrics
        )
        spec = replace(
            draft,
            sampler=sampler,
            seed=seed,
            design=tuple(enqueue),
            deterministic=deterministic,
            parallel=parallel,
            racing=racing,
            supernet=_facts(supernet),
        )
        _check(name, spec, supernet, chosen)
        study = _open(storage, name, spec, supernet, chosen, load_if_exists=load_if_exists)
    study.artifacts = Path(artifacts)
    return study


def draft_spec(
    supernet: Supernet,
    space: SearchSpace,
    *,
    objectives: Sequence[str],
    constraints: Sequence[str] = (),
    target: Target | None = None,
    metrics: Sequence[str] = (),
) -> StudySpec:
    """What a study would be defined by, with default search settings: enough to profile it.

    Raises:
        ConfigError: an objective, constraint or target that is not allowed, or an objective always 0.
    """
    spec = StudySpec(
        shape=supernet.shape,
        space=space.to_json(),
        objectives=parse_objectives(objectives, metrics=metrics),
        constraints=parse_constraints(constraints, metrics=metrics),
        sampler="tpe",
        seed=0,
        design=tuple(DEFAULT_DESIGN),
        target=target,
        workload=_workload(target),
        deterministic=False,
        parallel=1,
        supernet={},
    )
    for metric in (objective.metric for objective in spec.objectives):
        if spec.full_costs.get(metric, 1) == 0:
            raise ConfigError(
                f"objective {metric} is 0 for every sub-network of this {spec.shape.model_type} model; "
                "choose another"
            )
    _check_target(spec, supernet)
    return spec


def load_study(
    name: str,
    *,
    storage: str = DEFAULT_STORAGE,
    supernet: Supernet | None = None,
    space: SearchSpace | None = None,
    artifacts: str | Path = DEFAULT_ARTIFACTS,
) -> Study:
    """Open a study to read it; with its supernet also to run it.

    Recovered weights are looked for in the folder `artifacts`.

    Raises:
        StudyNotFoundError: there is none of that name.
        ConfigError: another supernet or space than the study was created with.
        StorageError: the database cannot be used.
    """
    with translated():
        ledger = Ledger.open(storage)
        try:
            spec = StudySpec.from_json(ledger.study(name).spec)
            if supernet is None:
                return Study(ledger, name, spec, artifacts=artifacts)
            chosen = space or space_of(spec)
            _check_same(ledger, name, fingerprint_of(spec, supernet, chosen))
        except BaseException:
            ledger.close()
            raise
    return Study(ledger, name, spec, supernet=supernet, space=chosen, artifacts=artifacts)


def delete_study(name: str, *, storage: str = DEFAULT_STORAGE) -> None:
    """Delete a study, its trials and its events; measurements stay, for other studies.

    Raises:
        StudyNotFoundError: there is none of that name.
        StorageError: a driver is running it.
    """
    with translated(), Ledger.open(storage) as ledger:
        ledger.delete_study(name)


def space_of(spec: StudySpec) -> SearchSpace:
    """The space that a stored study was created with, over the model that it was created with."""
    return restore_space(spec.space, spec.shape)


def fingerprint_of(spec: StudySpec, supernet: Supernet, space: SearchSpace) -> dict[str, str]:
    """What the study must be resumed with."""
    return fingerprint(supernet_sha256=supernet.sha256, space_sha256=space.sha256, spec=spec)


def _check(name: str, spec: StudySpec, supernet: Supernet, space: SearchSpace) -> None:
    """Refuse settings that could not be run."""
    if not name or len(name) > MAX_NAME_LENGTH or not name.isprintable():
        raise ConfigError(f"study name {name[:80]!r}: give 1 to {MAX_NAME_LENGTH} printable characters")
    if not 0 <= spec.seed < MAX_SEED:
        raise ConfigError(f"seed is {spec.seed}; it must be 0 or more, and below {MAX_SEED}")
    if spec.sampler not in known_samplers():
        raise ConfigError(f"unknown sampler {spec.sampler!r}; allowed are {', '.join(known_samplers())}")
    if spec.parallel < 1:
        raise ConfigError(f"parallel is {spec.parallel}; it must be at least 1")
    check_design(spec.design)
    if spec.racing is not None:
        spec.racing.check_metrics(spec.quality_metrics)
    if space.shape != supernet.shape:
        raise ConfigError("the space was made for a model of another shape; make it with supernet.space()")


def _check_target(spec: StudySpec, supernet: Supernet) -> None:
    target = spec.target
    if target is None:
        if spec.latency_metrics:
            raise ConfigError(
                f"{sorted(spec.latency_metrics)[0]} needs a target: "
                "pass target=nas.Target.local(sequence_length=128)"
            )
        return
    target.check_metrics(spec.latency_metrics)
    target.check_task(supernet.task)
    longest = max_tokens(supernet.model.config)
    tokens = target.sequence_length + target.decode_length
    if longest is not None and tokens > longest:
        generated = f" and decode_length {target.decode_length}" if target.decode_length else ""
        raise ConfigError(
            f"target {target.name} has sequence_length {target.sequence_length}{generated}; "
            f"the model takes at most {longest} tokens"
        )


def _workload(target: Target | None) -> Workload:
    if target is None:
        return Workload()
    return Workload(
        batch_size=target.batch_size,
        sequence_length=target.sequence_length,
        bytes_per_value=_BYTES[target.dtype],
    )


def _facts(supernet: Supernet) -> dict[str, Any]:
    return {
        "task": supernet.task,
        "ranking": supernet.ranking,
        "provenance": supernet.provenance,
        "sha256": supernet.sha256,
    }


def _open(
    storage: str,
    name: str,
    spec: StudySpec,
    supernet: Supernet,
    space: SearchSpace,
    *,
    load_if_exists: bool,
) -> Study:
    """Store a study, or find that the one of that name is the same."""
    expected = fingerprint_of(spec, supernet, space)
    ledger = Ledger.open(storage)
    try:
        try:
            ledger.create_study(name, spec=spec.to_json(), fingerprint=expected, seed=spec.seed)
        except StudyExistsError:
            if not load_if_exists:
                raise
            _check_same(ledger, name, expected)
    except BaseException:
        ledger.close()
        raise
    return Study(ledger, name, spec, supernet=supernet, space=space)


def _check_same(ledger: Ledger, name: str, expected: dict[str, str]) -> None:
    stored = ledger.study(name).fingerprint
    changed = [part for part, value in expected.items() if stored.get(part) != value]
    if changed:
        raise ConfigError(
            f"study {name!r} exists with another {' and '.join(changed)}; results would not be comparable: "
            "use what it was created with, choose another name, or delete it"
        )
