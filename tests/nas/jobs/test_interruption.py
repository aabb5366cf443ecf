"""Halts that arrive outside the search itself."""

from __future__ import annotations

import pickle
import signal
import threading
import time

import pytest

from nas.jobs.interruption import HaltedError, interruptible
from nas.study.control import Command


@pytest.fixture(autouse=True)
def interrupts():
    """SIGINT interrupts, as the driver has it; a process that a shell starts in the background ignores it."""
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, previous)


def test_a_halt_interrupts_work_that_does_not_ask():
    asked = threading.Event()
    threading.Timer(0.2, asked.set).start()

    def control() -> Command:
        return Command(halt="pause", reason="SIGTERM") if asked.is_set() else Command()

    with pytest.raises(HaltedError, match="paused as asked: SIGTERM"), interruptible(control):
        _work_for_ever()


def test_a_halt_that_was_asked_for_before_begins_nothing():
    begun = False
    with pytest.raises(HaltedError) as caught, interruptible(lambda: Command(halt="stop")):
        begun = True
    assert (begun, caught.value.is_stop) == (False, True)


def test_work_that_nobody_halts_ends_as_it_does():
    with interruptible(lambda: Command(n_trials=3)):
        done = True
    assert done


def test_ctrl_c_stays_what_it_is():
    with pytest.raises(KeyboardInterrupt), interruptible(Command):
        raise KeyboardInterrupt


def test_no_thread_is_left():
    before = threading.active_count()
    with interruptible(Command):
        assert threading.active_count() == before + 1
    assert threading.active_count() == before


def test_the_error_survives_pickling():
    error = pickle.loads(pickle.dumps(HaltedError("stopped as asked", True)))
    assert (str(error), error.is_stop) == ("stopped as asked", True)


def _work_for_ever() -> None:
    while True:
        time.sleep(0.01)
