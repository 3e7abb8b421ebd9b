"""Pinned messages; a branch's newest summary is found at once."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from bot.store.tables import Moment

revision = "0004"
down_revision = "0003"

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "pin",
        sa.Column("branch_id", Id, sa.ForeignKey("branch.id", name="fk_pin_branch_id_branch"), autoincrement=False),
        sa.Column("message_id", Id, sa.ForeignKey("message.id", name="fk_pin_message_id_message"), autoincrement=False),
        sa.Column("created_at", Moment, nullable=False),
        sa.PrimaryKeyConstraint("branch_id", "message_id", name="pk_pin"),
    )
    op.create_index("ix_pin_message_id", "pin", ["message_id"])
    op.drop_index("ix_summary_branch_id", "summary")
    op.create_index("ix_summary_branch_id_covers_until", "summary", ["branch_id", "covers_until"])
