from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.values import (
    canonical_json,
    finite_metrics,
    json_sha256,
    json_text,
    json_value,
    storable_message,
)

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
DOCUMENTS = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10
)


def has_odd_text(value: object) -> bool:
    """Whether a string in it holds NUL or half a surrogate pair."""
    if isinstance(value, dict):
        return any(has_odd_text(item) for pair in value.items() for item in pair)
    if isinstance(value, list):
        return any(has_odd_text(item) for item in value)
    return isinstance(value, str) and ("\0" in value or any(0xD800 <= ord(sign) < 0xE000 for sign in value))


@given(DOCUMENTS)
def test_a_document_is_read_as_it_was_written_or_refused(document: object) -> None:
    if has_odd_text(document):
        with pytest.raises(ValueError, match="can't be stored"):
            json_text(document)
    else:
        assert json_value(json_text(document)) == document


@given(st.dictionaries(st.text("abc"), st.integers()))
def test_equal_documents_have_one_hash(document: dict[str, int]) -> None:
    reversed_document = dict(reversed(document.items()))
    assert canonical_json(document) == canonical_json(reversed_document)
    assert json_sha256(document) == json_sha256(reversed_document)


@given(st.dictionaries(st.text(min_size=1), st.floats(), min_size=1))
def test_metrics_are_kept_if_and_only_if_all_are_finite(metrics: dict[str, float]) -> None:
    if all(math.isfinite(value) for value in metrics.values()):
        assert finite_metrics(metrics) == metrics
    else:
        with pytest.raises(ValueError, match="finite"):
            finite_metrics(metrics)


@pytest.mark.parametrize("name", ["", 3, None])
def test_a_metric_has_a_name(name: object) -> None:
    with pytest.raises(ValueError, match="non-empty"):
        finite_metrics({name: 1.0})  # type: ignore[dict-item]  # what a caller without types may send


@given(st.text())
def test_any_message_can_be_stored(message: str) -> None:
    cleaned = storable_message(message)
    assert json.loads(json_text(cleaned)) == cleaned
    assert len(cleaned) == len(message)
