"""First tables: studies, trials, attempts, quality, latency, events.

Written out, with no import of storage: it makes these tables also when the package has moved on.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
QUERYABLE_JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    """Makes the tables, those first that others refer to."""
    _create_study()
    _create_trial()
    _create_attempt()
    _create_quality()
    _create_latency()
    _create_event()


def downgrade() -> None:
    """Drops the tables with all that is in them."""
    for table in ("event", "latency", "quality", "attempt", "trial", "sampler_state", "study"):
        op.drop_table(f"nas_{table}")


def _create_study() -> None:
    op.create_table(
        "nas_study",
        sa.Column("id", ROW_ID, primary_key=True),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("seed", ROW_ID, nullable=False),
        sa.Column("epoch", ROW_ID, nullable=False),
        sa.Column("owner", sa.String(200)),
        sa.Column("lease_until_s", sa.Double(), nullable=False),
        sa.Column("next_number", sa.Integer(), nullable=False),
        sa.Column("told_count", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("reason", sa.String(8192)),
        sa.Column("spec_sha256", sa.String(64), nullable=False),
        sa.Column("fingerprint", sa.JSON(), nullable=False),
        sa.Column("spec", sa.JSON(), nullable=False),
        sa.UniqueConstraint("name", name="nas_study_name"),
        sa.CheckConstraint("told_count BETWEEN 0 AND next_number", name="nas_study_counters"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "nas_sampler_state",
        sa.Column("study_id", ROW_ID, sa.ForeignKey("nas_study.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("state", sa.JSON(), nullable=False),
    )


def _create_trial() -> None:
    op.create_table(
        "nas_trial",
        sa.Column("study_id", ROW_ID, sa.ForeignKey("nas_study.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("told_order", sa.Integer()),
        sa.Column("reused_from", sa.Integer()),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("ended_at", sa.Double()),
        sa.Column("result_sha256", sa.String(64)),
        sa.Column("origin", sa.String(200), nullable=False),
        sa.Column("key", sa.String(512), nullable=False),
        sa.Column("metrics", QUERYABLE_JSON),
        sa.Column("costs", QUERYABLE_JSON, nullable=False),
        sa.Column("reason", sa.String(8192)),
        sa.Column("message", sa.String(8192)),
        sa.Column("config", sa.JSON(), nullable=False),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.Column("sampler_attributes", sa.JSON(), nullable=False),
        sa.UniqueConstraint("study_id", "told_order", name="nas_trial_told_order"),
        *_trial_checks(),
        *_strict_json("metrics", "nas_trial_metrics_finite"),
        *_strict_json("costs", "nas_trial_costs_finite"),
    )
    op.create_index(
        "nas_trial_key",
        "nas_trial",
        ["study_id", "key"],
        unique=True,
        sqlite_where=sa.text("state <> 'DUPLICATE'"),
        postgresql_where=sa.text("state <> 'DUPLICATE'"),
    )


def _trial_checks() -> tuple[sa.CheckConstraint, ...]:
    return (
        sa.CheckConstraint(
            "state IN ('PROPOSED', 'RUNNING', 'DONE', 'FAILED', 'INFEASIBLE', 'DUPLICATE')",
            name="nas_trial_state",
        ),
        sa.CheckConstraint(
            "(state IN ('PROPOSED', 'RUNNING')) = (told_order IS NULL)"
            " AND (told_order IS NULL) = (ended_at IS NULL)",
            name="nas_trial_final_is_told",
        ),
        sa.CheckConstraint(
            "(state = 'DONE') = (result_sha256 IS NOT NULL) AND (state <> 'DONE' OR metrics IS NOT NULL)",
            name="nas_trial_done_has_result",
        ),
        sa.CheckConstraint(
            "(state = 'DUPLICATE') = (reused_from IS NOT NULL)",
            name="nas_trial_duplicate_names_its_source",
        ),
    )


def _create_attempt() -> None:
    op.create_table(
        "nas_attempt",
        sa.Column("study_id", ROW_ID, primary_key=True),
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("attempt", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("worker", sa.String(200)),
        sa.Column("started_at", sa.Double(), nullable=False),
        sa.Column("ended_at", sa.Double()),
        sa.Column("outcome", sa.String(8192)),
        sa.Column("seconds", sa.Double()),
        sa.ForeignKeyConstraint(
            ["study_id", "number"],
            ["nas_trial.study_id", "nas_trial.number"],
            ondelete="CASCADE",
            name="nas_attempt_trial",
        ),
        sa.CheckConstraint("(ended_at IS NULL) = (outcome IS NULL)", name="nas_attempt_ended_has_outcome"),
    )


def _create_quality() -> None:
    op.create_table(
        "nas_quality",
        sa.Column("supernet_sha256", sa.String(64), primary_key=True),
        sa.Column("key", sa.String(512), primary_key=True),
        sa.Column("data_sha256", sa.String(64), primary_key=True),
        sa.Column("stage", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("metrics", QUERYABLE_JSON, nullable=False),
        sa.Column("per_example", sa.LargeBinary()),
        *_strict_json("metrics", "nas_quality_metrics_finite"),
    )


def _create_latency() -> None:
    op.create_table(
        "nas_latency",
        sa.Column("id", ROW_ID, primary_key=True),
        sa.Column("shape_key", sa.String(512), nullable=False),
        sa.Column("target", sa.String(200), nullable=False),
        sa.Column("workload_sha256", sa.String(64), nullable=False),
        sa.Column("valid", sa.Boolean(), nullable=False),
        sa.Column("quality_flag", sa.String(200), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("statistics", QUERYABLE_JSON, nullable=False),
        sa.Column("device", QUERYABLE_JSON, nullable=False),
        sa.Column("samples", sa.LargeBinary()),
        *_strict_json("statistics", "nas_latency_statistics_finite"),
        sqlite_autoincrement=True,
    )
    op.create_index("nas_latency_measured", "nas_latency", ["target", "workload_sha256", "shape_key"])


def _create_event() -> None:
    op.create_table(
        "nas_event",
        sa.Column("id", ROW_ID, primary_key=True),
        sa.Column("study_id", ROW_ID, sa.ForeignKey("nas_study.id", ondelete="CASCADE")),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("kind", sa.String(200), nullable=False),
        sa.Column("payload", QUERYABLE_JSON, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("nas_event_study", "nas_event", ["study_id", "id"])


def _strict_json(column: str, constraint: str) -> tuple[sa.CheckConstraint, ...]:
    """Refuses NaN and infinity in SQLite's JSON text; JSONB refuses them by itself."""
    if op.get_bind().dialect.name != "sqlite":
        return ()
    return (sa.CheckConstraint(f"{column} IS NULL OR json_valid({column})", name=constraint),)
