"""The page for communities says what is true."""

from __future__ import annotations

import tomllib
from pathlib import Path

from bot import attachments, pdf, pictures, prompts
from bot.loading import load_plugin
from bot.settings import ServerSettings, Settings
from plugins.moderation import ModerationSettings

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "community.md").read_text("utf-8")


def test_every_setting_of_moderation_is_told_with_its_default() -> None:
    for name, field in ModerationSettings.model_fields.items():
        row = next(line for line in PAGE.splitlines() if line.startswith(f"| `plugins.moderation.{name}`"))
        default = {True: "true", (): "[]", "refuse": '"refuse"'}.get(field.default, str(field.default))
        assert row.split("|")[2].strip() == f"`{default}`"


def test_moderation_is_found_by_its_name() -> None:
    assert load_plugin("moderation", ROOT).settings is ModerationSettings
    assert 'enabled = ["commands", "conversation", "export", "meters", "privacy", "roleplay", "moderation"]' in PAGE


def test_the_example_of_a_server_can_be_loaded(tmp_path: Path) -> None:
    block = PAGE.partition("```toml\n")[2].partition("```")[0]
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "bot.toml").write_text(block)
    settings = Settings.load(folder=tmp_path, environment={"ACME_OPENAI_KEY": "sk-x"})
    assert settings.servers["discord:123456789"].name == "gpt-6-luna"
    assert set(tomllib.loads(block)["servers"]["discord:123456789"]) <= ServerSettings.model_fields.keys()


def test_bounds_are_those_of_the_code() -> None:
    assert attachments.MAX_PICTURES == prompts.MOST_PICTURES == 6
    assert (attachments.MAX_PICTURE_BYTES, attachments.MAX_PICTURES_BYTES) == (8_000_000, 20_000_000)
    assert (attachments.MAX_BYTES, attachments.MAX_FILES, attachments.MAX_PDF_BYTES) == (300_000, 10, 20_000_000)
    assert (pdf.MOST_PAGES, pdf.SECONDS, pdf.MEMORY) == (200, 10.0, 2**29)
    rule = (pictures.PER_PICTURE, pictures.PER_TILE, pictures.TILE, pictures.LONGEST, pictures.SHORTEST)
    assert rule == (85, 170, 512, 2048, 768)
