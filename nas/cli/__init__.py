"""The command line; `main` is the entry point of the command `nas`."""

from __future__ import annotations

import os
import sys

__all__ = ["main"]


def main() -> None:
    """Run `nas` with the arguments of this process, and exit with its code.

    Waiting threads of torch sleep instead of spinning, unless the user chose otherwise: where other work
    shares the cores, spinning made training more than ten times slower.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    from nas.cli.errors import run

    sys.exit(run(sys.argv[1:]))
