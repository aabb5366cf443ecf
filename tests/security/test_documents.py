"""T8: bombs in YAML, TOML and JSON are refused at once, and cost little memory."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable

import pytest

from nas.config import load_toml, load_yaml
from nas.config.documents import MAX_BYTES
from nas.errors import ConfigError
from nas.service.limits import check_json
from nas.service.problems import ProblemError

#: Generous: a refusal takes milliseconds where nobody else computes.
ALLOWED_CPU_S = 1.0
ALLOWED_KIB = 256 * 1024

ALIASES = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "\n".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)
)
YAML = {
    "aliases": ALIASES,
    "an alias of itself": "a: &a [*a]",
    "merge keys": "a: &a {b: 1}\nc: {<<: *a}",
    "depth 900, flow": "[" * 900 + "]" * 900,
    "depth 900, block": "".join(f"{' ' * n}a:\n" for n in range(900)),
    "nodes": "[" + "1," * 20_000 + "]",
    "keys": "{" + ",".join(f"k{n}: 1" for n in range(20_000)) + "}",
    "size": "a: " + "x" * MAX_BYTES,
    "digits": "a: " + "9" * 5000,
    "infinite": "a: 1.0e+400",
    "not a number": "a: .nan",
    "twice": "a: 1\na: 2",
    "tag": "a: !!python/object/apply:os.system ['true']",
    "surrogate": 'a: "\\ud800"',
    "escape": 'a: "\\UFFFFFFFF"',
    "directive": f"%YAML {'9' * 5000}.1\n--- a",
    "two documents": "a: 1\n---\nb: 2",
    "control characters": "a: \x00",
}
TOML = {
    "dotted": ".".join(["a"] * 20_000) + " = 1",
    "arrays": "a = " + "[" * 5000 + "]" * 5000,
    "tables": "\n".join(f"[{'.'.join(['a'] * n)}]" for n in range(1, 60)),
    "size": 'a = "' + "x" * MAX_BYTES + '"',
    "infinite": "a = inf",
    "twice": "a = 1\na = 2",
    "date": "a = 2026-01-01",
    "digits": "a = " + "9" * 500,
}
JSON = {
    "depth 900": "[" * 900 + "]" * 900,
    "depth 100,000": "[" * 100_000,
    "objects": '{"a":' * 900 + "1" + "}" * 900,
    "nodes": "[" + "1," * 20_000 + "1]",
    "digits": "9" * 1_000_000,
    "fraction": "0." + "9" * 1_000_000,
    "exponent": "1e" + "9" * 1000,
    "not a number": '{"a": NaN}',
    "infinite": '{"a": -Infinity}',
    "twice": '{"a": 1, "a": 2}',
    "surrogate": '"\\udc00"',
    "half": '{"a": ',
}
READERS: dict[str, tuple[Callable[[str], object], dict[str, str]]] = {
    "yaml": (load_yaml, YAML),
    "toml": (load_toml, TOML),
    "json": (lambda text: check_json(text.encode()), JSON),
}


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in READERS for name in READERS[kind][1]])
def test_a_bomb_is_refused_at_little_cost(kind: str, name: str) -> None:
    read, bombs = READERS[kind]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begin = time.process_time()
    with pytest.raises((ConfigError, ProblemError)) as caught:
        read(bombs[name])
    assert time.process_time() - begin < ALLOWED_CPU_S  # of this process, whoever else computes
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < ALLOWED_KIB
    assert len(str(caught.value)) < 500
