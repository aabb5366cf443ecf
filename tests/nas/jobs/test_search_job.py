"""A whole job from a config: tiny random model, real files, SQLite."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification, BertTokenizer

import nas
from nas.config import SearchConfig, parse_config
from nas.jobs import list_studies, open_study, profile_search, run_search
from storage import TrialState

WORDS = ["good", "fine", "bright", "bad", "poor", "dull", "film", "story", "the", "a", "was", "very"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model folder with a tokenizer, and labelled sentences whose first word tells the label."""
    model = tmp_path / "model"
    model.mkdir()
    (model / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]))
    BertTokenizer(vocab=str(model / "vocab.txt")).save_pretrained(model)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=32,
        hidden_size=32,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=32,
    )
    BertForSequenceClassification(config).save_pretrained(model)
    generator = np.random.default_rng(0)
    for part, rows in (("train", 200), ("validation", 60)):
        with (tmp_path / f"{part}.csv").open("w", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(["text", "label"])
            for _ in range(rows):
                label = int(generator.integers(2))
                words = [WORDS[int(generator.integers(3)) + 3 * label], *generator.choice(WORDS[6:], 4)]
                writer.writerow([" ".join(words), ["positive", "negative"][label]])
    return tmp_path


def _config(folder: Path, **changes: Any) -> SearchConfig:
    record: dict[str, Any] = {
        "version": 1,
        "name": "tiny",
        "model": {"id": str(folder / "model"), "task": "sequence-classification"},
        "supernet": {
            "finetune": {"passes": 120, "learning_rate": 4e-3},
            "train": {"strategy": "sandwich", "passes": 40, "learning_rate": 1e-3},
            "calibration": 64,
        },
        "data": {
            "train": str(folder / "train.csv"),
            "validation": str(folder / "validation.csv"),
            "max_length": 16,
        },
        "target": None,
        "objectives": ["max accuracy", "min num_parameters"],
        "search": {"trials": 16},
        "evaluation": {"precision": "float32"},
        "workers": {"kind": "serial"},
        "storage": {"url": f"sqlite:///{folder / 'nas.db'}", "artifacts": str(folder / "artifacts")},
    }
    return parse_config(record | changes)


def _num_evaluated(study: nas.Study) -> int:
    return sum(trial.state in (TrialState.DONE, TrialState.PAUSED) for trial in study.trials)


def test_a_search_learns_the_task_and_keeps_to_its_number_of_trials(folder: Path) -> None:
    with run_search(_config(folder)) as study:
        assert _num_evaluated(study) == 16
        assert study.baseline["accuracy"] > 0.8  # the first word tells the label
        assert study.best_trials
        assert (folder / "artifacts" / "tiny" / "supernet" / "model.safetensors").is_file()


def test_a_second_run_repeats_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with run_search(_config(folder)) as study:
        attempts = [trial.attempts for trial in study.trials]

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr("nas.jobs.supernets.train_supernet", refuse)
    with run_search(_config(folder)) as study:
        assert _num_evaluated(study) == 16
        assert [trial.attempts for trial in study.trials] == attempts


def test_a_larger_number_of_trials_continues_the_study(folder: Path) -> None:
    with run_search(_config(folder)) as study:
        before = [(trial.number, trial.key) for trial in study.trials]
    with run_search(_config(folder, search={"trials": 20})) as study:
        assert [(trial.number, trial.key) for trial in study.trials][: len(before)] == before
        assert _num_evaluated(study) == 20


def test_a_supernet_of_other_settings_is_refused_by_its_folder(folder: Path) -> None:
    run_search(_config(folder)).close()
    other = {"finetune": {"passes": 121, "learning_rate": 1e-3}, "train": None, "calibration": 64}
    with pytest.raises(nas.ConfigError, match=r"supernet made from another model, data or settings"):
        run_search(_config(folder, supernet=other))


def test_studies_are_listed_and_opened_for_export(folder: Path) -> None:
    run_search(_config(folder)).close()
    url = f"sqlite:///{folder / 'nas.db'}"
    (summary,) = list_studies(url)
    assert (summary.name, summary.num_done, summary.state) == ("tiny", 16, "COMPLETED")
    with open_study("tiny", url=url, artifacts=folder / "artifacts", with_supernet=True) as study:
        assert study.supernet is not None
    with pytest.raises(nas.ConfigError, match="artifacts folder"):
        open_study("tiny", url=url, artifacts=folder / "elsewhere", with_supernet=True)
    with pytest.raises(nas.StudyNotFoundError, match="tiny"):
        open_study("other", url=url)


def test_the_profile_needs_no_data_and_tells_an_infeasible_budget(folder: Path) -> None:
    config = _config(folder, data={"validation": "missing.csv"}, supernet={"train": None})
    assert profile_search(config).cardinality > 100
    with pytest.raises(nas.InfeasibleError) as caught:
        profile_search(_config(folder, constraints=["num_parameters <= 10"]))
    assert caught.value.binding == "num_parameters <= 10"


def test_a_metric_that_does_not_exist_is_told_before_the_model_is_loaded(folder: Path) -> None:
    config = _config(
        folder,
        objectives=["max acuracy", "min num_parameters"],
        model={
            "id": "nowhere",
            "task": "sequence-classification",
        },
    )
    with pytest.raises(nas.ConfigError, match="did you mean accuracy"):
        run_search(config)
