"""The edge: the only process that the public reaches. Builds the desk and the application around it.

Routes: the channels, the widget's files, the demo shop, `/health`, `/metrics`. Nothing is opened at import.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import socketio
import structlog
import uvicorn
from sqlalchemy import text
from sqlalchemy.engine import Engine
from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as NoConnectionFree
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from actions.database import open_engine, reading
from actions.sql_shop import SqlShop, load_shop
from bot import wire_json
from bot.bell import Bell
from bot.channels.messaging import Messaging
from bot.channels.rest import RestChannel
from bot.channels.widget import CHANNEL as WIDGET
from bot.channels.widget import WidgetChannel
from bot.connections import PACKET_LIMIT, server_config
from bot.console.routes import console
from bot.conversations import Conversations
from bot.customers import Customers
from bot.delivery import Sender
from bot.desk import Desk
from bot.dispatch import Dispatch
from bot.feedback import Feedback
from bot.guards import BodyLimit, SafeHeaders
from bot.handoff import Handoff
from bot.handoff_watch import HandoffWatch
from bot.identity import Identity, load_secret
from bot.inbox import Inbox
from bot.left_to_agents import LeftToAgents
from bot.logs import configure_logs
from bot.metrics import Metrics
from bot.outbox import Outbox
from bot.personal_data.daily import DailyPurge
from bot.rasa_client import RasaClient
from bot.rates import MemoryCounts, Rates, RedisCounts
from bot.settings import FarEnds, Settings, read_far_ends, read_settings
from bot.shop_pages import pages
from bot.texts import Texts, load_texts
from bot.turns import Patience
from nlu.markets import load_markets

HERE = Path(__file__).parent
ALIVE_WITHIN = 2.0  # seconds
DATABASE_THREADS = 16  # about as many as the database's connections
# Meta sends many messages in one body, and up to three megabytes after it could not reach us for a while.
BATCH_LIMIT = 3 * 1024 * 1024  # bytes
BATCHES = ("/webhooks/whatsapp/", "/webhooks/messenger/")
SOCKET_PATH = "/socket.io/"


class PublicFiles(StaticFiles):
    """Files that any site may load: a page of another origin gets modules only with this header."""

    def file_response(self, *arguments: object, **options: object) -> Response:
        """Return the file, fresh at each visit."""
        response = super().file_response(*arguments, **options)  # type: ignore[arg-type]
        response.headers["access-control-allow-origin"] = "*"
        response.headers["cross-origin-resource-policy"] = "cross-origin"
        response.headers["cache-control"] = "no-cache"
        return response


class Health:
    """Asks the three processes whether they answer."""

    def __init__(self, engine: Engine, rasa: RasaClient, http: httpx.AsyncClient, actions_url: str) -> None:
        self._engine = engine
        self._rasa = rasa
        self._http = http
        self._actions_url = actions_url

    async def show(self, request: Request) -> Response:
        """Answer `/health`: 200 when all answer, else 503 naming which do not."""
        edge, rasa, actions = await asyncio.gather(self._edge(), self._rasa.answers(), self._actions())
        parts = {"edge": edge, "rasa": rasa, "actions": actions}
        missing = [name for name, answers in parts.items() if not answers]
        body = {"status": "unavailable" if missing else "ok", "missing": missing}
        return JSONResponse(body, status_code=503 if missing else 200)

    async def _edge(self) -> bool:
        return await asyncio.to_thread(self._database_answers)

    def _database_answers(self) -> bool:
        try:
            with reading(self._engine) as session:
                session.execute(text("SELECT 1"))
        except SQLAlchemyError:
            return False
        return True

    async def _actions(self) -> bool:
        try:
            answer = await self._http.get(f"{self._actions_url}/health", timeout=ALIVE_WITHIN)
        except httpx.HTTPError:
            return False
        return answer.status_code == httpx.codes.OK


async def database_away(request: Request, error: Exception) -> Response:
    """Answer 503 to whatever needed the database while it does not answer."""
    structlog.get_logger().error("edge.database", error=type(error).__name__, path=request.url.path)
    body = {"error": "Please send it again in a moment.", "reason": "database"}
    return JSONResponse(body, status_code=503, headers={"retry-after": "1"})


def make_edge(
    settings: Settings,
    far_ends: FarEnds,
    *,
    texts: Texts | None = None,
    patience: Patience | None = None,
) -> ASGIApp:
    """Build the edge on a database that is migrated."""
    texts = texts or load_texts()
    markets = load_markets()
    engine = open_engine(settings.database_url)
    metrics = Metrics()
    # Loopback only, so no proxy of the environment may come between.
    http = httpx.AsyncClient(trust_env=False)
    rasa = RasaClient(http, far_ends.rasa_url, far_ends.rasa_secret)
    counts = RedisCounts(settings.redis_url) if settings.redis_url else MemoryCounts()
    senders: dict[str, Sender] = {}
    bell = Bell(settings.redis_url)
    desk = Desk(
        settings=settings,
        engine=engine,
        markets=markets,
        texts=texts,
        identity=Identity(settings.secret or load_secret(settings.var / "secret")),
        customers=Customers(engine, settings.identity_key, metrics),
        rates=Rates(counts, sender=settings.sender_rate, address=settings.address_rate),
        metrics=metrics,
        conversations=Conversations(engine),
        inbox=Inbox(engine),
        outbox=Outbox(engine),
        feedback=Feedback(engine),
        dispatch=Dispatch(
            engine, rasa, texts, markets, metrics, senders=senders, patience=patience or Patience(), bell=bell
        ),
        rasa=rasa,
        senders=senders,
    )
    server = _make_socket_server(settings)
    widget = WidgetChannel(desk, server, bell)
    desk.dispatch.deliveries[WIDGET] = desk.senders[WIDGET] = widget

    shop = load_shop(settings.shop, engine) if settings.shop else SqlShop(engine)
    handoff = Handoff(engine, texts, markets)
    watch = HandoffWatch(engine, handoff, markets, desk.dispatch.deliver_soon)
    left_to_agents = LeftToAgents(engine, rasa)
    daily_purge = DailyPurge(engine, settings.database_url, markets)

    messaging = Messaging(desk)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(DATABASE_THREADS))
        bell.start()
        desk.dispatch.start()
        widget.following.start()
        messaging.start()
        watch.start()
        left_to_agents.start()
        daily_purge.start()
        yield
        await daily_purge.stop()
        await left_to_agents.stop()
        await watch.stop()
        await desk.dispatch.stop()
        await widget.following.stop()
        await bell.stop()
        await messaging.stop()
        await http.aclose()
        engine.dispose()

    health = Health(engine, rasa, http, far_ends.actions_url)
    routes: list[BaseRoute] = [
        *RestChannel(desk).routes(),
        *messaging.routes(),
        Route("/health", health.show),
        Route("/metrics", metrics.show),
        Mount("/widget", PublicFiles(directory=HERE / "widget")),
        Mount("/vendor", PublicFiles(directory=HERE / "vendor")),
        console(desk, handoff, shop, counts),
        *pages.routes(texts),
    ]
    # What is not stored is not acknowledged: whoever sent it sends it again.
    handlers = dict.fromkeys((OperationalError, InterfaceError, NoConnectionFree), database_away)
    app = Starlette(routes=routes, lifespan=lifespan, exception_handlers=handlers)
    with_socket = socketio.ASGIApp(server, app, socketio_path=SOCKET_PATH)
    larger = {SOCKET_PATH: PACKET_LIMIT, **dict.fromkeys(BATCHES, BATCH_LIMIT)}
    return SafeHeaders(BodyLimit(with_socket, larger=larger))


def serve_edge(environ: Mapping[str, str]) -> None:
    """Serve the edge that the environment describes until told to stop."""
    configure_logs()
    settings = read_settings(environ)
    uvicorn.Server(server_config(make_edge(settings, read_far_ends(environ)), settings)).run()


def _make_socket_server(settings: Settings) -> socketio.AsyncServer:
    origins: str | list[str] | None = list(settings.origins) or None
    return socketio.AsyncServer(
        async_mode="asgi",
        client_manager=socketio.AsyncRedisManager(settings.redis_url) if settings.redis_url else None,
        cors_allowed_origins="*" if "*" in settings.origins else origins,
        # A socket's events are handled one after the other: its messages keep their order.
        async_handlers=False,
        max_http_buffer_size=PACKET_LIMIT,
        json=wire_json,
    )
