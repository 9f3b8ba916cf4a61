"""What Prometheus can ask an edge. Holds its own registry, so that several edges can live in one process."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.requests import Request
from starlette.responses import Response

BUCKETS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 5, 10, 20)


class Metrics:
    """The edge's counters; labels are channels, states and reasons, never anything of a customer."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.messages = Counter("polydesk_messages", "Messages stored", ["channel"], registry=self.registry)
        self.refusals = Counter("polydesk_refusals", "Messages refused", ["channel", "reason"], registry=self.registry)
        self.identities = Counter(
            "polydesk_identities", "Customers' identities shown", ["result"], registry=self.registry
        )
        self.turns = Counter("polydesk_turns", "Turns ended", ["channel", "state"], registry=self.registry)
        self.turn_seconds = Histogram(
            "polydesk_turn_seconds", "From dispatch to stored replies", buckets=BUCKETS, registry=self.registry
        )
        self.sockets = Gauge("polydesk_sockets", "Widget sockets open", registry=self.registry)

    async def show(self, request: Request) -> Response:
        """Answer `/metrics`."""
        return Response(generate_latest(self.registry), media_type="text/plain; version=0.0.4; charset=utf-8")
