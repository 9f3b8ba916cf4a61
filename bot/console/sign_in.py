"""Signing in and out, one's own password, and whether one takes conversations."""

from __future__ import annotations

import asyncio

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from bot.console.accounts import PASSWORD_LENGTH, AccountError, Accounts
from bot.console.door import (
    COOKIE,
    FORM_COOKIE,
    HOME,
    QUEUE,
    SIGN_IN,
    Visit,
    form_token,
    give_cookie,
    read_form,
    redirect,
    same,
    take_cookie,
)
from bot.console.rendering import Rendering
from bot.console.sessions import Sessions
from bot.rates import Rates


class SignInPages:
    """The pages around an account's own session. `rates` limits how often somebody may try."""

    def __init__(self, accounts: Accounts, sessions: Sessions, rates: Rates, rendering: Rendering) -> None:
        self._accounts = accounts
        self._sessions = sessions
        self._rates = rates
        self._rendering = rendering

    async def show(self, request: Request) -> Response:
        """Show the form."""
        return self._form(request)

    async def sign_in(self, request: Request) -> Response:
        """Begin a session, a new one in any case: a token that was there before the password is worth nothing."""
        form = await read_form(request)
        if not same(form.get("csrf", ""), request.cookies.get(FORM_COOKIE, "")):
            raise HTTPException(403, "This form is out of date. Go back, reload the page and try again.")
        name, password = form.get("name", "").strip(), form.get("password", "")
        address = request.client.host if request.client else None
        if not await self._rates.allows(sender=f"sign-in:{name[:80].casefold()}", address=address):
            return self._form(request, problem="Too many tries. Please wait a minute.", status=429)
        known = len(password) < PASSWORD_LENGTH.stop
        agent = await asyncio.to_thread(self._accounts.check, name, password if known else "")
        if agent is None:
            return self._form(request, problem="Name or password is not right.", status=401, name=name)
        token = await asyncio.to_thread(self._sessions.begin, agent)
        response = redirect(QUEUE)
        give_cookie(response, request, COOKIE, token)
        take_cookie(response, FORM_COOKIE)
        return response

    async def sign_out(self, visit: Visit) -> Response:
        """End the session."""
        await asyncio.to_thread(self._sessions.end, visit.request.cookies[COOKIE])
        response = redirect(SIGN_IN)
        take_cookie(response, COOKIE)
        return response

    async def set_available(self, visit: Visit) -> Response:
        """Say whether one takes conversations."""
        available = visit.form.get("available") == "yes"
        await asyncio.to_thread(self._accounts.set_available, visit.agent, available=available)
        return redirect(QUEUE)

    async def show_password(self, visit: Visit) -> Response:
        """Show the form for another password."""
        return self._rendering.page("password.html", visit, problem=None, done="done" in visit.request.query_params)

    async def change_password(self, visit: Visit) -> Response:
        """Change the password and end the sessions that the old one began elsewhere."""
        old, new = visit.form.get("old", ""), visit.form.get("new", "")
        if not await self._rates.allows(sender=f"sign-in:{visit.agent.name.casefold()}", address=None):
            return self._rendering.page(
                "password.html", visit, status=429, problem="Too many tries. Please wait a minute.", done=False
            )
        try:
            await asyncio.to_thread(self._accounts.change_password, visit.agent, old, new)
        except AccountError as error:
            return self._rendering.page("password.html", visit, status=400, problem=str(error), done=False)
        await asyncio.to_thread(self._sessions.end_others, visit.agent, visit.request.cookies[COOKIE])
        return redirect(f"{HOME}/password?done")

    def _form(self, request: Request, *, problem: str | None = None, status: int = 200, name: str = "") -> Response:
        token = form_token(request)
        response = self._rendering.page("sign_in.html", None, status=status, problem=problem, csrf=token, name=name)
        give_cookie(response, request, FORM_COOKIE, token)
        return response
