"""The command line; `main` is the entry point of the command `nas`."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Run `nas` with the arguments of this process, and exit with its code."""
    from nas.cli.errors import run

    sys.exit(run(sys.argv[1:]))
