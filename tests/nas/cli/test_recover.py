"""`nas recover` on a study that was run from a config."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from nas.jobs import open_study

TRAIN = ("--set", "recovery.learning_rate=0.003", "--set", "recovery.batch_size=8")


@pytest.fixture(scope="module")
def searched_once(bert, tmp_path_factory):
    """A working directory in which `nas search run job.yaml` was called."""
    from nas.config import load_config
    from nas.jobs import run_search

    folder = tmp_path_factory.mktemp("searched")
    shutil.copytree(bert, folder, dirs_exist_ok=True)
    overrides = [f"storage.url=sqlite:///{folder / 'nas.db'}", f"storage.artifacts={folder / 'artifacts'}"]
    overrides += ["export.formats=[hf, onnx]", "search.trials=8"]
    run_search(load_config(folder / "job.yaml", overrides=overrides)).close()
    return folder


@pytest.fixture
def searched(searched_once, tmp_path, monkeypatch):
    monkeypatch.delenv("NAS_STORAGE", raising=False)
    shutil.copytree(searched_once, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_best_are_trained_by_the_config_of_their_study(command, searched):
    outcome = command("recover", "job", "--top", 2, "--passes", 20, "--json", *TRAIN)
    assert outcome.code == 0, outcome.err
    record = outcome.json
    assert (record["study"], record["metric"], record["kendall_tau"]) == ("job", "accuracy", None)
    assert [one["passes"] for one in record["recovered"]] == [20, 20]
    assert all(one["after"]["loss"] < one["before"]["loss"] for one in record["recovered"])
    assert record["num_reused"] == 0


def test_a_second_call_trains_nothing(command, searched):
    first = command("recover", "job", "--top", 1, "--passes", 3, "--json").json
    again = command("recover", "job", "--top", 1, "--passes", 3, "--json").json
    assert (again["num_reused"], again["recovered"]) == (1, first["recovered"])


def test_the_table_shows_both_scores_baselines_and_tau(command, searched):
    options = (
        "--trainable",
        "perp",
        "--schedule",
        "interleaved",
        "--stages",
        2,
        "--baselines",
        "random,scratch",
    )
    outcome = command("recover", "job", "--top", 1, "--passes", 4, *options)
    assert outcome.code == 0, outcome.err
    assert "Recovered sub-networks of job: biases, norms and the head, pruned and trained in 2" in outcome.out
    header = next(row for row in outcome.rows if row[:1] == ["trial"])
    assert header == [
        "trial",
        "layers",
        "heads",
        "FFN",
        "hidden",
        "before",
        "accuracy",
        "↑",
        "params",
        "passes",
        "s",
    ]
    assert "random sub-network" in outcome.out
    assert "random weights" in outcome.out
    assert "Kendall's tau of accuracy before and after: none with fewer than 3" in outcome.out
    assert "3 trained in 12 passes" in outcome.out
    assert "nas export job@" in outcome.err


def test_quiet_prints_the_trials_in_their_new_order(command, searched):
    outcome = command("recover", "job", "--top", 2, "--passes", 1, "-q")
    best = command("recover", "job", "--top", 2, "--passes", 1, "--json").json["recovered"]
    assert outcome.out.split() == [one["id"] for one in best]


def test_a_front_says_that_its_scores_are_of_weights_as_they_were_cut(command, searched):
    before = command("search", "show", "job").out
    assert "not trained after pruning; `nas recover job` trains the best" in before
    command("recover", "job", "--top", 1, "--passes", 2)
    after = command("search", "show", "job")
    assert "Recovered: scores after a short training" in after.out
    assert len(command("search", "show", "job", "--json").json["recovered"]) == 1


def test_the_stored_config_holds_absolute_paths(searched):
    with open_study("job", url=f"sqlite:///{searched / 'nas.db'}") as study:
        config = study.config
    assert all(Path(config["data"][part]).is_absolute() for part in ("train", "validation"))
    assert Path(config["model"]["id"]).is_dir()
    assert config["search"]["trials"] == 8


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("job", "--top", 0), 2, "recovery.top"),
        (("job", "--trainable", "some"), 2, "recovery.trainable"),
        (("job", "--baselines", "full"), 2, "recovery.baselines"),
        (("job", "--where", "num_parameters <= 10"), 3, "the nearest is"),
        (("job", "--where", "speed >= 10"), 2, "unknown metric"),
        (("other",), 2, "stored studies: job"),
        (("job", "--artifacts", "elsewhere"), 2, "elsewhere"),
    ],
)
def test_what_cannot_be_recovered_is_refused(command, searched, arguments, code, message):
    outcome = command("recover", *arguments)
    assert outcome.code == code, outcome.err
    assert message in outcome.err


def test_a_study_made_in_python_has_no_data_to_train_on(command, in_finished):
    outcome = command("recover", "tiny")
    assert outcome.code == 2
    assert "was not run by `nas search run`" in outcome.err


def test_an_interrupted_recovery_says_how_to_go_on(command, searched, monkeypatch):
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("nas.study.recovering.recover", interrupt)
    outcome = command("recover", "job", "--top", 1)
    assert outcome.code == 130
    assert "nas recover job --set recovery.top=1" in outcome.err


def test_a_search_recovers_in_the_end_if_its_config_says_so(command, job):
    outcome = command(
        "search", "run", job, "--set", "recovery={top: 1, passes: 2}", "--set", "search.trials=6", "--json"
    )
    assert outcome.code == 0, outcome.err
    assert len(outcome.json["recovered"]) == 1


def test_recovered_weights_are_asked_for_by_name(command, searched, tmp_path):
    outcome = command("export", "job", "--where", "accuracy >= 0", "--weights", "recovered", "-o", "out")
    assert outcome.code == 3
    assert "no recovered sub-network yet" in outcome.err


@pytest.mark.slow
def test_an_export_takes_its_formats_from_the_config_and_the_recovered_weights(command, searched):
    (best,) = command("recover", "job", "--top", 1, "--passes", 2, "-q").out.split()
    outcome = command("export", best, "-o", "out")
    assert outcome.code == 0, outcome.err
    record = json.loads((searched / "out" / "nas.json").read_text())
    assert record["formats"] == ["hf", "onnx"]
    assert record["recovery"].startswith("all weights; learnt from labels")
