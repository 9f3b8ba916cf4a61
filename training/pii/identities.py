"""Numbers that a state gave a person, by country: what they look like, and their checksums. Touches nothing.

Checksums are python-stdnum's; Saudi Arabia's, which it has not, is Luhn's. A number of plain digits counts only in its
own country or where somebody says what it is; one that letters or signs make unmistakable counts everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from stdnum import luhn
from stdnum.br import cnpj, cpf
from stdnum.cn import ric
from stdnum.de import idnr, stnr
from stdnum.es import cif, dni, nie
from stdnum.fr import nif, nir
from stdnum.in_ import aadhaar, epic, pan
from stdnum.it import codicefiscale
from stdnum.jp import in_ as my_number
from stdnum.us import itin, ssn

from training.pii.cues import cue_of
from training.pii.numbers import numbers
from training.pii.spans import Message, Span

Check = Callable[[str], bool]
ID_CARD_WEIGHTS = (7, 3, 1)
# Whatever stands behind "passport no." and the like, with at least so many digits: words and groups that have a digit.
SAID = re.compile(
    r"(?<![A-Za-z0-9])(?:[A-Z]{1,2}[ -]?|[A-Z]{3,5}-?"
    r"|[a-z]{1,2})?\d[A-Za-z0-9]*(?:[ .\-/]{1,2}[A-Za-z]{0,2}\d[A-Za-z0-9]*){0,6}"
    r"(?:[ \-][A-Z])?(?!\w)"
)
SAID_DIGITS = 4


@dataclass(frozen=True)
class Form:
    """How a number is written; `only_in` names the country without which it would be taken for something else."""

    pattern: re.Pattern[str]
    check: Check
    only_in: str | None = None


def _form(pattern: str, check: Check, only_in: str | None = None) -> Form:
    return Form(re.compile(rf"(?<![A-Za-z0-9])(?:{pattern})(?![A-Za-z0-9]|-\d)", re.IGNORECASE), check, only_in)


def is_saudi_id(digits: str) -> bool:
    """Ten digits, 1 for citizens and 2 for residents in front, Luhn's checksum at the end."""
    return len(digits) == 10 and digits[0] in "12" and bool(luhn.is_valid(digits))


def is_chinese_id(code: str) -> bool:
    """Eighteen characters with a birthday and ISO 7064's mod 11-2; areas are reformed, and not looked up."""
    try:
        date(int(code[6:10]), int(code[10:12]), int(code[12:14]))
    except ValueError:
        return False
    return str(ric.calc_check_digit(code)) == code[17].upper()


def is_german_card(code: str) -> bool:
    """Identity card or passport: nine characters of ICAO 9303 and, where it is typed as well, their check digit."""
    if len(code) == 9:
        return sum(c.isdigit() for c in code) >= 4 and sum(c.isalpha() for c in code) >= 2
    values = [int(c) if c.isdigit() else ord(c) - 55 for c in code[:9]]
    return sum(v * ID_CARD_WEIGHTS[i % 3] for i, v in enumerate(values)) % 10 == int(code[9])


def is_pension_number(code: str) -> bool:
    """A German pension number (VKVR): area, birthday, initial, serial number and check digit."""
    letter = f"{ord(code[8]) - 64:02d}"
    digits = code[:8] + letter + code[9:11]
    weighted = [int(digit) * weight for digit, weight in zip(digits, (2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1), strict=True)]
    return sum(sum(map(int, str(value))) for value in weighted) % 10 == int(code[11])


def _always(code: str) -> bool:
    return True


def _ssn(code: str) -> bool:
    return bool(ssn.is_valid(code) or itin.is_valid(code))


FORMS = (
    _form(r"\d{3}([ -])\d{2}\1\d{4}", _ssn),
    _form(r"\d{2,3}/\d{3}/\d{4,5}", stnr.is_valid),
    _form(r"\d{2} ?\d{6} ?[A-Z] ?\d{3}", is_pension_number),
    _form(r"[CFGHJKLMNPRTVWXYZ][CFGHJKLMNPRTVWXYZ0-9]{8}\d?", is_german_card, "DE"),
    _form(r"[XYZ][ .-]?\d[\d. ]{6,8}[ -]?[A-Z]", nie.is_valid),
    _form(r"\d{2}[. ]?\d{3}[. ]?\d{3}[ -]{0,3}[A-Z]", dni.is_valid),
    _form(r"[A-HJNPQRSUVW][ -]?\d{7}[ -]?[A-J0-9]", cif.is_valid, "ES"),
    _form(r"[12][ .]?\d{2}[ .]?[0-9]{2}[ .]?(?:\d{2}|2[AB])[ .]?\d{3}[ .]?\d{3}[ .\-/]{0,3}\d{2}", nir.is_valid),
    _form(r"[0-3]\d(?: ?\d{2}) ?\d{3} ?\d{3} ?\d{3}", nif.is_valid, "FR"),
    _form(r"(?:[A-Z]{3}[ -]?){2}[0-9LMNPQRSTUV]{2}[A-Z][0-9LMNPQRSTUV]{2}[ -]?[A-Z][0-9LMNPQRSTUV]{3}[A-Z]",
          codicefiscale.is_valid),
    _form(r"\d{3}\.\d{3}\.\d{3}-\d{2}", _always),
    _form(r"\d{2}\.\d{3}\.\d{3}/\d{4}-\d{2}", _always),
    _form(r"\d{1,2}\.\d{3}\.\d{3}-[0-9X]", _always, "BR"),
    _form(r"\d{3}\.\d{5}\.\d{2}-\d", _always, "BR"),
    _form(r"[A-Z]{3}[PCHABGJLFTK][A-Z][ -]?\d{4}[ -]?[A-Z]", pan.is_valid),
    _form(r"[A-Z]{3}[ /]?\d{7}", epic.is_valid, "IN"),
    _form(r"\d{17}[0-9X]|\d{6} \d{8} \d{3}[0-9X]", is_chinese_id),
)  # fmt: skip


def _cnpj_or_cpf(digits: str) -> bool:
    return bool(cpf.is_valid(digits) or cnpj.is_valid(digits))


# Plain digits, with whatever separators: the country, how many digits, the checksum.
DIGITS: Mapping[str, tuple[tuple[int, Check], ...]] = {
    "DE": ((11, idnr.is_valid),),
    "BR": ((11, _cnpj_or_cpf), (14, _cnpj_or_cpf)),
    "FR": ((15, nir.is_valid), (13, nif.is_valid)),
    "IN": ((12, aadhaar.is_valid),),
    "SA": ((10, is_saudi_id),),
    "CN": ((18, is_chinese_id),),
    "JP": ((12, my_number.is_valid),),
}
NOT_A_PERSONS = ("order_number", "tracking_number", "phone", "nothing", "iban", "card")


def find_typed_identities(message: Message) -> Iterator[Span]:
    """Give national, tax and social security numbers that their form makes unmistakable."""
    for form in FORMS:
        if form.only_in not in (None, message.region):
            continue
        for match in form.pattern.finditer(message.text):
            compact = re.sub(r"[ .\-/]", "", match[0]).upper()
            if not form.check(match[0] if form.check is stnr.is_valid else compact):
                continue
            if cue_of(message.text, match.start(), match.end()) not in NOT_A_PERSONS:
                yield Span(match.start(), match.end(), "national_id")


def find_identities(message: Message) -> Iterator[Span]:
    """Give plain digits that are a person's number in the market's country, and what somebody says is one."""
    for length, check in DIGITS.get(message.region or "", ()):
        for number in numbers(message, length, length):
            if number.signed or message.is_shielded(number.start, number.end) or not check(number.digits):
                continue
            if cue_of(message.text, number.start, number.end) not in NOT_A_PERSONS:
                yield Span(number.start, number.end, "national_id")
    for match in SAID.finditer(message.text):
        if message.is_shielded(match.start(), match.end()) or sum(c.isdigit() for c in match[0]) < SAID_DIGITS:
            continue
        if cue_of(message.text, match.start(), match.end()) == "national_id":
            yield Span(match.start(), match.end(), "national_id")
