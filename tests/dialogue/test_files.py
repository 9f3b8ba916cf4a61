"""The dialogue's files agree with each other: intents, rules, replies, actions and texts."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from string import Formatter
from typing import Any

import pytest
import yaml

from actions.action import Surroundings
from actions.server import find_actions
from nlu.markets import load_markets

ROOT = Path(__file__).parents[2]
LANGUAGES = load_markets().languages
RASAS_METADATA = "utter_action"
ONLY_BY_BUTTON_OR_FALLBACK = {"choose", "nlu_fallback"}
FOUND_BY_THE_COMPONENT = {"switch_language"}  # not learned from examples


def read(path: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))
    return content


def names_said_by_actions() -> set[str]:
    """Every reply name that stands in the code of the actions as a whole word."""
    texts = [
        node.value
        for file in (ROOT / "actions").glob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    return {text for text in texts if re.fullmatch(r"utter_[a-z_]*[a-z]", text)} - {RASAS_METADATA}


@pytest.fixture(scope="module")
def domain() -> dict[str, Any]:
    return read("domain.yml")


def test_every_intent_has_a_rule(domain: dict[str, Any]) -> None:
    first_steps = [rule["steps"][0] for rule in read("bot/dialogue/rules.yml")["rules"]]
    started = [step["intent"] for step in first_steps if "intent" in step]
    assert sorted(started) == sorted(domain["intents"])


def test_the_domain_has_the_34_intents_of_the_examples(domain: dict[str, Any]) -> None:
    labelled = {block["intent"] for block in read("training/examples/en.yml")["nlu"]} - {"out_of_scope"}
    assert set(domain["intents"]) - ONLY_BY_BUTTON_OR_FALLBACK - FOUND_BY_THE_COMPONENT == labelled
    assert len(labelled) == 34


def test_every_intent_has_a_stub_so_that_rasa_builds_the_understanding(domain: dict[str, Any]) -> None:
    stubs = {block["intent"] for block in read("bot/dialogue/nlu.yml")["nlu"]}
    assert stubs == set(domain["intents"]) - ONLY_BY_BUTTON_OR_FALLBACK


def test_every_action_of_the_domain_is_served_and_the_other_way_round(domain: dict[str, Any]) -> None:
    shop: Any = None
    assert set(domain["actions"]) == set(find_actions(Surroundings(shop, load_markets(), "/")))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_reply_of_the_domain_has_a_text_and_the_other_way_round(domain: dict[str, Any], language: str) -> None:
    assert set(read(f"bot/replies/{language}.yml")["replies"]) == set(domain["responses"])


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_button_has_a_title(domain: dict[str, Any], language: str) -> None:
    buttons = [button for responses in domain["responses"].values() for button in responses[0].get("buttons", ())]
    assert set(read(f"bot/replies/{language}.yml")["buttons"]) == {button["title"] for button in buttons}


def test_buttons_lead_to_intents_of_the_domain(domain: dict[str, Any]) -> None:
    buttons = [button for responses in domain["responses"].values() for button in responses[0].get("buttons", ())]
    assert {button["payload"].partition("{")[0].removeprefix("/") for button in buttons} <= set(domain["intents"])


def test_every_reply_that_an_action_names_is_in_the_domain(domain: dict[str, Any]) -> None:
    said = names_said_by_actions()
    assert said <= set(domain["responses"])
    assert len(said) > 60, "the names were not found in the code"


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_language_uses_the_placeholders_and_terms_of_the_english_texts(language: str) -> None:
    english, other = read("bot/replies/en.yml"), read(f"bot/replies/{language}.yml")
    assert set(english["terms"]) == set(other["terms"])
    assert {name: placeholders(text) for name, text in english["replies"].items()} == {
        name: placeholders(text) for name, text in other["replies"].items()
    }


def placeholders(template: str | dict[str, str]) -> set[tuple[str, str]]:
    """Return names and types of a text's placeholders; of its last plural form if it has several."""
    text = template if isinstance(template, str) else template["other"]
    return {(name, kind or "") for _, name, kind, _ in Formatter().parse(text) if name}


def test_a_conversation_outlives_a_weekend_in_the_queue(domain: dict[str, Any]) -> None:
    assert domain["session_config"]["session_expiration_time"] >= 60 * 24 * 7
    assert domain["session_config"]["carry_over_slots_to_new_session"] is True


def test_no_policy_and_no_component_is_a_neural_network() -> None:
    config = read("config.yml")
    names = {part["name"] for part in config["pipeline"] + config["policies"]}
    assert names == {"nlu.component.PolydeskNLU", "FallbackClassifier", "RulePolicy", "MemoizationPolicy"}
