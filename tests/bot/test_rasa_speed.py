"""What Rasa is spared has the same outcome as before."""

from __future__ import annotations

import pytest
from jsonschema import ValidationError
from rasa.core.actions.action import RemoteAction
from rasa.shared.core.events import Event, SlotSet, UserUttered

from bot.rasa_speed import speed_up


@pytest.fixture(autouse=True)
def sped_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Undo it after the test: other tests of this process run Rasa as it is."""
    monkeypatch.setattr(Event, "resolve_by_type", staticmethod(Event.resolve_by_type))
    monkeypatch.setattr(RemoteAction, "_validate_action_result", RemoteAction._validate_action_result)
    speed_up()


def test_events_are_named_as_before() -> None:
    for _ in range(2):
        assert Event.resolve_by_type("user") is UserUttered
        assert Event.resolve_by_type("slot") is SlotSet
        with pytest.raises(ValueError, match="Unknown event"):
            Event.resolve_by_type("nonsense")


def test_an_actions_answer_is_checked_as_before() -> None:
    action = RemoteAction("action_track_order", None)
    assert action._validate_action_result({"events": [{"event": "slot", "name": "a", "value": 1}], "responses": []})
    for wrong in ({"events": 7}, {"events": [{"name": "no event"}]}, {"responses": ["text"]}):
        with pytest.raises(ValidationError):
            action._validate_action_result(wrong)
