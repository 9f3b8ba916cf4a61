"""Serves the actions to Rasa: on loopback, to whoever knows the secret, with the shop opened once.

    ACTIONS_PORT=5055 ACTIONS_SECRET=… DATABASE_URL=… python -m actions.server

rasa_sdk's own server constructs actions without arguments, allows every origin and answers errors with the request's
body, which holds the customer's messages; so its executor is served here by a small application of ours. No other
module of the actions reads the environment.
"""

from __future__ import annotations

import hmac
import importlib
import logging
import os
import pkgutil
import sys
from collections.abc import Iterator, Mapping
from inspect import isabstract

import msgspec
import uvicorn
from rasa_sdk.executor import ActionExecutor
from rasa_sdk.interfaces import ActionNotFoundException
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

import actions
from actions.action import ShopAction, Surroundings
from actions.database import DEFAULT_URL, make_engine
from actions.sql_shop import load_shop
from nlu.markets import load_markets

HOST = "127.0.0.1"
DEFAULT_SHOP = "actions.sql_shop:SqlShop"
DEFAULT_SHOP_URL = "/"

logger = logging.getLogger(__name__)


def make_app(surroundings: Surroundings, secret: str) -> Starlette:
    """Make the application that Rasa calls; `secret` must stand in the `token` query parameter."""
    executor = ActionExecutor()
    for action in all_actions(surroundings):
        executor.register_action(action)

    async def webhook(request: Request) -> JSONResponse:
        if not hmac.compare_digest(request.query_params.get("token", "").encode(), secret.encode()):
            return JSONResponse({"error": "wrong secret"}, status_code=401)
        try:
            call = msgspec.json.decode(await request.body())
        except msgspec.DecodeError:
            return JSONResponse({"error": "no JSON"}, status_code=400)
        return await run_in_threadpool(_run, executor, call)

    async def health(_: Request) -> JSONResponse:
        return JSONResponse({"status": "ok"})

    return Starlette(
        routes=[Route("/webhook", webhook, methods=["POST"]), Route("/health", health)],
    )
