"""The console's door: lets in who is signed in, with the role that a page needs and, for every form, its CSRF token.

Touches the sessions. A cookie goes to this site alone, to no script, and over https only where the page came by https.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from bot.checks import Refusal, check_storable
from bot.console.sessions import LASTS, Sessions, SignedIn
from bot.handoff import Agent, Role

HOME = "/console"
QUEUE = f"{HOME}/"
SIGN_IN = f"{HOME}/sign-in"
COOKIE = "polydesk_agent"
# The token of the sign-in form, for which there is no session yet.
FORM_COOKIE = "polydesk_form"
FORM_FIELDS = 20


@dataclass(frozen=True)
class Visit:
    """One request of somebody signed in; `form` is what she sent, empty for a page that was only asked for."""

    request: Request
    session: SignedIn
    form: Mapping[str, str]

    @property
    def agent(self) -> Agent:
        """Who asks."""
        return self.session.agent

    @property
    def partly(self) -> bool:
        """Whether htmx asks for a part of a page."""
        return "hx-request" in self.request.headers

    def path(self, name: str) -> str:
        """Return a part of the path."""
        return str(self.request.path_params[name])


Handler = Callable[[Visit], Awaitable[Response]]
Endpoint = Callable[[Request], Awaitable[Response]]


class Door:
    """Wraps the console's handlers."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    def guard(self, handler: Handler, *, role: Role = "agent", refreshing: bool = False) -> Endpoint:
        """Return an endpoint for agents with a role; `refreshing` is for parts that a page asks for by itself."""

        async def endpoint(request: Request) -> Response:
            token = request.cookies.get(COOKIE, "")
            session = await asyncio.to_thread(self._sessions.find, token, refreshing=refreshing) if token else None
            if session is None:
                return _to_sign_in(request)
            form = await read_form(request) if request.method == "POST" else {}
            if request.method == "POST" and not same(form.get("csrf", ""), session.csrf):
                raise HTTPException(403, "This form is out of date. Go back, reload the page and try again.")
            if not session.agent.may(role):
                raise HTTPException(403, "Your role does not allow this.")
            return await handler(Visit(request, session, form))

        return endpoint


async def read_form(request: Request) -> dict[str, str]:
    """Return a form's text fields; raises HTTP's 400 for what is no form, or holds what no database keeps."""
    form = await request.form(max_files=0, max_fields=FORM_FIELDS)
    try:
        return {name: check_storable(value) for name, value in form.items() if isinstance(value, str)}
    except Refusal as refusal:
        raise HTTPException(400, "This form could not be read.") from refusal


def give_cookie(response: Response, request: Request, name: str, value: str) -> None:
    """Set a cookie that only the console sees."""
    secure = request.url.scheme == "https"
    response.set_cookie(
        name, value, path=HOME, max_age=int(LASTS.total_seconds()), secure=secure, httponly=True, samesite="strict"
    )


def take_cookie(response: Response, name: str) -> None:
    """Remove a cookie of the console's."""
    response.delete_cookie(name, path=HOME)


def form_token(request: Request) -> str:
    """Return the sign-in form's token: the browser's, or a new one."""
    return request.cookies.get(FORM_COOKIE) or secrets.token_urlsafe(32)


def same(given: str, right: str) -> bool:
    """Compare two secrets in constant time; an empty one is never right."""
    return bool(right) and hmac.compare_digest(given.encode(), right.encode())


def _to_sign_in(request: Request) -> Response:
    if "hx-request" in request.headers:
        return Response(status_code=401, headers={"hx-redirect": SIGN_IN})
    return RedirectResponse(SIGN_IN, status_code=303)


def redirect(path: str, **headers: Any) -> Response:
    """Send the browser on after a form."""
    return RedirectResponse(path, status_code=303, headers=headers)
