"""The one place where errors become a message on standard error and an exit code."""

from __future__ import annotations

import shlex
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import typer

from nas.cli.output import note
from nas.errors import NasError

FAILED: Final = 1
INTERRUPTED: Final = 130

#: Options of `nas` itself; they may stand after the command too.
_GLOBAL: Final = ("--debug", "--verbose")


def run(arguments: Sequence[str]) -> int:
    """Run a command line without the leading `nas`; its exit code."""
    try:
        with sigterm_interrupts():
            from nas.cli.app import app

            app(args=_global_first(arguments), prog_name="nas")
    except SystemExit as finished:
        return finished.code if isinstance(finished.code, int) else int(finished.code is not None)
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001  # the edge of the program: whatever it is, the user gets a message
        return report(error, with_traceback="--debug" in arguments)
    return 0


def report(error: Exception, *, with_traceback: bool = False) -> int:
    """Write an error's message to standard error; the exit code it stands for."""
    if with_traceback:
        traceback.print_exception(error, file=sys.stderr)
    if isinstance(error, NasError):
        note(str(error), label="error")
        return error.exit_code
    if isinstance(error, OSError):
        note(str(error), label="error")
        return FAILED
    hint = "" if with_traceback else "; run it again with --debug to see where"
    note(f"unexpected {type(error).__name__}: {error}{hint}", label="error")
    return FAILED


@contextmanager
def resumable(command: Sequence[str]) -> Iterator[None]:
    """Say, when the block is interrupted, that everything is saved and which command goes on.

    Raises:
        typer.Exit: with code 130, in place of KeyboardInterrupt.
    """
    try:
        yield
    except KeyboardInterrupt:
        note(f"interrupted; everything is saved. Resume with: {shlex.join(command)}")
        raise typer.Exit(INTERRUPTED) from None


@contextmanager
def sigterm_interrupts() -> Iterator[None]:
    """Treat SIGTERM like Ctrl-C inside the block."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _global_first(arguments: Sequence[str]) -> list[str]:
    end = list(arguments).index("--") if "--" in arguments else len(arguments)
    before, after = arguments[:end], arguments[end:]
    moved = [argument for argument in before if argument in _GLOBAL]
    return [*moved, *(argument for argument in before if argument not in _GLOBAL), *after]
