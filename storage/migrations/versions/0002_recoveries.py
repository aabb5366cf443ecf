"""Recovered sub-networks.

Written out, with no import of storage: it makes this table also when the package has moved on.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
QUERYABLE_JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    """Makes the table."""
    op.create_table(
        "nas_recovery",
        sa.Column("id", ROW_ID, primary_key=True),
        sa.Column("study_id", ROW_ID, sa.ForeignKey("nas_study.id", ondelete="CASCADE"), nullable=False),
        sa.Column("trial", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("key", sa.String(512), nullable=False),
        sa.Column("recipe_sha256", sa.String(64), nullable=False),
        sa.Column("passes", ROW_ID, nullable=False),
        sa.Column("examples", ROW_ID, nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("weights_file", sa.String(200), nullable=False),
        sa.Column("weights_sha256", sa.String(64), nullable=False),
        sa.Column("metrics_before", QUERYABLE_JSON, nullable=False),
        sa.Column("metrics_after", QUERYABLE_JSON, nullable=False),
        sa.Column("config", sa.JSON(), nullable=False),
        sa.Column("recipe", sa.JSON(), nullable=False),
        sa.UniqueConstraint("study_id", "kind", "key", "recipe_sha256", name="nas_recovery_recipe"),
        sa.ForeignKeyConstraint(
            ["study_id", "trial"],
            ["nas_trial.study_id", "nas_trial.number"],
            ondelete="CASCADE",
            name="nas_recovery_trial",
        ),
        sa.CheckConstraint("kind IN ('recovered', 'random', 'scratch')", name="nas_recovery_kind"),
        sa.CheckConstraint(
            "passes >= 0 AND examples >= 0 AND seconds >= 0", name="nas_recovery_cost_not_negative"
        ),
        *_strict_json("metrics_before", "nas_recovery_before_finite"),
        *_strict_json("metrics_after", "nas_recovery_after_finite"),
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    """Drops the table with all that is in it."""
    op.drop_table("nas_recovery")


def _strict_json(column: str, constraint: str) -> tuple[sa.CheckConstraint, ...]:
    """Refuses NaN and infinity in SQLite's JSON text; JSONB refuses them by itself."""
    if op.get_bind().dialect.name != "sqlite":
        return ()
    return (sa.CheckConstraint(f"{column} IS NULL OR json_valid({column})", name=constraint),)
