"""Rasa's end of the wire from the edge: the only channel that Rasa listens to, on loopback, behind a secret.

`POST /webhooks/polydesk/webhook` runs one turn, `…/greeting` gives the opening replies, `…/understanding` tells what a
message is taken for and keeps nothing. The forms stand in docs/architecture.md. No text is logged.
"""

from __future__ import annotations

import hmac
import json
import os
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from rasa.core.channels.channel import InputChannel, UserMessage
from sanic import Blueprint, Sanic
from sanic.request import Request
from sanic.response import HTTPResponse
from sanic.response import json as json_response

from bot.rasa_speed import speed_up
from bot.rasa_turn import CHANNEL_NAME, Turn, TurnFailed, run_turn, understand
from nlu.markets import Markets, load_markets

SECRET_VARIABLE = "POLYDESK_RASA_SECRET"  # noqa: S105 - a name, not a secret
PRIVACY_URL_VARIABLE = "POLYDESK_PRIVACY_URL"
OPENING_REPLIES = ("utter_welcome", "utter_privacy")

log = structlog.get_logger(__name__)


class BadRequest(ValueError):
    """The body is not what the wire says."""


class PolydeskChannel(InputChannel):  # type: ignore[misc]
    """Named in the credentials file that the launcher writes: `bot.rasa_channel.PolydeskChannel`."""

    def __init__(self, secret: str) -> None:
        self.secret = secret

    @classmethod
    def name(cls) -> str:
        """Return the part of the URL that is the channel's."""
        return CHANNEL_NAME

    @classmethod
    def from_credentials(cls, credentials: dict[str, Any] | None) -> PolydeskChannel:
        """Take the secret from the environment; raises `ValueError` without one."""
        secret = os.environ.get(SECRET_VARIABLE, "")
        if not secret:
            raise ValueError(f"Set {SECRET_VARIABLE}: Rasa answers nobody who does not know it.")
        return cls(secret)

    def blueprint(self, on_new_message: Callable[[UserMessage], Awaitable[Any]]) -> Blueprint:
        """Return the routes. Rasa's own way in is not used: it hides failures."""
        speed_up()
        blueprint = Blueprint(CHANNEL_NAME)
        markets = load_markets()

        @blueprint.route("/", methods=["GET"])
        async def health(request: Request) -> HTTPResponse:
            return json_response(
                {"ready": _agent_is_ready(request.app)}, status=200 if _agent_is_ready(request.app) else 503
            )

        @blueprint.route("/webhook", methods=["POST"])
        async def webhook(request: Request) -> HTTPResponse:
            return await self._answer(request, markets, _run)

        @blueprint.route("/understanding", methods=["POST"])
        async def understanding(request: Request) -> HTTPResponse:
            return await self._answer(request, markets, _understand)

        @blueprint.route("/greeting", methods=["POST"])
        async def greeting(request: Request) -> HTTPResponse:
            return await self._answer(request, markets, _greet)

        return blueprint

    async def _answer(
        self,
        request: Request,
        markets: Markets,
        work: Callable[[Sanic, dict[str, Any], Markets], Awaitable[dict[str, Any]]],
    ) -> HTTPResponse:
        if not hmac.compare_digest(request.headers.get("Authorization", ""), f"Bearer {self.secret}"):
            return json_response({"error": "wrong secret"}, status=401)
        if not _agent_is_ready(request.app):
            return json_response({"error": "the model is not loaded"}, status=503)
        try:
            body = _checked(request, markets, is_turn=work is not _greet)
        except BadRequest as error:
            return json_response({"error": str(error)}, status=400)
        try:
            return json_response(await work(request.app, body, markets))
        except TurnFailed as error:
            log.warning("turn_failed", conversation=body["sender"], reason=str(error))
            return json_response({"error": "the turn failed and left nothing behind", "turn": "failed"}, status=503)


def _agent_is_ready(app: Sanic) -> bool:
    agent = getattr(app.ctx, "agent", None)
    return bool(agent and agent.is_ready())


def _checked(request: Request, markets: Markets, *, is_turn: bool) -> dict[str, Any]:
    try:
        body = json.loads(request.body)
    except ValueError as error:
        raise BadRequest("the body is not JSON") from error
    if not isinstance(body, dict) or not isinstance(body.get("sender"), str):
        raise BadRequest("`sender` is missing")
    metadata = body.get("metadata")
    if not isinstance(metadata, dict) or metadata.get("market") not in markets.by_code:
        raise BadRequest("`metadata.market` is no market")
    if is_turn and not (isinstance(body.get("message"), str) and isinstance(body.get("message_id"), str)):
        raise BadRequest("`message` or `message_id` is missing")
    return body


async def _run(app: Sanic, body: dict[str, Any], markets: Markets) -> dict[str, Any]:
    result = await run_turn(app.ctx.agent, _turn(body))
    return {"replies": result.replies, **_understood(result.parse_data, body)}


async def _understand(app: Sanic, body: dict[str, Any], markets: Markets) -> dict[str, Any]:
    return {"replies": [], **_understood(await understand(app.ctx.agent, _turn(body)), body)}


def _turn(body: dict[str, Any]) -> Turn:
    return Turn(body["sender"], body["message"], body["message_id"], body["metadata"])


def _understood(parsed: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    intent = parsed.get("intent") or {}
    return {
        "intent": intent.get("name"),
        "confidence": intent.get("confidence"),
        "language": (parsed.get("language") or {}).get("code", "und"),
        "market": body["metadata"]["market"],
        "adapter": (parsed.get("adapter") or {}).get("name"),
        "sentiment": parsed.get("sentiment"),
        "out_of_scope": parsed.get("out_of_scope"),
    }


async def _greet(app: Sanic, body: dict[str, Any], markets: Markets) -> dict[str, Any]:
    metadata = body["metadata"]
    market = markets[metadata["market"]]
    language = metadata.get("language_hint") or market.language
    values = {"privacy_url": os.environ.get(PRIVACY_URL_VARIABLE, "/privacy").replace("{market}", market.code)}
    replies = app.ctx.agent.nlg
    opening = [replies.render(name, market=market.code, language=language, values=values) for name in OPENING_REPLIES]
    return {"replies": opening, "language": language}
