from __future__ import annotations

import sqlite3


def tampered(folder, tmp_path):
    """A copy of the finished study's database with one parameter changed; its URL and the trial."""
    copy = tmp_path / "nas.db"
    copy.write_bytes((folder / "nas.db").read_bytes())
    with sqlite3.connect(copy) as connection:
        query = "SELECT max(number) FROM nas_trial WHERE origin = 'sampler'"
        (number,) = connection.execute(query).fetchone()
        connection.execute(
            "UPDATE nas_trial SET parameters = "
            "json_set(parameters, '$.num_hidden_layers', 3 - (parameters ->> '$.num_hidden_layers')) "
            "WHERE number = ?",
            (number,),
        )
    return f"sqlite:///{copy}", number


def test_a_study_that_was_left_alone_is_equal(command, in_finished):
    outcome = command("replay", "tiny")
    assert outcome.code == 0
    assert " equal, 0 differs, " in outcome.out


def test_json_has_a_verdict_for_every_trial(command, in_finished):
    record = command("replay", "tiny", "--json").json
    assert [trial["number"] for trial in record["trials"]] == list(range(record["num_trials"]))
    assert {trial["verdict"] for trial in record["trials"]} == {"equal"}
    assert record["is_equal"]


def test_a_changed_parameter_exits_with_6_and_shows_both(command, in_finished, tmp_path):
    url, number = tampered(in_finished, tmp_path)
    outcome = command("replay", "tiny", "--storage", url)
    assert outcome.code == 6
    row = outcome.out.splitlines()[-1].split()
    assert row[:3] == [str(number), "sampler", "parameters"]
    given, recomputed = (
        outcome.out.count("'num_hidden_layers': 1"),
        outcome.out.count("'num_hidden_layers': 2"),
    )
    assert given == recomputed == 1


def test_quiet_names_the_trials_that_differ(command, in_finished, tmp_path):
    url, number = tampered(in_finished, tmp_path)
    assert command("replay", "tiny", "-q", "--storage", url).out == f"tiny@{number}\n"


def test_stop_early_ends_at_the_first_difference(command, in_finished, tmp_path):
    url, number = tampered(in_finished, tmp_path)
    record = command("replay", "tiny", "--stop-early", "--json", "--storage", url).json
    assert record["trials"][-1]["number"] == number


def test_an_unknown_study_exits_with_2(command, in_finished):
    assert command("replay", "nobody").code == 2
