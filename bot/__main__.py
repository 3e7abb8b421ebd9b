"""The `duologue` command."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import logging
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points, version
from typing import TYPE_CHECKING, Any

from bot.errors import BotError, ConfigError, PluginError

if TYPE_CHECKING:
    from bot.app import App
    from bot.settings import Settings

log = logging.getLogger("bot")

EDGE_COMMANDS = "duologue.cli"
NOTHING_TO_RUN = (
    "No platform is set up. For Discord put DISCORD_TOKEN=… into .env, for Slack SLACK_BOT_TOKEN=… and "
    "SLACK_APP_TOKEN=… (the README says where to get them); to talk right here, run `duologue chat`."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command. Where it cannot be run that is said in a sentence, and the exit code is 2."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if arguments and (edge := entry_points(group=EDGE_COMMANDS, name=arguments[0])):
            return int(next(iter(edge)).load()(arguments[1:]) or 0)
        options = _parser().parse_args(arguments)
        return int(options.run(options) or 0)
    except BotError as error:
        # Whoever runs the bot may know more than people in a chat: which file, which address.
        told = error.public if isinstance(error, (ConfigError, PluginError)) else str(error)
        print(f"duologue: {told}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read our output has gone; without this the interpreter complains once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    finally:
        gc.enable()


def _parser() -> argparse.ArgumentParser:
    edges = ", ".join(sorted({entry.name for entry in entry_points(group=EDGE_COMMANDS)}))
    parser = argparse.ArgumentParser(
        prog="duologue",
        description="A chat bot for Discord, Slack and the terminal.",
        epilog=f"Installed beside these: {edges}." if edges else None,
    )
    parser.add_argument("--version", action="version", version=f"duologue {version('duologue')}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    run = commands.add_parser("run", help="start the bot on every platform that is set up")
    run.add_argument("adapters", nargs="*", metavar="PLATFORM", help="only these platforms")
    run.set_defaults(run=_run)

    chat = commands.add_parser("chat", help="talk to the bot in this terminal")
    chat.add_argument("--model", metavar="NAME", help="the model that answers")
    chat.add_argument("--provider", metavar="NAME", help="openai, azure, compatible, local, …")
    chat.add_argument("--resume", action="store_true", help="go on with the last conversation")
    chat.add_argument(
        "--once", metavar="QUESTION", nargs="?", const="-", help="answer one question, or all of the input, and leave"
    )
    chat.add_argument("--json", action="store_true", help="print the pieces of the answer, one JSON object a line")
    chat.set_defaults(run=_chat)

    manifest = commands.add_parser(
        "manifest", help="print how a platform is told about the bot, such as its invitation"
    )
    manifest.add_argument("platform", nargs="?", metavar="PLATFORM")
    manifest.set_defaults(run=_manifest)

    for name, action, says in (
        ("check", _check, "print the settings and try database, model and platforms"),
        ("plugins", _plugins, "list what is installed and what is enabled"),
        ("migrate", _migrate, "bring the database up to date"),
        ("setup", _setup, "put the tokenizer's vocabulary on this machine"),
    ):
        commands.add_parser(name, help=says).set_defaults(run=action)
    return parser


def _run(options: argparse.Namespace) -> int:
    gc.disable()
    from bot.app import App

    settings = _load()
    _start_logging(settings)
    names = options.adapters or _configured(settings)
    if not names:
        raise ConfigError([NOTHING_TO_RUN])
    _serve(App(settings), names, signals=(signal.SIGTERM, signal.SIGINT))
    return 0


def _chat(options: argparse.Namespace) -> int:
    gc.disable()
    from bot.chatting import Outcome, chat_app

    flags = {
        "--model": ("model.name", options.model),
        "--provider": ("model.provider", options.provider),
        "--resume": ("terminal.resume", options.resume or None),
        "--once": ("terminal.once", options.once),
        "--json": ("terminal.json_lines", options.json or None),
    }
    given = {flag: setting for flag, setting in flags.items() if setting[1] is not None}
    settings = _load(given)
    if settings.origin("log.level") == "default":
        # The terminal belongs to the conversation, which shows errors itself.
        settings = _load(given | {"duologue chat": ("log.level", "error")})
    _start_logging(settings)
    outcome = Outcome()
    # Ctrl-C is the adapter's: it stops the answer, not the program.
    stopped_by = _serve(chat_app(settings, outcome), (), signals=(signal.SIGTERM, signal.SIGHUP))
    unanswered = outcome.failed is None and options.once is not None
    if stopped_by and (outcome.failed or unanswered):
        return 128 + stopped_by
    return 1 if outcome.failed else 0


def _check(options: argparse.Namespace) -> int:
    from bot.checking import check

    return 0 if asyncio.run(check(_load())) else 1


def _plugins(options: argparse.Namespace) -> int:
    from bot.checking import list_plugins

    print(list_plugins(_load()))
    return 0


def _manifest(options: argparse.Namespace) -> int:
    from bot.edges import manifest

    print(manifest(_load(), options.platform))
    return 0


def _migrate(options: argparse.Namespace) -> int:
    from bot.store import migrate

    print(asyncio.run(migrate(_load().memory.url)))
    return 0


def _setup(options: argparse.Namespace) -> int:
    from bot.tokens import default_cache_dir, fill_cache

    try:
        print(fill_cache(default_cache_dir()))
    except OSError as error:
        # The bot works without, so an installation does not fail for it.
        print(f"duologue: {error}; until then tokens are estimated.", file=sys.stderr)
    return 0


def _load(flags: Mapping[str, tuple[str, Any]] | None = None) -> Settings:
    from bot.edges import sections, unknown_commands, unknown_language, unknown_provider
    from bot.settings import Settings

    return Settings.load(sections, flags=flags, checks=(unknown_provider, unknown_commands, unknown_language))


def _start_logging(settings: Settings) -> None:
    from bot.logs import start_logging

    start_logging(settings.log, secrets=settings.secrets())


def _configured(settings: Settings) -> list[str]:
    from bot.edges import adapter_specs

    specs = adapter_specs().values()
    return [spec.name for spec in specs if spec.configured(settings.section(spec.name, spec.settings))]


def _serve(app: App, names: Sequence[str], *, signals: Sequence[signal.Signals]) -> signal.Signals | None:
    """Which signal stopped it, if one did."""
    try:
        return asyncio.run(_until_signal(app, names, signals), debug=False)
    finally:
        # Everything is closed; what is left need not be taken apart, which takes half a second.
        gc.freeze()


async def _until_signal(app: App, names: Sequence[str], signals: Sequence[signal.Signals]) -> signal.Signals | None:
    """Run until the adapters are done or a signal asks to stop; leaving the app finishes what is being said."""
    loop, this = asyncio.get_running_loop(), asyncio.current_task()
    stopped_by: signal.Signals | None = None

    def stop(name: signal.Signals) -> None:
        nonlocal stopped_by
        if stopped_by is not None:
            app.hurry()
            return
        stopped_by = name
        if count := app.runner.running:
            log.info("finishing %d answer%s, press Ctrl-C again to stop at once", count, "s" if count > 1 else "")
        running.cancel()

    async with app:
        running = asyncio.create_task(app.run(names))
        _collect_again()
        for name in signals:
            with contextlib.suppress(NotImplementedError):  # Windows has no signal handlers in the loop
                loop.add_signal_handler(name, stop, name)
        try:
            await running
        except asyncio.CancelledError:
            if not running.cancelled() or (this is not None and this.cancelling()):
                raise
        finally:
            for name in signals:
                with contextlib.suppress(NotImplementedError):
                    loop.remove_signal_handler(name)
    return stopped_by


def _collect_again() -> None:
    """Until here there were imports: many objects and no garbage, which the collector would have looked through again
    and again. They stay, so it never needs to."""
    gc.freeze()
    gc.enable()


if __name__ == "__main__":
    sys.exit(main())
