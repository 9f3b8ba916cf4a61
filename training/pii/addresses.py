"""Postal addresses in the forms of the markets' countries: streets, post boxes, postcodes with towns. Touches nothing.

A street is found by what ways are called there and the number beside it; what follows it is taken along as long as it
reads like the rest of an address: flat, postcode, town.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from training.pii.cues import NOTHING, any_of, cue_of
from training.pii.spans import Message, Span

UP, LOW = "A-ZÀ-ÖØ-Þ", "a-zß-ɏ"
WORD = rf"[{UP}][{UP}{LOW}'.\-]*"
ANY_WORD = rf"[{UP}{LOW}][{UP}{LOW}'.\-]*"
PARTICLE = (
    r"(?:de la|de los|de las|d'|l'|dell'|de|del|della|delle|dei|degli|di|do|da|dos|das|du|des|la|le|les|los"
    r"|las|el|y|e|sur|en|von|der|den|am|im|an|bei|vor|ob|st\.?|san|santa|ii|iii|iv|xxiii|of|and)"
)
NAME = rf"{WORD}(?:[ -]{{1,2}}(?:{PARTICLE}[ -]?){{0,3}}(?:{WORD}|\d{{1,2}}(?=[ ]{WORD}))){{0,4}}"
SMALL = rf"[{UP}{LOW}][{UP}{LOW}'\-]*"
FREE_NAME = rf"(?:{PARTICLE} ?){{0,3}}{SMALL}(?: {SMALL}){{0,4}}?"
NUMBER = r"\d{1,5}(?: ?[-/] ?\d{1,4})?(?: ?(?:bis|ter)\b| ?[A-Za-z](?![A-Za-z]))?"
STATE = (
    r"(?:A[KLRZ]|C[AOT]|D[CE]|FL|GA|GU|HI|I[ADLN]|K[SY]|LA|M[ADEHINOPST]|N[CDEHJMVY]|O[HKR]|P[AWR]|RI|S[CD]"
    r"|T[NX]|UT|V[AIT]|W[AIVY]|A[AEP]|FM|MH|MP|AS)"
)
CITY = rf"{WORD}(?:[ -](?:{PARTICLE}[ -])?{WORD}){{0,3}}"
ZIP = r"\d{5}(?:-\d{4})?(?!\d)"
STOPS = r"(?=\s*(?:[.,;:!?\n)]|$))"

CONTINUATIONS = tuple(
    re.compile(pattern)
    for pattern in (
        # Flats, floors, doors.
        
            r",?\s*(?i:apt|apartment|suite|ste|unit|floor|fl|room|rm|bldg|building|piso|puerta|planta"
            r"|esc(?:alera)?|pta|apto?|apartamento|bloco|bloque|bl|casa|sala|andar|appartement|appt|bât"
            r"|bâtiment|étage|escalier|interno|int|scala|sc|piano|appartamento|wohnung|whg|etage|og"
            r"|hinterhaus|box|ap)\b\.?:?\s*(?:#\s?)?(?:\d{1,5}(?:\s?[A-Za-zºª°](?![A-Za-z]))?"
            r"|[A-Za-z]\d{0,3}(?![A-Za-z]))",
        r",?\s*\d{1,2}\s?[º°ª]\s?(?:[A-Za-z](?![A-Za-z])|(?:izq|dcha|der|étage|andar|piano)\w*)?",
        r",?\s*#\s?\w{1,6}",
        # Town, state and postcode as in the United States.
        rf"[,\n]?\s*{CITY},?\s+{STATE}\.?,?\s+{ZIP}",
        # Postcode and town, as on the continent; Brazil's CEP.
        rf"[,\n\s-]\s*(?:[A-Z]{{1,2}}-)?\d{{5}}(?!\d|-)\s*,?[ ]{CITY}(?:\s?\([A-Z]{{2}}\))?",
        rf"\s*[,\n]\s*{CITY},?[ \n]\s*\d{{5}}(?!\d|-)(?:\s?\([A-Z]{{2}}\))?",
        rf"\s*[,\n-]?\s*(?:CEP:?\s*)?\d{{5}}-?\d{{3}}(?!\d)"
        rf"(?:\s*[,\n-]?\s*(?:{PARTICLE} )?{CITY}(?:\s?[/-]\s?[A-Z]{{2}}(?![A-Za-z]))?)?",
        r"\s*[,\n-]\s*[^,\n]{2,40}?(?=\s*[,\n-]\s*(?:CEP:?\s*)?\d{5}-?\d{3}(?!\d))",
        # India's PIN code.
        rf"[,\n]?\s*{CITY}\s*[,\n-]?\s*\d{{3}} ?\d{{3}}(?!\d)",
        # A town and its postcode in Arabic.
        r"\s*[,\n-]\s*[\u0621-\u064a]{2,15}(?: [\u0621-\u064a]{2,15}){0,2}\s*[,-]?\s*\d{5}(?:-\d{4})?(?!\d)",
        # A town without a postcode, where the sentence or the line ends with it.
        rf",\s*{CITY}(?:\s*[,/-]\s*[A-Z]{{2}}(?![A-Za-z]))?{STOPS}",
    )
)  # fmt: skip


@cache
def _forms() -> tuple[tuple[frozenset[str], re.Pattern[str]], ...]:
    """Return the forms of streets with the regions in which people also write them in small letters."""
    american = any_of("streets", "after_number_first")
    endings = any_of("streets", "german_endings").replace(r"(?<![\w@])", "")
    weak_endings = any_of("streets", "german_weak_endings").replace(r"(?<![\w@])", "")
    openings = any_of("streets", "german_openings")
    german_number = rf"\d{{1,4}}(?: ?[-/] ?\d{{1,4}})?(?: ?[a-z](?![{LOW}]))?"
    french = any_of("streets", "number_then_street")
    southern = any_of("streets", "street_then_number")
    boxes = any_of("streets", "post_boxes")
    patterns = (
        ("US IN", 
            rf"\d{{1,6}}[A-Za-z]?(?:-\d{{1,4}})?,? (?:[NSEWnsew]\.? |(?:North|South|East"
            rf"|West) )?(?:\d{{1,3}}(?:st|nd|rd|th) |{NAME} )(?i:{american})\.?", True),
        ("US IN", 
            rf"\d{{1,6}} (?:[nsew]\.? )?(?:{ANY_WORD} ){{1,2}}(?:street|st|avenue|ave|road|rd|boulevard"
            rf"|blvd|lane|ln|drive|dr|court|ct|parkway|pkwy|highway|hwy|nagar|marg)\b\.?", False),
        ("", rf"\d{{1,6}} {NAME}(?=(?:,? (?:Apt|Suite|Unit)\.? \w+)?[,\n]\s*{CITY},? {STATE} {ZIP})", True),
        ("", 
            rf"(?:PSC|Unit|CMR) \d{{1,5}},? Box \d{{1,5}}[,\n ]+[ADF]PO,? A[AEP] {ZIP}|US(?:NS|S|NV"
            rf"|CGC) {CITY}[,\n ]+[ADF]PO,? A[AEP] {ZIP}", True),
        ("", rf"{CITY}, ?{STATE} {ZIP}", True),
        ("DE", rf"(?:{WORD}[ -])?(?:{WORD}?(?:{endings})|(?i:{endings})) {german_number}(?!\d|[.,]\d)", True),
        ("DE", rf"(?:{WORD}[ -])?{WORD}?(?i:{weak_endings}) {german_number}(?=,?\s+(?:D-)?\d{{5}} [{UP}])", True),
        ("DE", rf"(?i:{openings}) {NAME} {german_number}(?=,?\s+(?:D-)?\d{{5}} [{UP}]|\s*(?:[.!\n]|$))", True),
        ("DE", 
            rf"{ANY_WORD}(?:straße|strasse|str\.|weg|platz|allee|gasse|ring|ufer"
            rf"|damm) {german_number}(?!\d)", False),
        ("FR", rf"(?:{NUMBER},? ?)(?i:{french}) (?:{PARTICLE}[ ]?){{0,3}}{NAME}", True),
        ("FR", 
            rf"(?:{NUMBER},? ?)(?:rue|avenue|boulevard|place|chemin|impasse|allée"
            rf"|quai) {FREE_NAME}(?=[,.\n]|$| \d{{5}}| à )", False),
        ("FR", rf"(?i:{french}) (?:{PARTICLE}[ ]?){{0,3}}{NAME}(?=[,\n]? ?\n?\d{{5}} {WORD})", True),
        ("ES IT BR", 
            rf"(?i:{southern}) (?:{PARTICLE}[ ]?){{0,3}}(?:\d{{1,2}} (?:de )?)?{NAME}\s?,?\s?(?:(?i:n[º°.]?"
            rf"|nro\.?|núm\.?|número|num\.?|numero|civico)\s?)?{NUMBER}(?!\d)", True),
        ("ES IT BR", 
            rf"(?:calle|avenida|avda\.?|plaza|paseo|via|viale|piazza|corso|rua|travessa|alameda|praça"
            rf"|c/) {FREE_NAME}\s?,?\s?(?:n[º°.]?\s?|número |numero )?\d{{1,5}}(?!\d|[.,]\d)", False),
        ("BR", rf"(?i:{southern}) (?:{PARTICLE}[ ]?){{0,3}}{NAME}"
            rf"(?=(?:,? {NUMBER})?(?:[,\n -]+{CITY}){{0,3}}[,\n -]+(?:CEP:? ?)?\d{{5}}-?\d{{3}})", True),
        ("", rf"(?i:{boxes})\s?(?:n[º°.]?\s?|رقم\s?)?:?\s?\d{{1,4}}(?: ?\d{{1,3}}){{0,2}}(?:号)?", True),
        ("", r"\d{5}-\d{3}(?![\d-])", True),
        ("", r"(?<!\w)[A-Z]{2,3} ?\d{1,3}, ?\d{5} [A-Z]\w+", True),
    )  # fmt: skip
    begin = rf"(?<![{UP}{LOW}0-9-])"
    return tuple(
        (frozenset(regions.split()), re.compile(f"{begin}(?:{pattern})", 0 if capital else re.IGNORECASE))
        for regions, pattern, capital in patterns
    )


POSTCODE = re.compile(r"(?<![\w-])(?:\d{5}(?:-\d{3,4})?|\d{3}-\d{4}|\d{3} ?\d{3})(?![\w-])")
# A postcode and its town without a street, where people say that they live there.
TOWN = re.compile(
    rf"(?:(?<=\bin )|(?<=\bnach )|(?<=\baus )|(?<=\ben )|(?<=\bà )|(?<=\bem )|(?<=\ba )|(?<=\n)|^)\d{{5}} {CITY}"
)
INDIAN_SEPARATOR = r"\s*[,\n.]\s*"


@cache
def _indian() -> re.Pattern[str]:
    part = rf"(?:{any_of('streets', 'indian_parts')})\s?(?:\.|:|-|#)?\s?[A-Za-z\u0900-\u097f]{{0,2}}[-/ ]?\d[\w/-]*"
    named = rf"[A-Za-z\u0900-\u097f'. ]{{2,30}}?\s(?:{any_of('streets', 'indian_ends')})(?:\s?-?\s?\d{{1,3}}(?!\d))?"
    piece = rf"(?:{part}|{named}|[A-Za-z\u0900-\u097f][A-Za-z\u0900-\u097f'. ]{{1,25}})"
    pin = r"(?:\s*[,\n-]?\s*(?:pin(?: ?code)?|पिन(?: ?कोड)?)?\s?[:-]?\s?\d{3} ?\d{3}(?!\d))"
    opening = rf"(?:{part}|\d{{1,4}}[A-Za-z]?(?:/\d{{1,4}})?,? {named}|(?:{named}))"
    return re.compile(
        rf"{part}(?:{INDIAN_SEPARATOR}{piece}){{0,6}}?{pin}|{part}(?:{INDIAN_SEPARATOR}(?:{part}|{named})){{1,5}}"
        rf"|\d{{1,4}}(?:/\d{{1,4}})?,?\s[^\d,\n]{{2,30}}[,\n]\s*(?:[^\d,\n]{{2,30}}[,\n]\s*){{0,2}}[^\d,\n]{{2,30}}?{pin}"
        rf"|{opening}(?:{INDIAN_SEPARATOR}{piece}){{0,5}}?{pin}",
        re.IGNORECASE,
    )


@cache
def _arabic() -> re.Pattern[str]:
    # Ways have a name with the article, a person's or a number: "by way of" has none of them.
    named = r"(?:ال[\u0621-\u064a]|\d|عبد |أبو |ابو |ابن |[\u0621-\u064a]+ بن )"
    part = rf"(?<!عن )(?:{any_of('streets', 'arabic_parts')})\s+(?={named})[\u0621-\u064a\d][\u0621-\u064a\d ]{{0,28}}?"
    stop = r"(?=\s*(?:[,.\n;!?()-]|$)|\s\d{5}|\s+(?:و|في|من|على|إلى|الى|لكن|بدل|رقم|مو|مش)\b)"
    more = rf"(?:\s*[,\n-]\s*[\u0621-\u064a][\u0621-\u064a ]{{1,20}}?{stop}){{0,2}}"
    more += r"(?:\s*[,\n-]?\s*\d{5}(?:-\d{4})?(?!\d))?"
    return re.compile(rf"(?<![\u0621-\u064a]){part}(?:{stop}(?:\s*[,\n-]\s*|\s+و?){part}){{0,4}}{stop}{more}")


CHINESE_WAY = (
    r"(?:大道|大街|中路|东路|西路|南路|北路|路|街|巷|弄|胡同|里|村|小区|花园|广场|"
    r"公寓|大厦|家园|新村|镇|园区|工业园|开发区|苑|湾|城)"
)
CHINESE_TAIL = (
    r"(?:[甲乙丙丁]?\d{1,5}|[A-Za-z]\d{0,4}|[一二三四五六七八九十百]{1,4})"
    r"(?:号楼|号院|号|弄|栋|幢|座|单元|楼|层|室|户|期|房|组|-\d{1,4}|#)"
)
CHINESE = re.compile(
    rf"(?:[\u4e00-\u9fff]{{2,10}}?(?:省|自治区|特别行政区|市|自治州|地区|县|区|旗|镇|乡))*[\u4e00-\u9fffA-Za-z\d]{{1,14}}?{CHINESE_WAY}"
    rf"(?:[\u4e00-\u9fffA-Za-z]{{0,8}}?{CHINESE_TAIL})+(?:\s?{CHINESE_TAIL}|\d{{2,4}}(?!\d))*(?:[ ,]?\s?\d{{6}}(?!\d))?"
)
CHINESE_REGION = re.compile(
    r"[\u4e00-\u9fff]{2,8}?(?:省|自治区|市)[\u4e00-\u9fff]{1,8}?(?:市|区|县)[\u4e00-\u9fff\d]{1,14}?(?:路|街|道|巷"
    r"|村|镇|小区|花园)[A-Za-z\u4e00-\u9fff]{0,2}(?:座)?(?:\s?\d{6}(?!\d))?"
)
# What stands between "please send it to" and the address, written without a space.
CHINESE_LEAD = re.compile(
    r"^.*(?:地址(?:是|为|改成|改为|改到|换成|错了)?|寄到|送到|寄往|寄给|发到|改成|改为|改到|换成|换到|配送到|住在|家住|我在|在|到|是|为|往|从|给|把"
    r"|填)(?=[\u4e00-\u9fff]{2})"
)
JAPANESE = re.compile(
    r"(?:〒\s?)?(?<![\d-])\d{3}-\d{4}(?![\d-])(?:\s?[\u4e00-\u9fff\u30a0-\u30ff\u3040-\u309f\d\-ー丁目番地号 ]{4,40})?"
    r"|[\u4e00-\u9fff]{1,3}[都道府県][\u4e00-\u9fff\u30a0-\u30ff\u3040-\u309f]{1,10}[市区町村郡][\u4e00-\u9fff\u30a0-\u30ff\u3040-\u309f]{0,12}\d{1,4}(?:(?:丁目"
    r"|番地?|号|-)\d{0,4}){0,4}(?:\s?[\u4e00-\u9fff\u30a0-\u30ff]{1,15}\d{1,4}号?室?)?"
)
NATIONAL_SHORT = re.compile(r"(?<![A-Za-z0-9])[A-Z]{4}\d{4}(?![A-Za-z0-9])")
SHORT_CUE = re.compile(r"العنوان|عنوان|short address|national address", re.IGNORECASE)


def find_addresses(message: Message) -> Iterator[Span]:
    """Give postal addresses, the parts that hang together as one span."""
    text, region = message.text, message.region
    if not any(character.isdigit() for character in text):
        yield from _arabic_ways(text)
        return
    for regions, pattern in _forms():
        if pattern.flags & re.IGNORECASE and region not in regions:
            continue
        for match in pattern.finditer(text):
            if cue_of(text, match.start(), match.end()) != NOTHING:
                yield Span(match.start(), _extended(text, match.end()), "address")
    if region == "IN":
        for match in _indian().finditer(text):
            yield Span(match.start(), match.end(), "address")
    yield from _arabic_ways(text)
    if re.search(r"[\u0621-\u064a]", text):
        for match in NATIONAL_SHORT.finditer(text):
            if SHORT_CUE.search(text, 0, match.start()):
                yield Span(match.start(), match.end(), "address")
    if re.search(r"[\u4e00-\u9fff]", text):
        yield from _east_asian(message)
    yield from _postcodes(message)


def _arabic_ways(text: str) -> Iterator[Span]:
    """Give ways and quarters by their names, which an Arabic address may have without a number."""
    if re.search(r"[\u0621-\u064a]", text):
        for match in _arabic().finditer(text):
            yield Span(match.start(), match.end(), "address")


def _extended(text: str, end: int) -> int:
    """Return where an address ends that has been read up to `end`."""
    for _ in range(6):
        longest = max((match.end() for one in CONTINUATIONS if (match := one.match(text, end))), default=end)
        if longest == end:
            break
        end = longest
    return end


def _east_asian(message: Message) -> Iterator[Span]:
    if message.region == "JP" or re.search(r"[\u3040-\u30ff]", message.text):
        for match in JAPANESE.finditer(message.text):
            yield Span(match.start(), match.start() + len(match[0].rstrip()), "address")
        return
    for pattern in (CHINESE, CHINESE_REGION):
        for match in pattern.finditer(message.text):
            lead = CHINESE_LEAD.match(match[0])
            yield Span(match.start() + (lead.end() if lead else 0), match.end(), "address")


def _postcodes(message: Message) -> Iterator[Span]:
    for match in TOWN.finditer(message.text):
        yield Span(match.start(), match.end(), "address")
    for match in POSTCODE.finditer(message.text):
        if cue_of(message.text, match.start(), match.end()) == "address":
            yield Span(match.start(), match.end(), "address")
