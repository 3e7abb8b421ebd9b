"""What logs show, and what they never show."""

from __future__ import annotations

import io
import json
import logging

import pytest
import structlog

from bot.logs import MASK, start_logging
from bot.settings import LogSettings

DISCORD_TOKEN = "MTIzNDU2Nzg5MDEyMzQ1Njc4OQ.GabcdE.abcdefghijklmnopqrstuvwxyz0123456789AB"


pytestmark = pytest.mark.usefixtures("logging_as_before")


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def lines(stream: io.StringIO) -> list[dict[str, str]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def start(secrets: tuple[str, ...] = (), **settings: object) -> io.StringIO:
    stream = io.StringIO()
    start_logging(LogSettings.model_validate(settings), secrets=secrets, stream=stream)
    return stream


def test_one_json_object_a_line_outside_a_terminal() -> None:
    stream = start()
    structlog.get_logger("bot.engine").info("turn begins", place="discord:1/2", waited=0.5)
    (line,) = lines(stream)
    assert line["event"] == "turn begins"
    assert line["level"] == "info"
    assert line["logger"] == "bot.engine"
    assert (line["place"], line["waited"]) == ("discord:1/2", 0.5)
    assert line["timestamp"].endswith("Z")


def test_pretty_in_a_terminal_and_without_rich_tracebacks() -> None:
    stream = Screen()
    start_logging(LogSettings(), stream=stream)
    try:
        raise RuntimeError("boom")
    except RuntimeError:
        structlog.get_logger().exception("it broke")
    shown = stream.getvalue()
    assert "it broke" in shown
    assert "RuntimeError: boom" in shown
    assert "╭" not in shown


def test_libraries_log_in_the_same_way() -> None:
    stream = start()
    logging.getLogger("discord.gateway").info("Shard ID %s has connected", 1)
    (line,) = lines(stream)
    assert (line["event"], line["logger"]) == ("Shard ID 1 has connected", "discord.gateway")


def test_every_line_of_a_turn_carries_its_id() -> None:
    stream = start()
    with structlog.contextvars.bound_contextvars(turn_id="t1", place="terminal:local/x"):
        structlog.get_logger().info("ours")
        logging.getLogger("discord.http").warning("theirs")
    structlog.get_logger().info("later")
    assert [(line["event"], line.get("turn_id")) for line in lines(stream)] == [
        ("ours", "t1"),
        ("theirs", "t1"),
        ("later", None),
    ]


@pytest.mark.parametrize(
    "secret",
    [
        "sk-proj-abcdefghijklmnop",
        DISCORD_TOKEN,
        "xoxb-123456789012-abcdefghijkl",
        "xapp-1-A1234567890-abcdef",
    ],
)
def test_tokens_are_hidden_wherever_they_stand(secret: str) -> None:
    stream = start()
    log = structlog.get_logger()
    log.info("trying %s", secret)
    log.info("trying", key=secret, nested={"headers": [f"Bearer {secret}"]})
    logging.getLogger("openai").warning("refused: %s", secret)
    try:
        raise ValueError(f"bad key {secret}")
    except ValueError:
        log.exception("failed")
    assert len(lines(stream)) == 4
    assert secret not in stream.getvalue()
    assert stream.getvalue().count(MASK) >= 4


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("POST https://discord.com/api/webhooks/123/AbC-dEf_123", "AbC-dEf_123"),
        ("postgresql://me:pass-word@db/duologue", "pass-word"),
        ("Authorization: Bearer abcdefghijklmnopqrstuvwxyz", "abcdefghijklmnopqrstuvwxyz"),
    ],
)
def test_addresses_and_headers_lose_what_is_secret(text: str, hidden: str) -> None:
    stream = start()
    structlog.get_logger().info("request", line=text)
    assert hidden not in stream.getvalue()


def test_the_secrets_of_these_settings_are_hidden_whatever_they_look_like() -> None:
    stream = start(secrets=("plain words", "plain words and more", ""))
    structlog.get_logger().info("the key is plain words and more, or plain words")
    assert lines(stream)[0]["event"] == f"the key is {MASK}, or {MASK}"


def test_what_people_say_is_left_out() -> None:
    stream = start()
    structlog.get_logger().info("heard", text="my diary", content=["my diary"])
    assert "diary" not in stream.getvalue()
    assert lines(stream)[0]["text"] == "(8 characters)"


def test_what_people_say_is_logged_if_asked() -> None:
    stream = start(text=True)
    structlog.get_logger().info("heard", text="my diary")
    assert lines(stream)[0]["text"] == "my diary"


@pytest.mark.parametrize("name", ["discord.http", "sqlalchemy.engine", "openai._base_client", "aiosqlite"])
def test_debugging_does_not_make_libraries_tell_what_people_say(name: str) -> None:
    stream = start(level="debug")
    logging.getLogger(name).debug("POST {'content': 'my diary'}")
    assert stream.getvalue() == ""
    structlog.get_logger("bot.engine").debug("seen")
    assert "seen" in stream.getvalue()


def test_the_level_is_kept() -> None:
    stream = start(level="warning")
    structlog.get_logger("bot").info("quiet")
    structlog.get_logger("bot").warning("loud")
    assert [line["event"] for line in lines(stream)] == ["loud"]
