"""What the Rasa component makes of an answer to "shall I?". The adapters' part is written down; the rest is real."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from rasa.shared.core.slots import AnySlot
from rasa.shared.core.trackers import DialogueStateTracker
from rasa.shared.nlu.training_data.message import Message

from nlu.component import PolydeskNLU
from nlu.entities import find_entities
from nlu.language import DetectedLanguage
from nlu.parser import Label, Parser, Prediction, Request

# What the adapters think of each text, best first.
THOUGHT: dict[str, list[tuple[str, float]]] = {
    "yes": [("affirm", 0.99)],
    "no": [("deny", 0.99)],
    "is": [("affirm", 0.95)],
    "is it cancelled": [("cancel_order", 0.9)],
    "yes cancel it": [("cancel_order", 0.9)],
    "是的": [("affirm", 0.99)],
    "لا": [("deny", 0.99)],
    "no wait where is my order": [("deny", 0.7), ("track_order", 0.3)],
    "wait where is my order": [("track_order", 0.97)],
    "no! dont cancel, what do you take for shipping": [("cancel_order", 0.8)],
    "! dont cancel, what do you take for shipping": [("delivery_options", 0.93)],
    "لا، وين طلبي": [("deny", 0.9)],
    "، وين طلبي": [("track_order", 0.95)],
    "yes but is it late?": [("affirm", 0.8)],
    "but is it late?": [("track_order", 0.92)],
    "is it late?": [("deny", 0.6), ("track_order", 0.25), ("affirm", 0.1), ("goodbye", 0.05)],
    "what?": [("affirm", 0.6), ("bot_challenge", 0.3), ("track_order", 0.1)],
    "?": [("affirm", 0.5), ("track_order", 0.4)],
    "really?": [("affirm", 0.6), ("track_order", 0.15), ("greet", 0.14), ("bot_challenge", 0.11)],
    "no dont cancel it": [("deny", 0.9)],
    "dont cancel it": [("cancel_order", 0.96)],
    "no, Lindenweg 5": [("deny", 0.9)],
    ", Lindenweg 5": [("set_up_shipping_address", 0.95)],
    "yes cancel it and where is my refund": [("affirm", 0.9)],
    "cancel it and where is my refund": [("track_refund", 0.95)],
}


class Adapters:
    def take_over(self) -> None: ...


class Detector:
    def wanted(self, text: str) -> str | None:
        return None


@dataclass
class WrittenDown:
    """Stands in for the parser."""

    adapters: Adapters = field(default_factory=Adapters)
    detector: Detector = field(default_factory=Detector)

    def parse(self, request: Request) -> Prediction:
        ranking = tuple(Label(*thought) for thought in THOUGHT.get(request.text.strip(), [("greet", 0.1)]))
        language = DetectedLanguage("en", 1.0)
        entities = tuple(find_entities(request.text))
        return Prediction(
            request.text, language, "en", None, "global", None, ranking, 0.0, Label("neutral", 1), entities
        )

    def parse_many(self, requests: list[Request]) -> list[Prediction]:
        return [self.parse(request) for request in requests]


def understood(text: str, *, requested: str | None = "confirmed") -> dict[str, Any]:
    tracker = DialogueStateTracker("c", [AnySlot("requested_slot", mappings=[{}], initial_value=requested)])
    message = Message(data={"text": text})
    PolydeskNLU(cast(Parser, WrittenDown())).process([message], tracker)
    return {name: message.get(name) for name in ("intent", "opening")}


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("no wait where is my order", "track_order"),
        ("no! dont cancel, what do you take for shipping", "delivery_options"),
        ("لا، وين طلبي", "track_order"),
        ("yes but is it late?", "track_order"),
        ("is it late?", "track_order"),
    ],
)
def test_a_question_instead_of_a_yes_or_no_is_a_question(text: str, question: str) -> None:
    assert understood(text)["intent"]["name"] == question
    assert understood(text)["intent"]["confidence"] >= 0.5


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("no dont cancel it", "deny"),
        ("no, Lindenweg 5", "deny"),
        ("yes cancel it and where is my refund", "affirm"),
        ("what?", "affirm"),
        ("really?", "affirm"),
        ("no", "deny"),
    ],
)
def test_a_yes_or_no_with_its_reason_stays_one(text: str, answer: str) -> None:
    assert understood(text)["intent"]["name"] == answer


def test_a_word_that_only_looks_like_a_yes_opens_none() -> None:
    assert understood("is it cancelled") == {"intent": {"name": "cancel_order", "confidence": 0.9}, "opening": None}
    assert understood("yes cancel it")["opening"] == "affirm"


def test_a_bare_mark_asks_nothing() -> None:
    assert understood("?")["intent"] == {"name": "affirm", "confidence": 0.0}


def test_only_where_a_yes_is_asked_for_the_first_word_counts() -> None:
    assert understood("no dont cancel it")["opening"] == "deny"
    elsewhere = understood("no wait where is my order", requested="new_street")
    assert (elsewhere["intent"]["name"], elsewhere["opening"]) == ("deny", None)
