"""Progress of long work: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Protocol

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_LINES: Final = 15.0


class Progress(Protocol):
    """Told as work goes on."""

    def __call__(self, done: float, total: float, text: str = "") -> None:
        """`done` of `total` units are finished; `text` says what matters now."""
        ...


def no_progress(done: float, total: float, text: str = "") -> None:
    """Show nothing."""


def standing_text(*, front: int, hypervolume: float | None, paused: int, failed: int) -> str:
    """What a bar says of a search: members of the front, its hypervolume if known, trials that fell out."""
    volume = [] if hypervolume is None else [f"hypervolume {hypervolume:.4f}"]
    fallen = [f"{number} {state}" for number, state in ((paused, "paused"), (failed, "failed")) if number]
    return ", ".join([f"front {front}", *volume, *fallen])


@contextmanager
def progress_bar(title: str, *, enabled: bool = True) -> Iterator[Progress]:
    """A bar on standard error where that is a terminal, otherwise a log line every quarter of a minute."""
    if not enabled:
        yield no_progress
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress

    console = Console(stderr=True)
    if not (console.is_terminal or console.is_jupyter):
        yield _lines(title)
        return
    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.completed:.0f}/{task.total:.0f}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.fields[text]}"),
    )
    with RichProgress(*columns, console=console, transient=False) as bar:
        task = bar.add_task(title, total=1, text="")

        def show(done: float, total: float, text: str = "") -> None:
            bar.update(task, completed=done, total=total, text=text)

        yield show


def _lines(title: str) -> Progress:
    last = time.monotonic()

    def show(done: float, total: float, text: str = "") -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= SECONDS_BETWEEN_LINES or done >= total:
            last = now
            logger.info("%s: %.0f of %.0f %s", title, done, total, text)

    return show
