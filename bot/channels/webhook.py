"""The webhook of one account: verifies a request before it is read, stores all its messages, then acknowledges.

A provider sends again what was not acknowledged. While the database is away the edge answers 503 for that reason.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from bot.channels.intake import Intake
from bot.channels.provider import Asked, WebhookProvider
from bot.checks import Refusal
from bot.desk import Desk
from bot.inbox import Stored

FORGED = "forged"


class Webhook:
    """Serves one provider's account."""

    def __init__(self, desk: Desk, provider: WebhookProvider) -> None:
        self._desk = desk
        self._provider = provider
        self._intake = Intake(desk, provider)

    def routes(self) -> list[Route]:
        """Return the account's routes."""
        return [Route(path, self.serve, methods=["GET", "POST"]) for path in self._provider.account.paths]

    async def serve(self, request: Request) -> Response:
        """Answer the provider: the verification of the address, or its messages."""
        asked = await self._asked(request)
        if request.method != "POST":
            answer = self._provider.challenge(asked)
            return self._refuse(Refusal(FORGED, 403)) if answer is None else PlainTextResponse(answer)
        if not self._provider.is_genuine(asked):
            return self._refuse(Refusal(FORGED, 403))
        try:
            stored = await self._take(asked)
        except Refusal as refusal:
            return self._refuse(refusal)
        return await self._provider.acknowledge(asked, stored, self._desk)

    async def _asked(self, request: Request) -> Asked:
        url = str(request.url)
        if self._desk.settings.public_url:
            query = f"?{request.url.query}" if request.url.query else ""
            url = f"{self._desk.settings.public_url}{request.url.path}{query}"
        return Asked(url=url, query=request.query_params, headers=request.headers, body=await request.body())

    async def _take(self, asked: Asked) -> list[Stored]:
        stored = []
        for received in self._provider.read(asked):
            try:
                if received.opens:
                    await self._intake.greet(received)
                else:
                    stored.append(await self._intake.take(received))
            except Refusal as refusal:
                # Sending it again would not help, and would hold up what is with it in the request.
                self._desk.metrics.refusals.labels(channel=self._provider.channel, reason=refusal.name).inc()
        return stored

    def _refuse(self, refusal: Refusal) -> Response:
        self._desk.metrics.refusals.labels(channel=self._provider.channel, reason=refusal.name).inc()
        return JSONResponse({"error": refusal.name}, status_code=refusal.status)
