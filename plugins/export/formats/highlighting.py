"""Code in colours without a script: classes that the page's own style gives colours to."""

from __future__ import annotations

from functools import lru_cache
from html import escape

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

MOST_HIGHLIGHTED = 20_000
"""Characters. What is longer stays in one colour: some languages are slow to take apart."""


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
    lexer = _lexer(language.lower()) if 0 < len(language) <= 30 and len(code) <= MOST_HIGHLIGHTED else None
    if lexer is None:
        return escape(code, quote=False)
    html: str = highlight(code, lexer, _formatter())
    return html
