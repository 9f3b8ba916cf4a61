"""Names of people, as well as they can be told without lists of names: by the words that introduce or end with one.

Touches nothing. What names reach is published in docs/redaction.md; a name that nothing introduces is not found.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache

from training.pii.cues import WIDE, WORD_BEGINS, any_of, words
from training.pii.spans import Message, Span

UP, LOW = "A-ZÀ-ÖØ-ÞĀĂĄĆČĎĐĒĖĘĚĞĢĪİĶŁŃŅŇŐŒŘŚŞŠŢŤŪŮŰŹŻŽ", "a-zß-öø-ɏ"
CAPITAL = (
    rf"(?!I'|I |The |Ich |Der |Die |Das )(?:[{UP}]{{2,15}}(?![{LOW}])|[{UP}][{LOW}]+(?:['\-][{UP}]?[{LOW}]+"
    rf"|[{UP}][{LOW}]+)*|[{UP}]'[{UP}][{LOW}]+|[{UP}]\.)"
)
PARTICLE = r"(?:von|van|der|den|de|da|do|dos|das|del|della|di|la|le|du|bin|ibn|al|el|al-|zu|y|e)"
LATIN_NAME = rf"{CAPITAL}(?: (?:{PARTICLE} ){{0,2}}{CAPITAL}){{0,3}}"
LATIN_PAIR = rf"{CAPITAL} (?:{PARTICLE} ){{0,2}}{CAPITAL}(?: {CAPITAL})?"
SMALL_NAME = rf"[{LOW}]{{2,15}}(?: [{LOW}]{{2,15}})?"
DEVANAGARI = r"[\u0900-\u0963\u0970-\u097f][\u0900-\u0963\u0970-\u097f']*"
ARABIC = r"[\u0621-\u0652\u0670]+"
ARABIC_LINKS = frozenset(["بن", "عبد", "آل", "ابو", "أبو", "ال", "بنت"])
# Titles of a degree and the like, in front of a name.
DEGREES = r"(?:(?:Dr|Prof|Dipl|Ing|Sr|Sra|Mr|Mrs|Ms|Dott|Sig|Hr|Fr|Herr|Frau)\.?(?:-Ing\.)? )*"
# After these people say names often, other things more often: only a first and a last name count.
ABBREVIATIONS = frozenset({"prof", "srta", "dott", "mlle"})
# The hundred most frequent family names of China, and the two-character ones.
CHINESE_SURNAME = (
    "(?:欧阳|司马|上官|诸葛|东方|夏侯|皇甫|尉迟|公孙|慕容|令狐|"
    "[王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏"
    "钟汪田任姜范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段雷钱汤尹黎易常武乔贺赖龚文庞樊兰殷施陶洪翟安颜倪"
    "严牛温芦季俞章鲁葛伍韦申尤毕聂丛焦向柳邢路岳齐梅莫庄辛管祝左涂谷祁时舒耿牟卜詹关苗凌费纪靳盛童欧甄项曲成游阳裴席"
    "卫查屈鲍位覃霍翁隋植甘景薄单包司柏宁柯阮桂闵解强丘华])"
)
CHINESE_AFTER = "的想要在是有订买电手我你他她它这那请把给住，。,.!?;: \n、"
JAPANESE_SAID = re.compile(
    r"([\u4e00-\u9fff々\u30a0-\u30ff\u3040-\u309f]{2,8}?(?:[ 　][\u4e00-\u9fff々\u30a0-\u30ff\u3040-\u309f]{1,6})?)"
    r"(?=と申します|といいます|と言います)"
)
JAPANESE_TITLED = re.compile(
    r"(?<![お皆客])([\u4e00-\u9fff々]{2,4}|[\u30a0-\u30ff]{2,8})(?=様|さん|さま)(?<!お客)(?<!皆)(?<!奥)(?<!店員)(?<!業者)"
)
CHINESE_TITLED = re.compile(rf"({CHINESE_SURNAME}[\u4e00-\u9fff]{{0,2}})(?=先生|女士|小姐(?!姐))")
BESIDE = re.compile(rf"(?<![{UP}{LOW}])({DEGREES}{LATIN_PAIR})\s?[,;<(\n-]\s?[<(]?$")
# "Main Ravi Kumar bol raha hoon": this is Ravi Kumar speaking.
INDIAN_SPEAKING = re.compile(
    rf"(?<!\S)(?:मैं|में|main|mai|mein) ((?:{DEVANAGARI}|[A-Za-z]+)(?: (?:{DEVANAGARI}"
    rf"|[A-Za-z]+)){{0,2}}?)(?= (?:बोल|bol))",
    re.IGNORECASE,
)
END = r"\s*[.!,]?\s*(?=\n|$)"


def find_names(message: Message) -> Iterator[Span]:
    """Give the names that something introduces: "my name is", a label, a title, a farewell."""
    text = message.text
    for pattern, weak in _introductions():
        for match in pattern.finditer(text):
            yield from _introduced(text, match.end(), weak=weak)
    for match in _labels().finditer(text):
        yield from _labelled(text, match.end())
    for match in _titled().finditer(text):
        yield Span(match.start("name"), match.end("name"), "name")
    for match in _farewells().finditer(text):
        yield Span(match.start("name"), match.end("name"), "name")
    for pattern in (INDIAN_SPEAKING, CHINESE_TITLED, JAPANESE_SAID, JAPANESE_TITLED):
        for match in pattern.finditer(text):
            yield Span(match.start(1), match.end(1), "name")


def find_names_beside(message: Message, others: Sequence[Span]) -> Iterator[Span]:
    """Give first and last names right in front of an e-mail or a postal address."""
    for other in others:
        if other.kind in ("email", "address"):
            match = BESIDE.search(message.text, max(0, other.start - 60), other.start)
            if match:
                yield Span(match.start(1), match.end(1), "name")


@cache
def _set(key: str) -> frozenset[str]:
    return frozenset(words()["names"][key])


@cache
def _introductions() -> tuple[tuple[re.Pattern[str], bool], ...]:
    strong = [word for word in words()["names"]["introductions"] if word not in _set("weak_introductions")]
    weak = [word for word in words()["names"]["introductions"] if word in _set("weak_introductions")]
    return tuple(
        (re.compile(f"{WORD_BEGINS}(?:{'|'.join(map(_alone, some))})", re.IGNORECASE), is_weak)
        for some, is_weak in ((strong, False), (weak, True))
    )


def _alone(word: str) -> str:
    edge = "" if re.search(r"[\u3040-\u30ff\u4e00-\u9fff]", word) else r"(?<!\w)"
    stop = "" if not edge else r"(?=\s)"
    return rf"{edge}{re.escape(word)}{stop}\s?:?\s?"


def _introduced(text: str, start: int, *, weak: bool) -> Iterator[Span]:
    latin = re.compile(rf"{DEGREES}({LATIN_PAIR if weak else LATIN_NAME})").match(text, start)
    if latin:
        yield Span(latin.start(1), latin.end(1), "name")
        return
    if WIDE.match(text, start):
        yield from _other_script(text, start, weak=weak)
    elif not weak:
        small = re.compile(SMALL_NAME).match(text, start)
        taken = _until(small[0].split(" "), _set("not_names_latin")) if small else []
        if taken:
            yield Span(start, start + len(" ".join(taken)), "name")


def _other_script(text: str, start: int, *, weak: bool) -> Iterator[Span]:
    chinese = re.compile(rf"{CHINESE_SURNAME}[\u4e00-\u9fff]{{1,2}}").match(text, start)
    if chinese:
        end = chinese.end()
        while end > start + 2 and text[end - 1] in CHINESE_AFTER:
            end -= 1
        if not weak or end == len(text) or text[end] in CHINESE_AFTER:
            yield Span(start, end, "name")
        return
    # After "my name is" a rare family name counts as well, if the clause ends with it.
    rare = re.compile(rf"[\u4e00-\u9fff]{{2,3}}(?=[{CHINESE_AFTER[-9:]}]|$)").match(text, start)
    if rare and not weak:
        yield Span(start, rare.end(), "name")
        return
    for script, stop in ((DEVANAGARI, "not_names_devanagari"), (ARABIC, "not_names_arabic")):
        match = re.compile(rf"{script}(?: {script}){{0,6}}").match(text, start)
        if match:
            taken = _first_two(_until(match[0].split(" "), _set(stop)))
            if taken and not weak:
                yield Span(start, start + len(" ".join(taken)), "name")


def _until(taken: Sequence[str], stop: frozenset[str]) -> list[str]:
    """Return the words before the first that cannot be part of a name."""
    for place, word in enumerate(taken):
        # In Arabic "and" is written in front of the next word.
        if word in stop or (place and word.startswith("و")):
            return list(taken[:place])
    return list(taken)


def _first_two(taken: list[str]) -> list[str]:
    """Return a first and a last name; words such as "son of" belong to what follows them."""
    kept: list[str] = []
    names = 0
    for word in taken:
        if names == 2 and word not in ARABIC_LINKS and not (kept and kept[-1] in ARABIC_LINKS):
            break
        kept.append(word)
        names += word not in ARABIC_LINKS and names < 2
    return kept


@cache
def _labels() -> re.Pattern[str]:
    return re.compile(rf"{WORD_BEGINS}{any_of('names', 'labels')}\s*[:=]\s*", re.IGNORECASE)


def _labelled(text: str, start: int) -> Iterator[Span]:
    any_name = r"(?:[^\W\d_]|[\u0900-\u0963'.\-])+(?: (?:[^\W\d_]|[\u0900-\u0963'.\-])+){0,3}"
    match = re.compile(any_name).match(text, start)
    if match:
        yield Span(match.start(), match.end(), "name")


@cache
def _titled() -> re.Pattern[str]:
    titles = [_title(word) for word in words()["names"]["titles"]]
    links = "|".join(sorted(ARABIC_LINKS))
    arabic = rf"(?!و){ARABIC}(?:(?: (?:{links}))+ {ARABIC}| ال{ARABIC})*"
    name = rf"(?P<name>(?-i:{LATIN_NAME})|{DEVANAGARI}(?: {DEVANAGARI})?|{arabic})"
    return re.compile(rf"(?<!\w)(?:{'|'.join(titles)})\s{name}", re.IGNORECASE)


def _title(word: str) -> str:
    """Return a pattern for a title; only an abbreviation has a full stop, at others a sentence ends."""
    return re.escape(word) + (r"\.?" if len(word) < 4 or word in ABBREVIATIONS else "")


@cache
def _farewells() -> re.Pattern[str]:
    name = (
        rf"(?P<name>(?-i:{DEGREES}{LATIN_NAME})|{DEVANAGARI}(?: {DEVANAGARI}){{0,2}}|{ARABIC}(?: {ARABIC}){{0,4}}"
        rf"|(?<=\n){CHINESE_SURNAME}[\u4e00-\u9fff]{{1,2}})"
    )
    farewell = any_of("names", "farewells")
    return re.compile(rf"{WORD_BEGINS}{farewell}\s*(?:[,!.\-:]|\n)\s*{name}{END}", re.IGNORECASE)
