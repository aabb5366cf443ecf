"""Commands that reach a driver while it prepares its search, or trains its finalists.

The search itself looks at its commands between trials. Loading, ranking and training do not; they are
interrupted as by Ctrl-C, which leaves their checkpoints.
"""

from __future__ import annotations

import _thread
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from nas.errors import NasError
from nas.study.control import Command, Control

_SECONDS_BETWEEN_LOOKS: Final = 0.5


class HaltedError(NasError, RuntimeError):
    """Work ended early because that was asked for.

    Attributes:
        is_stop: whether it is not meant to go on later.
    """

    exit_code = 0

    def __init__(self, message: str, is_stop: bool = False) -> None:
        super().__init__(message, is_stop)
        self.is_stop = is_stop

    def __str__(self) -> str:
        return str(self.args[0])


@contextmanager
def interruptible(control: Control | None) -> Iterator[None]:
    """Interrupt the block, which the main thread runs, as soon as a halt is asked for.

    Raises:
        HaltedError: it was, before or within the block.
    """
    if control is None:
        yield
        return
    watch = _Watch(control)
    try:
        with watch:
            yield
    except KeyboardInterrupt:
        if watch.seen is None:
            raise
        raise halted(watch.seen) from None


def halted(command: Command) -> HaltedError:
    """The error for a halt that was asked for."""
    is_stop = command.halt == "stop"
    reason = f": {command.reason}" if command.reason else ""
    return HaltedError(f"{'stopped' if is_stop else 'paused'} as asked{reason}", is_stop)


class _Watch:
    """A thread that interrupts the main thread once.

    Attributes:
        seen: the command that asked for it.
    """

    def __init__(self, control: Control) -> None:
        self.seen: Command | None = None
        self._control = control
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._look, name="commands", daemon=True)

    def __enter__(self) -> None:
        command = self._control()
        if command.halt is not None:
            raise halted(command)
        self._thread.start()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._stopped.set()
        self._thread.join()  # the interrupt, if there is one, arrives here at the latest
        if self.seen is not None and kind is None:
            raise KeyboardInterrupt

    def _look(self) -> None:
        while not self._stopped.wait(_SECONDS_BETWEEN_LOOKS):
            command = self._control()
            if command.halt is not None:
                self.seen = command
                _thread.interrupt_main(signal.SIGINT)
                return
