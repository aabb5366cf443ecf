"""Configs and constraints under Hypothesis: most are almost right, which mutation of bytes seldom finds."""

from __future__ import annotations

import copy
import gc
import json
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.fuzz.outcome import Outcome
from benchmarks.fuzz.seeds import CONFIG
from benchmarks.fuzz.targets import BASELINE, constraint
from nas.config import SearchConfig, parse_config
from nas.errors import ConfigError
from nas.objectives import KNOWN_METRICS, Constraint, parse_constraints
from nas.service.settings import ServiceSettings
from nas.service.submission import public_document, search_config, yaml_document

_NAMES: Final = st.sampled_from([*KNOWN_METRICS, "my_metric", "suite/task", "number", "", "a b", "é", "\x00"])
_UNITS: Final = st.sampled_from(["", "K", "M", "GiB", "KB", "ms", "s", "%", "x", "MS", "* baseline"])
_NUMBERS: Final = st.one_of(
    st.floats(allow_nan=True).map(repr),
    st.integers(-(10**30), 10**30).map(str),
    st.sampled_from(["1e999", "-0", ".5", "5.", "1_000", "0x1f", "١", "1e-400", "∞", "1,5"]),
)
_RELATIONS: Final = st.sampled_from(["<=", ">=", "<", ">", "==", "!=", "≤", "=<", ""])
_SPACE: Final = st.sampled_from(["", " ", "\t", "  ", "\n", "\u00a0"])
_GRAMMAR: Final = st.builds(
    lambda *parts: "".join(parts),
    _SPACE,
    _NAMES,
    _SPACE,
    _RELATIONS,
    _SPACE,
    _NUMBERS,
    _SPACE,
    _UNITS,
    _SPACE,
)
WHERE: Final = st.one_of(_GRAMMAR, _GRAMMAR, st.text(max_size=300))

_LEAVES: Final = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(["bundled", "../../etc/passwd", "/etc/passwd", "auto", "local", "docstrings", "ray://x"]),
)
_VALUES: Final = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def fuzz_where(cases: int) -> Outcome:
    """Constraints: refused or read alike again, also many at once, and never broken by NaN."""

    def check(text: str) -> None:
        constraint(text.encode("utf-8", "surrogatepass"))
        with suppress(ConfigError):
            for one in parse_constraints([text, text], metrics=("my_metric",)):
                one.violation(0.0, BASELINE)
                one.violation(float(2**1000), BASELINE)
        with suppress(ConfigError):
            Constraint.parse(text).threshold({})

    return _ran("where grammar, Hypothesis", cases, WHERE, check)


def fuzz_configs(cases: int, service: ServiceSettings) -> Outcome:
    """Submitted configs: refused with a `ConfigError`, or checked, named for the account, and stable."""
    base = yaml_document(CONFIG)

    def check(document: dict[str, Any]) -> None:
        with suppress(ConfigError):
            config = search_config(document, settings=service, account="fuzz", is_admin=False)
            _require_ours(config, service)
        with suppress(ConfigError):
            yaml_document(yaml.safe_dump(document))

    return _ran("configs, Hypothesis", cases, mutated(base), check)


def mutated(base: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """A document with up to three of its values, or keys of its sections, replaced, added or left out."""
    sections = sorted(SearchConfig.model_fields)
    keys = {
        name: sorted(getattr(field.annotation, "model_fields", {}))
        for name, field in SearchConfig.model_fields.items()
    }

    @st.composite
    def strategy(draw: st.DrawFn) -> dict[str, Any]:
        document = copy.deepcopy(base)
        for _ in range(draw(st.integers(0, 3))):
            section = draw(st.sampled_from([*sections, "extra", "__proto__", ""]))
            inner = keys.get(section) or []
            if inner and draw(st.booleans()):
                part = document.setdefault(section, {})
                if isinstance(part, dict):
                    part[draw(st.sampled_from([*inner, "extra"]))] = draw(_VALUES)
            elif draw(st.booleans()):
                document[section] = draw(_VALUES)
            else:
                document.pop(section, None)
        return document

    return strategy()


def _require_ours(config: SearchConfig, service: ServiceSettings) -> None:
    if not config.name.startswith("fuzz.") or config.storage.url != service.storage.url:
        raise AssertionError(f"{config.name!r} on {config.storage.url!r} is not the account's own")
    stored = config.model_dump(mode="json", by_alias=True)
    if parse_config(stored) != config:
        raise AssertionError("the stored config reads differently")
    text = json.dumps(public_document(stored, service))
    if service.storage.url in text or str(service.artifacts.absolute()) in text:
        raise AssertionError("what is shown names the server's database or folder")


def _ran(part: str, cases: int, strategy: st.SearchStrategy[Any], check: Callable[[Any], None]) -> Outcome:
    """Give a check so many cases; the first that fails is shrunk and ends the part."""
    ran, slowest_s, findings = 0, 0.0, []

    @settings(max_examples=cases, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(strategy)
    def run(value: Any) -> None:
        nonlocal ran, slowest_s
        gc.disable()  # collecting what Hypothesis remembers of all cases is no part of this one
        began = time.thread_time()
        try:
            check(value)
        finally:
            ran += 1
            slowest_s = max(slowest_s, time.thread_time() - began)
            gc.enable()

    began = time.monotonic()
    try:
        run()
    except Exception as error:  # noqa: BLE001  # whatever it is, it is the finding
        findings.append(f"{type(error).__name__}: {error}; {' '.join(getattr(error, '__notes__', []))[:400]}")
    return Outcome(
        part=part,
        cases=ran,
        seconds=time.monotonic() - began,
        slowest_s=slowest_s,
        findings=tuple(findings),
    )
