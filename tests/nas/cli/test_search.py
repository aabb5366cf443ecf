from __future__ import annotations

import shlex
import shutil

import pytest

from storage import Ledger, StudyState


@pytest.fixture
def searched(command, job):
    outcome = command("search", "run", job)
    assert outcome.code == 0, outcome.err
    return outcome


def test_a_search_prints_front_baselines_hypervolume_and_what_to_do_next(searched):
    lines = searched.out.splitlines()
    assert lines[0].startswith("Pareto front of job: ")
    assert "Baselines" in lines
    assert any("full †" in line for line in lines)
    assert "hypervolume 0." in searched.out
    assert "from accuracy 0.0000, num_parameters" in searched.out
    assert "next:" in searched.err


@pytest.mark.slow
def test_the_commands_that_are_named_next_work(searched, command):
    commands = [line for line in searched.err.splitlines() if line.startswith("  nas ")]
    assert [shlex.split(line)[1] for line in commands] == ["select", "export"]
    for line in commands:
        assert command(*shlex.split(line)[1:]).code == 0


def test_progress_and_messages_go_to_standard_error(searched):
    assert "INFO" in searched.err
    assert "INFO" not in searched.out


def test_a_study_that_exists_is_resumed_and_said_to_be(searched, command, job):
    outcome = command("search", "run", job, "--set", "search.trials=16", "--json")
    assert "study job exists and is resumed: 14 of 16 done" in outcome.err
    assert outcome.json["counts"]["done"] == 16


def test_quiet_prints_the_front_only(searched, command, job):
    outcome = command("search", "run", job, "-q")
    assert outcome.err == "study job exists and is resumed: 14 of 14 done\n"
    assert all(line.startswith("job@") for line in outcome.out.splitlines())


def test_an_infeasible_search_exits_with_3(command, job):
    outcome = command("search", "run", job, "--set", "constraints=['num_parameters <= 10']")
    assert outcome.code == 3
    assert "'num_parameters <= 10'" in outcome.err


def test_ls_lists_the_studies(command, in_finished):
    outcome = command("search", "ls")
    assert outcome.rows[0] == ["study", "state", "done", "trials", "job", "objectives", "created"]
    assert outcome.rows[1][:2] == ["tiny", "completed"]
    assert command("search", "ls", "-q").out == "tiny\n"
    listed = command("search", "ls", "--json").json[0]
    assert (listed["objectives"], listed["job"]) == (["max score", "min num_parameters"], None)


def test_ls_lists_a_job_whose_study_is_not_made_yet(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Ledger.open("sqlite:///nas.db") as ledger:
        ledger.create_job("soon", config={"objectives": ["max accuracy"]})
    assert command("search", "ls").rows[1][:6] == ["soon", "-", "0", "0", "1", "queued"]
    assert command("search", "ls", "--json").json[0]["job"]["status"] == "queued"


def test_a_profile_cannot_be_detached(command, job):
    outcome = command("search", "run", job, "--dry-run", "--detach")
    assert (outcome.code, "give one of the two" in outcome.err) == (2, True)


def test_an_unknown_job_exits_with_2_and_names_the_known_ones(command, in_finished):
    outcome = command("search", "wait", "tiny")
    assert (outcome.code, "no job 'tiny'" in outcome.err) == (2, True)


def test_waiting_for_no_longer_than_a_timeout_exits_with_124(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Ledger.open("sqlite:///nas.db") as ledger:
        ledger.create_job("soon", config={})
    outcome = command("search", "wait", "soon", "--timeout", "1s")
    assert (outcome.code, outcome.out) == (124, "")


def test_the_storage_is_taken_from_the_environment(command, finished, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NAS_STORAGE", f"sqlite:///{finished / 'nas.db'}")
    assert command("search", "ls", "-q").out == "tiny\n"


def test_a_database_that_is_not_there_exits_with_5_and_is_not_made(command, tmp_path):
    outcome = command("search", "ls", "--storage", f"sqlite:///{tmp_path / 'no.db'}")
    assert (outcome.code, outcome.out) == (5, "")
    assert "there is no database" in outcome.err
    assert not (tmp_path / "no.db").exists()


def test_show_tells_what_defines_a_study_and_what_happened(command, in_finished):
    out = command("search", "show", "tiny").out
    assert "state        completed" in out
    assert "constraints  num_parameters <= 0.6 * baseline" in out
    assert "Pareto front of tiny" in out
    assert "lease released" in out


def test_show_as_json_holds_spec_front_and_events(command, in_finished):
    record = command("search", "show", "tiny", "--json").json
    assert record["sampler"] == "random"
    assert record["front"][0]["id"].startswith("tiny@")
    assert record["counts"]["failed"] > 0
    assert record["events"][-1]["kind"] == "lease_released"


def test_an_unknown_study_exits_with_2_and_names_the_known_ones(command, in_finished):
    outcome = command("search", "show", "tinny")
    assert outcome.code == 2
    assert "stored studies: tiny" in outcome.err


def test_show_takes_the_number_of_a_job(command, finished, tmp_path, monkeypatch):
    shutil.copy(finished / "nas.db", tmp_path)
    monkeypatch.chdir(tmp_path)
    with Ledger.open("sqlite:///nas.db") as ledger:
        job = ledger.create_job("tiny", config={})
    assert command("search", "show", job.id, "--json").json["study"] == "tiny"


def test_a_database_and_a_service_cannot_both_be_asked(command):
    outcome = command("search", "ls", "--storage", "sqlite:///nas.db", "--server", "http://localhost:1")
    assert (outcome.code, "give one of the two" in outcome.err) == (2, True)


def test_a_database_that_is_named_goes_before_the_service_of_the_environment(
    command, in_finished, monkeypatch
):
    monkeypatch.setenv("NAS_SERVER", "http://localhost:1")
    assert command("search", "ls", "-q", "--storage", "sqlite:///nas.db").out == "tiny\n"


def test_a_service_that_is_not_there_exits_with_5(command, monkeypatch):
    monkeypatch.setattr("nas.cli.remote._PATIENCE_S", 0.0)
    outcome = command("search", "ls", "--server", "http://127.0.0.1:9")
    assert (outcome.code, "cannot be reached" in outcome.err) == (5, True)


@pytest.mark.parametrize(("is_held", "state"), [(True, "RUNNING"), (False, "LOST")])
def test_a_study_whose_driver_died_is_lost(command, finished, tmp_path, monkeypatch, is_held, state):
    shutil.copy(finished / "nas.db", tmp_path)
    monkeypatch.chdir(tmp_path)
    with Ledger.open("sqlite:///nas.db") as ledger:
        lease = ledger.acquire("tiny", owner="here:1", seconds=600)
        ledger.set_study_state(lease, StudyState.RUNNING)
        if not is_held:
            ledger.release(lease)
        assert ledger.study_status("tiny").is_held == is_held
    assert command("search", "ls", "--json").json[0]["state"] == state
