"""Inputs that mutation starts from, and words that it puts in: small, so that they are kept here."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Final

CONFIG: Final = """\
version: 1
name: rte
model: {id: bundled, task: sentence-similarity}
space: {kind: uniform}
objectives: [max accuracy, min num_parameters]
constraints: ["num_parameters <= 0.6 * baseline"]
search: {sampler: nsga2, trials: 20, seed: 0}
"""
_INPUTS: Final = (
    CONFIG,
    "a: [1, 2.5e3, yes, null, 'text', \"\\u00e9\"]\nb:\n  - {c: |\n      block\n    }\n",
    "&a [*a, *a]",
    "!!python/object/apply:os.system ['true']",
    'version = 1\n[search]\ntrials = 20\n[[a.b]]\nc = 1e3\nd = """x"""\n',
    '{"config": {"name": "rte"}, "trials": [1, -2.5e3, true, null, "\\ud83d\\ude00"]}',
    "latency_ms <= 8ms",
    "num_parameters <= 0.6 * baseline",
    "accuracy >= 98%",
    "max accuracy",
    "Bearer nas_0123456789abcdef_0123456789012345678901234567890123456789012",
    'nas_session="a"; other=b',
    base64.urlsafe_b64encode(b'[50, "0123456789ab"]').decode().rstrip("="),
)
_WORDS: Final = (
    *("<=", ">=", "* baseline", "latency_ms", "num_parameters", "weight_bytes", "GiB", "1e308", "-0", "%"),
    *("max ", "min ", "version: 1", "name: ", "model:", "id: bundled", "storage:", "supernet:", "search:"),
    *("&a ", "*a", "!!", "<<: ", ".inf", ".nan", "1_000", "0x1f", "\\ud800", "[[", "]]", '"""', "'''"),
    *("Bearer ", "nas_session=", "nas_", "NaN", "Infinity", "-Infinity", '{"a":', "[[[[", "}}}}"),
)


def write_corpus(folder: Path, num_targets: int) -> None:
    """Each input once for each target: its first byte chooses."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, text in enumerate(_INPUTS):
        for target in range(num_targets):
            (folder / f"seed-{number}-{target}").write_bytes(bytes([target]) + text.encode())


def write_words(path: Path) -> None:
    """The words as a dictionary of libFuzzer."""
    quoted = (word.replace("\\", "\\\\").replace('"', '\\"') for word in _WORDS)
    path.write_text("".join(f'"{word}"\n' for word in quoted))
