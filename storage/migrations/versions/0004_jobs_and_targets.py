"""Jobs and targets.

Written out, with no import of storage: it makes these tables also when the package has moved on.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
STATES = "'QUEUED', 'RUNNING', 'PAUSED', 'COMPLETED', 'FAILED', 'CANCELLED'"


def upgrade() -> None:
    """Makes the tables."""
    _create_job()
    op.create_table(
        "nas_target",
        sa.Column("name", sa.String(200), primary_key=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("definition", sa.JSON(), nullable=False),
    )


def downgrade() -> None:
    """Drops the tables with all that is in them."""
    op.drop_table("nas_target")
    op.drop_table("nas_job")


def _create_job() -> None:
    op.create_table(
        "nas_job",
        sa.Column("id", ROW_ID, primary_key=True),
        sa.Column("kind", sa.String(200), nullable=False),
        sa.Column("study", sa.String(200), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("request", sa.String(16), nullable=False),
        sa.Column("trials", sa.Integer()),
        sa.Column("epoch", ROW_ID, nullable=False),
        sa.Column("owner", sa.String(200)),
        sa.Column("lease_until_s", sa.Double(), nullable=False),
        sa.Column("restarts", sa.Integer(), nullable=False),
        sa.Column("exit_code", sa.Integer()),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("started_at", sa.Double()),
        sa.Column("ended_at", sa.Double()),
        sa.Column("reason", sa.String(8192)),
        sa.Column("log", sa.String(8192)),
        sa.Column("config", sa.JSON(), nullable=False),
        sa.CheckConstraint(f"state IN ({STATES})", name="nas_job_state"),
        sa.CheckConstraint("request IN ('run', 'pause', 'stop')", name="nas_job_request"),
        sa.CheckConstraint(
            "(state IN ('COMPLETED', 'FAILED', 'CANCELLED')) = (ended_at IS NOT NULL)",
            name="nas_job_final_has_ended",
        ),
        sa.CheckConstraint("trials >= 1 AND restarts >= 0", name="nas_job_counts"),
        sqlite_autoincrement=True,
    )
    op.create_index("nas_job_study", "nas_job", ["study", "id"])
