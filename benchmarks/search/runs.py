"""A study on an answering evaluator: what was asked, what was found, what was left paused."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from transformers import BertConfig, BertForSequenceClassification

import nas
from benchmarks.search.answers import AnswerEvaluator, Asked, Source
from benchmarks.search.oracle import Sizes
from benchmarks.search.racing_options import racing_options
from benchmarks.search.volume import OBJECTIVES, Measure
from search_spaces import SubnetConfig
from storage import TrialState

#: Trials of the first call, as a multiple of the full evaluations that the examples would pay for.
_FIRST_CALL = 2.0
_MAX_CALLS = 8


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A search on answers.

    Attributes:
        measure: the quality that is searched for, beside few parameters.
        seed: of the search and of the order of examples.
        is_raced: whether evaluation is staged with racing, by the library's defaults.
        sampler: None for the library's default.
    """

    measure: Measure = "accuracy"
    seed: int = 0
    is_raced: bool = True
    sampler: str | None = None


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a search leaves.

    Attributes:
        asked: parts of examples in the order in which they were evaluated.
        candidates: every sub-network that was evaluated, whole or in part.
        is_paused: for each of them, whether it was left paused.
        on_front: for each of them, whether the study has it on its front.
        spec: what the study is defined by.
    """

    asked: tuple[Asked, ...]
    candidates: tuple[SubnetConfig, ...]
    is_paused: tuple[bool, ...]
    on_front: tuple[bool, ...]
    spec: Any

    @property
    def num_asked(self) -> int:
        """Examples evaluated."""
        return sum(part.stop - part.start for part in self.asked)


def choose_among(
    configs: Sequence[SubnetConfig], source: Source, supernet: nas.Supernet, plan: Plan
) -> Found:
    """Evaluate given sub-networks and no others, the full model first, the rest in a seeded order."""
    wanted = {supernet.full.key, *(config.key for config in configs)}
    evaluator = AnswerEvaluator(source=source, seed=plan.seed)
    with tempfile.TemporaryDirectory() as folder, _study(folder, supernet, plan, enqueue=()) as study:
        asking = study._asked()  # one session for all; `Study.enqueue` would open one for each
        for config in configs:
            asking.enqueue(config)
        study._stop_asking()
        study.optimize(evaluator, len(wanted))
        return _found(study, evaluator)


def search(
    source: Source,
    supernet: nas.Supernet,
    plan: Plan,
    *,
    trials: int | None = None,
    examples: int | None = None,
) -> Found:
    """Search the per-layer space with the default initial design, for so many trials or examples.

    A search for examples ends when at least so many were asked for; `asked` says in what order.
    """
    evaluator = AnswerEvaluator(source=source, seed=plan.seed)
    with tempfile.TemporaryDirectory() as folder, _study(folder, supernet, plan) as study:
        if trials is not None:
            study.optimize(evaluator, trials)
            return _found(study, evaluator)
        assert examples is not None, "give trials or examples"
        wanted = round(_FIRST_CALL * examples / evaluator.num_examples)
        for _ in range(_MAX_CALLS):
            study.optimize(evaluator, wanted)
            if evaluator.num_asked >= examples:
                break
            wanted += max(1, round(wanted * (examples / evaluator.num_asked - 1)))
        return _found(study, evaluator)


@lru_cache(maxsize=2)
def random_minilm(sizes: Sizes) -> nas.Supernet:
    """A supernet of the oracle's sizes, whose weights nobody looks at."""
    torch.manual_seed(0)
    config = BertConfig(
        num_hidden_layers=sizes.layers,
        num_attention_heads=sizes.heads,
        intermediate_size=sizes.neurons,
        hidden_size=sizes.hidden,
        vocab_size=sizes.vocabulary,
        max_position_embeddings=sizes.positions,
    )
    return nas.Supernet.from_model(BertForSequenceClassification(config), task="sequence-classification")


def _study(folder: str, supernet: nas.Supernet, plan: Plan, **options: Any) -> nas.Study:
    if plan.sampler is not None:
        options["sampler"] = plan.sampler
    return nas.create_study(
        "search",
        supernet=supernet,
        space="medium",
        objectives=OBJECTIVES[plan.measure],
        storage=f"sqlite:///{Path(folder) / 'nas.db'}",
        seed=plan.seed,
        **racing_options(is_raced=plan.is_raced),
        **options,
    )


def _found(study: nas.Study, evaluator: AnswerEvaluator) -> Found:
    trials = [t for t in study.trials if t.state in (TrialState.DONE, TrialState.PAUSED)]
    front = {trial.key for trial in study.best_trials}
    return Found(
        asked=tuple(evaluator.asked),
        candidates=tuple(trial.config for trial in trials),
        is_paused=tuple(trial.state is TrialState.PAUSED for trial in trials),
        on_front=tuple(trial.key in front for trial in trials),
        spec=study.spec,
    )
