"""The words of generated pages in the language of the page.

Their Chinese is in locale/zh/LC_MESSAGES: extension.po has those that are no docstring's, docstrings.po the others.
"""

import gettext
from pathlib import Path

LOCALE = Path(__file__).resolve().parents[1] / "locale"
WORDS, DOCSTRINGS = "extension", "docstrings"
_translations: dict[str, gettext.NullTranslations] = {}


def speak(language: str) -> None:
    """From now on words are those of this language."""
    for domain in (WORDS, DOCSTRINGS):
        _translations[domain] = gettext.translation(domain, LOCALE, [language], fallback=True)


def fallback() -> gettext.NullTranslations:
    """For words of the theme that Sphinx does not translate."""
    return _translations[WORDS]


def translated(domain: str, text: str) -> str:
    return _translations[domain].gettext(text) if text and domain in _translations else text


def word(text: str) -> str:
    return translated(WORDS, text)


def compile_catalogues() -> None:
    """Every .po beside its .mo, as gettext reads it."""
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    for source in LOCALE.rglob("*.po"):
        target = source.with_suffix(".mo")
        if not target.exists() or target.stat().st_mtime < source.stat().st_mtime:
            with source.open("rb") as catalogue, target.open("wb") as compiled:
                write_mo(compiled, read_po(catalogue))
