"""Log lines on standard error: through Rich on a terminal, with time and origin elsewhere."""

from __future__ import annotations

import logging
import sys

_OURS = ("nas", "storage", "workers", "search_spaces")


def configure(*, verbose: bool) -> None:
    """Show INFO of this project and WARNING of others; everything if `verbose`."""
    root = logging.getLogger()
    root.handlers = [_handler()]
    root.setLevel(logging.DEBUG if verbose else logging.WARNING)
    for name in _OURS:
        logging.getLogger(name).setLevel(logging.DEBUG if verbose else logging.INFO)


def quieten() -> None:
    """Show warnings only, unless everything was asked for."""
    if logging.getLogger().level > logging.DEBUG:
        for name in _OURS:
            logging.getLogger(name).setLevel(logging.WARNING)


def _handler() -> logging.Handler:
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.logging import RichHandler

        console = Console(stderr=True, highlight=False)
        return RichHandler(console=console, show_path=False, log_time_format="%H:%M:%S")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    return handler
