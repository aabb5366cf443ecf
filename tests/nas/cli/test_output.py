from __future__ import annotations

import logging

import pytest

from nas.cli.output import Column, Output


def test_a_table_that_is_piped_is_never_cut(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    long = "x" * 300
    Output().table([Column(title="a", align="left"), Column(title="b")], [[long, "1"], ["y", "22"]])
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == f"{long}   1"
    assert lines[2] == f"y{' ' * 301}22"


def test_on_a_terminal_grey_rows_are_fainter_than_others(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    Output().table([Column(title="a")], [["done"], ["paused"]], grey={1})
    faint = [line for line in capsys.readouterr().out.splitlines() if line.startswith("\x1b[2m")]
    assert len(faint) == 1
    assert "paused" in faint[0]


def test_text_that_looks_like_markup_is_printed_as_it_is(capsys):
    Output().text("[bold]a[/] :smile:")
    Output().pairs({"b": "[red]"})
    assert capsys.readouterr().out == "[bold]a[/] :smile:\nb  [red]\n"


def test_json_keeps_letters_and_refuses_numbers_that_json_lacks(capsys):
    Output().json({"a": "ü"})
    assert capsys.readouterr().out == '{\n  "a": "ü"\n}\n'
    with pytest.raises(ValueError, match="JSON"):
        Output().json(float("nan"))


def test_quiet_silences_information_but_no_warning():
    logger = logging.getLogger("nas")
    level = logger.level
    try:
        Output(quiet=True)
        assert not logger.isEnabledFor(logging.INFO)
        assert logger.isEnabledFor(logging.WARNING)
    finally:
        logger.setLevel(level)
