"""Quality on tasks of the lm-evaluation-harness."""

from __future__ import annotations

import copy
import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from nas.compensation import Compensation, Recipe, recipe_of, weights_of
from nas.errors import ConfigError
from nas.evaluation.evaluator import Evaluator, Quality
from nas.evaluation.lm_tasks import LoadedTasks, contained, harness, load_tasks, metric_name
from nas.evaluation.score import checked_metrics
from nas.evaluation.skeleton import Skeleton, assemble
from nas.supernet import Supernet
from nas.supernet.model_folders import refuse_unsafe
from search_spaces import SubnetConfig
from workers import EvaluatorFactory

Precision = Literal["stored", "float32", "bfloat16"]
_DTYPES: Final[dict[str, torch.dtype | None]] = {
    "stored": None,
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
}


@dataclass(frozen=True, kw_only=True)
class LmEvalEvaluator(Evaluator):
    """Runs tasks of the lm-evaluation-harness on a sub-network; a metric is called `task/metric`.

    Needs the extra `lm-eval`, a causal language model and its tokenizer. Code that a task names is refused.

    Attributes:
        tasks: names of tasks, no groups.
        include_path: folder with the tasks' YAML files and data; it must be readable at this path wherever
            workers run. None for tasks that come with the harness.
        metrics: those to report, e.g. `my_task/acc`; all unless given.
        limit: examples a task; None for all.
        num_fewshot: examples in the prompt; None for as many as each task states.
        batch_size: requests a forward.
        precision: of the weights; `stored` is that of the supernet.
        tokenizer: the supernet's unless given.
        allow_code: run Python that a task names, where you trust its author.
        compensation: what makes up for removed units and dropped blocks; None evaluates slices.
    """

    tasks: tuple[str, ...]
    include_path: str | Path | None = None
    metrics: tuple[str, ...] = ()
    limit: int | None = None
    num_fewshot: int | None = 0
    batch_size: int = 8
    precision: Precision = "stored"
    tokenizer: PreTrainedTokenizerBase | None = field(default=None, repr=False)
    allow_code: bool = False
    compensation: Compensation | None = None
    identity: str = field(default="", repr=False)
    examples: int = field(default=1, repr=False)
    recipe: Recipe | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if any(isinstance(names, str) for names in (self.tasks, self.metrics)):
            raise ConfigError("tasks and metrics are lists of names, e.g. tasks=('my_task',)")
        for name in ("limit", "batch_size"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} is {value}; it must be at least 1")
        if self.num_fewshot is not None and self.num_fewshot < 0:
            raise ConfigError(f"num_fewshot is {self.num_fewshot}; it must be at least 0, or None")
        if self.precision not in _DTYPES:
            raise ConfigError(f"precision is {self.precision!r}; allowed are {', '.join(_DTYPES)}")

    @property
    def sha256(self) -> str:
        """See `Evaluator.sha256`."""
        return self.hashed(self.identity, self.metrics, self.limit, self.num_fewshot, self.precision)

    @property
    def num_examples(self) -> int:
        """See `Evaluator.num_examples`; known once prepared."""
        return self.examples

    @property
    def weights_dtype(self) -> torch.dtype | None:
        """See `Evaluator.weights_dtype`."""
        return _DTYPES[self.precision]

    def load(self) -> LoadedTasks:
        """Its tasks with their data; see `load_tasks`."""
        return load_tasks(
            tuple(self.tasks),
            self.include_path,
            limit=self.limit,
            num_fewshot=self.num_fewshot,
            allow_code=self.allow_code,
        )

    def prepare(self, supernet: Supernet, earlier: Mapping[str, Any] | None = None) -> LmEvalEvaluator:
        """See `Evaluator.prepare`."""
        del earlier
        tokenizer = self.tokenizer or supernet.tokenizer
        if tokenizer is None:
            raise ConfigError("the supernet has no tokenizer; pass LmEvalEvaluator(tokenizer=...)")
        _refuse_other_heads(supernet.model)
        harness("models.huggingface")
        loaded = self.load()
        unknown = [name for name in self.metrics if name not in loaded.metrics]
        if unknown:
            raise ConfigError(f"no task reports {unknown[0]!r}; reported are {', '.join(loaded.metrics)}")
        return replace(
            self,
            include_path=None if self.include_path is None else str(Path(self.include_path).resolve()),
            metrics=tuple(self.metrics) or loaded.metrics,
            tokenizer=tokenizer,
            identity=_identity(loaded, tokenizer),
            examples=loaded.num_examples,
            recipe=recipe_of(supernet, self.compensation),
        )

    def factory(self, skeleton: Skeleton) -> EvaluatorFactory:
        """See `Evaluator.factory`."""
        return _LmEvalFactory(self, skeleton)

    def describe(self) -> dict[str, Any]:
        """See `Evaluator.describe`."""
        return {**super().describe(), "tasks": list(self.tasks), "lm_eval": version("lm_eval")}


@dataclass(frozen=True)
class _LmEvalFactory:
    evaluator: LmEvalEvaluator
    skeleton: Skeleton

    def __call__(self, arrays: Mapping[str, np.ndarray]) -> _LmEvalWorker:
        supernet = assemble(self.skeleton, arrays, dtype=self.evaluator.weights_dtype)
        return _LmEvalWorker(supernet, self.evaluator)


class _LmEvalWorker:
    """Lives in one worker: the supernet, the tasks and their data, made once."""

    def __init__(self, supernet: Supernet, evaluator: LmEvalEvaluator) -> None:
        assert evaluator.tokenizer is not None
        self._supernet = supernet
        self._evaluator = evaluator
        self._weights = weights_of(evaluator.recipe, supernet)
        self._tasks = evaluator.load()
        if _identity(self._tasks, evaluator.tokenizer) != evaluator.identity:
            raise ConfigError(
                f"the tasks in {evaluator.include_path} here are not those that the search began with; "
                "give every worker the same folder, and start the search again after a change"
            )
        # Made of the full model: it ties weights, which must not happen to a sub-network.
        self._lm = _language_model(supernet.model, evaluator.tokenizer, evaluator.batch_size)

    def __call__(self, payload: Mapping[str, Any]) -> Quality:
        start = time.monotonic()
        config = SubnetConfig.from_json(payload)
        with self._supernet.active(config, self._weights(config)):
            quality = _score(self._lm, self._tasks, self._evaluator)
        return replace(quality, seconds=time.monotonic() - start)


def evaluate_model(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, evaluator: LmEvalEvaluator
) -> Quality:
    """Run an evaluator's tasks on any causal language model, in the precision that it has.

    Raises:
        ConfigError: as `LmEvalEvaluator.prepare`.
        EvaluationFailedError: a metric is not finite.
    """
    _refuse_other_heads(model)
    loaded = evaluator.load()
    return _score(_language_model(model, tokenizer, evaluator.batch_size), loaded, evaluator)


def evaluate_folder(folder: str | Path, evaluator: LmEvalEvaluator) -> Quality:
    """Run an evaluator's tasks on a model folder, such as an exported one.

    A folder that needs code of its own is refused: load such a model yourself, for `evaluate_model`.

    Raises:
        ConfigError: no model or no tokenizer there.
        UnsupportedModelError: its config asks for code.
        EvaluationFailedError: a metric is not finite.
    """
    path = Path(folder)
    refuse_unsafe(path / "config.json")
    dtype = evaluator.weights_dtype or "auto"
    try:
        model = AutoModelForCausalLM.from_pretrained(
            str(path), dtype=dtype, use_safetensors=True, local_files_only=True, trust_remote_code=False
        )
        tokenizer = evaluator.tokenizer or AutoTokenizer.from_pretrained(
            str(path), local_files_only=True, trust_remote_code=False
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise ConfigError(f"cannot load a language model with its tokenizer from {path}: {error}") from error
    return evaluate_model(model, tokenizer, evaluator)


def _language_model(model: Any, tokenizer: PreTrainedTokenizerBase, batch_size: int) -> Any:
    """The harness's view of a model; it gets a tokenizer of its own, since it sets a padding token."""
    make = harness("models.huggingface").HFLM
    return make(pretrained=model, tokenizer=copy.deepcopy(tokenizer), backend="causal", batch_size=batch_size)


def _score(lm: Any, loaded: LoadedTasks, evaluator: LmEvalEvaluator) -> Quality:
    """What `simple_evaluate` does, less its report on the machine, which takes longer than a small task."""
    start = time.monotonic()
    with contained(), torch.inference_mode():
        answer = harness("evaluator").evaluate(
            lm=lm,
            task_dict={"tasks": dict(loaded.tasks)},
            limit=evaluator.limit,
            bootstrap_iters=0,
            log_samples=False,
            confirm_run_unsafe_code=evaluator.allow_code,
        )
    reported = _named(answer["results"])
    wanted = evaluator.metrics or tuple(reported)
    metrics = checked_metrics({name: reported[name] for name in wanted if name in reported}, wanted)
    return Quality(metrics=metrics, examples=loaded.num_examples, seconds=time.monotonic() - start)


def _named(results: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The harness's `metric,filter` entries of each task as `task/metric`, without standard errors."""
    named = {}
    for task, entries in results.items():
        for key, value in entries.items():
            metric, comma, filter_name = key.partition(",")
            if comma and not metric.endswith("_stderr"):
                named[f"{task}/{metric_name(metric, filter_name)}"] = value
    return named


def _identity(loaded: LoadedTasks, tokenizer: Any) -> str:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    words = json.dumps(tokenizer.get_vocab(), sort_keys=True) if backend is None else backend.to_str()
    return hashlib.sha256(f"{loaded.sha256}:{version('lm_eval')}:{words}".encode()).hexdigest()


def _refuse_other_heads(model: Any) -> None:
    if not model.can_generate() or model.config.is_encoder_decoder:
        raise ConfigError(
            f"lm-eval tasks need a causal language model; got {type(model).__name__}: "
            "load it with task causal-lm"
        )
