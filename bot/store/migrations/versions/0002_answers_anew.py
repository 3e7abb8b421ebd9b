"""Drafts that take the place of an answer, said anew or gone on with; pictures that came with messages."""

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
    op.add_column("blob", sa.Column("kept", sa.Boolean(), nullable=False, server_default=sa.true()))
    op.create_table(
        "picture",
        sa.Column("message_id", Id, autoincrement=False, nullable=False),
        sa.Column("blob_id", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("message_id", "blob_id", name="pk_picture"),
    )
    op.create_index("ix_picture_blob_id", "picture", ["blob_id"])
    # For finding variants and what somebody used, and for deleting rows that others refer to.
    op.create_index("ix_message_variant_of", "message", ["variant_of"])
    op.create_index("ix_usage_user_id_at", "usage", ["user_id", "at"])
    op.create_index("ix_usage_message_id", "usage", ["message_id"])
    op.create_index("ix_summary_covers_until", "summary", ["covers_until"])
    op.create_index("ix_summary_branch_id", "summary", ["branch_id"])
