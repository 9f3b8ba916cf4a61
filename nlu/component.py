"""The Rasa component: gives Rasa's messages intent, entities and what later steps need. The only file here with Rasa.

It is thin on purpose: `parser` does the work. Text that starts with "/" is hidden from Rasa's RegexMessageHandler,
which would obey it, unless the edge marked the message as a button that it had offered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Optional

from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.nlu.classifiers.classifier import IntentClassifier
from rasa.shared.core.events import UserUttered
from rasa.shared.core.trackers import DialogueStateTracker
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData

from nlu.entities import Entity
from nlu.markets import GLOBAL_ADAPTER
from nlu.parser import UNDETERMINED, Label, Parser, Prediction, Request
from nlu.releases import domain_intents
from nlu.segments import find_second_request
from nlu.served import ServedAdapters
from nlu.signs import agrees, asks, first_word, says_a_word, thumb

SWITCH_LANGUAGE = "switch_language"
WORD_JOINER = "\u2060"
# The slots of a form that asks for a yes (`actions/form.py`).
REQUESTED, CONFIRMED = "requested_slot", "confirmed"
SURE = 0.9
MOST = 0.5
SMALL_TALK = ("greet", "goodbye", "thank", "affirm", "deny", "bot_challenge", "what_can_you_do")
YES_OR_NO = ("affirm", "deny")
# What is answered in between, after which a form goes on.
QUESTIONS = (
    "track_order", "track_refund", "check_invoice", "check_cancellation_fee", "check_payment_methods",
    "check_refund_policy", "delivery_options", "delivery_period", "contact_customer_service", "contact_human_agent",
)  # fmt: skip


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.INTENT_CLASSIFIER, is_trainable=False)
class PolydeskNLU(GraphComponent, IntentClassifier):  # type: ignore[misc]
    """Understands messages with the market adapters."""

    def __init__(self, parser: Parser) -> None:
        self.parser = parser

    @classmethod
    def create(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> PolydeskNLU:
        """Make the component and load the adapters, so that the first customer does not wait for them."""
        adapters = ServedAdapters(domain=domain_intents(), threads=config["threads"])
        parser = Parser(adapters=adapters)
        for name in {GLOBAL_ADAPTER, *(market.adapter for market in parser.markets if market.adapter)}:
            adapters[name]
        adapters.watch()
        return cls(parser)

    @staticmethod
    def get_default_config() -> dict[str, Any]:
        """`threads` are those of one forward pass."""
        return {"threads": 2}

    # Rasa checks this signature and does not know the form `X | None`.
    def process(self, messages: list[Message], tracker: Optional[DialogueStateTracker] = None) -> list[Message]:  # noqa: UP045
        """Add what `parser` knows to the messages: Rasa's properties and those that actions and edge need."""
        self.parser.adapters.take_over()
        conversation = conversation_language(tracker) if tracker else None
        asks_for_a_yes = tracker is not None and tracker.get_slot(REQUESTED) == CONFIRMED
        for message in messages:
            self._process(message, conversation, asks_for_a_yes=asks_for_a_yes)
        return messages

    def process_training_data(self, training_data: TrainingData) -> TrainingData:
        """Leave Rasa's training data alone: nothing is learned here."""
        return training_data

    def _process(self, message: Message, conversation: str | None, *, asks_for_a_yes: bool) -> None:
        text: str = message.get("text") or ""
        metadata: dict[str, Any] = message.get("metadata") or {}
        if metadata.get("button"):
            # RegexMessageHandler reads the intent out of the payload; FallbackClassifier comes before and wants one.
            _add(message, {"intent": {"name": None, "confidence": 1.0}, "intent_ranking": [], "entities": []})
            _add(message, {"language": {"code": UNDETERMINED, "confidence": 0.0}, "rest": None})
            return
        request = Request(text, metadata.get("market"), metadata.get("language_hint"), conversation)
        prediction = self.parser.parse(request)
        two = find_second_request(self.parser, request, prediction, small_talk=SMALL_TALK) if text.strip() else None
        first = two.first if two else prediction
        opening = self._opening(request) if asks_for_a_yes else None
        intent = self._intent(text, first, prediction.entities)
        asked = self._asked_instead(request, intent, first.ranking, opening) if asks_for_a_yes else None
        message.set("intent", _label(asked or intent), add_to_output=True)
        message.set("intent_ranking", [_label(label) for label in first.ranking[:10]], add_to_output=True)
        message.set("entities", _entities(prediction), add_to_output=True)
        answer = prediction.as_json()
        extras = {name: answer[name] for name in ("language", "market", "adapter", "out_of_scope", "sentiment")}
        if thumb(text) is not None:
            extras["sentiment"] = {"name": "neutral", "confidence": 1.0}  # a thumb down is a no, and no anger
        _add(message, {**extras, "rest": two.rest if two else None, "opening": opening})
        if text.lstrip().startswith("/"):
            message.set("text", WORD_JOINER + text, add_to_output=True)

    def _intent(self, text: str, prediction: Prediction, entities: Sequence[Entity]) -> Label:
        """Return the adapter's best intent, unless the message is a sign that needs no adapter, or none at all."""
        if self.parser.detector.wanted(text) is not None:
            return Label(SWITCH_LANGUAGE, 1.0)
        yes = thumb(text)
        if yes is not None:
            return Label("affirm" if yes else "deny", 1.0)
        if not says_a_word(text, entities):
            return Label(prediction.intent.name, 0.0)
        return prediction.intent

    def _opening(self, request: Request) -> str | None:
        """Return what the first word says by itself: "yes, cancel it" is a yes, "no, do not cancel it" a no."""
        word = first_word(request.text)
        if word is None:
            return None
        intent = self.parser.parse(replace(request, text=word)).intent
        if intent.name == "affirm" and not agrees(word):
            return None
        return intent.name if intent.confidence >= SURE else None

    def _asked_instead(
        self, request: Request, intent: Label, ranking: Sequence[Label], opening: str | None
    ) -> Label | None:
        """Return the question that a customer puts instead of a yes or no: "no wait, where is it", "is it late?"."""
        if opening == "deny" or (opening == "affirm" and asks(request.text)):
            rest = request.text.partition(first_word(request.text) or "")[2]
            found = self.parser.parse(replace(request, text=rest)).intent
            if found.name in QUESTIONS and found.confidence >= SURE:
                return found
        hears_an_answer = intent.name in YES_OR_NO and intent.confidence > 0
        return _best_question(ranking) if hears_an_answer and asks(request.text) else None


def _best_question(ranking: Sequence[Label]) -> Label | None:
    """Return the question that most of what is no yes and no no speaks for, with its share of that."""
    others = [label for label in ranking if label.name not in YES_OR_NO]
    share = others[0].confidence / (sum(label.confidence for label in others) or 1.0) if others else 0.0
    return Label(others[0].name, share) if share >= MOST and others[0].name in QUESTIONS else None


def conversation_language(tracker: DialogueStateTracker) -> str | None:
    """Return the language of the customer's last sentence that was not `und`; None if there was none yet."""
    for event in reversed(tracker.events):
        if isinstance(event, UserUttered):
            code = ((event.parse_data or {}).get("language") or {}).get("code", UNDETERMINED)
            if code != UNDETERMINED:
                return str(code)
    return None


def _add(message: Message, properties: dict[str, Any]) -> None:
    for name, value in properties.items():
        message.set(name, value, add_to_output=True)


def _label(label: Label) -> dict[str, Any]:
    return {"name": label.name, "confidence": label.confidence}


def _entities(prediction: Prediction) -> list[dict[str, Any]]:
    return [
        {"entity": found.entity, "value": found.value, "start": found.start, "end": found.end, "extractor": "Polydesk"}
        for found in prediction.entities
    ]
