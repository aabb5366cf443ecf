"""Whose sub-networks are measured: a study's, or those that a config will search. No weights are read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from transformers import AutoConfig

from nas.config import SearchConfig, load_config
from nas.errors import ConfigError, NasError
from nas.evaluation import Target
from nas.jobs.definition import make_space, make_target
from nas.jobs.examples import load_parts
from nas.jobs.studies import open_study
from nas.jobs.supernets import supernet_folder
from nas.study import Study, Trial
from nas.study.creation import space_of
from nas.study.history import front_of
from nas.study.latency_floors import with_predictions
from nas.supernet import Supernet
from nas.supernet.checkpoint import read_facts
from nas.supernet.model_folders import refuse_unsafe
from nas.targets.structure import portable_config, structure_of
from nas.tasks import task_of
from search_spaces import ModelShape, SearchSpace, SubnetConfig
from storage import TrialState

_CONFIG_FILES: Final = (".yaml", ".yml", ".toml")


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What shapes are taken of.

    Attributes:
        config: of transformers.
        target: the study's or config's own.
        url: of the database.
        study: its name, None of a config.
    """

    config: Any
    shape: ModelShape
    space: SearchSpace
    task: str
    target: Target | None
    url: str
    study: str | None = None


def open_subject(name: str, *, url: str, artifacts: str | Path = "artifacts") -> Subject:
    """A study by its name, or what a config file describes.

    Args:
        name: a file that ends in .yaml, .yml or .toml is a config, which says where its database is.
        url: of a study's database.
        artifacts: folder that holds a study's supernet.

    Raises:
        ConfigError: the supernet or the model is not there.
        StudyNotFoundError: there is no study of that name.
    """
    if is_config(name):
        return _config_subject(load_config(Path(name)))
    with open_study(name, url=url) as study:
        spec = study.spec
        folder = Path(artifacts) / name / "supernet"
        if not (folder / "config.json").is_file():
            raise ConfigError(
                f"the supernet of study {name!r} is not at {folder}; give its folder by --artifacts"
            )
        return Subject(
            config=_folder_config(folder),
            shape=spec.shape,
            space=space_of(spec),
            task=str(spec.supernet["task"]),
            target=spec.target,
            url=url,
            study=name,
        )


def is_config(name: str) -> bool:
    """Whether a subject is named by a config file."""
    return Path(name).suffix.lower() in _CONFIG_FILES


def front_configs(subject: Subject) -> list[SubnetConfig]:
    """The study's front, with trials that would be on it if their latency were as predicted.

    Raises:
        ConfigError: the subject is no study, or nothing was evaluated.
    """
    with _study(subject) as study:
        trials = [_as_predicted(trial, study) for trial in study.trials]
        chosen = {t.key: t.config for t in [*study.best_trials, *front_of(trials, study.objectives)]}
    if not chosen:
        raise ConfigError(f"study {subject.study!r} has no front yet; run it first, or plan a calibration")
    return list(chosen.values())


def trial_configs(subject: Subject, numbers: Iterable[int]) -> list[SubnetConfig]:
    """The sub-networks of some trials of the study.

    Raises:
        ConfigError: the subject is no study, or has no such trial.
    """
    with _study(subject) as study:
        return [study.trial(number).config for number in numbers]


def _as_predicted(trial: Trial, study: Study) -> Trial:
    """A trial that waits for its latency, as if it had the predicted one; others as they are."""
    metrics = with_predictions(trial.metrics)
    names = [objective.metric for objective in study.objectives]
    is_waiting = trial.state is TrialState.PAUSED and trial.values is None
    if not is_waiting or any(name not in metrics for name in names):
        return trial
    values = tuple(metrics[name] for name in names)
    return replace(trial, state=TrialState.DONE, values=values, metrics=metrics)


def _study(subject: Subject) -> Study:
    if subject.study is None:
        raise ConfigError("a config has no trials; name the study, or plan a calibration")
    return open_study(subject.study, url=subject.url)


def _config_subject(config: SearchConfig) -> Subject:
    """The model that a config's search will have: its finished supernet, or the pretrained one."""
    task: str = config.model.task
    layer_order: tuple[int, ...] | None = None
    folder = Path(config.supernet.checkpoint or supernet_folder(config))
    if (folder / "config.json").is_file():
        facts = read_facts(folder)
        task, layer_order = facts["task"], tuple(facts["layer_order"])
        model_config = _folder_config(folder)
    else:
        model_config = _pretrained_config(config)
    skeleton = structure_of(portable_config(model_config), task)
    supernet = Supernet(skeleton.module, task=task)
    if layer_order is not None:
        supernet.layer_order = layer_order
    return Subject(
        config=model_config,
        shape=supernet.shape,
        space=make_space(config, supernet),
        task=task,
        target=make_target(config),
        url=config.storage.url,
    )


def _folder_config(folder: Path) -> Any:
    refuse_unsafe(folder / "config.json")
    return AutoConfig.from_pretrained(str(folder), trust_remote_code=False, local_files_only=True)


def _pretrained_config(config: SearchConfig) -> Any:
    """The pretrained model's config with as many outputs as the search will give its head."""
    section = config.model
    is_folder = Path(section.id).is_dir()
    if is_folder:
        refuse_unsafe(Path(section.id) / "config.json")
    try:
        found = AutoConfig.from_pretrained(
            section.id, revision=section.revision, trust_remote_code=False, local_files_only=is_folder
        )
    except NasError:
        raise
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot read the config of model {section.id!r}: {error}") from error
    task = task_of(section.task)
    if task.labels == "number":
        found.num_labels = 1
    elif task.has_classes:
        names = load_parts(config.data, task=section.task).validation.label_names
        found.num_labels = section.num_labels or len(names) or found.num_labels
    return found
