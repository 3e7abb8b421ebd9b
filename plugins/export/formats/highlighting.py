"""Code in colours without a script: classes that the page's own style gives colours to."""

from __future__ import annotations

import re
from functools import lru_cache
from html import escape

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

MOST_HIGHLIGHTED = 4_000
"""Characters. What is longer stays in one colour: taking it apart may need time with the square of the length."""
_QUICK = """
bash c c++ clojure cmake console cpp css d dart diff docker dockerfile elixir elm erlang fish go golang graphql haskell
hs html http javascript js json json5 jsx julia kotlin latex less lisp lua matlab nginx nim objc ocaml pascal perl php
pl powershell protobuf ps1 py py3 pycon python python3 r rb regex rs ruby rust scala scheme scss sh shell sql sqlite3
svelte swift tcl tex toml ts tsx typescript vim vue xml yaml yml zig zsh
"""
LANGUAGES = frozenset(_QUICK.split())
"""Those that are measured to be quick with whatever is said to be one of them; others need minutes for some texts."""
# Long gaps are what the quick ones are slow with, and are no code that anybody reads.
_GAP = re.compile(r"\s{100}")


@lru_cache(maxsize=1)
def _formatter() -> HtmlFormatter[str]:
    return HtmlFormatter(nowrap=True, classprefix="c-")


@lru_cache(maxsize=256)
def _lexer(language: str) -> Lexer | None:
    try:
        return get_lexer_by_name(language, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return None


def highlighted(code: str, language: str) -> str:
    known = language.lower() in LANGUAGES and len(code) <= MOST_HIGHLIGHTED and not _GAP.search(code)
    lexer = _lexer(language.lower()) if known else None
    if lexer is None:
        return escape(code, quote=False)
    html: str = highlight(code, lexer, _formatter())
    return html
