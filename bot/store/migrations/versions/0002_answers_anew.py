"""Drafts that take the place of an answer: said anew, or gone on with."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    # Plain columns: a table made anew would begin its numbers anew.
    op.add_column("draft", sa.Column("replaces", Id, nullable=True))
    op.add_column("draft", sa.Column("as_variant", sa.Boolean(), nullable=True))
