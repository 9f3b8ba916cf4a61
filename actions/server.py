"""Serves the actions to Rasa: on loopback, to whoever knows the secret, with the shop opened once.

    ACTIONS_PORT=5055 ACTIONS_SECRET=… DATABASE_URL=… python -m actions.server

rasa_sdk's own server makes actions without arguments, allows every origin, and answers an error with the whole request,
which holds what the customer wrote; so its actions are served by this small application instead.
"""

from __future__ import annotations

import hmac
import importlib
import logging
import os
import pkgutil
import sys
from collections.abc import Iterable, Mapping
from inspect import isclass
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
from rasa_sdk import Tracker
from rasa_sdk.executor import CollectingDispatcher
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from actions.action import ShopAction, Surroundings
from actions.shop import ShopUnavailable

HOST = "127.0.0.1"
# Modules of this package that hold no actions.
NO_TOPICS = frozenset({"server"})

logger = logging.getLogger(__name__)


def find_actions(surroundings: Surroundings) -> dict[str, ShopAction]:
    """Make every action of this package, by name; a new topic is a new file, named nowhere else."""
    package = Path(__file__).parent
    names = [module.name for module in pkgutil.iter_modules([str(package)]) if module.name not in NO_TOPICS]
    modules = [importlib.import_module(f"actions.{name}") for name in names]
    classes = {
        found
        for module in modules
        for found in vars(module).values()
        # What others are made from is a base and no action.
        if isclass(found) and issubclass(found, ShopAction) and not found.__subclasses__()
    }
    made = [found(surroundings) for found in classes]
    return {action.name(): action for action in made}


def make_app(actions: Mapping[str, ShopAction], secret: str) -> Starlette:
    """Make the application that Rasa calls; the secret stands in the `token` query parameter."""

    async def webhook(request: Request) -> JSONResponse:
        if not hmac.compare_digest(request.query_params.get("token", "").encode(), secret.encode()):
            return JSONResponse({"error": "wrong secret"}, status_code=401)
        try:
            call = msgspec.json.decode(await request.body(), type=dict[str, Any])
        except msgspec.DecodeError:
            return JSONResponse({"error": "the body must be a JSON object"}, status_code=400)
        action = actions.get(call.get("next_action", ""))
        if action is None:
            return JSONResponse({"error": "no such action", "action_name": call.get("next_action")}, status_code=404)
        return JSONResponse(await run_in_threadpool(_run, action, call))

    async def health(_: Request) -> JSONResponse:
        return JSONResponse({"status": "ok"})

    async def unavailable(_: Request, error: Exception) -> JSONResponse:
        logger.error("The shop cannot be reached: %s", error)
        return JSONResponse({"error": "the shop cannot be reached"}, status_code=503)

    return Starlette(
        routes=[Route("/webhook", webhook, methods=["POST"]), Route("/health", health)],
        exception_handlers={ShopUnavailable: unavailable},
    )


def serve(environment: Mapping[str, str]) -> None:
    """Open the shop that the environment names and serve until told to stop."""
    # Read here, not at import: tests make the application on a shop of their own.
    from actions.database import DEFAULT_URL, open_engine
    from actions.sql_shop import load_shop
    from nlu.markets import load_markets

    engine = open_engine(environment.get("DATABASE_URL", DEFAULT_URL))
    shop = load_shop(environment.get("POLYDESK_SHOP", "actions.sql_shop:SqlShop"), engine)
    surroundings = Surroundings(shop, load_markets(), environment.get("SHOP_URL", "/"))
    uvicorn.run(
        make_app(find_actions(surroundings), environment["ACTIONS_SECRET"]),
        host=HOST,
        port=int(environment.get("ACTIONS_PORT", "5055")),
        ws="none",
        access_log=False,  # it would log the secret, which stands in the URL
        log_level="warning",
    )


def _run(action: ShopAction, call: Mapping[str, Any]) -> dict[str, Iterable[Any]]:
    dispatcher = CollectingDispatcher()
    events = action.run(dispatcher, Tracker.from_dict(call["tracker"]), call.get("domain") or {})
    return {"events": events, "responses": dispatcher.messages}


if __name__ == "__main__":
    if not os.environ.get("ACTIONS_SECRET"):
        sys.exit("ACTIONS_SECRET is not set: Rasa's endpoints.yml must have the same as `token`.")
    serve(os.environ)
