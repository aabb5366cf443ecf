"""Alembic's entry point: runs the revisions on the connection, and in the transaction, of the caller."""

from __future__ import annotations

from alembic import context

from storage.schema import VERSION_TABLE, is_ours
from storage.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    include_name=is_ours,
)
context.run_migrations()
