"""The few words of generated pages that are no docstring's, in the language of the page: locale/zh/LC_MESSAGES/extension.po."""

import gettext
from pathlib import Path

LOCALE = Path(__file__).resolve().parents[1] / "locale"
DOMAIN = "extension"
_translations: gettext.NullTranslations = gettext.NullTranslations()


def speak(language: str) -> None:
    """From now on words are those of this language."""
    global _translations
    _translations = gettext.translation(DOMAIN, LOCALE, [language], fallback=True)


def word(text: str) -> str:
    return _translations.gettext(text) if text else ""


def compile_catalogues() -> None:
    """Every .po beside its .mo, as gettext reads it."""
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    for source in LOCALE.rglob("*.po"):
        target = source.with_suffix(".mo")
        if not target.exists() or target.stat().st_mtime < source.stat().st_mtime:
            with source.open("rb") as catalogue, target.open("wb") as compiled:
                write_mo(compiled, read_po(catalogue))
