"""What supervisors and admins look after: who is there with how much to do, canned replies, accounts."""

from __future__ import annotations

import asyncio

from sqlalchemy import func, select
from sqlalchemy.engine import Engine
from starlette.responses import Response

from actions.database import reading
from bot.console.accounts import AccountError, Accounts
from bot.console.canned import Canned
from bot.console.door import HOME, Visit, redirect
from bot.console.rendering import Rendering
from bot.conversations import AGENT
from bot.handoff import ROLES
from bot.tables import conversations
from nlu.markets import Markets


class TeamPages:
    """The team and what it shares."""

    def __init__(
        self, engine: Engine, markets: Markets, accounts: Accounts, canned: Canned, rendering: Rendering
    ) -> None:
        self._engine = engine
        self._markets = markets
        self._accounts = accounts
        self._canned = canned
        self._rendering = rendering

    async def show(self, visit: Visit) -> Response:
        """Show who is there and what each has to do; to admins, the accounts as well."""
        return await self._team(visit)

    async def add(self, visit: Visit) -> Response:
        """Make an account."""
        form = visit.form
        try:
            await asyncio.to_thread(
                self._accounts.add,
                form.get("name", ""),
                form.get("password", ""),
                role=form.get("role", ""),
                email=form.get("email"),
                by=visit.agent.id,
            )
        except AccountError as error:
            return await self._team(visit, problem=str(error))
        return redirect(f"{HOME}/team")

    async def disable(self, visit: Visit) -> Response:
        """Shut an account; nobody shuts herself out."""
        name = visit.form.get("name", "")
        if name == visit.agent.name:
            return await self._team(visit, problem="You cannot disable your own account.")
        try:
            await asyncio.to_thread(self._accounts.disable, name, by=visit.agent.id)
        except AccountError as error:
            return await self._team(visit, problem=str(error))
        return redirect(f"{HOME}/team")

    async def show_canned(self, visit: Visit) -> Response:
        """Show a language's canned replies."""
        return await self._canned_page(visit)

    async def add_canned(self, visit: Visit) -> Response:
        """Keep a canned reply."""
        form, language = visit.form, self._language(visit)
        added = await asyncio.to_thread(
            self._canned.add, language, form.get("title", ""), form.get("text", ""), visit.agent
        )
        if not added:
            return await self._canned_page(visit, problem="It needs a text, and a title that is not taken.")
        return redirect(f"{HOME}/canned?language={language}")

    async def remove_canned(self, visit: Visit) -> Response:
        """Remove a canned reply."""
        key = visit.form.get("id", "")
        if key.isascii() and key.isdigit():
            await asyncio.to_thread(self._canned.remove, int(key))
        return redirect(f"{HOME}/canned?language={self._language(visit)}")

    async def _team(self, visit: Visit, *, problem: str | None = None) -> Response:
        accounts = await asyncio.to_thread(self._accounts.all)
        return self._rendering.page(
            "team.html",
            visit,
            status=400 if problem else 200,
            accounts=accounts,
            busy=await asyncio.to_thread(self._busy),
            roles=ROLES,
            problem=problem,
        )

    async def _canned_page(self, visit: Visit, *, problem: str | None = None) -> Response:
        language = self._language(visit)
        return self._rendering.page(
            "canned.html",
            visit,
            status=400 if problem else 200,
            language=language,
            canned=await asyncio.to_thread(self._canned.of, language),
            problem=problem,
        )

    def _language(self, visit: Visit) -> str:
        asked = visit.form.get("language") or visit.request.query_params.get("language", "")
        return asked if asked in self._markets.languages else self._markets.languages[0]

    def _busy(self) -> dict[int, int]:
        """Return how many conversations each agent has."""
        query = select(conversations.c.agent_id, func.count().label("number")).where(conversations.c.status == AGENT)
        with reading(self._engine) as session:
            return {row.agent_id: row.number for row in session.execute(query.group_by(conversations.c.agent_id))}
