"""What the real processes were given of the environment."""

from __future__ import annotations

from tests.benchmarks.kills import PROCESSES, child
from tests.conversations.polydesk import IDENTITY_SECRET, Polydesk


def test_the_secret_that_signs_customers_reaches_the_edge_alone(polydesk: Polydesk) -> None:
    polydesk.wait_until_healthy()
    environments = {name: found.environ() for name in PROCESSES if (found := child(polydesk.launcher, name))}

    assert environments.keys() == PROCESSES.keys()
    knowing = {name for name, environment in environments.items() if IDENTITY_SECRET in environment.values()}
    assert knowing == {"edge"}
    talking_to_actions = {name for name, environment in environments.items() if "ACTIONS_SECRET" in environment}
    assert talking_to_actions == {"rasa", "actions"}
