"""Hindi and Arabic in Latin letters, roughly as customers type them on a Latin keyboard. Pure functions.

Only for augmentation: spellings differ from person to person, and this is one of many. Hindi's unspoken `a` is left out
at the end of a word and between two syllables that have a vowel; Arabic, which is written without short vowels, gets an
`a` after the first of two consonants at the beginning of a word.
"""

from __future__ import annotations

import re


def _table(letters: str, spellings: str) -> dict[str, str]:
    return dict(zip(letters, spellings.split(), strict=True))


_CONSONANTS = _table(
    "कखगघङचछजझञटठडढणतथदधनपफबभमयरलवशषसहळ",
    "k kh g gh n ch chh j jh n t th d dh n t th d dh n p ph b bh m y r l v sh sh s h l",
) | {"क़": "q", "ख़": "kh", "ग़": "g", "ज़": "z", "ड़": "d", "ढ़": "dh", "फ़": "f"}
_VOWELS = _table("अआइईउऊऋएऐओऔऑ", "a aa i i u u ri e ai o au o")
_SIGNS = _table("ािीुूृेैोौॉ", "a i i u u ri e ai o au o")
_NASAL = {"ं": "n", "ँ": "n", "ः": "h"}
_VIRAMA, _NUKTA = "\u094d", "\u093c"
_DEVANAGARI = re.compile(r"[\u0900-\u0963]+")
_SYLLABLE = re.compile(rf"([क-ह]{_NUKTA}?)({_VIRAMA}|[ा-ौ])?([ंँः]?)|([अ-औ])([ंँः]?)")

_ARABIC_LETTERS = _table(
    "ابتثجحخدذرزسشصضطظعغفقكلمنهويةىأإآءئؤ",
    "a b t th j 7 kh d dh r z s sh s d t z 3 gh f q k l m n h w y a a a e aa 2 2 2",
) | {"گ": "g", "پ": "p", "چ": "ch", "ڤ": "v"}
_ARABIC_VOWELS = frozenset("اويىأإآة")
_ARABIC = re.compile(r"[\u0621-\u064a\u067e\u0686\u06a4\u06af]+")
_ARABIC_MARKS = re.compile(r"[\u064b-\u0652\u0640]")
_PUNCTUATION = str.maketrans("،؛؟।٠١٢٣٤٥٦٧٨٩०१२३४५६७८९", ",;?.01234567890123456789")


def romanised(text: str) -> str:
    """Return the text with its Devanagari and Arabic words in Latin letters; the rest stays."""
    text = _ARABIC_MARKS.sub("", text)
    text = _DEVANAGARI.sub(lambda word: _hindi(word.group()), text)
    return _ARABIC.sub(lambda word: _arabic(word.group()), text).translate(_PUNCTUATION)


def _hindi(word: str) -> str:
    # Each syllable is its consonant (or nothing), whether its vowel is written, the vowel, and a nasal.
    syllables = [_syllable(match) for match in _SYLLABLE.finditer(word)]
    spelt = []
    for place, (consonant, written, vowel, nasal) in enumerate(syllables):
        following = syllables[place + 1] if place + 1 < len(syllables) else None
        unspoken = not written and not nasal and place > 0 and (following is None or _opens_on_vowel(following))
        after_vowel = place > 0 and bool(syllables[place - 1][2])
        dropped = unspoken and (following is None or after_vowel)
        spelt.append(consonant + ("" if dropped else vowel) + nasal)
    return "".join(spelt)


def _syllable(match: re.Match[str]) -> tuple[str, bool, str, str]:
    consonant, sign, nasal, alone, nasal_alone = match.groups()
    if alone:
        return "", True, _VOWELS.get(alone, ""), _NASAL.get(nasal_alone, "")
    letter = _CONSONANTS.get(consonant) or _CONSONANTS.get(consonant[0], "")
    if sign == _VIRAMA:
        return letter, True, "", _NASAL.get(nasal, "")
    return letter, sign is not None, _SIGNS.get(sign, "") if sign else "a", _NASAL.get(nasal, "")


def _opens_on_vowel(syllable: tuple[str, bool, str, str]) -> bool:
    consonant, written, vowel, _ = syllable
    return bool(consonant) and written and bool(vowel)


def _arabic(word: str) -> str:
    letters = [_ARABIC_LETTERS.get(letter, "") for letter in word]
    if len(word) > 2 and not _ARABIC_VOWELS & set(word[:2]):
        letters[0] += "a"
    return "".join(letters)
