"""${message}."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Text  # the rendering of JSONB variants names it bare
${imports if imports else ""}

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    """Upgrades the tables."""
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    """Takes the upgrade back."""
    ${downgrades if downgrades else "pass"}
