"""SIGTERM while a search runs: it ends in good order."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from nas.study.control import Command, Control

logger = logging.getLogger(__name__)

REASON: Final = "SIGTERM"
#: Handlers that may be replaced: nobody chose them, or the command line, which knows of this one.
_DEFAULTS: Final = (signal.SIG_DFL, signal.default_int_handler)


class TerminatedError(KeyboardInterrupt):
    """SIGTERM came while nothing was in flight: before a search looked at its commands."""


@contextmanager
def sigterm_pauses(control: Control | None = None) -> Iterator[Control | None]:
    """A control that halts the search after the first SIGTERM, and else says what `control` says.

    Until it is asked for the first time, SIGTERM ends the block at once and quietly. A second one raises
    KeyboardInterrupt. In other threads than the main one, and where the program has a handler of its own,
    no signal is handled here.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGTERM) not in _DEFAULTS:
        yield control
        return
    received, is_heeded = threading.Event(), threading.Event()

    def receive(number: int, frame: FrameType | None) -> None:
        if received.is_set():
            signal.default_int_handler(number, frame)
        received.set()
        if not is_heeded.is_set():
            raise TerminatedError(REASON)

    def command() -> Command:
        is_heeded.set()
        if received.is_set():
            return Command(halt="pause", reason=REASON)
        return Command() if control is None else control()

    previous = signal.signal(signal.SIGTERM, receive)
    try:
        yield command
    except TerminatedError:
        logger.info("%s before the search began; it goes on when it is run again", REASON)
    finally:
        signal.signal(signal.SIGTERM, previous)
