"""Understands "Can we speak English?": a short message that asks for a language. Touches nothing.

The names of languages are CLDR's (through Babel) in every language in use; added here is what else people type.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from babel import Locale, UnknownLocaleError

from nlu.language_text import without_accents

_LONGEST = 9
"""Words; a longer message has a language of its own, whatever it mentions."""

_ALSO_CALLED = {
    "ar": "arabi 3arabi 3araby عربي بالعربي عربية arabisch",
    "de": "德文 german",
    "en": "angrezi angreji ingrezi inglizi englizi ingleezi انجليزي انجليزية بالانجليزي إنجليزي بالإنجليزي इंग्लिश 英文",
    "es": "castellano español 西文",
    "fr": "法文",
    "hi": "hindi हिन्दी हिंदी hindustani",
    "ja": "日文",
    "pt": "brasileiro 葡文",
    "zh": "中文 汉语 普通话 国语 mandarin mandarín mandarino chinese putonghua",
}
_SPEAK = """
    speak talk write answer reply respond chat continue switch change converse communicate understand
    sprechen sprichst sprecht spreche schreiben schreibst schreib antworten antworte antworten verstehst versteht
    verstehen reden wechseln weiter kannst könnt können
    hablar hablas habla hablan hablamos háblame hable escribir escribe responder responde contestar contesta cambiar
    cambia entiendes entienden podemos seguir
    parler parlez parles parle parlons écrire écrivez écris répondre répondez réponds continuer passer comprenez
    parlare parla parli parlate parlano parliamo scrivere scrivi scrivete rispondere rispondi rispondete capite capisci
    falar fala falas falam falamos escrever escreve responda conversar continuar mudar entende entendem
    baat bat bol bolo bole bolte bolta bolti boliye likho likhe likhiye jawab samajhte karo karein
    बात बोल बोलो बोलते बोलती बोलिए बोलें लिखो लिखिए लिखें जवाब समझते कीजिए करो करें
    تتكلم تتكلمون تتحدث تتحدثون نتكلم نتحدث اتكلم أتكلم أتحدث تحكي تحكون نحكي احكي تكلم تكلموا اكتب
    رد ردوا التحدث الكلام
    btetkalem btet7aki tetkalem tet7adath net7aki nitkallam netkalem netkallam etkalem a7ki ne7ki
"""
_AROUND = """
    in to into auf en em na no de por ins into a an al au el le la l the as
    please pls plz bitte favor favore svp plait s'il vous te plaît faveur per prego gentilmente merci danke gracias
    me mein में par ko please kripya कृपया प्लीज़ plz من فضلك لو سمحت بـ ب باللغة اللغة language
    sprache idioma langue lingua thanks
    can we could you i want would like only now ich möchte will nur jetzt
    quiero solo je veux voudrais voglio vorrei quero
    hi hello hallo hola bonjour ciao oi ok
"""
_NOT = """
    not don't dont do'nt can't cannot no nicht kein keine keinen ne pas non não nao nahi nahin nhi नहीं لا ما مو مش
    mish mesh
"""
_SPEAK_HAN = re.compile("[说說讲講话話聊写寫答复回]|可以|能|请|用|切换|お願い|ください|で|できますか")
_NOT_HAN = re.compile("[不没別别]|ません|ない")
_HAN = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")
_WORD = re.compile(r"[^\s.,;:!?¿¡()\"“”«»،؟।、。！？]+")
_ASKED_IN_HAN = 20
"""Characters of a message in Chinese or Japanese that may ask for a language."""


class LanguageRequests:
    """Finds the language that a short message asks for, among the languages in use."""

    def __init__(self, languages: Sequence[str]) -> None:
        self._names = {name: target for target in languages for name in _names(target, languages)}
        self._in_han = {name: target for name, target in self._names.items() if _HAN.search(name)}
        self._speak, self._around, self._not = (
            {_fold(word) for word in words.split()} for words in (_SPEAK, _AROUND, _NOT)
        )

    def wanted(self, text: str) -> str | None:
        """Return the language asked for, None if the message asks for none."""
        if len(text) > 200:
            return None
        if _HAN.search(text):
            return self._wanted_in_han(text)
        words = [_fold(word) for word in _WORD.findall(text)]
        if len(words) > _LONGEST:
            return None
        asked = [
            self._names[word]
            for position, word in enumerate(words)
            if word in self._names and not self._not.intersection(words[max(0, position - 3) : position])
        ]
        rest = [word for word in words if word not in self._names]
        if asked and (self._speak.intersection(rest) or all(word in self._around for word in rest)):
            return asked[-1]
        return None

    def _wanted_in_han(self, text: str) -> str | None:
        text = text.lower().strip("。？！?!. ")
        named = next((name for name in [*self._in_han, *self._names] if name in text and len(name) > 1), None)
        if named is None or len(text) > _ASKED_IN_HAN:
            return None
        rest = text.replace(named, "")
        if _NOT_HAN.search(text.split(named)[0][-3:]) or _NOT_HAN.search(rest[-3:]):
            return None
        return self._names[named] if not rest or _SPEAK_HAN.search(rest) else None


def _names(target: str, languages: Sequence[str]) -> set[str]:
    names = set(_ALSO_CALLED.get(target, "").split())
    for spoken in languages:
        try:
            names.add(Locale.parse(spoken).languages.get(target, ""))
        except UnknownLocaleError:
            continue
    return {_fold(name) for name in names if name and " " not in name}


def _fold(word: str) -> str:
    return without_accents(word.lower().replace("’", "'"))
