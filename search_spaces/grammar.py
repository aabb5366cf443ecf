"""The grammar of rules between dimensions: `SUM (<=|>=|==) SUM`, read by hand.

A sum adds products, a product multiplies numbers and names: `layers.0.num_attention_heads + 2 * hidden_size`.
Nothing is ever subtracted, so a side never falls when a dimension grows.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from search_spaces.errors import SpaceError

#: Products of names with their factors, added up.
Sum: TypeAlias = tuple[tuple[float, tuple[str, ...]], ...]

_COMPARISONS: Final = ("<=", ">=", "==")
_TOKEN: Final = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?(?![\w.]))|(?P<name>[A-Za-z_]\w*(?:\.\w+)*)|(?P<sign><=|>=|==|\+|\*))"
)
_EXAMPLE: Final = "intermediate_size >= 2 * hidden_size"
_TOLERANCE: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    Attributes:
        text: as it was given.
        left: the first side.
        comparison: `<=`, `>=` or `==`.
        right: the second side.
    """

    text: str
    left: Sum
    comparison: str
    right: Sum

    @property
    def names(self) -> tuple[str, ...]:
        """The names on either side, each once."""
        return tuple(dict.fromkeys(name for _, names in (*self.left, *self.right) for name in names))

    def violation(self, values: Mapping[str, int]) -> float:
        """By how much the rule is broken, as a share of its larger side; 0 where it holds."""
        left, right = _evaluate(self.left, values), _evaluate(self.right, values)
        gap = {"<=": left - right, ">=": right - left, "==": abs(left - right)}[self.comparison]
        excess = gap / max(1.0, left, right)
        return excess if excess > _TOLERANCE else 0.0


def parse_rule(text: str) -> Rule:
    """Read a rule.

    Raises:
        SpaceError: the text has another form; the message says where.
    """
    if not isinstance(text, str):
        raise SpaceError(f"rule: got {text!r}; write text such as {_EXAMPLE!r}")
    tokens = _tokens(text)
    positions = [place for place, (kind, token) in enumerate(tokens) if token in _COMPARISONS]
    if len(positions) != 1:
        raise SpaceError(
            f"rule {text!r}: got {len(positions)} comparisons; write one of {', '.join(_COMPARISONS)}, "
            f"e.g. {_EXAMPLE!r}"
        )
    place = positions[0]
    left, right = _sum(tokens[:place], text), _sum(tokens[place + 1 :], text)
    return Rule(text, left, tokens[place][1], right)


def _tokens(text: str) -> list[tuple[str, str]]:
    """Kinds (`number`, `name` or `sign`) and texts."""
    tokens: list[tuple[str, str]] = []
    place, end = 0, len(text.rstrip())
    while place < end:
        match = _TOKEN.match(text, place)
        if match is None:
            rest = text[place:].strip()
            raise SpaceError(
                f"rule {text!r}: cannot read {rest!r}; allowed are numbers, names, + and *, and one of "
                f"{', '.join(_COMPARISONS)}, e.g. {_EXAMPLE!r}"
            )
        assert match.lastgroup is not None
        tokens.append((match.lastgroup, match[match.lastgroup]))
        place = match.end()
    return tokens


def _sum(tokens: list[tuple[str, str]], text: str) -> Sum:
    """Operands in turn with signs: those between two `+` are one product."""
    products: list[list[tuple[str, str]]] = [[]]
    for place, (kind, token) in enumerate(tokens):
        if (kind == "sign") != (place % 2 == 1):
            wanted = "+ or *" if place % 2 else "a number or a name"
            raise SpaceError(f"rule {text!r}: got {token!r} where {wanted} must stand, e.g. {_EXAMPLE!r}")
        if token == "+":  # noqa: S105 - a sign, no password
            products.append([])
        elif token != "*":  # noqa: S105
            products[-1].append((kind, token))
    if len(tokens) % 2 == 0:
        after = f"after {tokens[-1][1]!r}" if tokens else "on one side"
        raise SpaceError(f"rule {text!r}: nothing stands {after}; write e.g. {_EXAMPLE!r}")
    return tuple(_product(product) for product in products)


def _product(tokens: list[tuple[str, str]]) -> tuple[float, tuple[str, ...]]:
    factor = math.prod(float(token) for kind, token in tokens if kind == "number")
    return factor, tuple(token for kind, token in tokens if kind == "name")


def _evaluate(terms: Sum, values: Mapping[str, int]) -> float:
    return sum(factor * math.prod(values[name] for name in names) for factor, names in terms)
