"""Tasks of the lm-evaluation-harness, read without running code that comes with them.

A task is a YAML file. Besides plain data it may name Python functions and classes, metrics that are scripts
of a hub, and Jinja templates, which can reach Python's internals: the first three are refused unless asked
for, templates are rendered in Jinja's sandbox.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import yaml

from nas.errors import ConfigError

#: Entries of a task that run Python of others: classes, prompts that are looked up, answers that are run.
_CODE_KEYS: Final = ("class", "use_prompt", "unsafe_code")
#: Readers of `datasets` that unpickle what they read.
_PICKLED: Final = ("pandas", "webdataset", "cache")
#: Seed of the choice of few-shot examples: the harness's own default.
_FEWSHOT_SEED: Final = 1234


@dataclass(frozen=True, kw_only=True)
class LoadedTasks:
    """Tasks with their data.

    Attributes:
        tasks: the harness's objects by name.
        metrics: `task/metric` of everything that they report.
        num_examples: examples of one evaluation.
        sha256: hash of their settings and examples.
    """

    tasks: Mapping[str, Any]
    metrics: tuple[str, ...]
    num_examples: int
    sha256: str


def harness(module: str = "") -> Any:
    """A module of the harness.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        return import_module(f"lm_eval.{module}".rstrip("."))
    except ImportError as error:
        raise ConfigError(
            f"lm-eval tasks need the extra lm-eval: pip install 'subnas[lm-eval]' ({error})"
        ) from error


def load_tasks(
    names: tuple[str, ...],
    include_path: str | Path | None,
    *,
    limit: int | None = None,
    num_fewshot: int | None = None,
    allow_code: bool = False,
) -> LoadedTasks:
    """Load tasks with their data.

    Args:
        names: of the folder's tasks, or of those that come with the harness.
        include_path: folder with YAML files; relative `data_files` in them are beside them.
        limit: examples a task, its first ones; None for all.
        num_fewshot: examples in the prompt; None for as many as each task states.
        allow_code: run Python that a task names.

    Raises:
        ConfigError: no such task, no data, code that was not allowed, or lm-eval is not installed.
    """
    if not names:
        raise ConfigError("no lm-eval task is given; name at least one, e.g. tasks=('my_task',)")
    manager = _manager(names, include_path)
    configs = [_config(name, manager.task_index, allow_code=allow_code) for name in dict.fromkeys(names)]
    try:
        with contained():
            tasks: dict[str, Any] = dict(manager.load(configs)["tasks"])
            for task in tasks.values():
                _set_fewshot(task, num_fewshot)
            sizes = {name: _num_examples(task, limit) for name, task in tasks.items()}
            digest = _sha256(tasks, sizes)
    except _loading_errors() as error:
        raise ConfigError(f"lm-eval cannot load {', '.join(names)}: {error}") from error
    empty = [name for name, size in sizes.items() if size == 0]
    if empty:
        raise ConfigError(f"lm-eval task {empty[0]!r} has no examples; check its data_files and its limit")
    return LoadedTasks(
        tasks=tasks,
        metrics=tuple(f"{name}/{metric}" for name, task in tasks.items() for metric in _metrics(task)),
        num_examples=sum(sizes.values()),
        sha256=digest,
    )


@contextmanager
def contained() -> Iterator[None]:
    """The harness with templates in a sandbox and without progress bars, for the length of the block."""
    from jinja2.sandbox import SandboxedEnvironment

    texts = harness("utils")
    sandbox = SandboxedEnvironment(
        loader=texts.env.loader, undefined=texts.env.undefined, keep_trailing_newline=True
    )
    sandbox.filters |= texts.env.filters
    changes: list[tuple[Any, str, Any]] = [(texts, "env", sandbox)]
    for name in ("api.task", "models.huggingface"):
        module = harness(name)
        changes.append((module, "tqdm", partial(module.tqdm, disable=True)))
    before = [(module, name, getattr(module, name)) for module, name, _ in changes]
    try:
        for module, name, value in changes:
            setattr(module, name, value)
        yield
    finally:
        for module, name, value in before:
            setattr(module, name, value)


def _manager(names: tuple[str, ...], include_path: str | Path | None) -> Any:
    """The harness's index; its own tasks are read too only where one is named, which takes seconds."""
    make = harness("tasks").TaskManager
    if include_path is None:
        return make()
    folder = Path(include_path)
    if not folder.is_dir():
        raise ConfigError(
            f"include_path {str(folder)!r} is no folder; give the one with the tasks' YAML files"
        )
    manager = make(include_path=str(folder), include_defaults=False)
    if all(name in manager.task_index for name in names):
        return manager
    return make(include_path=str(folder))


def _config(name: str, index: Mapping[str, Any], *, allow_code: bool) -> dict[str, Any]:
    """A task's settings, with absolute paths to its data."""
    entry = index.get(name)
    if entry is None:
        raise ConfigError(f"lm-eval has no task {name!r}; check its name, the YAML file and include_path")
    if entry.kind.name in ("GROUP", "TAG"):
        raise ConfigError(f"lm-eval's {name!r} is a {entry.kind.name.lower()}; name its tasks one by one")
    if entry.yaml_path is None:
        raise ConfigError(f"lm-eval task {name!r} has no YAML file; give one in include_path")
    if not allow_code:
        refuse_code(entry.yaml_path)
    config: dict[str, Any] = harness("tasks._yaml_loader").load_yaml(entry.yaml_path)
    options = config.get("dataset_kwargs")
    if isinstance(options, dict) and "data_files" in options:
        files = _absolute(options["data_files"], Path(entry.yaml_path).parent)
        config["dataset_kwargs"] = {**options, "data_files": files}
    return config


def refuse_code(path: Path) -> None:
    """Refuse a task file, or one that it includes, that names code.

    Raises:
        ConfigError: it does, or is no plain YAML.
    """
    try:
        with path.open(encoding="utf-8") as stream:
            config = yaml.load(stream, Loader=_PlainLoader)  # noqa: S506  # nosec B506  # a SafeLoader
    except (OSError, UnicodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} is no plain YAML: {error}") from error
    if not isinstance(config, dict):
        raise ConfigError(f"{path} is no YAML mapping")
    found = [f"{key}: {config[key]}" for key in _CODE_KEYS if config.get(key)]
    if config.get("dataset_path") in _PICKLED:
        found.append(f"dataset_path: {config['dataset_path']} (it unpickles)")
    found += [f"metric: {name} (a script)" for name in _foreign_metrics(config)]
    if found:
        raise _refusal(path, found[0])
    included = config.get("include") or []
    for name in included if isinstance(included, list) else [included]:
        refuse_code((path.parent / name).resolve())


class _PlainLoader(yaml.SafeLoader):
    """Reads YAML whose `!function` tags stand for the error that they cause."""


def _function_tag(loader: yaml.SafeLoader, node: yaml.Node) -> None:
    raise _refusal(Path(loader.name), f"!function {node.value}")


_PlainLoader.add_constructor("!function", _function_tag)


def _refusal(path: Path, what: str) -> ConfigError:
    return ConfigError(
        f"{path} has {what!r}, which would run code; write the task without it, or pass allow_code=True "
        "if you trust its author"
    )


def _foreign_metrics(config: Mapping[str, Any]) -> list[Any]:
    """Metrics that the harness does not define itself and would fetch as scripts."""
    harness("api.metrics")  # fills the registry
    known = harness("api.registry").metric_registry
    entries = [entry for entry in config.get("metric_list") or [] if isinstance(entry, dict)]
    return [e.get("metric") for e in entries if e.get("hf_evaluate") or e.get("metric") not in known]


def _absolute(files: Any, folder: Path) -> Any:
    """Paths beside the YAML file made absolute, in whatever form `data_files` has; URLs stay."""
    if isinstance(files, dict):
        return {split: _absolute(value, folder) for split, value in files.items()}
    if isinstance(files, list):
        return [_absolute(value, folder) for value in files]
    return files if "://" in str(files) else str((folder / str(files)).resolve())


def _set_fewshot(task: Any, num_fewshot: int | None) -> None:
    """As `simple_evaluate` does it: a task that states 0 keeps it."""
    stated = task.get_config("num_fewshot")
    if stated is None or (num_fewshot is not None and stated != 0):
        task.set_config(key="num_fewshot", value=num_fewshot or 0)
    task.set_fewshot_seed(seed=_FEWSHOT_SEED)


def _num_examples(task: Any, limit: int | None) -> int:
    size = len(task.eval_docs)
    return size if limit is None else min(size, limit)


def _metrics(task: Any) -> list[str]:
    """Names of a task's metrics, those of another filter than the first with the filter's name."""
    filters = [each.name for each in getattr(task, "_filters", [])] or ["none"]
    return [metric_name(metric, name) for name in filters for metric in task.aggregation()]


def metric_name(metric: str, filter_name: str) -> str:
    """Name of a metric after a filter of answers; `none` is the harness's default one."""
    return metric if filter_name == "none" else f"{metric}@{filter_name}"


def _sha256(tasks: Mapping[str, Any], sizes: Mapping[str, int]) -> str:
    digest = sha256()
    for name, task in sorted(tasks.items()):
        config = {
            key: value
            for key, value in task.dump_config().items()
            if key not in ("dataset_kwargs", "metadata")  # paths; the examples themselves count
        }
        shots = task.get_config("num_fewshot")
        examples = [task.eval_docs[index] for index in range(sizes[name])]
        record = [name, config, examples, list(task.fewshot_docs() or []) if shots else []]
        digest.update(json.dumps(record, sort_keys=True, default=str).encode())
    return digest.hexdigest()


def _loading_errors() -> tuple[type[Exception], ...]:
    from datasets.exceptions import DatasetsError
    from jinja2 import TemplateError

    return (DatasetsError, TemplateError, OSError, ValueError, KeyError, TypeError, AttributeError)
