"""Progress without a terminal is a log line now and then; on one it is a bar."""

from __future__ import annotations

import logging

import pytest

import nas.progress
from nas.progress import no_progress, progress_bar, standing_text


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time that progress sees; set its only element."""
    now = [100.0]
    monkeypatch.setattr(nas.progress.time, "monotonic", lambda: now[0])
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    monkeypatch.delenv("TTY_COMPATIBLE", raising=False)
    return now


def _lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage().strip() for record in caplog.records if record.name == "nas.progress"]


def test_without_a_terminal_a_line_is_logged_every_quarter_of_a_minute(
    clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="nas.progress"), progress_bar("training") as progress:
        for step in range(1, 50):
            clock[0] += 1
            progress(step, 100, f"loss {step}")
    assert _lines(caplog) == [
        "training: 15 of 100 loss 15",
        "training: 30 of 100 loss 30",
        "training: 45 of 100 loss 45",
    ]


def test_without_a_terminal_the_end_is_logged_at_once(
    clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="nas.progress"), progress_bar("training") as progress:
        progress(1, 2)
        progress(2, 2)
    assert _lines(caplog) == ["training: 2 of 2"]


def test_without_a_terminal_nothing_is_printed(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with progress_bar("training") as progress:
        progress(1, 1)
    assert capsys.readouterr() == ("", "")


def test_switched_off_nothing_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO), progress_bar("training", enabled=False) as progress:
        progress(1, 1)
    assert progress is no_progress
    assert _lines(caplog) == []


def test_on_a_terminal_a_bar_with_the_text_goes_to_standard_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    with progress_bar("training") as progress:
        progress(3, 4, "loss 0.5")
    out, err = capsys.readouterr()
    assert out == ""
    assert "training" in err
    assert "3/4" in err
    assert "loss 0.5" in err


@pytest.mark.parametrize(
    ("hypervolume", "paused", "failed", "text"),
    [(None, 0, 0, "front 3"), (0.5, 2, 1, "front 3, hypervolume 0.5000, 2 paused, 1 failed")],
)
def test_a_search_stands_in_the_words_of_what_is_known(
    hypervolume: float | None, paused: int, failed: int, text: str
) -> None:
    assert standing_text(front=3, hypervolume=hypervolume, paused=paused, failed=failed) == text
