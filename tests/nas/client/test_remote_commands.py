"""Commands with `--server` print what they print of the same study in a database."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator

import pytest

from nas.cli.errors import run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

CONFIG = """\
version: 1
name: commands
model: {id: tiny-bert, task: sequence-classification}
data: {train: tiny-train, validation: tiny-validation, max_length: 16}
target: null
objectives: [max accuracy, min num_parameters]
search: {trials: 100000}
storage: {url: "sqlite:///mine.db"}
"""


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., tuple[int, str, str]]]:
    """Runs `nas`; exit code, standard output and standard error."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level

    def called(*words: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run([str(word) for word in words])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    yield called
    root.handlers = handlers
    root.setLevel(level)


@pytest.fixture
def there(call, served, monkeypatch):
    """Asks the service."""
    monkeypatch.setenv("NAS_SERVER", served.url)
    monkeypatch.setenv("NAS_TOKEN", served.operator)
    return call


@pytest.fixture
def here(call, tiny_study):
    """Asks the database that the service has a copy of."""
    return lambda *words: call(*words, "--storage", f"sqlite:///{tiny_study / 'nas.db'}")


@pytest.mark.parametrize(
    "words",
    [
        ("search", "ls"),
        ("search", "ls", "--json"),
        ("trials", "ls", "tiny"),
        ("trials", "ls", "tiny", "--front", "--json"),
        ("trials", "ls", "tiny", "--sort", "-accuracy", "--limit", "3"),
        ("trials", "ls", "tiny", "--where", "num_parameters <= 0.7 * baseline", "-q"),
        ("select", "tiny", "--json"),
        ("select", "tiny", "--sweep", "num_parameters=10K:60K:10K"),
        ("compare", "tiny", "0", "1", "--baselines"),
        ("compare", "tiny", "1", "--baselines", "--json"),
        ("targets", "ls", "--json"),
    ],
)
def test_a_command_prints_the_same_here_and_there(here, there, words):
    # the database first: once it has been asked, the environment names the service
    expected = here(*words)
    assert expected[0] == 0, expected[2]
    assert there(*words)[:2] == expected[:2]


def test_a_study_is_shown_with_the_same_front(here, there):
    shown, expected = (json.loads(ask("search", "show", "tiny", "--json")[1]) for ask in (there, here))
    same = ("front", "baselines", "counts", "hypervolume", "reference_point", "full_model", "objectives")
    assert {key: shown[key] for key in same} == {key: expected[key] for key in same}
    happened = [[(event["at"], event["kind"]) for event in record["events"]] for record in (shown, expected)]
    assert happened[0] == happened[1]
    assert len(happened[0]) == 8


def test_the_front_is_shown_to_people(there):
    code, out, err = there("search", "show", "tiny")
    assert code == 0, err
    assert "Pareto front of tiny" in out
    assert "hypervolume 0." in out
    assert "lease released" in out[out.index("Last events") :]


def test_an_infeasible_selection_exits_with_3(there):
    code, out, err = there("select", "tiny", "--where", "num_parameters <= 10")
    assert (code, out) == (3, "")
    assert "'num_parameters <= 10'" in err


def test_a_wrong_token_exits_with_2_and_says_where_to_get_one(there, monkeypatch):
    monkeypatch.setenv("NAS_TOKEN", "nas_wrong_token")
    code, _, err = there("search", "ls")
    assert (code, "nas token create" in err) == (2, True)


def test_the_commands_to_copy_ask_the_same_service(there, served, monkeypatch):
    assert "--server" not in there("select", "tiny")[2]
    monkeypatch.delenv("NAS_SERVER")
    assert "nas export tiny@" in (err := there("select", "tiny", "--server", served.url)[2])
    assert f"--server {served.url}" in err


def test_a_detached_search_is_steered(there, tmp_path):
    config = tmp_path / "commands.yaml"
    config.write_text(CONFIG)
    code, out, err = there("search", "run", config, "--detach", "--json")
    assert code == 0, err
    assert "not sent, since the service has its own: storage" in err
    job = json.loads(out)
    assert (job["study"], job["trials"]) == ("commands", 100_000)
    assert json.loads(there("search", "edit", job["id"], "--trials", "5000", "--json")[1])["trials"] == 5000
    code, out, _ = there("search", "stop", "commands", "--json")
    assert (code, json.loads(out)["status"] in ("stopping", "cancelled", "queued")) == (0, True)
    assert there("search", "wait", job["id"], "-q")[:2] == (0, f"{job['id']}\n")
    assert there("search", "logs", job["id"])[0] == 0


def test_a_trial_is_exported_fetched_and_verified(there, tmp_path):
    code, out, err = there("export", "tiny@1", "-o", tmp_path / "out", "--format", "hf", "--json")
    assert code == 0, err
    assert json.loads(out)["trial"] == 1
    assert there("verify", tmp_path / "out")[0] == 0
