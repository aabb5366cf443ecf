"""Paused trials: a state more, which is open and has metrics.

Written out, with no import of storage: it makes this change also when the package has moved on.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

STATE = (
    "nas_trial_state",
    "state IN ('PROPOSED', 'RUNNING', 'PAUSED', 'DONE', 'FAILED', 'INFEASIBLE', 'DUPLICATE')",
)
FINAL_IS_TOLD = (
    "nas_trial_final_is_told",
    "(state IN ('PROPOSED', 'RUNNING', 'PAUSED')) = (told_order IS NULL)"
    " AND (told_order IS NULL) = (ended_at IS NULL)",
)
PAUSED_HAS_ESTIMATES = ("nas_trial_paused_has_estimates", "state <> 'PAUSED' OR metrics IS NOT NULL")


def upgrade() -> None:
    """Exchanges the constraints; SQLite can't, so that there the table is made anew."""
    if op.get_bind().dialect.name == "sqlite":
        _remake_table()
        return
    for name, _ in (STATE, FINAL_IS_TOLD):
        op.drop_constraint(name, "nas_trial", type_="check")
    for name, condition in (STATE, FINAL_IS_TOLD, PAUSED_HAS_ESTIMATES):
        op.create_check_constraint(name, "nas_trial", condition)


def _remake_table() -> None:
    """Source: https://www.sqlite.org/lang_altertable.html, section 7.

    Alembic's batch mode does the same, with the constraints in an order of its own each time.
    """
    _check_that_foreign_keys_are_off()
    made = op.create_table("nas_trial_new", *_columns(), *_constraints())
    names = [column.name for column in made.columns]
    rows: sa.Select[*tuple[object, ...]] = sa.select(*[sa.column(name) for name in names]).select_from(
        sa.table("nas_trial")
    )
    op.execute(made.insert().from_select(names, rows))
    op.drop_table("nas_trial")
    op.rename_table("nas_trial_new", "nas_trial")
    op.create_index(
        "nas_trial_key",
        "nas_trial",
        ["study_id", "key"],
        unique=True,
        sqlite_where=sa.text("state <> 'DUPLICATE'"),
    )


def _check_that_foreign_keys_are_off() -> None:
    """With them, dropping the table deletes the rows that refer to it; a transaction can't turn them off."""
    if op.get_bind().execute(sa.text("PRAGMA foreign_keys")).scalar_one():
        raise RuntimeError("turn foreign keys off before the transaction that makes the table nas_trial anew")


def _columns() -> tuple[sa.Column[object], ...]:
    return (
        sa.Column(
            "study_id", sa.Integer(), sa.ForeignKey("nas_study.id", ondelete="CASCADE"), primary_key=True
        ),
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
        sa.Column("metrics", sa.JSON()),
        sa.Column("costs", sa.JSON(), nullable=False),
        sa.Column("reason", sa.String(8192)),
        sa.Column("message", sa.String(8192)),
        sa.Column("config", sa.JSON(), nullable=False),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.Column("sampler_attributes", sa.JSON(), nullable=False),
    )


def _constraints() -> tuple[sa.Constraint, ...]:
    """All of the table, those that stay as they were included."""
    checks = (
        STATE,
        FINAL_IS_TOLD,
        (
            "nas_trial_done_has_result",
            "(state = 'DONE') = (result_sha256 IS NOT NULL) AND (state <> 'DONE' OR metrics IS NOT NULL)",
        ),
        PAUSED_HAS_ESTIMATES,
        ("nas_trial_duplicate_names_its_source", "(state = 'DUPLICATE') = (reused_from IS NOT NULL)"),
        ("nas_trial_metrics_finite", "metrics IS NULL OR json_valid(metrics)"),
        ("nas_trial_costs_finite", "costs IS NULL OR json_valid(costs)"),
    )
    return (
        sa.UniqueConstraint("study_id", "told_order", name="nas_trial_told_order"),
        *(sa.CheckConstraint(condition, name=name) for name, condition in checks),
    )
