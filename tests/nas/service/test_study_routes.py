"""Studies over REST: lists, pages, pictures, selection, and only for whom they belong to."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.filled_study import add_trial, filled_study
from nas.cli.records import trial_record
from nas.service.schemas.trials import FIELDS
from nas.study.stored_study import StoredStudy
from storage import JobState, Ledger

NAME, PLAIN = "alice.filled", "plain"
STUDIES = "/api/v1/studies"
STUDY = f"{STUDIES}/{NAME}"
NUM_TRIALS = 300


@pytest.fixture(scope="module")
def tiny_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a database: a large study of alice's, and a small one that was made on this machine."""
    folder: Path = tmp_path_factory.mktemp("studies")
    (folder / "artifacts").mkdir()
    url = f"sqlite:///{folder / 'nas.db'}"
    with Ledger.open(url) as ledger:
        ledger.submit_job(NAME, kind="search", config={}, trials=None, account="alice", log=None)
        lease = ledger.claim_job(1, owner="test")
        ledger.set_job_state(lease, JobState.COMPLETED)  # so that no service begins to run it
        ledger.release_job(lease)
    filled_study(url, NUM_TRIALS, NAME)
    filled_study(url, 20, PLAIN)
    return folder


@pytest.fixture(scope="module")
def stored(tiny_study: Path) -> Iterator[StoredStudy]:
    """The study as its database knows it."""
    from nas.study.spec import StudySpec

    with Ledger.open(f"sqlite:///{tiny_study / 'nas.db'}") as ledger:
        yield StoredStudy(ledger, NAME, StudySpec.from_json(ledger.study(NAME).spec))


@pytest.fixture
def alice(api: Callable[..., Any]) -> Any:
    return api("alice")


def numbers(answer: Any) -> list[int]:
    assert answer.status_code == 200, answer.text
    return [trial["number"] for trial in answer.json()["trials"]]


def test_accounts_see_their_own_studies(alice: Any, api: Callable[..., Any], admin_api: Any) -> None:
    seen = [
        [study["name"] for study in client.get(STUDIES).json()["studies"]]
        for client in (alice, api("bob"), admin_api)
    ]
    assert seen == [[NAME], [], [PLAIN, NAME]]


def test_studies_come_in_pages(admin_api: Any) -> None:
    first = admin_api.get(STUDIES, params={"limit": 1}).json()
    second = admin_api.get(STUDIES, params={"limit": 1, "page_token": first["next_page_token"]}).json()
    assert [page["studies"][0]["name"] for page in (first, second)] == [PLAIN, NAME]
    assert second["next_page_token"] is None


def test_a_study_tells_what_came_of_it(alice: Any, stored: StoredStudy) -> None:
    study = alice.get(STUDY).json()
    assert study["num_trials"] == NUM_TRIALS
    assert study["num_front"] == len(stored.best_trials)
    assert study["hypervolume"] == pytest.approx(stored.hypervolume)
    assert study["best"]["number"] == stored.best().number
    assert (study["account"], study["job_id"], study["is_live"]) == ("alice", 1, False)


PATHS = ("", "/trials", "/trials/0", "/trials/0/skyline", "/trials.csv", "/front", "/hypervolume")
PICTURES = ("/baselines", "/points", "/importances", "/compare?trial=1&trial=2")


@pytest.mark.parametrize("path", [*PATHS, *PICTURES])
def test_a_foreign_study_is_answered_like_none(api: Callable[..., Any], path: str) -> None:
    bob = api("bob")
    foreign, missing = bob.get(STUDY + path), bob.get(f"{STUDIES}/alice.nothing{path}")
    assert foreign.status_code == missing.status_code == 404
    assert foreign.text == missing.text


def test_a_foreign_study_is_not_selected_from(api: Callable[..., Any]) -> None:
    assert api("bob").post(f"{STUDY}/select", json={}).status_code == 404


def test_reading_takes_the_scope_read(api: Callable[..., Any]) -> None:
    assert api("alice", ("export",)).get(STUDY).status_code == 403


def test_a_trial_is_what_the_command_line_prints_and_its_sizes(alice: Any, stored: StoredStudy) -> None:
    answer = alice.get(f"{STUDY}/trials/7").json()
    trial = stored.trial(7)
    assert answer.pop("sizes")["hidden"] == trial.sizes.hidden
    assert answer == trial_record(trial)


@pytest.mark.parametrize("sort", ["accuracy", "-accuracy"])
def test_trials_of_a_study_that_grows_between_pages_are_each_seen_once(
    alice: Any, service_settings: Any, sort: str
) -> None:
    found: list[int] = []
    token = None
    while True:
        params = {"limit": 70, "sort": sort} | ({"page_token": token} if token else {})
        page = alice.get(f"{STUDY}/trials", params=params)
        found += numbers(page)
        token = page.json()["next_page_token"]
        if token is None:
            break
        for _ in range(3):
            add_trial(service_settings.storage.url, NAME)
    assert len(found) == len(set(found))
    assert set(range(NUM_TRIALS)) <= set(found)
    assert page.json()["total"] > NUM_TRIALS


def test_trials_are_filtered_by_budgets_and_states(alice: Any, stored: StoredStudy) -> None:
    params = {
        "where": ["num_parameters <= 0.7 * baseline", "accuracy >= 0.4"],
        "state": "DONE",
        "limit": 1000,
    }
    bound = 0.7 * stored.baseline["num_parameters"]
    expected = [
        t.number
        for t in stored.trials
        if t.state == "DONE" and t.metrics["num_parameters"] <= bound and t.metrics["accuracy"] >= 0.4
    ]
    assert numbers(alice.get(f"{STUDY}/trials", params=params)) == expected != []


def test_only_the_fields_asked_for_are_answered(alice: Any) -> None:
    page = alice.get(f"{STUDY}/trials", params={"fields": ["number", "metrics"], "limit": 2}).json()
    assert [set(trial) for trial in page["trials"]] == [{"number", "metrics"}] * 2


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"where": "speed <= 3"}, "unknown metric 'speed'"),
        ({"where": "accuracy"}, "METRIC"),
        ({"sort": "speed"}, "there is number, accuracy"),
        ({"fields": "weights"}, f"allowed are {', '.join(FIELDS)}"),
        ({"limit": "1001"}, "1 to 1000"),
        ({"limit": "0"}, "greater than or equal to 1"),
        ({"state": "GONE"}, "PROPOSED"),
        ({"page_token": "nonsense"}, "no token"),
        ({"page_token": "WzEwLCAiMDAwMDAwMDAwMDAwIl0"}, "no token"),
        ({"page_token": "WzEwLCBudWxsLCAiMDAwMDAwMDAwMDAwIl0"}, "another query"),
    ],
)
def test_a_wrong_query_is_refused_with_what_is_allowed(
    alice: Any, params: dict[str, str], message: str
) -> None:
    answer = alice.get(f"{STUDY}/trials", params=params)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert message in answer.json()["detail"]


def test_a_page_token_is_of_one_query(alice: Any) -> None:
    token = alice.get(f"{STUDY}/trials", params={"limit": 2}).json()["next_page_token"]
    other = alice.get(f"{STUDY}/trials", params={"limit": 2, "sort": "accuracy", "page_token": token})
    assert (other.status_code, "another query" in other.text) == (422, True)


@pytest.mark.parametrize("number", ["300", "2147483647"])
def test_a_trial_that_is_not_there_is_not_found(alice: Any, number: str) -> None:
    assert alice.get(f"{STUDY}/trials/{number}").status_code == 404


def test_a_trial_has_a_picture(alice: Any) -> None:
    answer = alice.get(f"{STUDY}/trials/5/skyline")
    assert answer.headers["content-type"].startswith("image/svg+xml")
    assert "<title" in answer.text
    assert "Trial 5" in answer.text


def test_the_csv_has_all_trials_with_their_metrics(alice: Any, stored: StoredStudy) -> None:
    answer = alice.get(f"{STUDY}/trials.csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    trials = stored.trials
    assert [int(row["number"]) for row in rows] == [trial.number for trial in trials]
    assert [row["accuracy"] for row in rows] == [str(t.metrics.get("accuracy", "")) for t in trials]


def test_the_front_is_the_studys(alice: Any, stored: StoredStudy) -> None:
    assert numbers(alice.get(f"{STUDY}/front")) == [trial.number for trial in stored.best_trials]


def test_the_front_is_cut_by_budgets(alice: Any, stored: StoredStudy) -> None:
    least = sorted(trial.metrics["accuracy"] for trial in stored.best_trials)[1]
    found = numbers(alice.get(f"{STUDY}/front", params={"where": f"accuracy >= {least!r}"}))
    assert found == [t.number for t in stored.best_trials if t.metrics["accuracy"] >= least]


def test_the_best_within_budgets_is_selected(alice: Any, stored: StoredStudy) -> None:
    where = ["num_parameters <= 0.65 * baseline"]
    answer = alice.post(f"{STUDY}/select", json={"where": where})
    assert answer.json()["number"] == stored.best(where).number


def test_budgets_that_nothing_meets_are_a_conflict_with_the_nearest(alice: Any) -> None:
    answer = alice.post(f"{STUDY}/select", json={"where": ["num_parameters <= 0.1 * baseline"]})
    problem = answer.json()
    assert (answer.status_code, problem["type"]) == (409, "/problems/infeasible")
    assert problem["binding"] == "num_parameters <= 0.1 * baseline"
    assert f"trial {problem['nearest']['number']}:" in problem["reached"]


@pytest.mark.parametrize("body", [{"where": ["speed <= 1"]}, {"budget": []}, {"where": "accuracy >= 0"}])
def test_a_selection_that_cannot_be_read_is_refused(alice: Any, body: dict[str, Any]) -> None:
    assert alice.post(f"{STUDY}/select", json=body).status_code == 422


def test_the_hypervolume_ends_at_what_it_is(alice: Any, stored: StoredStudy) -> None:
    answer = alice.get(f"{STUDY}/hypervolume", params={"limit": 5}).json()
    assert answer["points"][-1]["value"] == answer["value"] == pytest.approx(stored.hypervolume)
    assert len(answer["points"]) <= 5


def test_baselines_come_with_what_the_search_gained(alice: Any) -> None:
    answer = alice.get(f"{STUDY}/baselines").json()
    trials, gains = answer["trials"], answer["gains"]
    assert [trial["number"] for trial in trials] == [gain["number"] for gain in gains]
    assert {trial["origin"] for trial in trials} == {"baseline:full", "baseline:uniform_ladder"}


def test_points_are_values_of_the_objectives_in_their_order(alice: Any, stored: StoredStudy) -> None:
    answer = alice.get(f"{STUDY}/points").json()
    assert answer["objectives"] == ["max accuracy", "min num_parameters"]
    by_number = {point["number"]: point for point in answer["points"]}
    best = stored.best()
    assert tuple(by_number[best.number]["values"]) == best.values
    assert by_number[best.number]["kind"] == "selected"


def test_trials_are_compared_with_what_needed_no_search(alice: Any) -> None:
    answer = alice.get(f"{STUDY}/compare", params={"trial": [20, 21]}).json()
    assert [trial["number"] for trial in answer["trials"]] == [20, 21]
    assert answer["full"]["origin"] == "baseline:full"
    assert {one["origin"] for one in answer["uniform"]} == {"baseline:uniform_ladder"}
    assert all(len(set(values)) == 2 for values in answer["dimensions"].values())


@pytest.mark.parametrize(("trials", "status"), [([1], 422), ([1, 1], 422), (range(9), 422), ([1, 999], 404)])
def test_two_to_eight_trials_are_compared(alice: Any, trials: list[int], status: int) -> None:
    assert alice.get(f"{STUDY}/compare", params={"trial": list(trials)}).status_code == status
