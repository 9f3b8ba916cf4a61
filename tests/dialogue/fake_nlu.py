"""Stands in for the real understanding in tests of the dialogue: reads intent and tone from the text itself.

`track_order/angry: where is 123456` is the intent `track_order`, said angrily; what follows `||` is a second request.
`cancel_order+affirm: yes cancel it` begins with a yes.
Entities are found as in production.
"""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import Any

from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.nlu.classifiers.classifier import IntentClassifier
from rasa.shared.nlu.constants import ENTITIES, INTENT, TEXT
from rasa.shared.nlu.training_data.message import Message

from nlu.entities import find_entities

MARKED = re.compile(
    r"(?P<intent>[a-z_]+)(\+(?P<opening>[a-z]+))?(?P<angry>/angry)?(?P<annoyed>/annoyed)?:\s?(?P<rest>.*)", re.DOTALL
)


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.INTENT_CLASSIFIER, is_trainable=False)
class FakeNLU(GraphComponent, IntentClassifier):  # type: ignore[misc]
    """Reads intents that are written before the text."""

    @classmethod
    def create(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> FakeNLU:
        return cls()

    def process(self, messages: list[Message]) -> list[Message]:
        for message in messages:
            text = message.get(TEXT) or ""
            if text.startswith("/"):  # a button, which Rasa's own handler reads afterwards
                message.set(INTENT, {"name": None, "confidence": 0.0}, add_to_output=True)
                continue
            text, _, rest = text.partition(" || ")
            message.set("rest", rest or None, add_to_output=True)
            marked = MARKED.fullmatch(text)
            intent = marked["intent"] if marked else "nonsense"
            negative = 0.95 if marked and marked["angry"] else 0.6
            upset = bool(marked and (marked["angry"] or marked["annoyed"]))
            message.set("opening", marked["opening"] if marked else None, add_to_output=True)
            message.set(INTENT, {"name": intent, "confidence": 0.95 if marked else 0.2}, add_to_output=True)
            message.set("out_of_scope", 0.9 if "weather" in text else 0.1, add_to_output=True)
            sentiment = (
                {"name": "negative", "confidence": negative} if upset else {"name": "neutral", "confidence": 0.9}
            )
            message.set("sentiment", sentiment, add_to_output=True)
            message.set(ENTITIES, [asdict(entity) for entity in find_entities(text)], add_to_output=True)
        return messages
