"""The Rasa component takes releases over by itself, between two messages."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, cast

from rasa.shared.nlu.training_data.message import Message

from nlu.adapters import ADAPTERS_FOLDER, read_manifest
from nlu.component import PolydeskNLU
from nlu.parser import Parser
from tests.training.releases.miniature import Miniature, copy_adapter, the_same_in_other_bytes
from training.promote import Candidate, promote

WITHIN = 60.0  # seconds


def version_that_answers(component: PolydeskNLU) -> str:
    message = Message(data={"text": "wo ist mein paket", "metadata": {"market": "de-DE"}})
    component.process([message])
    return str(message.get("adapter")["version"])


def test_rasas_component_answers_with_a_new_release_without_being_made_anew(miniature: Miniature) -> None:
    nothing = cast(Any, None)  # what Rasa hands over and the component does not look at
    component = PolydeskNLU.create({"threads": 1}, nothing, nothing, nothing)
    try:
        old = version_that_answers(component)
        assert old == read_manifest(ADAPTERS_FOLDER / "de-DE").version
        copy_adapter(ADAPTERS_FOLDER / "de-DE", Path("candidate"), change=the_same_in_other_bytes)
        new = promote(Candidate(Path("candidate"), "de-DE"), miniature.served()).version
        end = time.monotonic() + WITHIN
        while (answered := version_that_answers(component)) != new:
            assert answered == old
            assert time.monotonic() < end
    finally:
        cast(Parser, component.parser).adapters.close()
