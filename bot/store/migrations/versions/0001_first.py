"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _blob()
    _conversation()
    _event()
    _fact()
    _job()
    _process()
    _state()
    _branch()
    _draft()
    _message()
    _sent()
    _summary()
    _usage()


def _blob() -> None:
    op.create_table(
        "blob",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_blob"),
    )


def _conversation() -> None:
    op.create_table(
        "conversation",
        sa.Column("id", Id, nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("branch_id", Id, nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_conversation"),
        sa.UniqueConstraint("place", name="uq_conversation_place"),
    )


def _event() -> None:
    op.create_table(
        "event",
        sa.Column("number", Id, nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("data", sa.Text(), nullable=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_event"),
        sa.UniqueConstraint("place", "id", name="uq_event_place_id"),
    )
    op.create_index("ix_event_claimed_at", "event", ["claimed_at"])
    op.create_index("ix_event_place_kind_at", "event", ["place", "kind", "at"])
    op.create_index("ix_event_state_platform", "event", ["state", "platform"])


def _fact() -> None:
    op.create_table(
        "fact",
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("provider", "model", name="pk_fact"),
    )


def _job() -> None:
    op.create_table(
        "job",
        sa.Column("id", Id, nullable=False),
        sa.Column("plugin", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("route", sa.Text(), nullable=False),
        sa.Column("state", sa.JSON(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_job"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_job_place_status", "job", ["place", "status"])
    op.create_index("ix_job_status", "job", ["status"])


def _process() -> None:
    op.create_table(
        "process",
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("alive_until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("owner", name="pk_process"),
    )


def _state() -> None:
    op.create_table(
        "state",
        sa.Column("plugin", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.JSON(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("plugin", "scope", "key", name="pk_state"),
    )


def _branch() -> None:
    op.create_table(
        "branch",
        sa.Column("id", Id, nullable=False),
        sa.Column("conversation_id", Id, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("tip_id", Id, nullable=True),
        sa.Column("forked_from", Id, nullable=True),
        sa.Column("window_start_id", Id, nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["conversation_id"], ["conversation.id"], name="fk_branch_conversation_id_conversation"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_branch"),
    )
    op.create_index("ix_branch_conversation_id", "branch", ["conversation_id"])


def _draft() -> None:
    op.create_table(
        "draft",
        sa.Column("id", Id, nullable=False),
        sa.Column("conversation_id", Id, nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("route", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("question", Id, nullable=True),
        sa.Column("speaker", sa.JSON(), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("sent", sa.JSON(), nullable=False),
        sa.Column("finished", sa.String(16), nullable=True),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["conversation_id"], ["conversation.id"], name="fk_draft_conversation_id_conversation"),
        sa.PrimaryKeyConstraint("id", name="pk_draft"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_draft_place_event_id", "draft", ["place", "event_id"])


def _message() -> None:
    op.create_table(
        "message",
        sa.Column("id", Id, nullable=False),
        sa.Column("conversation_id", Id, nullable=False),
        sa.Column("parent_id", Id, nullable=True),
        sa.Column("variant_of", Id, nullable=True),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("author_id", sa.Text(), nullable=True),
        sa.Column("author", sa.Text(), nullable=True),
        sa.Column("speaker", sa.Text(), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("parts", sa.JSON(), nullable=False),
        sa.Column("tokens", sa.Integer(), nullable=True),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("visible_to", sa.JSON(), nullable=True),
        sa.Column("scene_id", Id, nullable=True),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["conversation_id"], ["conversation.id"], name="fk_message_conversation_id_conversation"
        ),
        sa.ForeignKeyConstraint(["parent_id"], ["message.id"], name="fk_message_parent_id_message"),
        sa.ForeignKeyConstraint(["variant_of"], ["message.id"], name="fk_message_variant_of_message"),
        sa.PrimaryKeyConstraint("id", name="pk_message"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_message_conversation_id_id", "message", ["conversation_id", "id"])
    op.create_index("ix_message_parent_id", "message", ["parent_id"])


def _sent() -> None:
    op.create_table(
        "sent",
        sa.Column("id", Id, nullable=False),
        sa.Column("conversation_id", Id, nullable=False),
        sa.Column("message_id", Id, nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("platform_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("speaker", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["conversation_id"], ["conversation.id"], name="fk_sent_conversation_id_conversation"),
        sa.ForeignKeyConstraint(["message_id"], ["message.id"], name="fk_sent_message_id_message"),
        sa.PrimaryKeyConstraint("id", name="pk_sent"),
    )
    op.create_index("ix_sent_message_id", "sent", ["message_id"])
    op.create_index("ix_sent_platform_id_conversation_id", "sent", ["platform_id", "conversation_id"])


def _summary() -> None:
    op.create_table(
        "summary",
        sa.Column("id", Id, nullable=False),
        sa.Column("conversation_id", Id, nullable=False),
        sa.Column("branch_id", Id, nullable=True),
        sa.Column("covers_until", Id, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("tokens", sa.Integer(), nullable=True),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("prompt_version", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["branch_id"], ["branch.id"], name="fk_summary_branch_id_branch"),
        sa.ForeignKeyConstraint(
            ["conversation_id"], ["conversation.id"], name="fk_summary_conversation_id_conversation"
        ),
        sa.ForeignKeyConstraint(["covers_until"], ["message.id"], name="fk_summary_covers_until_message"),
        sa.PrimaryKeyConstraint("id", name="pk_summary"),
    )
    op.create_index("ix_summary_conversation_id_covers_until", "summary", ["conversation_id", "covers_until"])


def _usage() -> None:
    op.create_table(
        "usage",
        sa.Column("id", Id, nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("message_id", Id, nullable=True),
        sa.Column("user_id", sa.Text(), nullable=True),
        sa.Column("feature", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("input", sa.Integer(), nullable=False),
        sa.Column("output", sa.Integer(), nullable=False),
        sa.Column("cached", sa.Integer(), nullable=False),
        sa.Column("reasoning", sa.Integer(), nullable=False),
        sa.Column("cache_writes", sa.Integer(), nullable=False),
        sa.Column("estimated", sa.Boolean(), nullable=False),
        sa.Column("cost", sa.String(64), nullable=True),
        sa.Column("prices", sa.JSON(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("first_token", sa.Float(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["message_id"], ["message.id"], name="fk_usage_message_id_message"),
        sa.PrimaryKeyConstraint("id", name="pk_usage"),
    )
    op.create_index("ix_usage_at", "usage", ["at"])
    op.create_index("ix_usage_place_at", "usage", ["place", "at"])
