"""Column types and the database's clock, the same on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Double, Integer, String
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine

from .records import TrialState
from .values import stored_text

RowId = BigInteger().with_variant(Integer(), "sqlite")
"""Key given by the database; SQLite counts up only columns declared INTEGER."""

VerbatimJson = JSON(none_as_null=True)
"""JSON kept as the text that was written.

JSONB reorders keys and turns 1e22 into an integer, which would change what a sampler resumes from.
"""

QueryableJson = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
"""JSON that PostgreSQL can index; key order and the spelling of numbers may change."""


class UtcSeconds(TypeDecorator[datetime]):
    """Aware datetimes in UTC, kept as seconds since 1970: no text to parse, no time zone to lose."""

    impl = Double
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> float | None:
        """Seconds since 1970."""
        return None if value is None else value.timestamp()

    def process_result_value(self, value: float | None, dialect: Dialect) -> datetime | None:
        """The instant, in UTC."""
        return None if value is None else datetime.fromtimestamp(value, UTC)


class BoundedText(TypeDecorator[str]):
    """Text within a length that SQLite itself does not enforce, without what PostgreSQL can't hold."""

    impl = String
    cache_ok = True

    def __init__(self, length: int) -> None:
        super().__init__(length)
        self.length = length

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """The text itself; raises ValueError when it can't be stored."""
        return None if value is None else stored_text(value, self.length)


class State(TypeDecorator[TrialState]):
    """The state of a trial, by its name."""

    impl = String(16)
    cache_ok = True

    def process_bind_param(self, value: TrialState | None, dialect: Dialect) -> str | None:
        """The name of the state."""
        return None if value is None else value.value

    def process_result_value(self, value: str | None, dialect: Dialect) -> TrialState | None:
        """The state of that name."""
        return None if value is None else TrialState(value)


class Metrics(TypeDecorator[Mapping[str, float]]):
    """Named finite floats, read in the order of their names."""

    impl = JSON
    cache_ok = True

    def __init__(self) -> None:
        super().__init__(none_as_null=True)

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """JSONB where there is one."""
        return dialect.type_descriptor(
            JSONB(none_as_null=True) if dialect.name == "postgresql" else JSON(none_as_null=True)
        )

    def process_result_value(self, value: Any, dialect: Dialect) -> dict[str, float] | None:
        """Floats again: JSONB hands 1e22 out as an integer."""
        return None if value is None else {name: float(value[name]) for name in sorted(value)}


class database_clock(FunctionElement[float]):  # noqa: N801  # reads as an SQL function
    """Seconds since 1970 by the clock of the database, also within a long transaction."""

    type = Double()
    inherit_cache = True


@compiles(database_clock, "sqlite")
def _sqlite_clock(element: database_clock, compiler: SQLCompiler, **options: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(database_clock, "postgresql")
def _postgresql_clock(element: database_clock, compiler: SQLCompiler, **options: Any) -> str:
    return "CAST(extract(epoch FROM clock_timestamp()) AS double precision)"
