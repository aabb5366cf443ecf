"""The tables; private to this package, named `nas_` so that Optuna's can lie beside them.

The constraints repeat what the code ensures: a wrong row is refused whoever writes it.
"""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    text,
)

from .columns import BoundedText, Metrics, QueryableJson, RowId, State, UtcSeconds, VerbatimJson
from .values import MESSAGE_LIMIT

TABLE_PREFIX = "nas_"
KEY_LENGTH = 512
NAME_LENGTH = 200
_SHA256_LENGTH = 64

metadata = MetaData()


def _strict_json(column: str, constraint: str) -> CheckConstraint:
    """Refuses NaN and infinity in SQLite's JSON text; JSONB refuses them by itself."""
    check = CheckConstraint(f"{column} IS NULL OR json_valid({column})", name=constraint)
    return check.ddl_if(dialect="sqlite")


study = Table(
    "nas_study",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("name", BoundedText(NAME_LENGTH), nullable=False),
    Column("state", String(16), nullable=False),
    Column("seed", RowId, nullable=False),
    Column("epoch", RowId, nullable=False),
    Column("owner", BoundedText(NAME_LENGTH)),
    Column("lease_until_s", Double, nullable=False),
    Column("next_number", Integer, nullable=False),
    Column("told_count", Integer, nullable=False),
    Column("created_at", UtcSeconds, nullable=False),
    Column("reason", BoundedText(MESSAGE_LIMIT)),
    Column("spec_sha256", String(_SHA256_LENGTH), nullable=False),
    Column("fingerprint", VerbatimJson, nullable=False),
    Column("spec", VerbatimJson, nullable=False),
    Column("account", BoundedText(NAME_LENGTH)),
    UniqueConstraint("name", name="nas_study_name"),
    CheckConstraint("told_count BETWEEN 0 AND next_number", name="nas_study_counters"),
    sqlite_autoincrement=True,
)

# Apart from the study, whose row is rewritten whenever a trial ends; this one can reach hundreds of kB.
sampler_state = Table(
    "nas_sampler_state",
    metadata,
    Column("study_id", RowId, ForeignKey("nas_study.id", ondelete="CASCADE"), primary_key=True),
    Column("state", VerbatimJson, nullable=False),
)

trial = Table(
    "nas_trial",
    metadata,
    Column("study_id", RowId, ForeignKey("nas_study.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("state", State, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("told_order", Integer),
    Column("reused_from", Integer),
    Column("created_at", UtcSeconds, nullable=False),
    Column("ended_at", UtcSeconds),
    Column("result_sha256", String(_SHA256_LENGTH)),
    Column("origin", BoundedText(NAME_LENGTH), nullable=False),
    Column("key", BoundedText(KEY_LENGTH), nullable=False),
    Column("metrics", Metrics),
    Column("costs", Metrics, nullable=False),
    Column("reason", BoundedText(MESSAGE_LIMIT)),
    Column("message", BoundedText(MESSAGE_LIMIT)),
    Column("config", VerbatimJson, nullable=False),
    Column("parameters", VerbatimJson, nullable=False),
    Column("sampler_attributes", VerbatimJson, nullable=False),
    UniqueConstraint("study_id", "told_order", name="nas_trial_told_order"),
    CheckConstraint(
        "state IN ('PROPOSED', 'RUNNING', 'PAUSED', 'DONE', 'FAILED', 'INFEASIBLE', 'DUPLICATE')",
        name="nas_trial_state",
    ),
    CheckConstraint(
        "(state IN ('PROPOSED', 'RUNNING', 'PAUSED')) = (told_order IS NULL)"
        " AND (told_order IS NULL) = (ended_at IS NULL)",
        name="nas_trial_final_is_told",
    ),
    CheckConstraint(
        "(state = 'DONE') = (result_sha256 IS NOT NULL) AND (state <> 'DONE' OR metrics IS NOT NULL)",
        name="nas_trial_done_has_result",
    ),
    CheckConstraint("state <> 'PAUSED' OR metrics IS NOT NULL", name="nas_trial_paused_has_estimates"),
    CheckConstraint(
        "(state = 'DUPLICATE') = (reused_from IS NOT NULL)", name="nas_trial_duplicate_names_its_source"
    ),
    _strict_json("metrics", "nas_trial_metrics_finite"),
    _strict_json("costs", "nas_trial_costs_finite"),
)
_NOT_DUPLICATE = text("state <> 'DUPLICATE'")
Index(
    "nas_trial_key",
    trial.c.study_id,
    trial.c.key,
    unique=True,
    sqlite_where=_NOT_DUPLICATE,
    postgresql_where=_NOT_DUPLICATE,
)

attempt = Table(
    "nas_attempt",
    metadata,
    Column("study_id", RowId, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("attempt", Integer, primary_key=True, autoincrement=False),
    Column("worker", BoundedText(NAME_LENGTH)),
    Column("started_at", UtcSeconds, nullable=False),
    Column("ended_at", UtcSeconds),
    Column("outcome", BoundedText(MESSAGE_LIMIT)),
    Column("seconds", Double),
    ForeignKeyConstraint(
        ["study_id", "number"],
        ["nas_trial.study_id", "nas_trial.number"],
        ondelete="CASCADE",
        name="nas_attempt_trial",
    ),
    CheckConstraint("(ended_at IS NULL) = (outcome IS NULL)", name="nas_attempt_ended_has_outcome"),
)

quality = Table(
    "nas_quality",
    metadata,
    Column("supernet_sha256", BoundedText(_SHA256_LENGTH), primary_key=True),
    Column("key", BoundedText(KEY_LENGTH), primary_key=True),
    Column("data_sha256", BoundedText(_SHA256_LENGTH), primary_key=True),
    Column("stage", Integer, primary_key=True, autoincrement=False),
    Column("seconds", Double, nullable=False),
    Column("created_at", UtcSeconds, nullable=False),
    Column("metrics", Metrics, nullable=False),
    Column("per_example", LargeBinary),
    _strict_json("metrics", "nas_quality_metrics_finite"),
)

latency = Table(
    "nas_latency",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("shape_key", BoundedText(KEY_LENGTH), nullable=False),
    Column("target", BoundedText(NAME_LENGTH), nullable=False),
    Column("workload_sha256", BoundedText(_SHA256_LENGTH), nullable=False),
    Column("valid", Boolean, nullable=False),
    Column("quality_flag", BoundedText(NAME_LENGTH), nullable=False),
    Column("created_at", UtcSeconds, nullable=False),
    Column("statistics", Metrics, nullable=False),
    Column("device", QueryableJson, nullable=False),
    Column("samples", LargeBinary),
    _strict_json("statistics", "nas_latency_statistics_finite"),
    sqlite_autoincrement=True,
)
Index("nas_latency_measured", latency.c.target, latency.c.workload_sha256, latency.c.shape_key)

recovery = Table(
    "nas_recovery",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("study_id", RowId, ForeignKey("nas_study.id", ondelete="CASCADE"), nullable=False),
    Column("trial", Integer, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("key", BoundedText(KEY_LENGTH), nullable=False),
    Column("recipe_sha256", BoundedText(_SHA256_LENGTH), nullable=False),
    Column("passes", RowId, nullable=False),
    Column("examples", RowId, nullable=False),
    Column("seconds", Double, nullable=False),
    Column("created_at", UtcSeconds, nullable=False),
    Column("weights_file", BoundedText(NAME_LENGTH), nullable=False),
    Column("weights_sha256", BoundedText(_SHA256_LENGTH), nullable=False),
    Column("metrics_before", Metrics, nullable=False),
    Column("metrics_after", Metrics, nullable=False),
    Column("config", VerbatimJson, nullable=False),
    Column("recipe", VerbatimJson, nullable=False),
    UniqueConstraint("study_id", "kind", "key", "recipe_sha256", name="nas_recovery_recipe"),
    ForeignKeyConstraint(
        ["study_id", "trial"],
        ["nas_trial.study_id", "nas_trial.number"],
        ondelete="CASCADE",
        name="nas_recovery_trial",
    ),
    CheckConstraint("kind IN ('recovered', 'random', 'scratch')", name="nas_recovery_kind"),
    CheckConstraint("passes >= 0 AND examples >= 0 AND seconds >= 0", name="nas_recovery_cost_not_negative"),
    _strict_json("metrics_before", "nas_recovery_before_finite"),
    _strict_json("metrics_after", "nas_recovery_after_finite"),
    sqlite_autoincrement=True,
)

job = Table(
    "nas_job",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("kind", BoundedText(NAME_LENGTH), nullable=False),
    Column("study", BoundedText(NAME_LENGTH), nullable=False),  # a name: the study may come later, or be gone
    Column("state", String(16), nullable=False),
    Column("request", String(16), nullable=False),
    Column("trials", Integer),
    Column("epoch", RowId, nullable=False),
    Column("owner", BoundedText(NAME_LENGTH)),
    Column("lease_until_s", Double, nullable=False),
    Column("restarts", Integer, nullable=False),
    Column("exit_code", Integer),
    Column("created_at", UtcSeconds, nullable=False),
    Column("started_at", UtcSeconds),
    Column("ended_at", UtcSeconds),
    Column("reason", BoundedText(MESSAGE_LIMIT)),
    Column("log", BoundedText(MESSAGE_LIMIT)),
    Column("config", VerbatimJson, nullable=False),
    Column("account", BoundedText(NAME_LENGTH)),
    CheckConstraint(
        "state IN ('QUEUED', 'RUNNING', 'PAUSED', 'COMPLETED', 'FAILED', 'CANCELLED')", name="nas_job_state"
    ),
    CheckConstraint("request IN ('run', 'pause', 'stop')", name="nas_job_request"),
    CheckConstraint(
        "(state IN ('COMPLETED', 'FAILED', 'CANCELLED')) = (ended_at IS NOT NULL)",
        name="nas_job_final_has_ended",
    ),
    CheckConstraint("trials >= 1 AND restarts >= 0", name="nas_job_counts"),
    sqlite_autoincrement=True,
)
Index("nas_job_study", job.c.study, job.c.id)
Index("nas_job_account", job.c.account, job.c.id)

submission = Table(
    "nas_submission",
    metadata,
    Column("account", BoundedText(NAME_LENGTH), primary_key=True),
    Column("key", BoundedText(NAME_LENGTH), primary_key=True),
    Column("request_sha256", BoundedText(_SHA256_LENGTH), nullable=False),
    Column("job_id", RowId, ForeignKey("nas_job.id", ondelete="CASCADE"), nullable=False),
    Column("created_at", UtcSeconds, nullable=False),
)

export_file = Table(
    "nas_export_file",
    metadata,
    Column("job_id", RowId, ForeignKey("nas_job.id", ondelete="CASCADE"), primary_key=True),
    Column("name", BoundedText(NAME_LENGTH), primary_key=True),
    Column("sha256", BoundedText(_SHA256_LENGTH), nullable=False),
    Column("size_bytes", RowId, nullable=False),
    CheckConstraint("size_bytes >= 0", name="nas_export_file_size"),
)

token = Table(
    "nas_token",
    metadata,
    Column("id", BoundedText(NAME_LENGTH), primary_key=True),
    Column("account", BoundedText(NAME_LENGTH), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("secret_sha256", BoundedText(_SHA256_LENGTH), nullable=False),
    Column("label", BoundedText(NAME_LENGTH)),
    Column("created_at", UtcSeconds, nullable=False),
    Column("expires_at", UtcSeconds),
    Column("revoked_at", UtcSeconds),
    Column("scopes", VerbatimJson, nullable=False),
    CheckConstraint("kind IN ('token', 'session')", name="nas_token_kind"),
)

target = Table(
    "nas_target",
    metadata,
    Column("name", BoundedText(NAME_LENGTH), primary_key=True),
    Column("created_at", UtcSeconds, nullable=False),
    Column("definition", VerbatimJson, nullable=False),
)

event = Table(
    "nas_event",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("study_id", RowId, ForeignKey("nas_study.id", ondelete="CASCADE")),
    Column("at", UtcSeconds, nullable=False),
    Column("kind", BoundedText(NAME_LENGTH), nullable=False),
    Column("payload", QueryableJson, nullable=False),
    Column("job_id", RowId),  # no foreign key: SQLite can't add one to a table, and jobs are never deleted
    sqlite_autoincrement=True,
)
Index("nas_event_study", event.c.study_id, event.c.id)
Index("nas_event_job", event.c.job_id, event.c.id)
