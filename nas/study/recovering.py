"""Recovering the finalists of a study: train, measure again, store, rank again."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from nas.compensation import weights_of
from nas.data import BatchedDataset
from nas.evaluation import Evaluator, checked_metrics, skeleton_of
from nas.evaluation.skeleton import arrays_of
from nas.recovery import Recovered, RecoveryOptions, kendall_tau, learner_of, recover, save_weights
from nas.study.finalists import Job, RecoveryPlan, baseline_jobs, finalists_of
from nas.study.recovery import Recovery, RecoveryReport, best_first, ranked_by, recovery_of, weights_folder
from nas.supernet import Supernet
from nas.training import Teacher
from search_spaces import SearchSpace, SubnetConfig
from storage import Ledger, RecoveryRecord

if TYPE_CHECKING:
    import torch

    from nas.study.study import Study

logger = logging.getLogger(__name__)

#: What a progress bar calls the training of a trial.
_TITLES: Final[Mapping[str, str]] = {
    "recovered": "trial",
    "random": "random beside trial",
    "scratch": "from scratch trial",
}


class Recoverer:
    """Recovers sub-networks of one study, each once: what the ledger knows is read again.

    Args:
        study: with its supernet, which is left as it is.
        ledger: of the study.
        evaluator: the study's own, prepared.
        data: training data.
        plan: what to recover, and how.
        show_progress: on standard error.

    Raises:
        ConfigError: the study is about no quality.
    """

    def __init__(
        self,
        study: Study,
        ledger: Ledger,
        evaluator: Evaluator,
        data: BatchedDataset,
        plan: RecoveryPlan,
        *,
        show_progress: bool = False,
    ) -> None:
        supernet = study.supernet
        assert supernet is not None
        self._study, self._ledger, self._supernet = study, ledger, supernet
        self._evaluator, self._data, self._plan = evaluator, data, plan
        self._show_progress = show_progress
        self._objective = ranked_by(study.spec)
        self._study_id = ledger.study(study.name).id
        self._folder = weights_folder(study)
        self._teacher: Teacher | None = None
        self._num_reused = 0

    def run(self, space: SearchSpace) -> RecoveryReport:
        """Recover the finalists, then their baselines.

        Raises:
            InfeasibleError: no evaluated sub-network holds the budgets.
            ConfigError: data or options do not fit.
        """
        finalists = finalists_of(self._study, self._plan)
        jobs = [Job(kind="recovered", trial=trial, config=trial.config) for trial in finalists]
        jobs += baseline_jobs(finalists, self._plan, space)
        made = []
        for number, job in enumerate(jobs, start=1):
            made.append(self._recovery(job, f"{_TITLES[job.kind]} {job.trial.number} ({number}/{len(jobs)})"))
        return self._report(made[: len(finalists)], made[len(finalists) :])

    def _report(self, recovered: list[Recovery], baselines: list[Recovery]) -> RecoveryReport:
        metric = self._objective.metric
        ranked = best_first(recovered, self._objective)
        place = {one.trial: index for index, one in enumerate(ranked)}
        scored = [one for one in ranked if metric in one.before]
        return RecoveryReport(
            study=self._study.name,
            metric=metric,
            direction=self._objective.direction,
            recovered=tuple(ranked),
            baselines=tuple(sorted(baselines, key=lambda one: place[one.trial])),
            kendall_tau=kendall_tau(
                [one.before[metric] for one in scored], [one.after[metric] for one in scored]
            ),
            num_reused=self._num_reused,
        )

    def _recovery(self, job: Job, title: str) -> Recovery:
        """The recovery of a job, from the ledger where its weights are still there."""
        recipe = self._recipe(job)
        sha256 = hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()
        known = self._ledger.recovery(self._study_id, job.kind, job.config.key, sha256)
        if known is not None and (self._folder / known.weights_file).is_file():
            self._num_reused += 1
            # A random sub-network may stand beside another finalist by now.
            return replace(recovery_of(self._study, known), trial=job.trial.number)
        checkpoint = self._folder / f".{job.config.key}-{sha256[:16]}.training"
        logger.info("study %r: %s, sub-network %s", self._study.name, title, job.config.key)
        trained = self._train(job, checkpoint, title)
        self._ledger.put_recovery(self._record(job, trained, recipe, sha256))
        shutil.rmtree(checkpoint, ignore_errors=True)
        stored = self._ledger.recovery(self._study_id, job.kind, job.config.key, sha256)
        assert stored is not None
        return recovery_of(self._study, stored)

    def _train(self, job: Job, checkpoint: Path, title: str) -> Recovered:
        options = self._options(job)
        if options.distillation is not None and self._teacher is None:
            self._teacher = Teacher.of(self._supernet)
        return recover(
            self._supernet,
            job.config,
            self._data,
            budget=self._plan.budget,
            options=options,
            weights=self._starting_weights(job, options),
            from_scratch=job.kind == "scratch",
            teacher=self._teacher,
            checkpoint=checkpoint,
            show_progress_bar=self._show_progress,
            progress_title=title,
        )

    def _record(self, job: Job, trained: Recovered, recipe: Mapping[str, Any], sha256: str) -> RecoveryRecord:
        """Measure, write the weights, and put all that is known in a row of the ledger."""
        learner = learner_of(self._supernet, job.config, trained.weights)
        after = _measured(without_compensation(self._evaluator), learner, job.config)
        name = f"{job.config.key}-{sha256[:16]}.safetensors"
        facts = {"study": self._study.name, "key": job.config.key, "recipe_sha256": sha256}
        return RecoveryRecord(
            study_id=self._study_id,
            trial=job.trial.number,
            kind=job.kind,
            key=job.config.key,
            config=job.config.to_json(),
            recipe=recipe,
            recipe_sha256=sha256,
            metrics_before=self._before(job, after),
            metrics_after=after,
            passes=trained.report.passes,
            examples=trained.report.examples,
            seconds=trained.report.seconds,
            weights_file=name,
            weights_sha256=save_weights(self._folder / name, trained.weights, facts=facts),
        )

    def _options(self, job: Job) -> RecoveryOptions:
        """Those of the plan; random weights are trained as a whole and all the time."""
        options = self._plan.options
        return replace(options, trainable="all", schedule="one_shot") if job.kind == "scratch" else options

    def _starting_weights(self, job: Job, options: RecoveryOptions) -> Mapping[str, torch.Tensor] | None:
        """What the search scored: compensated weights if it did so; a larger first stage has none."""
        if job.kind == "scratch" or options.schedule == "interleaved":
            return None
        return weights_of(self._evaluator.recipe, self._supernet)(job.config)

    def _recipe(self, job: Job) -> dict[str, Any]:
        """Everything that decides the weights and the scores."""
        options = self._options(job)
        return {
            "format": 1,
            "kind": job.kind,
            "summary": options.summary(),
            "budget": asdict(self._plan.budget),
            **options.as_dict(),
            "data_sha256": self._data.sha256,
            "supernet_sha256": self._supernet.sha256,
            "evaluator_sha256": self._evaluator.sha256,
        }

    def _before(self, job: Job, after: Mapping[str, float]) -> dict[str, float]:
        """Scores with the supernet's weights; none of random weights."""
        if job.kind == "scratch":
            return {}
        if job.kind == "recovered":
            return {name: job.trial.metrics[name] for name in after if name in job.trial.metrics}
        evaluator, sha256 = self._evaluator, self._supernet.sha256
        known = self._ledger.quality(sha256, job.config.key, evaluator.sha256, evaluator.num_examples)
        if known is not None:
            return dict(known.metrics)
        return _measured(evaluator, self._supernet, job.config)


def without_compensation(evaluator: Evaluator) -> Evaluator:
    """An evaluator of weights as they are: those of a recovered sub-network are final."""
    if evaluator.recipe is None:
        return evaluator
    plain: Any = evaluator
    return replace(plain, compensation=None, recipe=None)  # type: ignore[no-any-return]  # dataclasses all


def _measured(evaluator: Evaluator, supernet: Supernet, config: SubnetConfig) -> dict[str, float]:
    """What an evaluator says of a sub-network of this supernet."""
    worker = evaluator.factory(skeleton_of(supernet))(arrays_of(supernet))
    return checked_metrics(worker(config.to_json()).metrics, evaluator.metrics)
