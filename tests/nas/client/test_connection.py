from __future__ import annotations

import pickle

import httpx2
import pytest

from nas.client.address import find_address
from nas.client.connection import Connection
from nas.client.errors import (
    ConflictError,
    NotAuthorizedError,
    NotFoundError,
    QuotaError,
    ServiceUnreachableError,
)
from nas.errors import ConfigError, InfeasibleError, StorageError, StudyNotFoundError


def test_a_request_carries_the_token_and_names_the_resource_whole(connection, wire):
    wire.answer({"a": 1})
    assert connection.get("studies", "a b/c%2e@1", params={"where": ["x <= 1", "y >= 2"]}) == {"a": 1}
    assert wire.requests[0].headers["authorization"] == "Bearer nas_one_secret"
    assert wire.paths == ["/api/v1/studies/a%20b%2Fc%252e%401?where=x+%3C%3D+1&where=y+%3E%3D+2"]


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_a_name_that_would_lead_elsewhere_is_not_asked_for(connection, wire, name):
    with pytest.raises(ConfigError, match="is no name"):
        connection.get("studies", name)
    assert wire.requests == []


def test_a_read_is_repeated_while_the_connection_fails(connection, wire):
    wire.fail()
    wire.fail()
    wire.answer([])
    assert connection.get("studies") == []
    assert len(wire.waits) == 2
    assert wire.waits[0] < wire.waits[1]


def test_a_service_that_is_away_says_how_long_to_wait(connection, wire):
    wire.answer({}, 503, **{"retry-after": "2"})
    wire.answer([])
    connection.get("studies")
    assert wire.waits == [2.0]


def test_an_answer_that_asks_to_wait_for_an_hour_is_not_obeyed(connection, wire):
    wire.answer({}, 503, **{"retry-after": "3600"})
    wire.answer([])
    connection.get("studies")
    assert wire.waits == [5.0]


def test_a_write_without_a_key_is_sent_once(connection, wire):
    wire.fail()
    with pytest.raises(ServiceUnreachableError, match="cannot be reached: connection refused"):
        connection.post("jobs", "7:pause", body={})
    assert len(wire.requests) == 1


def test_a_submission_with_a_key_is_repeated_with_the_same_key_and_body(connection, wire):
    wire.fail()
    wire.answer({"id": 1})
    connection.post("jobs", body={"config": {}}, key="k")
    assert [request.headers["idempotency-key"] for request in wire.requests] == ["k", "k"]
    assert wire.bodies == [{"config": {}}, {"config": {}}]


def test_patience_ends_with_the_exit_code_of_an_unreachable_service(wire):
    wire.fail()
    address = find_address("http://localhost:1", environ={})
    with pytest.raises(StorageError) as caught:
        Connection(address, patience_s=0, transport=httpx2.MockTransport(wire)).get("studies")
    assert caught.value.exit_code == 5
    assert "nas serve" in str(caught.value)


def test_a_redirect_is_not_followed(connection, wire):
    wire.answer({}, 302, location="https://evil.example/")
    with pytest.raises(ConfigError):
        connection.get("studies")
    assert len(wire.requests) == 1


def test_what_is_no_service_is_said_to_be_none(connection, wire):
    wire.stream("<html>", "text/html")
    with pytest.raises(ServiceUnreachableError, match="not JSON"):
        connection.get("studies")


def test_an_infeasible_selection_keeps_binding_and_nearest(connection, wire):
    wire.refuse(409, "infeasible", "none", binding="latency_ms <= 1", nearest="trial 3: latency_ms = 2")
    with pytest.raises(InfeasibleError, match="none") as caught:
        connection.post("studies", "tiny", "select", body={}, is_query=True)
    assert (caught.value.binding, caught.value.nearest) == ("latency_ms <= 1", "trial 3: latency_ms = 2")


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (401, NotAuthorizedError, 2),
        (403, NotAuthorizedError, 2),
        (409, ConflictError, 1),
        (413, ConfigError, 2),
        (422, ConfigError, 2),
        (429, QuotaError, 1),
        (500, ServiceUnreachableError, 5),
    ],
)
def test_a_refusal_is_the_error_that_the_library_raises_itself(connection, wire, status, kind, code):
    wire.refuse(status, detail="what to do")
    with pytest.raises(kind, match="what to do") as caught:
        connection.post("jobs", "7:pause", body={})
    assert (type(caught.value), caught.value.exit_code) == (kind, code)


def test_a_bad_token_is_told_with_where_to_get_one(connection, wire):
    wire.refuse(401)
    with pytest.raises(NotAuthorizedError, match="nas token create"):
        connection.get("studies")


@pytest.mark.parametrize(
    ("parts", "kind", "text"),
    [
        (("studies", "a b", "front"), StudyNotFoundError, "no study 'a b'"),
        (("studies", "x", "trials", 9), NotFoundError, "no trial 9 of study 'x'"),
        (("jobs", 9), NotFoundError, "no job '9'"),
    ],
)
def test_what_is_not_there_is_named_by_what_was_asked(connection, wire, parts, kind, text):
    wire.refuse(404, "not-found")
    with pytest.raises(kind, match=text):
        connection.get(*parts)


def test_an_error_without_a_problem_still_says_its_status(connection, wire):
    wire.answers.append(httpx2.Response(422, text="nothing"))
    with pytest.raises(ConfigError, match="422 Unprocessable"):
        connection.get("studies")


@pytest.mark.parametrize("kind", [ConflictError, NotAuthorizedError, NotFoundError, QuotaError])
def test_errors_survive_pickling(kind):
    found = pickle.loads(pickle.dumps(kind("what")))
    assert (type(found), str(found)) == (kind, "what")


def test_an_address_that_is_none_is_a_config_error():
    with pytest.raises(ConfigError, match="write http"):
        Connection(find_address("https://xn--é", environ={}))
