"""What each of the launcher's children sees of the environment: what its program needs, and no secret of another's.

Touches `credentials.yml`, which names variables of the edge's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Literal

from bot.channels.accounts import NEEDS, named_variables

Process = Literal["edge", "rasa", "actions"]

# The machine's and its libraries', for all three.
COMMON = (
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "NO_COLOR", "TZ", "TMPDIR", "LANG", "LANGUAGE", "LC_*"),
    *("PYTHON*", "VIRTUAL_ENV", "LD_*", "XDG_*", "SSL_CERT_*", "MALLOC_*", "OMP_*", "KMP_*", "MKL_*", "OPENBLAS_*"),
    "PG*",  # libpq's, where DATABASE_URL leaves something to it
)
OF: Mapping[Process, tuple[str, ...]] = {
    "edge": (
        *("HOST", "PORT", "DATABASE_URL", "REDIS_URL", "REST_TOKEN", "SHOP_URL", "*_PROXY", "*_proxy"),
        *("POLYDESK_RASA_URL", "POLYDESK_RASA_SECRET", "POLYDESK_ACTIONS_URL", "POLYDESK_RELEASES", "POLYDESK_VAR"),
        *("POLYDESK_SECRET", "POLYDESK_IDENTITY_*", "POLYDESK_SHOP", "POLYDESK_PRIVACY_URL", "POLYDESK_PUBLIC_URL"),
        *("POLYDESK_ORIGINS", "POLYDESK_TRUSTED_PROXIES", "POLYDESK_SENDER_RATE", "POLYDESK_ADDRESS_RATE"),
        *(f"{channel.upper()}_*" for channel in NEEDS),
    ),
    "rasa": (
        *("RASA_*", "SANIC_*", "TF_*", "CUDA_*", "HF_*", "LOG_LEVEL*", "TICKET_LOCK_LIFETIME", "POSTGRESQL_*"),
        *("POLYDESK_RASA_SECRET", "POLYDESK_ACTIONS_URL", "ACTIONS_SECRET", "POLYDESK_PRIVACY_URL"),
        *("POLYDESK_TRACKER_URL", "POLYDESK_REDIS_PASSWORD", "POLYDESK_ENCODER", "POLYDESK_RELEASES"),
    ),
    "actions": ("ACTIONS_*", "DATABASE_URL", "SHOP_URL", "POLYDESK_SHOP"),
}
SHOPKEEPERS = ("edge", "actions")  # who opens the shop
NOBODYS = ("POLYDESK_*",)  # what none of them asks for: `agent add` does


def environment_of(process: Process, environ: Mapping[str, str]) -> dict[str, str]:
    """Return what a process may see.

    A shop of one's own may want any variables: those that are nobody else's go to the two processes that open it.
    """
    named = named_variables()
    patterns = (*COMMON, *OF[process], *(named if process == "edge" else ()))
    owned = (*NOBODYS, *named, *(pattern for each in OF.values() for pattern in each))
    has_shops = process in SHOPKEEPERS and bool(environ.get("POLYDESK_SHOP"))
    return {
        name: value
        for name, value in environ.items()
        if _is_one_of(name, patterns) or (has_shops and not _is_one_of(name, owned))
    }


def _is_one_of(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
