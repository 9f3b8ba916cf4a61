"""Markets and the routing of a message to the adapter that serves it. Reads `markets.yml`; touches nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml
from babel import Locale, UnknownLocaleError

GLOBAL_ADAPTER = "global"
MARKETS_FILE = Path("markets.yml")
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")  # in the order of `date.weekday()`


class UnknownMarketError(ValueError):
    """A market was named that `markets.yml` does not have."""


class MarketsFileError(ValueError):
    """`markets.yml` cannot be used as it is; the message says which row and why."""


@dataclass(frozen=True)
class Contact:
    """How a market's customer service is reached: from `opens` to `closes`, local times, `first_day` to `last_day`.

    Raises `ValueError` for a day that is none of `WEEKDAYS`.
    """

    email: str
    phone: str
    opens: str
    closes: str
    first_day: str = "mon"
    last_day: str = "fri"

    def __post_init__(self) -> None:
        wrong = {self.first_day, self.last_day} - set(WEEKDAYS)
        if wrong:
            raise ValueError(f"{', '.join(sorted(map(str, wrong)))} is no day; days are {', '.join(WEEKDAYS)}.")

    @property
    def hours(self) -> dict[str, Any]:
        """The days and hours by the names that texts have for them."""
        return {"first_day": self.first_day, "last_day": self.last_day, "opens": self.opens, "closes": self.closes}

    @property
    def open_days(self) -> tuple[str, ...]:
        """The days from the first to the last; a week may begin on any day."""
        first, last = WEEKDAYS.index(self.first_day), WEEKDAYS.index(self.last_day)
        return tuple(WEEKDAYS[(first + day) % 7] for day in range((last - first) % 7 + 1))


@dataclass(frozen=True)
class Market:
    """A locale in which the business sells.

    `languages` are ISO 639-1 codes, the first is the market's own. `adapter` is the folder of its adapter, None while
    it has none. `handoff_at` is the calibrated probability of a negative message from which a person is offered.
    `retention` counts days.
    """

    code: str
    name: str
    languages: tuple[str, ...]
    currency: str
    time_zone: str
    direction: Literal["ltr", "rtl"]
    contact: Contact
    retention: int
    handoff_at: float = 0.9
    adapter: str | None = None

    @property
    def language(self) -> str:
        """The market's first language."""
        return self.languages[0]


@dataclass(frozen=True)
class Markets:
    """All markets, in the order of the file."""

    rows: tuple[Market, ...]
    by_code: dict[str, Market] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_code", {market.code: market for market in self.rows})

    def __iter__(self) -> Iterator[Market]:
        return iter(self.rows)

    def __getitem__(self, code: str) -> Market:
        if code not in self.by_code:
            raise UnknownMarketError(f"There is no market {code!r}; markets.yml has {', '.join(self.by_code)}.")
        return self.by_code[code]

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages in use, each once, in the order of the file."""
        return tuple(dict.fromkeys(language for market in self.rows for language in market.languages))

    def direction(self, language: str) -> Literal["ltr", "rtl"]:
        """The text direction of a language: that of the first market that lists it."""
        return next((market.direction for market in self.rows if language in market.languages), "ltr")

    def adapter_for(self, language: str, market: Market | None) -> str:
        """Name the adapter for a message in `language` in `market` (design, "Routing").

        The market's own adapter if the market lists the language, else that of the first market that lists it, else
        the global one; the global one as well where the chosen market has none yet.
        """
        if market is None or language not in market.languages:
            market = next((row for row in self.rows if language in row.languages), None)
        return (market and market.adapter) or GLOBAL_ADAPTER


def message_language(
    detected: str, *, conversation: str | None, hint: str | None, market: Market | None, fallback: str
) -> str:
    """Return the language a message is treated as: detected, else the conversation's, the hint, the market's first."""
    if detected != "und":
        return detected
    return conversation or hint or (market.language if market else fallback)


def load_markets(path: Path = MARKETS_FILE) -> Markets:
    """Read the markets; raises `MarketsFileError` naming the row that is wrong."""
    try:
        rows = yaml.safe_load(path.read_text(encoding="utf-8"))["markets"]
    except FileNotFoundError as error:
        raise MarketsFileError(f"{path} is missing: run from the project's root.") from error
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise MarketsFileError(f"{path} must be YAML with a list `markets`: {error}") from error
    markets = Markets(tuple(_read_row(row, position) for position, row in enumerate(rows, start=1)))
    if len(markets.by_code) != len(markets.rows):
        raise MarketsFileError(f"{path}: two rows have the same code.")
    return markets


def _read_row(row: dict[str, Any], position: int) -> Market:
    where = f"markets.yml, row {position} ({row.get('code', 'no code')})"
    fields = {**row, **row.get("thresholds", {})}
    fields.pop("thresholds", None)
    try:
        fields["languages"] = tuple(fields["languages"])
        fields["contact"] = Contact(**fields["contact"])
        market = Market(**fields)
        Locale.parse(market.code, sep="-")
    except KeyError as error:
        raise MarketsFileError(f"{where}: {error} is missing.") from error
    except (TypeError, ValueError, UnknownLocaleError) as error:
        raise MarketsFileError(f"{where}: {error}") from error
    if not market.languages:
        raise MarketsFileError(f"{where}: `languages` is empty.")
    return market
