"""Puts the console together: its parts, its paths, and what it answers when something is wrong."""

from __future__ import annotations

from pathlib import Path

import yaml
from sqlalchemy.exc import OperationalError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from actions.shop import Shop
from bot.console.accounts import Accounts
from bot.console.canned import Canned
from bot.console.conversation_pages import ConversationPages
from bot.console.door import HOME, Door, Handler
from bot.console.queue_pages import QueuePages
from bot.console.rendering import Rendering
from bot.console.sessions import Sessions
from bot.console.sign_in import SignInPages
from bot.console.team_pages import TeamPages
from bot.desk import Desk
from bot.handoff import Handoff, Role
from bot.rates import Counts, Rates

HERE = Path(__file__).parent
DOMAIN_FILE = Path("domain.yml")
# Those that no person would choose for a message.
NO_CHOICE = frozenset({"choose", "nlu_fallback"})
# A minute: for one name, from one address.
TRIES = {"sender": 10, "address": 60}


def console(desk: Desk, handoff: Handoff, shop: Shop, counts: Counts) -> BaseRoute:
    """Return the console's routes, all below `/console`."""
    engine, rendering = desk.engine, Rendering(desk.markets)
    accounts, sessions, canned = Accounts(engine), Sessions(engine), Canned(engine, desk.texts)
    queue = QueuePages(engine, desk.markets, rendering)
    team = TeamPages(engine, desk.markets, accounts, canned, rendering)
    sign_in = SignInPages(accounts, sessions, Rates(counts, **TRIES), rendering)
    talk = ConversationPages(
        engine,
        handoff,
        desk.dispatch,
        shop=shop,
        accounts=accounts,
        canned=canned,
        intents=read_intents(DOMAIN_FILE),
        queue=queue,
        markets=desk.markets,
        rendering=rendering,
    )
    door = Door(sessions)

    def page(path: str, handler: Handler, *, role: Role = "agent", refreshing: bool = False) -> Route:
        return Route(path, door.guard(handler, role=role, refreshing=refreshing))

    def form(path: str, handler: Handler, *, role: Role = "agent") -> Route:
        return Route(path, door.guard(handler, role=role), methods=["POST"])

    here = "/conversations/{conversation}"
    routes: list[BaseRoute] = [
        Route("/sign-in", sign_in.show),
        Route("/sign-in", sign_in.sign_in, methods=["POST"]),
        form("/sign-out", sign_in.sign_out),
        form("/available", sign_in.set_available),
        page("/password", sign_in.show_password),
        form("/password", sign_in.change_password),
        page("/", queue.show),
        page("/queue", queue.refresh, refreshing=True),
        page(here, talk.show),
        page(f"{here}/thread", talk.refresh, refreshing=True),
        page(f"{here}/orders", talk.show_orders, refreshing=True),
        form(f"{here}/claim", talk.claim),
        form(f"{here}/reply", talk.reply),
        form(f"{here}/note", talk.note),
        form(f"{here}/intent", talk.correct),
        form(f"{here}/transfer", talk.transfer),
        form(f"{here}/hand-back", talk.hand_back),
        form(f"{here}/put-back", talk.put_back),
        form(f"{here}/close", talk.close),
        page("/team", team.show, role="supervisor"),
        form("/team/add", team.add, role="admin"),
        form("/team/disable", team.disable, role="admin"),
        page("/canned", team.show_canned),
        form("/canned/add", team.add_canned, role="supervisor"),
        form("/canned/remove", team.remove_canned, role="supervisor"),
        Mount("/static", StaticFiles(directory=HERE / "static")),
    ]

    async def show_problem(request: Request, error: Exception) -> Response:
        # Starlette calls this for what is registered below, and HTTPException is.
        status, detail = (error.status_code, error.detail) if isinstance(error, HTTPException) else (500, "")
        return rendering.page("problem.html", None, status=status, detail=detail)

    async def show_database_away(request: Request, error: Exception) -> Response:
        return PlainTextResponse("The database does not answer. Please try again in a moment.", status_code=503)

    handlers = {HTTPException: show_problem, OperationalError: show_database_away}
    return Mount(HOME, Starlette(routes=routes, exception_handlers=handlers))


def read_intents(file: Path) -> list[str]:
    """Return what a customer's message can mean: the domain's intents, and that it is nothing for this desk."""
    intents = yaml.load(file.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)["intents"]
    return [*sorted(intent for intent in intents if intent not in NO_CHOICE), "out_of_scope"]
