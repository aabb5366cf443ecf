"""`nas.Client` at a real service: a finished study is read and exported, a search submitted and followed."""

from __future__ import annotations

import logging

import pytest

import nas
from nas.client import ConflictError, NotAuthorizedError, NotFoundError, ServiceUnreachableError
from nas.errors import ConfigError, InfeasibleError, StudyNotFoundError

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def client(served):
    with nas.Client(served.url, served.operator) as made:
        yield made


@pytest.fixture(scope="module")
def alice(served):
    with nas.Client(served.url, served.alice) as made:
        yield made


@pytest.fixture(scope="module")
def study(client):
    return client.study("tiny")


@pytest.fixture(scope="module")
def local(tiny_study):
    with nas.load_study("tiny", storage=f"sqlite:///{tiny_study / 'nas.db'}") as opened:
        yield opened


def test_a_study_reads_as_it_does_from_its_database(study, local):
    facts = study.facts()
    assert [trial.to_json() for trial in study.best_trials] == [t.to_json() for t in local.best_trials]
    assert [trial.to_json() for trial in study.trials()] == [trial.to_json() for trial in local.trials]
    assert facts.hypervolume == pytest.approx(local.hypervolume)
    assert facts.objectives == tuple(map(str, local.objectives))


def test_a_selection_is_that_of_the_library(study, local):
    where = "num_parameters <= 0.8 * baseline"
    assert study.best(where).to_json() == local.best(where).to_json()
    assert [t.number for t in study.select(where)] == [t.number for t in local.select(where)]


def test_an_infeasible_selection_names_the_same_as_the_library(study, local):
    with pytest.raises(InfeasibleError) as expected:
        local.best("num_parameters <= 10")
    with pytest.raises(InfeasibleError) as caught:
        study.best("num_parameters <= 10")
    assert caught.value.args == expected.value.args


def test_a_budget_that_does_not_parse_is_a_config_error(study):
    with pytest.raises(ConfigError, match="unknown metric"):
        study.trials("latency <= 1")


def test_baselines_comparison_picture_and_curve_are_read(study):
    best = study.best_trials[0].number
    found = study.compare(best, 0)
    assert [trial.number for trial in found.trials] == [best, 0]
    assert found.full.origin == "baseline:full"
    assert study.skyline(0).startswith("<svg")
    assert study.hypervolume_curve()[-1].value == pytest.approx(study.hypervolume())
    assert {trial.origin.partition(":")[0] for trial in study.baselines()} == {"baseline"}


def test_a_profile_has_the_costs_of_the_full_model(client, tiny_search, local):
    found = client.profile(tiny_search)
    assert found.costs["full"]["num_parameters"] == local.spec.full_costs["num_parameters"]


def test_what_is_of_another_account_is_not_there(alice):
    with pytest.raises(StudyNotFoundError, match="no study 'tiny'"):
        alice.study("tiny")


def test_what_is_not_there_is_said_so(client, study):
    with pytest.raises(NotFoundError, match="no trial 99999 of study 'tiny'"):
        study.trial(99_999)
    with pytest.raises(NotFoundError, match="no job 'nothing'"):
        client.job("nothing")


def test_a_wrong_token_is_told_with_where_to_get_one(served):
    with pytest.raises(NotAuthorizedError, match="nas token create"):
        nas.Client(served.url, "nas_wrong_token").studies()


def test_a_service_that_is_gone_is_told_after_the_patience():
    with pytest.raises(ServiceUnreachableError, match="nas serve"):
        nas.Client("http://127.0.0.1:9", patience_s=0).studies()


def test_a_search_is_submitted_once_followed_selected_exported_and_verified(
    alice, tiny_search, tmp_path, caplog, monkeypatch
):
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE"):  # of a terminal, where a bar takes the place of the log
        monkeypatch.delenv(name, raising=False)
    job = alice.submit(tiny_search, idempotency_key="once")
    assert alice.submit(tiny_search, idempotency_key="once").id == job.id
    with pytest.raises(ConflictError):
        alice.submit({**tiny_search, "name": "other"}, idempotency_key="once")
    events = list(job.events())
    assert job.status == "completed", "".join(job.logs())
    assert [event.id for event in events] == sorted({event.id for event in events})
    study = alice.study(job.study)
    with caplog.at_level(logging.INFO, logger="nas.progress"):
        job.wait(show_progress_bar=True)
    standing = f"front {len(study.best_trials)}, hypervolume {study.hypervolume():.4f}"
    assert f"{job.study}: 12 of 12 completed, {standing}" in caplog.text
    exported = study.export(study.best().number, tmp_path / "out", formats=["hf"])
    assert {path.name for path in exported.folder.iterdir() if path.is_file()} <= {
        f.name for f in exported.files
    }
    assert nas.verify_folder(exported.folder).num_parameters == study.best().metrics["num_parameters"]
