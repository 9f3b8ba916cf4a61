# ruff: noqa: E501 - tables of forms, one market a line
"""Made-up personal data of each market, in sentences of its language: where it stands is known, and it is repeatable."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml
from faker import Faker
from stdnum import luhn, verhoeff

from training.placeholders import Kind

SENTENCES = Path(__file__).with_name("pii_sentences.yml")
LOCALES = {
    "en-US": "en_US", "de-DE": "de_DE", "es-ES": "es_ES", "fr-FR": "fr_FR", "it-IT": "it_IT", "pt-BR": "pt_BR",
    "hi-IN": "hi_IN", "ar-SA": "ar_SA", "zh-CN": "zh_CN",
}  # fmt: skip
STRUCTURED: tuple[Kind, ...] = (
    "email", "phone", "iban", "card", "national_id", "order_number", "tracking_number", "url",
)  # fmt: skip
NATIVE_DIGITS = {"hi-IN": "०१२३४५६७८९", "ar-SA": "٠١٢٣٤٥٦٧٨٩", "zh-CN": "０１２３４５６７８９"}
NATIVE_SHARE = 0.2


@dataclass(frozen=True)
class Case:
    """A message with one piece of personal data in it: `start` to `end` is `kind`."""

    text: str
    start: int
    end: int
    kind: Kind
    market: str


def cases(market: str, kind: Kind, count: int, *, seed: int = 0) -> Iterator[Case]:
    """Give so many messages of a market's language with data of one kind."""
    sentences = yaml.safe_load(SENTENCES.read_text(encoding="utf-8"))[market][kind]
    maker = Maker(market, random.Random(f"{market} {kind} {seed}"))
    for number in range(count):
        before, after = sentences[number % len(sentences)].split("{}")
        value = maker.make(kind)
        yield Case(before + value + after, len(before), len(before) + len(value), kind, market)


class Maker:
    """Makes up data of one market, written as people write it."""

    def __init__(self, market: str, chance: random.Random) -> None:
        self.market = market
        self.chance = chance
        self.fake = Faker(LOCALES[market])
        self.latin = Faker("en_US")
        for faker in (self.fake, self.latin):
            faker.seed_instance(chance.randrange(2**32))

    def make(self, kind: Kind) -> str:
        """Return one of that kind."""
        value = str(getattr(self, f"_{kind}")())
        digits = NATIVE_DIGITS.get(self.market)
        if digits and kind in ("phone", "order_number", "card") and self.chance.random() < NATIVE_SHARE:
            return value.translate({ord(str(place)): digit for place, digit in enumerate(digits)})
        return value

    def _name(self) -> str:
        if self.market == "zh-CN":
            return self.fake.name().replace(" ", "")
        return f"{self.fake.first_name()} {self.fake.last_name()}"

    def _address(self) -> str:
        if self.market == "ar-SA":
            return self._filled(self.chance.choice(SAUDI_ADDRESSES))
        return self.fake.address().replace("\n", self.chance.choice([", ", "\n"]))

    def _email(self) -> str:
        plain = self.latin.email() if self.chance.random() < 0.5 else self.latin.free_email()
        local, domain = plain.split("@")
        host, _, ending = domain.rpartition(".")
        at, dot = self.chance.choice(SPELLED[self.market])
        forms = [
            plain, plain, plain.upper(), f"{local}+{self.chance.randrange(99)}@{domain}", f"{local}(at){domain}",
            f"{local} [at] {host} [dot] {ending}", f"{local} {at} {host} {dot} {ending}",
        ]  # fmt: skip
        return self.chance.choice(forms)

    def _phone(self) -> str:
        return self._filled(self.chance.choice(PHONES[self.market]))

    def _iban(self) -> str:
        code = self.fake.iban() if self.market in WITH_IBAN else Faker(self.chance.choice(EUROPEANS)).iban()
        groups = " ".join(code[place : place + 4] for place in range(0, len(code), 4))
        return self.chance.choice([code, groups, code.lower(), groups.replace(" ", "-")])

    def _card(self) -> str:
        stem, length = self.chance.choice([("4", 16), ("51", 16), ("2221", 16), ("34", 15), ("6011", 16), ("62", 19)])
        digits = stem + "".join(self.chance.choices("0123456789", k=length - len(stem) - 1))
        digits += luhn.calc_check_digit(digits)
        sizes = (4, 6, 5) if length == 15 else (4,) * 5
        return self.chance.choice([digits, _grouped(digits, sizes, " "), _grouped(digits, sizes, "-")])

    def _national_id(self) -> str:
        return self.chance.choice(IDENTITIES[self.market])(self)

    def _order_number(self) -> str:
        return self._filled(self.chance.choice(ORDERS))

    def _tracking_number(self) -> str:
        return self._filled(self.chance.choice(CARRIERS[self.market]))

    def _url(self) -> str:
        token = "".join(self.chance.choices("0123456789abcdefABCDEF", k=24))
        host = f"{self.latin.domain_word()}.{self.chance.choice(['com', 'shop', 'de', 'example'])}"
        return self.chance.choice(
            [
                f"https://{host}/reset?token={token}", f"http://www.{host}/o/{token}", f"www.{host}/track?id={token}",
                f"{host}/u/{token}", f"https://{host}/verify#{token}&e=1",
            ]
        )  # fmt: skip

    def _filled(self, form: str) -> str:
        """Fill `#` with a digit, `%` with one but zero, `?` with a capital letter."""
        letters = {"#": "0123456789", "%": "123456789", "?": "ABCDEFGHJKLMNPRSTUVWXYZ"}
        return "".join(self.chance.choice(letters[sign]) if sign in letters else sign for sign in form)


def _grouped(digits: str, sizes: tuple[int, ...], separator: str) -> str:
    groups, place = [], 0
    for size in sizes:
        groups.append(digits[place : place + size])
        place += size
    return separator.join(group for group in groups if group)


def _german_tax_number(maker: Maker) -> str:
    """Eleven digits, ISO 7064 mod 11,10 at the end; among the ten in front one digit twice and one not at all."""
    digits = list("1234567890")
    maker.chance.shuffle(digits)
    digits[9] = digits[0]
    if digits[0] == "0":
        return _german_tax_number(maker)
    product = 10
    for digit in digits:
        total = (int(digit) + product) % 10 or 10
        product = total * 2 % 11
    code = "".join(digits) + str((11 - product) % 10)
    return maker.chance.choice([code, _grouped(code, (2, 3, 3, 3), " ")])


def _aadhaar(maker: Maker) -> str:
    stem = maker.chance.choice("23456789") + maker._filled("##########")
    code = stem + verhoeff.calc_check_digit(stem)
    return maker.chance.choice([code, _grouped(code, (4, 4, 4), " "), _grouped(code, (4, 4, 4), "-")])


def _saudi(maker: Maker) -> str:
    stem = maker.chance.choice("12") + maker._filled("########")
    return stem + str(luhn.calc_check_digit(stem))


def _dni(maker: Maker) -> str:
    digits = maker._filled("%#######")
    letter = "TRWAGMYFPDXBNJZSQVHLCKE"[int(digits) % 23]
    return maker.chance.choice(
        [
            digits + letter,
            f"{digits}-{letter}",
            f"{digits[:2]}.{digits[2:5]}.{digits[5:]}-{letter}",
            f"{digits} {letter}",
        ]
    )


def _nir(maker: Maker) -> str:
    code = maker.fake.ssn().replace(" ", "")
    return maker.chance.choice([code, _grouped(code, (1, 2, 2, 2, 3, 3, 2), " ")])


SPELLED = {
    "en-US": [("at", "dot"), ("(at)", "(dot)")],
    "de-DE": [("at", "punkt"), ("ät", "punkt"), ("(at)", "(punkt)")],
    "es-ES": [("arroba", "punto"), ("[arroba]", "[punto]")],
    "fr-FR": [("arobase", "point"), ("(arobase)", "(point)")],
    "it-IT": [("chiocciola", "punto")],
    "pt-BR": [("arroba", "ponto")],
    "hi-IN": [("at the rate", "dot"), ("एट", "डॉट")],
    "ar-SA": [("آت", "دوت"), ("at", "dot")],
    "zh-CN": [("艾特", "点"), ("at", "dot")],
}
PHONES = {
    "en-US": ["(212) 5##-####", "415-6##-####", "+1 312 7## ####", "202.45#.####", "1-646-3##-####", "303 66# ####", "617555####", "(713) 22#-#### ext. ##", "+1 (206) 4##-####", "+14085######"],
    "de-DE": ["0171 %######", "0151/%#######", "+49 30 %#######", "+49 (0)89 %######", "030-%#######", "(040) %#######", "0176%#######", "0049 221 %######", "+4917%########", "0711 %### ###", "0 69 / %# ## ## ##"],
    "es-ES": ["6## ### ###", "9%#######", "+34 6########", "6##-##-##-##", "+34 91 %## ## ##", "0034 7%# ### ###", "7%#######", "93 %## ## ##", "6########"],
    "fr-FR": ["06 ## ## ## ##", "01.4#.##.##.##", "+33 6 ## ## ## ##", "07########", "+33 (0)1 4# ## ## ##", "0033 6 ## ## ## ##", "04-9#-##-##-##", "06########"],
    "it-IT": ["347 %######", "+39 333 #######", "02 %#######", "3391######", "06/%#######", "0039 320 #######", "+39 06 %#######", "328-%######", "011 %## ## ##"],
    "pt-BR": ["(11) 9####-####", "11 9%### ####", "+55 21 9####-####", "(31) 3###-####", "119%#######", "+5511 9########", "0800 7## ####", "21-9####-####", "(011) 9####-####"],
    "hi-IN": ["98########", "+91 98### #####", "+91-9%########", "099########", "70### #####", "022-2%######", "+9187########", "0091 98########", "8%## ### ###"],
    "ar-SA": ["05########", "+966 5# ### ####", "00966 5########", "05# ### ####", "+9665########", "011 4######", "5########", "0 5# ### ## ##", "9200#####"],
    "zh-CN": ["138########", "+86 139 #### ####", "010-6#######", "159-####-####", "0086 186########", "021 5#######", "177 #### ####", "(0755) 8#######", "400-8##-####", "+86137########"],
}  # fmt: skip
SAUDI_ADDRESSES = [
    "شارع الملك فهد، حي العليا، الرياض %####",
    "حي النرجس، شارع ##، مبنى ####",
    "طريق الأمير سلطان، جدة %####",
    "ص.ب %###، الدمام %####",
    "شارع التحلية، عمارة ##، شقة #",
]
ORDERS = [
    "#####",
    "%######",
    "%#######",
    "??-%####",
    "ORD-%#####",
    "FR-%####",
    "AB%#######",
    "%##-#######-#######",
    "R%#####",
]
CARRIERS = {
    "en-US": ["1Z####W#%#########", "9400 1### #### #### #### ##", "94001#################", "TBA%###########", "RR#########US", "1Z ### ### ## #### ### #"],
    "de-DE": ["003404%#############", "JJD01%###############", "RB%########DE", "0%############", "H%##################", "1Z####W#%#########", "00340 434 #### #### ####"],
    "es-ES": ["PQ4F6P0%###############T", "PK43BA0%###############A", "CX%########ES", "1Z####W#%#########"],
    "fr-FR": ["6A%##########", "8L%##########", "LV%########FR", "XY%########FR", "6A %#### ##### #", "JJD01%###############"],
    "it-IT": ["1UW%?########", "RR%########IT", "CP%########IT", "1Z####W#%#########", "3S?????%#######"],
    "pt-BR": ["QB%########BR", "LB %## ### ### BR", "OJ%########BR", "nl%########br", "AA %######## BR"],
    "hi-IN": ["EE%########IN", "FMPP%#########", "FMPC%#########", "RM%########IN", "1Z####W#%#########"],
    "ar-SA": ["RR%########SA", "LP%########SA", "1Z####W#%#########", "GM%###############"],
    "zh-CN": ["SF%############", "YT%############", "JD%#############", "JT%############", "EA%########CN", "LP%#############", "SF%### #### #####", "JDVA%##########"],
}  # fmt: skip
WITH_IBAN = ("de-DE", "es-ES", "fr-FR", "it-IT")
EUROPEANS = ("de_DE", "fr_FR", "it_IT", "es_ES", "en_GB", "nl_NL")
IDENTITIES: dict[str, list[Callable[[Maker], str]]] = {
    "en-US": [lambda maker: maker.fake.ssn(), lambda maker: maker.fake.ssn().replace("-", " ")],
    "de-DE": [_german_tax_number, lambda maker: maker._filled("L%%X%%T%#")],
    "es-ES": [_dni, lambda maker: maker.fake.nie(), lambda maker: maker.fake.nif()],
    "fr-FR": [_nir],
    "it-IT": [lambda maker: maker.fake.ssn(), lambda maker: maker.fake.ssn().lower()],
    "pt-BR": [lambda maker: maker.fake.cpf(), lambda maker: maker.fake.cpf().replace(".", "").replace("-", ""),
              lambda maker: maker.fake.cnpj(), lambda maker: maker._filled("%#.###.###-#")],
    "hi-IN": [_aadhaar, lambda maker: maker._filled("???P?####?")],
    "ar-SA": [_saudi],
    "zh-CN": [lambda maker: maker.fake.ssn()],
}  # fmt: skip
