"""Power cuts while customers write: fifty of them, and two of everything, are in `tests/benchmarks/durability.py`."""

from __future__ import annotations

import random

from tests.benchmarks.customers import Crowd
from tests.benchmarks.kills import kill_at_random, look, settle
from tests.conversations.conftest import Polydesk


def test_after_kills_of_edge_rasa_and_actions_nothing_acknowledged_is_lost_and_nothing_is_done_twice(
    polydesk: Polydesk,
) -> None:
    with Crowd([polydesk.url], 2) as crowd:
        outages = kill_at_random([(polydesk.launcher, polydesk.url)], 3, chance=random.Random(3), apart=4)
    settle(polydesk.engine)

    outcome = look(polydesk.engine, crowd.acknowledged, outages)

    assert {outage.process for outage in outages} == {"edge", "rasa", "actions"}
    assert outcome.acknowledged > 0 and outcome.effects > 0, outcome
    assert (outcome.lost, outcome.unanswered, outcome.answered_twice) == (0, 0, 0), outcome
    assert (outcome.effects_doubled, outcome.effects_missing) == (0, 0), outcome
    assert outcome.slowest < 15, outcome
