"""The real action server, killed by its process id: the customer gets an apology, and her turn is not half done."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil

from actions.tables import EffectRow, OrderRow
from bot.tables import FAILED
from tests.benchmarks.kills import child
from tests.conversations.conftest import Customer
from tests.conversations.polydesk import Polydesk

Come = Callable[..., Customer]


def test_she_gets_an_apology_in_her_language_and_all_works_once_the_server_is_back(
    polydesk: Polydesk, customer_in: Come
) -> None:
    order = polydesk.order("de-DE", "packed")
    customer = customer_in("de-DE")
    asked = customer.says(f"Bitte stornieren Sie die Bestellung {order.number}, {order.email}")
    assert asked == ["utter_confirm_cancel"]
    effects = len(polydesk.rows(EffectRow))

    with actions_dead(polydesk):
        assert customer.says("Ja, bitte.") == ["edge_apology"]
        assert customer.state == FAILED
        assert customer.languages == {"de"}
        assert len(polydesk.rows(EffectRow)) == effects
        assert polydesk.rows(OrderRow, OrderRow.id == order.id)[0].status == "packed"

    polydesk.wait_until_healthy()
    assert customer.says("Ja, bitte.") == ["utter_order_cancelled"], "the question was still open"
    assert polydesk.rows(OrderRow, OrderRow.id == order.id)[0].status == "cancelled"


@contextmanager
def actions_dead(polydesk: Polydesk) -> Iterator[None]:
    """Kill the action server. The launcher, which would start it again at once, is held meanwhile."""
    launcher, actions = psutil.Process(polydesk.launcher), child(polydesk.launcher, "actions")
    assert actions is not None
    launcher.suspend()
    try:
        actions.kill()
        yield
    finally:
        launcher.resume()
