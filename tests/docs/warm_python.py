"""Runs Python, or `nas`, in forks of itself: what takes seconds to import is imported once.

Each line of standard input is a request: `folder`, `output` (a file for both streams), and `code` or the
`arguments` of `nas`. Each line of standard output is the exit code of one.
"""

from __future__ import annotations

import importlib
import json
import linecache
import os
import sys
from typing import Any, Final

from nas.cli.errors import run

#: Imported only: nothing is computed before the fork, so that no thread is lost by it.
_HEAVY: Final = (
    "torch",
    "transformers.models.auto.modeling_auto",
    "optuna",
    "nas.cli.app",
    "nas.jobs.search",
    "nas.jobs.recovery",
    "nas.jobs.target_plans",
)


def main() -> None:
    for name in _HEAVY:
        importlib.import_module(name)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            sys.exit(_run(json.loads(line)))
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        sys.stdout.write(f"{status}\n")
        sys.stdout.flush()


def _run(request: dict[str, Any]) -> int:
    """The exit code; an exception ends the fork with a traceback, as it would end any interpreter."""
    _redirect(request["output"])
    os.chdir(request["folder"])
    if "code" not in request:
        return int(run(request["arguments"]))
    _execute(request["code"])
    return 0


def _execute(code: str) -> None:
    """Like a cell of a notebook, whose functions have a source that can be looked up."""
    linecache.cache["<block>"] = (len(code), None, code.splitlines(keepends=True), "<block>")
    exec(compile(code, "<block>", "exec"), {"__name__": "__main__"})


def _redirect(output: str) -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    written = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for source, stream in ((nothing, 0), (written, 1), (written, 2)):
        os.dup2(source, stream)
    os.close(nothing)
    os.close(written)


if __name__ == "__main__":
    main()
