"""Where settings come from, which one wins, and what is said about mistakes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from pydantic import BaseModel, Field, SecretStr

from bot.edges import unknown_commands, unknown_provider
from bot.errors import ConfigError
from bot.model.parameters import EFFORTS, parameter_names
from bot.model.settings import AzureSettings, LocalSettings, OpenAISettings
from bot.settings import Settings


class ChatSettings(BaseModel):
    token: SecretStr | None = Field(None, json_schema_extra={"env": ["CHAT_TOKEN", "CHAT_BOT_TOKEN"]})
    rooms: tuple[int, ...] = ()


class DiceSettings(BaseModel):
    sides: int = 6


SECTIONS: Mapping[str, type[BaseModel]] = {"chat": ChatSettings, "plugins.dice": DiceSettings}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config").mkdir()
    return tmp_path


def write(folder: Path, *, toml: str | None = None, env: str | None = None) -> None:
    if toml is not None:
        (folder / "config" / "bot.toml").write_text(toml, "utf-8")
    if env is not None:
        (folder / ".env").write_text(env, "utf-8")


def load(folder: Path, **environment: str) -> Settings:
    return Settings.load(SECTIONS, environment=environment, folder=folder)


def problems(folder: Path, **environment: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        load(folder, **environment)
    return caught.value.problems


def test_nothing_set_is_enough(folder: Path) -> None:
    settings = load(folder)
    assert settings.model.choice.provider == "local"
    assert settings.plugins.enabled == ("commands", "conversation", "export", "meters", "privacy", "roleplay")
    assert settings.memory.budget_tokens == 16_000
    assert settings.origin("model.name") == "default"


def test_each_source_wins_over_the_next(folder: Path) -> None:
    write(folder, toml="[model]\nprovider = 'local'\nname = 'from-file'\n")
    assert load(folder).model.name == "from-file"
    assert load(folder).origin("model.name") == "model.name in config/bot.toml"

    write(folder, env="# a comment\n\nOPENAI_MODEL=from-env-file\n")
    assert load(folder).model.name == "from-env-file"
    assert load(folder).origin("model.name") == "OPENAI_MODEL in .env line 3"

    settings = load(folder, OPENAI_MODEL="from-environment")
    assert settings.model.name == "from-environment"
    assert settings.origin("model.name") == "OPENAI_MODEL in the environment"

    settings = load(folder, OPENAI_MODEL="foreign", DUOLOGUE_MODEL__NAME="own")
    assert settings.origin("model.name") == "DUOLOGUE_MODEL__NAME in the environment"

    settings = Settings.load(
        environment={"OPENAI_MODEL": "x"}, folder=folder, flags={"--model": ("model.name", "from-flag")}
    )
    assert settings.model.name == "from-flag"
    assert settings.origin("model.name") == "--model on the command line"


def test_building_settings_reads_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("DUOLOGUE_MODEL__NAME", "from-environment")
    monkeypatch.setenv("MODEL", "{}")
    write(folder, env="DUOLOGUE_MODEL__NAME=from-env-file")
    assert Settings().model.name == ""


def test_tables_of_several_sources_are_merged(folder: Path) -> None:
    write(folder, toml="[model]\nprovider = 'local'\nname = 'm'\nparameters = { temperature = 0.5, top_p = 0.9 }\n")
    model = load(folder, DUOLOGUE_MODEL__PARAMETERS__TEMPERATURE="0.2", DUOLOGUE_MODEL__ATTEMPTS="2").model
    assert (model.name, model.attempts) == ("m", 2)
    assert model.parameters == {"temperature": 0.2, "top_p": 0.9}


@pytest.mark.parametrize("written", ["1,2, 3", "[1, 2, 3]"])
def test_lists_in_the_environment(folder: Path, written: str) -> None:
    assert load(folder, DUOLOGUE_CHAT__ROOMS=written).section("chat", ChatSettings).rooms == (1, 2, 3)


def test_sections_of_adapters_and_plugins(folder: Path) -> None:
    write(folder, toml="[chat]\nrooms = [1]\n[plugins]\nenabled = ['commands', 'dice']\n[plugins.dice]\nsides = 20\n")
    settings = load(folder, CHAT_TOKEN="secret-token")
    chat = settings.section("chat", ChatSettings)
    assert chat.rooms == (1,)
    assert chat.token is not None
    assert chat.token.get_secret_value() == "secret-token"
    assert settings.section("plugins.dice", DiceSettings).sides == 20
    assert settings.plugins.enabled == ("commands", "dice")
    assert Settings().section("chat", ChatSettings) == ChatSettings()


@pytest.mark.parametrize("way", ["environment", "list"])
def test_plugins_can_be_listed_shortly(folder: Path, way: str) -> None:
    if way == "list":
        write(folder, toml="plugins = ['commands', './fun.py']\n")
        assert load(folder).plugins.enabled == ("commands", "./fun.py")
    else:
        assert load(folder, DUOLOGUE_PLUGINS="commands,./fun.py").plugins.enabled == ("commands", "./fun.py")


def test_sections_are_looked_up_for_the_plugins_that_run(folder: Path) -> None:
    asked: list[tuple[str, ...]] = []

    def find(enabled: tuple[str, ...]) -> tuple[Mapping[str, type[BaseModel]], list[str]]:
        asked.append(enabled)
        return {"plugins.dice": DiceSettings}, []

    settings = Settings.load(
        find, environment={"DUOLOGUE_PLUGINS__ENABLED": "dice", "DUOLOGUE_PLUGINS__DICE__SIDES": "8"}, folder=folder
    )
    assert asked == [("dice",)]
    assert settings.section("plugins.dice", DiceSettings).sides == 8


def test_a_plugin_that_cannot_be_loaded_is_one_problem_among_others(folder: Path) -> None:
    def find(enabled: tuple[str, ...]) -> tuple[Mapping[str, type[BaseModel]], list[str]]:
        return SECTIONS, ["There is no plugin named 'dcie'."]

    with pytest.raises(ConfigError) as caught:
        Settings.load(find, environment={"DUOLOGUE_LOG__LEVEL": "loud", "CHAT_TOKEN": "x"}, folder=folder)
    assert len(caught.value.problems) == 2
    assert caught.value.problems[0] == "There is no plugin named 'dcie'."


def test_every_mistake_is_reported_at_once(folder: Path) -> None:
    write(
        folder,
        toml="[model]\ntemprature = 1\n[memry]\nx = 1\n[memory]\ntime_zone = 'Mars/Olympus'\n[chat]\ntokn = 'x'\n",
        env="\nOPENAI_TIMEOUT=soon\nOPENAI_API_KYE=x\nDUOLOGUE_MODLE__NAME=x\n",
    )
    found = problems(
        folder, DUOLOGUE_LOG__LEVEL="loud", DUOLOGUE_CHAT__ROOMS="1,x", AZURE_OPENAI_ENDPOINT="https://a.invalid"
    )
    assert sorted(found) == sorted(
        (
            "OPENAI_API_KYE in .env line 3 is not a setting. Did you mean OPENAI_API_KEY?",
            "DUOLOGUE_MODLE__NAME in .env line 4 is not a setting. Did you mean DUOLOGUE_MODEL__NAME?",
            "model.temprature in config/bot.toml is not a setting.",
            "memry in config/bot.toml is not a setting. Did you mean memory?",
            "chat.tokn in config/bot.toml is not a setting. Did you mean token?",
            "OPENAI_TIMEOUT in .env line 2: it must be a number, not 'soon'.",
            "DUOLOGUE_LOG__LEVEL in the environment: it must be 'debug', 'info', 'warning' or 'error', not 'loud'.",
            "memory.time_zone in config/bot.toml: 'Mars/Olympus' is not a time zone, as Europe/Berlin is.",
            (
                "DUOLOGUE_CHAT__ROOMS in the environment: it must be a list of whole numbers such as [1, 2], "
                "not ['1', 'x']."
            ),
            "Azure OpenAI is to answer, but AZURE_OPENAI_API_KEY (or AZURE_OPENAI_AD_TOKEN) must be set too.",
        )
    )


def test_a_model_that_nothing_could_answer_with_is_a_mistake(folder: Path) -> None:
    ends = (
        " asks for gpt-4o, but nothing is set up that could answer with it. "
        'Set OPENAI_API_KEY or OPENAI_BASE_URL, or model.provider = "local" for the embedded model.'
    )
    assert problems(folder, OPENAI_MODEL="gpt-4o") == (f"OPENAI_MODEL in the environment{ends}",)
    with pytest.raises(ConfigError) as caught:
        Settings.load(environment={}, folder=folder, flags={"--model": ("model.name", "gpt-4o")})
    assert caught.value.problems == (f"--model on the command line{ends}",)
    write(folder, toml="[model]\nname = 'gpt-4o'\n")
    assert problems(folder) == (f"model.name in config/bot.toml{ends}",)
    assert load(folder, OPENAI_API_KEY="sk-1").model.choice.model == "gpt-4o"
    assert load(folder, DUOLOGUE_MODEL__PROVIDER="local").model.chosen_provider == "local"
    (folder / "mine.gguf").touch()
    assert load(folder, DUOLOGUE_MODEL__LOCAL__PATH=str(folder / "mine.gguf")).model.chosen_provider == "local"


def test_the_embedded_model_may_be_asked_for_by_name(folder: Path) -> None:
    assert load(folder, OPENAI_MODEL="SmolLM2-135M").model.is_small


def test_a_missing_file_of_the_embedded_model_is_named(folder: Path) -> None:
    write(folder, toml="[model.local]\npath = '/nowhere/mine.gguf'\n")
    assert problems(folder) == (
        "model.local.path in config/bot.toml names /nowhere/mine.gguf, and there is no such file.",
    )
    assert load(folder, OPENAI_API_KEY="sk-1").model.chosen_provider == "openai"


def test_parameters_of_the_model_are_checked_as_in_the_chat(folder: Path) -> None:
    write(folder, toml="[model]\nparameters = { temperature = 3, colour = 1, top_p = '0.9', seed = 7 }\n")
    efforts, names = ", ".join(EFFORTS), ", ".join(parameter_names())
    assert problems(folder, DUOLOGUE_MODEL__PARAMETERS='{"effort": "huge"}', DUOLOGUE_MEMORY__LOW_WATER="0.9") == (
        f"DUOLOGUE_MODEL__PARAMETERS in the environment: `effort` is one of {efforts}, not `huge`.",
        "model.parameters.temperature in config/bot.toml: `temperature` is a number from 0 to 2, not `3`.",
        f"model.parameters.colour in config/bot.toml: There is no parameter `colour`. There are: {names}.",
        "memory.low_water must be below memory.high_water.",
    )
    write(folder, toml="[model]\nparameters = { top_p = '0.9', seed = 7 }\n")
    assert load(folder, DUOLOGUE_MODEL__PARAMETERS__TEMPERATURE="1").model.parameters == {
        "top_p": 0.9,
        "seed": 7,
        "temperature": 1.0,
    }
    write(folder, toml="[model]\nparameters = 3\n")
    assert problems(folder) == ("model.parameters in config/bot.toml: it must be a table, not 3.",)


def test_what_others_find_is_reported_with_the_rest(folder: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        Settings.load(
            environment={"DUOLOGUE_MEMORY__LOW_WATER": "0.9", "DUOLOGUE_LOG__TEXT": "maybe"},
            folder=folder,
            checks=[lambda settings: [f"low water: {settings.origin('memory.low_water')}."]],
        )
    assert caught.value.problems == (
        "DUOLOGUE_LOG__TEXT in the environment: it must be yes or no, not 'maybe'.",
        "memory.low_water must be below memory.high_water.",
        "low water: DUOLOGUE_MEMORY__LOW_WATER in the environment.",
    )


def test_wrong_names_are_reported_with_the_rest(folder: Path) -> None:
    write(folder, toml="[model]\nprovider = 'opnai'\n[commands.who]\nsotp = 'anyone'\nblorp = 'anyone'\n")
    with pytest.raises(ConfigError) as caught:
        Settings.load(
            environment={"DUOLOGUE_MEMORY__RESERVE_TOKENS": "99999"},
            folder=folder,
            checks=(unknown_provider, unknown_commands),
        )
    provider, rights = "model.provider in config/bot.toml", "commands.who"
    assert caught.value.problems == (
        "memory.reserve_tokens must be below memory.budget_tokens.",
        f"There is no provider of language models called opnai ({provider}). Did you mean openai?",
        f"There is no command `blorp` ({rights}.blorp in config/bot.toml).",
        f"There is no command `sotp` ({rights}.sotp in config/bot.toml). Did you mean `stop`?",
    )


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        (
            "[chat]\nrooms = 5",
            "chat.rooms in config/bot.toml: it must be a list of whole numbers such as [1, 2], not 5.",
        ),
        ("[plugins.dice]\nsides = 'six'", "it must be a whole number, not 'six'."),
        ("[plugins]\nenabled = [1]", 'it must be a list of texts such as ["one", "two"], not [1].'),
        ("[model]\nname = 5", "it must be a text, not 5."),
    ],
)
def test_what_a_value_must_be_is_said_in_plain_words(folder: Path, toml: str, says: str) -> None:
    write(folder, toml=toml)
    (problem,) = problems(folder)
    assert problem.endswith(says)


def test_only_what_is_near_is_offered(folder: Path) -> None:
    assert problems(folder, DUOLOGUE_FOO="x") == ("DUOLOGUE_FOO in the environment is not a setting.",)
    write(folder, toml="[model]\nnombre = 'x'\n")
    assert problems(folder) == ("model.nombre in config/bot.toml is not a setting.",)


@pytest.mark.parametrize("name", ["OPENAI_BASE_URL", "AZURE_OPENAI_ENDPOINT", "DUOLOGUE_MODEL__COMPATIBLE__BASE_URL"])
@pytest.mark.parametrize("written", ["localhost:11434/v1", "127.0.0.1/v1", "http://", "ftp://x/v1"])
def test_an_address_without_its_beginning_says_what_to_write(folder: Path, name: str, written: str) -> None:
    more = {"AZURE_OPENAI_API_KEY": "k", "OPENAI_MODEL": "llama"}
    assert problems(folder, **{name: written}, **more) == (
        f"{name} in the environment: an address begins with http:// or https://, as http://127.0.0.1:11434/v1 does.",
    )


def test_a_secret_in_the_shared_file_is_refused(folder: Path) -> None:
    write(folder, toml="[model.openai]\napi_key = 'sk-very-secret'\n[memory]\ndatabase = 'postgresql://me:pw@db/x'\n")
    found = problems(folder)
    assert len(found) == 2
    assert "model.openai.api_key in config/bot.toml is a secret" in found[0]
    assert "set OPENAI_API_KEY in the environment" in found[0]
    assert "holds a password" in found[1]
    assert "very-secret" not in "".join(found)


def test_a_refused_secret_goes_under_its_first_name(folder: Path) -> None:
    write(folder, toml="[chat]\ntoken = 'hush'\n")
    assert "set CHAT_TOKEN in the environment or in .env" in problems(folder)[0]


def test_a_wrong_secret_is_not_repeated(folder: Path) -> None:
    class Strict(BaseModel):
        token: SecretStr = Field(SecretStr("x" * 50), min_length=50)

    with pytest.raises(ConfigError) as caught:
        Settings.load({"chat": Strict}, environment={"DUOLOGUE_CHAT__TOKEN": "hush-hush"}, folder=folder)
    assert "DUOLOGUE_CHAT__TOKEN in the environment" in caught.value.public
    assert "hush" not in caught.value.public


def test_a_secret_from_a_file(folder: Path) -> None:
    (folder / "token").write_text("from-a-file\n")
    settings = load(folder, CHAT_TOKEN_FILE=str(folder / "token"))
    token = settings.section("chat", ChatSettings).token
    assert token is not None
    assert token.get_secret_value() == "from-a-file"
    assert settings.origin("chat.token") == "CHAT_TOKEN_FILE in the environment"
    assert "cannot be read" in problems(folder, CHAT_TOKEN_FILE=str(folder / "missing"))[0]


def test_empty_means_not_set(folder: Path) -> None:
    write(folder, env="OPENAI_API_KEY=\nCHAT_TOKEN=''\n")
    settings = load(folder, DUOLOGUE_LOG__LEVEL=" ")
    assert settings.model.chosen_provider == "local"
    assert settings.section("chat", ChatSettings).token is None


def test_foreign_variables_are_left_alone(folder: Path) -> None:
    write(folder, env="POSTGRES_PASSWORD=x\n")
    assert load(folder, OPENAI_SOMETHING_NEW="1", PATH="/bin").model.name == ""


@pytest.mark.parametrize(
    ("toml", "env", "says"),
    [
        ("[model\n", None, "config/bot.toml is not valid TOML"),
        ("[model]\n[model]\n", None, "A section may stand only once"),
        (None, "A=1\n=\n", ".env line 2 cannot be read"),
        ("model = 'gpt'\n", None, "model in config/bot.toml is a section: write [model]."),
    ],
)
def test_broken_files(folder: Path, toml: str | None, env: str | None, says: str) -> None:
    write(folder, toml=toml, env=env)
    assert says in problems(folder)[0]


def test_files_that_are_no_text(folder: Path) -> None:
    (folder / ".env").write_bytes(b"\xff\xfe\x00")
    (folder / "config" / "bot.toml").write_bytes(b"\xff\xfe\x00")
    assert [problem.split()[0] for problem in problems(folder)] == [".env", "config/bot.toml"]


def test_another_configuration_file(folder: Path) -> None:
    (folder / "other.toml").write_text("[model]\nprovider = 'local'\nname = 'other'\n")
    settings = load(folder, DUOLOGUE_CONFIG="other.toml")
    assert settings.origin("model.name") == "model.name in other.toml"
    assert "no such file" in problems(folder, DUOLOGUE_CONFIG="missing.toml")[0]


def test_the_database_stays_with_the_project_or_goes_into_the_data_folder(folder: Path) -> None:
    away = load(folder, XDG_DATA_HOME="/somewhere")
    assert away.memory.url == "sqlite:////somewhere/duologue/duologue.db"
    write(folder, toml="")
    assert load(folder, XDG_DATA_HOME="/somewhere").memory.url == "sqlite:///data/duologue.db"


def test_addresses_of_databases_get_an_async_driver(folder: Path) -> None:
    assert load(folder, DUOLOGUE_MEMORY__DATABASE="postgres://a@b/c").memory.url == "postgres://a@b/c"
    assert load(folder, DUOLOGUE_MEMORY__DATABASE="sqlite:///x.db").memory.url == "sqlite:///x.db"


@pytest.mark.parametrize(
    ("environment", "provider"),
    [
        ({"OPENAI_API_KEY": "sk-1"}, "openai"),
        ({"OPENAI_BASE_URL": "http://127.0.0.1:11434/v1"}, "openai"),
        ({"OPENAI_API_BASE": "http://127.0.0.1:11434/v1"}, "openai"),
        ({"AZURE_OPENAI_KEY": "k", "AZURE_OPENAI_API_ENDPOINT": "https://a.invalid"}, "azure"),
        ({"AZURE_OPENAI_AD_TOKEN": "k", "AZURE_OPENAI_ENDPOINT": "https://a.invalid"}, "azure"),
        ({"OPENAI_API_VERSION": "2026-01-01"}, "local"),
        ({"DUOLOGUE_MODEL__COMPATIBLE__BASE_URL": "http://x/v1", "OPENAI_MODEL": "m"}, "compatible"),
        ({"OPENAI_API_KEY": "sk-1", "DUOLOGUE_MODEL__PROVIDER": "local"}, "local"),
    ],
)
def test_the_provider_is_the_one_that_is_set_up(folder: Path, environment: dict[str, str], provider: str) -> None:
    settings = load(folder, **environment)
    assert settings.model.choice.provider == provider
    assert provider in [each.name for each in settings.model.providers()]


def test_everything_about_azure_reaches_its_provider(folder: Path) -> None:
    settings = load(
        folder,
        AZURE_OPENAI_API_KEY="k",
        AZURE_OPENAI_ENDPOINT="https://a.invalid",
        AZURE_OPENAI_API_VERSION="2026-01-01",
        AZURE_OPENAI_DEPLOYMENT="mine",
    )
    azure = next(each for each in settings.model.providers() if isinstance(each, AzureSettings))
    assert (azure.endpoint, azure.api_version) == ("https://a.invalid", "2026-01-01")
    assert settings.model.choice.model == "mine"


def test_several_providers_stand_beside_each_other(folder: Path) -> None:
    settings = load(
        folder, OPENAI_API_KEY="sk-1", DUOLOGUE_MODEL__COMPATIBLE__BASE_URL="http://x/v1", OPENAI_TIMEOUT="7"
    )
    kinds = [(each.name, type(each)) for each in settings.model.providers()]
    assert kinds == [("openai", OpenAISettings), ("compatible", OpenAISettings), ("local", LocalSettings)]
    assert settings.model.providers()[0].timeouts.first_token == 7


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"DUOLOGUE_MODEL__PROVIDER": "openai"}, "OPENAI_API_KEY is not set"),
        ({"AZURE_OPENAI_KEY": "k"}, "AZURE_OPENAI_ENDPOINT must be set too"),
        ({"DUOLOGUE_MODEL__PROVIDER": "azure"}, "AZURE_OPENAI_ENDPOINT and AZURE_OPENAI_API_KEY"),
        ({"DUOLOGUE_MODEL__COMPATIBLE__BASE_URL": "http://x/v1"}, "model.name (OPENAI_MODEL)"),
        ({"DUOLOGUE_MEMORY__LOW_WATER": "0.9"}, "memory.low_water must be below memory.high_water"),
        ({"DUOLOGUE_MEMORY__BUDGET_TOKENS": "600"}, "memory.reserve_tokens must be below"),
    ],
)
def test_what_is_missing_is_named(folder: Path, environment: dict[str, str], says: str) -> None:
    (found,) = problems(folder, **environment)
    assert says in found


def test_effective_settings_hide_secrets(folder: Path) -> None:
    settings = load(folder, CHAT_TOKEN="hush-hush", DUOLOGUE_MEMORY__DATABASE="postgresql://me:pass-word@db/x")
    shown = {name: (value, origin) for name, value, origin in settings.effective()}
    assert shown["chat.token"] == ("********", "CHAT_TOKEN in the environment")
    assert shown["memory.database"][0] == "postgresql://me:********@db/x"
    assert shown["plugins.dice.sides"] == ("6", "default")
    assert "hush" not in str(shown)
    assert set(settings.secrets()) == {"hush-hush", "pass-word"}


def test_prices_of_models_nobody_lists(folder: Path) -> None:
    write(folder, toml="[model.prices.'compatible/mine']\ninput = 1.5\noutput = 2\n")
    (name, price), *_ = load(folder).model.own_prices().items()
    assert (name, str(price.input), str(price.output)) == ("compatible/mine", "1.5", "2")


def test_the_small_model_gets_a_short_system_prompt_unless_one_is_set(folder: Path) -> None:
    settings = load(folder)
    assert settings.answers.system_prompt == "You are a friendly, helpful assistant."
    assert settings.origin("answers.system_prompt") == "default for the small model"
    assert load(folder, DUOLOGUE_ANSWERS__SYSTEM_PROMPT="Be brief.").answers.system_prompt == "Be brief."
    assert "Duologue" in load(folder, OPENAI_API_KEY="sk-1").answers.system_prompt
