"""Accounts: tokens, who owns a job or a study, submissions, exported files; events name their job.

Written out, with no import of storage: it makes these tables also when the package has moved on.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
KINDS_OF_JOBS = (
    "job_created",
    "job_requested",
    "job_edited",
    "job_claimed",
    "job_released",
    "job_state_changed",
)
JOB_OF_EVENT = {
    "sqlite": "json_extract(payload, '$.job')",
    "postgresql": "CAST(payload ->> 'job' AS bigint)",
}


def upgrade() -> None:
    """Adds the columns and makes the tables; what was there belongs to no account."""
    op.add_column("nas_study", sa.Column("account", sa.String(200)))
    op.add_column("nas_job", sa.Column("account", sa.String(200)))
    op.create_index("nas_job_account", "nas_job", ["account", "id"])
    op.add_column("nas_event", sa.Column("job_id", ROW_ID))
    _name_the_jobs_of_events()
    op.create_index("nas_event_job", "nas_event", ["job_id", "id"])
    _create_token()
    _create_submission()
    _create_export_file()


def downgrade() -> None:
    """Drops the tables and columns with all that is in them."""
    for table in ("nas_export_file", "nas_submission", "nas_token"):
        op.drop_table(table)
    op.drop_index("nas_event_job", "nas_event")
    op.drop_index("nas_job_account", "nas_job")
    for table, column in (("nas_event", "job_id"), ("nas_job", "account"), ("nas_study", "account")):
        op.drop_column(table, column)


def _name_the_jobs_of_events() -> None:
    event = sa.table("nas_event", sa.column("kind"), sa.column("study_id"), sa.column("job_id"))
    job_id: sa.TextClause = sa.text(JOB_OF_EVENT[op.get_bind().dialect.name])
    is_of_job = sa.and_(event.c.kind.in_(KINDS_OF_JOBS), event.c.study_id.is_(None))
    op.execute(event.update().where(is_of_job).values(job_id=job_id))


def _create_token() -> None:
    op.create_table(
        "nas_token",
        sa.Column("id", sa.String(200), primary_key=True),
        sa.Column("account", sa.String(200), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("secret_sha256", sa.String(64), nullable=False),
        sa.Column("label", sa.String(200)),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double()),
        sa.Column("revoked_at", sa.Double()),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.CheckConstraint("kind IN ('token', 'session')", name="nas_token_kind"),
    )


def _create_submission() -> None:
    op.create_table(
        "nas_submission",
        sa.Column("account", sa.String(200), primary_key=True),
        sa.Column("key", sa.String(200), primary_key=True),
        sa.Column("request_sha256", sa.String(64), nullable=False),
        sa.Column("job_id", ROW_ID, sa.ForeignKey("nas_job.id", ondelete="CASCADE"), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
    )


def _create_export_file() -> None:
    op.create_table(
        "nas_export_file",
        sa.Column("job_id", ROW_ID, sa.ForeignKey("nas_job.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("name", sa.String(200), primary_key=True),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("size_bytes", ROW_ID, nullable=False),
        sa.CheckConstraint("size_bytes >= 0", name="nas_export_file_size"),
    )
