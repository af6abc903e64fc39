"""Dates as people write them, in eight languages and many forms, to be translated to ISO 8601.

    Saturday, 3rd of May '97 -> 1997-05-03        le 1er août 2031 -> 2031-08-01        5/3/97 -> 1997-05-03

Dates in numbers alone would be ambiguous. Here, one that begins with four digits has the order year, month, day; one
with slashes has the month first, as in the United States, 5/3/97; one with dots or hyphens has the day first, as in
Germany and the Netherlands, 3.5.97. Years are 1950 to 2049, so that 50 to 99 are years of the twentieth century and 00
to 49 of the twenty-first.
"""

from datetime import date, timedelta
from random import Random
from typing import NamedTuple

from zoo.core.errors import whole
from zoo.core.seeding import mix
from zoo.data.translation import TranslationData
from zoo.text.vocabulary import Vocabulary

FIRST, LAST = date(1950, 1, 1), date(2049, 12, 31)


class Language(NamedTuple):
    """Names of months and weekdays, separated by spaces, and forms of a date, whose braces `written` fills in."""

    months: str
    short: str
    weekdays: str
    forms: tuple[str, ...]


LANGUAGES = {
    "English": Language(
        "January February March April May June July August September October November December",
        "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec",
        "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
        (
            "{weekday}, {th} of {month} {year}",
            "{weekday}, {month} {d}, {y}",
            "{weekday} {d} {month} {year}",
            "{month} {th}, {y}",
            "the {th} of {month}, {y}",
            "{d} {month} {year}",
            "{month} {d} {year}",
            "{d} {short} {year}",
            "{short} {d}, {y}",
            "{dd}-{short}-{yy}",
        ),
    ),
    "German": Language(
        "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
        "Jan. Feb. März Apr. Mai Juni Juli Aug. Sept. Okt. Nov. Dez.",
        "Montag Dienstag Mittwoch Donnerstag Freitag Samstag Sonntag",
        (
            "{weekday}, der {d}. {month} {year}",
            "{weekday}, {d}. {month} {y}",
            "am {d}. {month} {y}",
            "{d}. {month} {year}",
            "{d}. {short} {year}",
        ),
    ),
    "French": Language(
        "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
        "janv. févr. mars avr. mai juin juil. août sept. oct. nov. déc.",
        "lundi mardi mercredi jeudi vendredi samedi dimanche",
        ("{weekday} {er} {month} {y}", "le {er} {month} {year}", "{er} {month} {year}", "{er} {short} {y}"),
    ),
    "Spanish": Language(
        "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
        "ene feb mar abr may jun jul ago sept oct nov dic",
        "lunes martes miércoles jueves viernes sábado domingo",
        (
            "{weekday}, {d} de {month} de {y}",
            "el {d} de {month} del {y}",
            "{d} de {month} de {y}",
            "{d} {short} {year}",
        ),
    ),
    "Italian": Language(
        "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
        "gen feb mar apr mag giu lug ago set ott nov dic",
        "lunedì martedì mercoledì giovedì venerdì sabato domenica",
        ("{weekday} {d} {month} {y}", "il {d} {month} {year}", "{d} {month} {year}", "{d} {short} {year}"),
    ),
    "Portuguese": Language(
        "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
        "jan. fev. mar. abr. mai. jun. jul. ago. set. out. nov. dez.",
        "segunda-feira terça-feira quarta-feira quinta-feira sexta-feira sábado domingo",
        ("{weekday}, {d} de {month} de {y}", "em {d} de {month} de {y}", "{d} de {month} de {y}", "{d} {short} {y}"),
    ),
    "Dutch": Language(
        "januari februari maart april mei juni juli augustus september oktober november december",
        "jan. feb. mrt. apr. mei jun. jul. aug. sep. okt. nov. dec.",
        "maandag dinsdag woensdag donderdag vrijdag zaterdag zondag",
        ("{weekday} {d} {month} {y}", "op {d} {month} {year}", "{d} {month} {year}", "{d} {short} {y}"),
    ),
    "Swedish": Language(
        "januari februari mars april maj juni juli augusti september oktober november december",
        "jan. feb. mars apr. maj juni juli aug. sep. okt. nov. dec.",
        "måndag tisdag onsdag torsdag fredag lördag söndag",
        ("{weekday} den {d} {month} {y}", "den {d} {month} {year}", "{d} {month} {year}", "{d} {short} {y}"),
    ),
}
NUMBERS = (
    *("{y}-{mm}-{dd}", "{y}-{m}-{d}", "{y}/{mm}/{dd}", "{y}/{m}/{d}", "{y}.{mm}.{dd}", "{y}{mm}{dd}"),
    *("{m}/{d}/{y}", "{mm}/{dd}/{y}", "{m}/{d}/{yy}", "{mm}/{dd}/{yy}"),
    *("{d}.{m}.{y}", "{dd}.{mm}.{y}", "{d}.{m}.{yy}", "{dd}.{mm}.{yy}", "{d}. {m}. {y}"),
    *("{d}-{m}-{y}", "{dd}-{mm}-{y}", "{d}-{m}-{yy}", "{dd}-{mm}-{yy}"),
)


def ordinal(day: int) -> str:
    """The day as an English ordinal: 1st, 2nd, 3rd, 4th, …"""
    ending = "th" if day in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
    return f"{day}{ending}"


def written(day: date, random: Random) -> str:
    """The date in a random language and form, or in numbers; as it is, or in capital or small letters."""
    numbers = random.random() < 0.2
    language = LANGUAGES[random.choice(list(LANGUAGES))]
    yy = f"{day.year % 100:02}"
    text = random.choice(NUMBERS if numbers else language.forms).format(
        d=day.day,
        dd=f"{day.day:02}",
        th=ordinal(day.day),
        er="1er" if day.day == 1 else day.day,
        m=day.month,
        mm=f"{day.month:02}",
        month=language.months.split()[day.month - 1],
        short=language.short.split()[day.month - 1],
        weekday=language.weekdays.split()[day.weekday()],
        y=day.year,
        yy=yy,
        year=random.choice((f"{day.year}", f"{day.year}", f"'{yy}")),
    )
    return random.choice((str, str, str.lower, str.upper))(text)


def draw(days: list[date], count: int, random: Random) -> tuple[list[str], list[str]]:
    """Draw `count` of the days: the texts, and the same dates in ISO's form."""
    chosen = random.choices(days, k=count)
    return [written(day, random) for day in chosen], [day.isoformat() for day in chosen]


class Dates(TranslationData):
    """Dates and their ISO forms, drawn once, from the seed. No date, and so no text, is in two of the splits.

    Args:
        train, test: the number of dates to train on, and that to validate on and to test on.
        tokens, seed: see `TranslationData`. Tokens are characters.
    """

    metric = "exact_match"

    def __init__(self, train: int = 50000, test: int = 2000, tokens: int = 4096, seed: int = 0) -> None:
        super().__init__(tokens, seed)
        whole("data.train", train, 1)
        whole("data.test", test, 1)
        self.counts = {"train": train, "val": test, "test": test}

    def load(self) -> dict[str, tuple[list[str], list[str]]]:
        days = [FIRST + timedelta(number) for number in range((LAST - FIRST).days + 1)]
        Random(mix(self.seed)).shuffle(days)
        tenth = len(days) // 10
        parts = {"train": days[2 * tenth :], "val": days[:tenth], "test": days[tenth : 2 * tenth]}
        return {
            name: draw(parts[name], count, Random(mix(self.seed, place)))
            for place, (name, count) in enumerate(self.counts.items())
        }

    def vocabularies(self, sources: list[str], targets: list[str]) -> tuple[Vocabulary, Vocabulary]:
        return Vocabulary.of_characters(sources), Vocabulary.of_characters(targets)
