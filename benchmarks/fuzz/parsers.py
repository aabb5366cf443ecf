"""Parsers under atheris: coverage-guided mutation, in a process of its own that ends at the first finding.

`python -m benchmarks.fuzz.parsers RUNS FOLDER` is that process; libFuzzer never returns from it.
"""

from __future__ import annotations

import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from benchmarks.fuzz.outcome import Outcome

_DONE: Final = re.compile(r"^Done (\d+) (?:runs )?in", re.MULTILINE)
_SLOWEST: Final = re.compile(r"^slowest ([0-9.]+) s", re.MULTILINE)
_COVERED: Final = re.compile(r"cov: (\d+)")
_MAX_LENGTH: Final = 4096
_MEMORY_MB: Final = 1024
_INSTRUMENTED: Final = (
    *("nas.config.documents", "nas.objectives", "nas.service.submission", "nas.service.limits"),
    *("nas.service.gate", "nas.service.authentication", "nas.service.observability"),
    *("nas.service.paging", "yaml", "tomllib"),
)


def fuzz_parsers(runs: int, *, seed: int = 1) -> Outcome:
    """Run so many executions in a child process."""
    with tempfile.TemporaryDirectory(prefix="nas-fuzz-") as folder:
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", __name__, str(runs), folder, str(seed)],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        seconds = time.monotonic() - began
        text = done.stdout + done.stderr
        finished = _DONE.search(text)
        crashes = [path.read_bytes() for path in Path(folder).glob("found-*")]
    findings = tuple(f"{data[:200]!r}: {_last_error(text)}" for data in crashes)
    if done.returncode and not findings:
        findings = (f"exit code {done.returncode}: {text[-600:]}",)
    slowest = [float(found) for found in _SLOWEST.findall(text)]
    coverage = _COVERED.findall(text)
    return Outcome(
        part="parsers, atheris",
        cases=int(finished[1]) if finished else 0,
        seconds=seconds,
        slowest_s=max(slowest, default=0.0),
        findings=findings,
        also=f"{coverage[-1]} branches seen" if coverage else "",
    )


def _last_error(text: str) -> str:
    found = re.findall(r"^(?:\w+\.)*\w*(?:Error|Exception)\b.*$|^.*libFuzzer: .*$", text, re.MULTILINE)
    return found[0] if found else "see the output"


def main(arguments: list[str]) -> None:
    """Fuzz until the runs are done or one fails."""
    import atheris

    with atheris.instrument_imports(include=list(_INSTRUMENTED)):
        from benchmarks.fuzz.targets import run_one, targets
    from benchmarks.fuzz.seeds import write_corpus, write_words
    from nas.service.settings import load_settings

    runs, folder, seed = int(arguments[0]), Path(arguments[1]), int(arguments[2])
    chosen = targets(load_settings())
    write_corpus(folder / "corpus", len(chosen))
    write_words(folder / "words")
    # Linux counts the peak of whoever started a process as that process's own, and libFuzzer reads it.
    inherited_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    slowest_s = 0.0

    def test_one_input(data: bytes) -> None:
        nonlocal slowest_s
        began = time.thread_time()
        run_one(chosen, data)
        took_s = time.thread_time() - began
        if took_s > 1.1 * slowest_s:
            slowest_s = took_s
            print(f"slowest {took_s:.4f} s", flush=True)

    atheris.Setup(
        [
            sys.argv[0],
            f"-atheris_runs={runs}",
            f"-seed={seed}",
            f"-max_len={_MAX_LENGTH}",
            "-timeout=20",
            f"-rss_limit_mb={inherited_mb + _MEMORY_MB}",
            f"-dict={folder / 'words'}",
            f"-artifact_prefix={folder / 'found-'}",
            str(folder / "corpus"),
        ],
        test_one_input,
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
