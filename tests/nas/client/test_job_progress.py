"""What a bar says of a job at a service."""

from __future__ import annotations

import logging

import pytest

from nas.client.facts import JobFacts
from nas.client.job_progress import JobProgress
from nas.client.jobs import RemoteJob


@pytest.fixture
def told():
    return []


@pytest.fixture
def shown(connection, told):
    return JobProgress(connection, lambda *words: told.append(words))


@pytest.fixture
def facts(job_record):
    return lambda **changes: JobFacts.from_json({**job_record, **changes})


@pytest.fixture
def answer_standing(wire, study_record):
    """Answers the three questions about a study."""

    def answer(*, paused=0, failed=0, **changes):
        wire.answer({**study_record, **changes})
        for total in (paused, failed):
            wire.answer({"trials": [], "total": total, "next_page_token": None})

    return answer


def test_a_search_is_shown_with_its_front_and_what_fell_out(shown, facts, told, wire, answer_standing):
    answer_standing(num_front=2, hypervolume=0.5, paused=3, failed=1)
    shown(facts())
    assert told == [(3, 14, "running, front 2, hypervolume 0.5000, 3 paused, 1 failed")]
    assert [request.url.params.get("state") for request in wire.requests] == [None, "PAUSED", "FAILED"]


def test_the_study_is_asked_again_only_when_more_was_evaluated(shown, facts, told, wire, answer_standing):
    answer_standing(num_front=2)
    answer_standing(num_front=5)
    shown(facts())
    shown(facts(status="pausing"))
    assert len(wire.requests) == 3
    shown(facts(progress={"done": 4, "total": 14}))
    assert len(wire.requests) == 6
    assert [text.split(", ")[:2] for _, _, text in told] == [
        ["running", "front 2"],
        ["pausing", "front 2"],
        ["running", "front 5"],
    ]


def test_the_end_is_asked_for_although_no_more_was_evaluated(shown, facts, told, answer_standing):
    answer_standing()
    answer_standing(failed=2)
    shown(facts())
    shown(facts(status="completed"))
    assert told[-1][2].endswith("2 failed")


def test_before_the_first_evaluation_no_study_is_asked_for(shown, facts, told, wire):
    shown(facts(status="queued", progress={"done": 0, "total": 14}))
    assert (told, wire.requests) == ([(0, 14, "queued")], [])


@pytest.mark.parametrize("status", [404, 500])
def test_a_study_that_is_not_to_be_had_leaves_what_was_known(
    shown, facts, told, wire, answer_standing, status
):
    answer_standing(num_front=2)
    wire.refuse(status)
    shown(facts())
    shown(facts(progress={"done": 4, "total": 14}))
    assert told[-1] == (4, 14, "running, front 2, hypervolume 0.5000")


def test_an_export_has_no_front(shown, facts, told, wire):
    shown(facts(kind="export", trials=None, progress={"done": 1, "total": 2}))
    assert (told, wire.requests) == ([(1, 2, "running")], [])


def test_who_waits_with_a_bar_sees_the_front(
    connection, facts, wire, job_record, answer_standing, caplog, monkeypatch
):
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE"):  # of a terminal, where a bar takes the place of the log
        monkeypatch.delenv(name, raising=False)
    wire.answer({**job_record, "status": "completed", "progress": {"done": 14, "total": 14}})
    answer_standing(num_front=4)
    with caplog.at_level(logging.INFO, logger="nas.progress"):
        RemoteJob(connection, facts()).wait(show_progress_bar=True)
    assert "alice.tiny: 14 of 14 completed, front 4, hypervolume 0.5000" in caplog.text


def test_who_waits_without_a_bar_asks_for_the_job_only(connection, facts, wire, job_record):
    wire.answer({**job_record, "status": "completed"})
    RemoteJob(connection, facts()).wait()
    assert wire.paths == ["/api/v1/jobs/7"]
