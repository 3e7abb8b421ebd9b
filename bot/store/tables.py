"""The schema: every table, the same on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    true,
)
from sqlalchemy.types import TypeDecorator

HEAD = "0005"
"""The newest migration; a test compares it with the folder, so that opening a database need not import Alembic."""


class Moment(TypeDecorator[datetime]):
    """Aware datetimes, kept as UTC; SQLite knows no time zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a moment without a time zone: {value!r}")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], datetime | None] | None:
        """SQLite keeps moments as text, and windows read hundreds: each in one call instead of three."""
        return _moment if dialect.name == "sqlite" else super().result_processor(dialect, coltype)


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(f"{text}+00:00")


class Money(TypeDecorator[Decimal]):
    """A Decimal digit for digit: SQLite would make a float of it."""

    impl = String(64)
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> str | None:
        return None if value is None else str(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Decimal | None:
        return None if value is None else Decimal(value)


# SQLite numbers rows by itself only for a column of type INTEGER.
Id = BigInteger().with_variant(Integer, "sqlite")

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

conversation = Table(
    "conversation",
    metadata,
    Column("id", Id, primary_key=True),
    Column("place", Text, nullable=False, unique=True),
    Column("settings", JSON, nullable=False),
    # No foreign key: conversation and branch name each other, and this one is written second.
    Column("branch_id", Id),
    Column("created_at", Moment, nullable=False),
)

branch = Table(
    "branch",
    metadata,
    Column("id", Id, primary_key=True),
    Column("conversation_id", Id, ForeignKey("conversation.id"), nullable=False, index=True),
    Column("name", Text, nullable=False, default=""),
    Column("tip_id", Id),
    Column("forked_from", Id),
    Column("window_start_id", Id),
    Column("created_at", Moment, nullable=False),
)

message = Table(
    "message",
    metadata,
    Column("id", Id, primary_key=True),
    Column("conversation_id", Id, ForeignKey("conversation.id"), nullable=False),
    Column("parent_id", Id, ForeignKey("message.id")),
    Column("variant_of", Id, ForeignKey("message.id")),
    Column("role", String(16), nullable=False),
    Column("author_id", Text),
    Column("author", Text),
    Column("speaker", Text),
    Column("text", Text, nullable=False),
    Column("parts", JSON, nullable=False),
    Column("tokens", Integer),
    # Bytes of text and parts, so that a walk along the tree never reads the texts themselves.
    Column("size", Integer, nullable=False),
    Column("status", String(16), nullable=False),
    Column("visible_to", JSON),
    Column("scene_id", Id),
    Column("model", Text),
    Column("created_at", Moment, nullable=False),
    Index("ix_message_conversation_id_id", "conversation_id", "id"),
    Index("ix_message_parent_id", "parent_id"),
    Index("ix_message_variant_of", "variant_of"),
    sqlite_autoincrement=True,  # a number is never given twice, even after a deletion
)

sent = Table(
    "sent",
    metadata,
    Column("id", Id, primary_key=True),
    Column("conversation_id", Id, ForeignKey("conversation.id"), nullable=False),
    Column("message_id", Id, ForeignKey("message.id"), nullable=False, index=True),
    Column("part", Integer, nullable=False),
    Column("platform_id", Text, nullable=False),
    Column("kind", Text, nullable=False, default=""),
    Column("speaker", Text),
    Index("ix_sent_platform_id_conversation_id", "platform_id", "conversation_id"),
)

event = Table(
    "event",
    metadata,
    Column("number", Id, primary_key=True),
    Column("platform", Text, nullable=False),
    Column("place", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("data", Text),
    Column("state", String(16), nullable=False),
    Column("owner", String(64), nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("at", Moment, nullable=False),
    Column("claimed_at", Moment, nullable=False),
    UniqueConstraint("place", "id"),
    Index("ix_event_place_kind_at", "place", "kind", "at"),
    Index("ix_event_state_platform", "state", "platform"),
    Index("ix_event_claimed_at", "claimed_at"),
)

draft = Table(
    "draft",
    metadata,
    Column("id", Id, primary_key=True),
    Column("conversation_id", Id, ForeignKey("conversation.id"), nullable=False),
    Column("platform", Text, nullable=False),
    Column("place", Text, nullable=False),
    Column("route", Text, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("question", Id),
    Column("speaker", JSON),
    Column("text", Text, nullable=False),
    Column("sent", JSON, nullable=False),
    Column("finished", String(16)),
    Column("replaces", Id),
    Column("as_variant", Boolean),
    Column("scene_id", Id),
    Column("owner", String(64), nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("started_at", Moment, nullable=False),
    Index("ix_draft_place_event_id", "place", "event_id"),
    sqlite_autoincrement=True,
)

usage = Table(
    "usage",
    metadata,
    Column("id", Id, primary_key=True),
    Column("place", Text, nullable=False),
    Column("message_id", Id, ForeignKey("message.id")),
    Column("user_id", Text),
    Column("feature", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("input", Integer, nullable=False),
    Column("output", Integer, nullable=False),
    Column("cached", Integer, nullable=False),
    Column("reasoning", Integer, nullable=False),
    Column("cache_writes", Integer, nullable=False),
    Column("estimated", Boolean, nullable=False),
    Column("cost", Money),
    Column("prices", JSON, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("first_token", Float),
    Column("at", Moment, nullable=False),
    Index("ix_usage_place_at", "place", "at"),
    Index("ix_usage_at", "at"),
    Index("ix_usage_user_id_at", "user_id", "at"),
    Index("ix_usage_message_id", "message_id"),
)

summary = Table(
    "summary",
    metadata,
    Column("id", Id, primary_key=True),
    Column("conversation_id", Id, ForeignKey("conversation.id"), nullable=False),
    Column("branch_id", Id, ForeignKey("branch.id")),
    Column("covers_until", Id, ForeignKey("message.id"), nullable=False),
    Column("text", Text, nullable=False),
    Column("tokens", Integer),
    Column("model", Text),
    Column("prompt_version", Text),
    Column("created_at", Moment, nullable=False),
    Index("ix_summary_conversation_id_covers_until", "conversation_id", "covers_until"),
    Index("ix_summary_covers_until", "covers_until"),
    Index("ix_summary_branch_id_covers_until", "branch_id", "covers_until"),
)

# A pinned message stands in the window of a branch however old it is.
pin = Table(
    "pin",
    metadata,
    Column("branch_id", Id, ForeignKey("branch.id"), primary_key=True, autoincrement=False),
    Column("message_id", Id, ForeignKey("message.id"), primary_key=True, autoincrement=False, index=True),
    Column("created_at", Moment, nullable=False),
)

job = Table(
    "job",
    metadata,
    Column("id", Id, primary_key=True),
    Column("plugin", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("place", Text, nullable=False),
    Column("route", Text, nullable=False),
    Column("state", JSON, nullable=False),
    Column("status", Text, nullable=False),
    # The process that wrote it last: while it runs, the one that it runs in.
    Column("owner", Text, nullable=False, server_default=""),
    Column("updated_at", Moment, nullable=False),
    Index("ix_job_place_status", "place", "status"),
    Index("ix_job_status", "status"),
    sqlite_autoincrement=True,
)

state = Table(
    "state",
    metadata,
    Column("plugin", Text, primary_key=True),
    Column("scope", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("value", JSON, nullable=False),
    Column("version", Integer, nullable=False),
    Column("updated_at", Moment, nullable=False),
)

blob = Table(
    "blob",
    metadata,
    Column("id", String(64), primary_key=True),  # the sha256 of the content
    Column("media_type", Text, nullable=False),
    Column("content", LargeBinary, nullable=False),
    # Whether it stays for ever; a picture that came with messages stays for as long as they do.
    Column("kept", Boolean, nullable=False, server_default=true()),
    Column("created_at", Moment, nullable=False),
)

# No foreign keys: a message that is gone takes its pictures with it when they are next looked through.
picture = Table(
    "picture",
    metadata,
    Column("message_id", Id, primary_key=True, autoincrement=False),
    Column("blob_id", String(64), primary_key=True, index=True),
)

fact = Table(
    "fact",
    metadata,
    Column("provider", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("facts", JSON, nullable=False),
    Column("updated_at", Moment, nullable=False),
)

process = Table(
    "process",
    metadata,
    Column("owner", String(64), primary_key=True),
    Column("alive_until", Moment, nullable=False),
)
