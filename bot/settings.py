"""What the environment says. The only reader of the environment in `bot`; touches nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path

from bot.channels.accounts import Account, AccountsError, read_accounts
from bot.customer_identity import IdentityKey, IdentityKeyError

DEFAULT_DATABASE = "sqlite:///var/polydesk.db"
SCHEMES = ("sqlite", "postgres", "postgresql")


class SettingsError(ValueError):
    """A variable cannot be used as it is; the message names it and says what it should be."""


@dataclass(frozen=True)
class Settings:
    """One edge's settings.

    `secret` signs the widget's sessions; None means the one kept in `var`. `origins` are the sites, beside the edge's
    own, on whose pages the widget may stand; `*` is every site. `privacy_url` and `shop_url`, where one buys, may hold
    `{market}`, and be paths of the edge's own. Rates are messages a minute. `public_url` is where customers and
    providers reach the edge, if that is not what their requests name. `accounts` are the messaging channels'
    (`bot/channels/accounts.py`), `mail_looks_every` the seconds between two looks for new mail. `identity_key` checks
    what the shop signs about its customers. `trusted_proxies` are the addresses and networks whose word on where a
    request comes from is taken.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    database_url: str = DEFAULT_DATABASE
    redis_url: str | None = None
    rest_token: str | None = None
    secret: str | None = None
    shop: str | None = None
    privacy_url: str = "/shop/{market}/privacy"
    shop_url: str = "/shop/{market}"
    origins: tuple[str, ...] = ()
    sender_rate: int = 240
    address_rate: int = 600
    var: Path = Path("var")
    public_url: str | None = None
    accounts: tuple[Account, ...] = ()
    mail_looks_every: float = 20.0
    identity_key: IdentityKey | None = None
    trusted_proxies: tuple[str, ...] = ("127.0.0.1", "::1")

    @property
    def address(self) -> str:
        """Where the edge is reached: its public URL, else this machine's own."""
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::") else self.host  # noqa: S104
        return self.public_url or f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    def absolute(self, url: str) -> str:
        """Return an address for a reply, which customers may read far from any page of ours."""
        return f"{self.address}{url}" if url.startswith("/") else url


@dataclass(frozen=True)
class FarEnds:
    """Where Rasa and the actions listen, and the secret between edge and Rasa."""

    rasa_url: str
    rasa_secret: str
    actions_url: str


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Read the settings; raises `SettingsError` for the first variable that is wrong."""
    default = Settings()
    return Settings(
        host=environ.get("HOST") or default.host,
        port=_number(environ, "PORT", default.port, lowest=1, highest=65535),
        database_url=_database(environ),
        redis_url=_redis(environ),
        rest_token=environ.get("REST_TOKEN") or None,
        secret=_secret(environ),
        shop=environ.get("POLYDESK_SHOP") or None,
        privacy_url=environ.get("POLYDESK_PRIVACY_URL") or default.privacy_url,
        shop_url=environ.get("SHOP_URL") or default.shop_url,
        origins=tuple(origin.strip() for origin in environ.get("POLYDESK_ORIGINS", "").split(",") if origin.strip()),
        sender_rate=_number(environ, "POLYDESK_SENDER_RATE", default.sender_rate),
        address_rate=_number(environ, "POLYDESK_ADDRESS_RATE", default.address_rate),
        var=Path(environ.get("POLYDESK_VAR") or default.var),
        public_url=_public_url(environ),
        accounts=_accounts(environ),
        identity_key=_identity_key(environ),
        trusted_proxies=_proxies(environ) or default.trusted_proxies,
    )


def read_far_ends(environ: Mapping[str, str]) -> FarEnds:
    """Read where the other two processes are; raises `SettingsError` when one is not told."""
    return FarEnds(
        rasa_url=_required(environ, "POLYDESK_RASA_URL").rstrip("/"),
        rasa_secret=_required(environ, "POLYDESK_RASA_SECRET"),
        actions_url=_required(environ, "POLYDESK_ACTIONS_URL").rstrip("/"),
    )


def _required(environ: Mapping[str, str], name: str) -> str:
    value = environ.get(name)
    if not value:
        raise SettingsError(f"{name} is not set; `python -m bot run` sets it by itself.")
    return value


def _number(environ: Mapping[str, str], name: str, default: int, *, lowest: int = 1, highest: int = 10**9) -> int:
    value = environ.get(name)
    if not value:
        return default
    if not value.isascii() or not value.isdigit() or not lowest <= int(value) <= highest:
        raise SettingsError(f"{name} must be a whole number from {lowest} to {highest}, not {value!r}.")
    return int(value)


def _database(environ: Mapping[str, str]) -> str:
    url = environ.get("DATABASE_URL") or DEFAULT_DATABASE
    scheme = url.partition("://")[0].partition("+")[0]
    if scheme not in SCHEMES or "://" not in url:
        # The URL itself is not repeated: it may hold a password.
        raise SettingsError("DATABASE_URL must start with sqlite:/// or postgresql://.")
    return url


def _redis(environ: Mapping[str, str]) -> str | None:
    url = environ.get("REDIS_URL") or None
    if url and not url.startswith(("redis://", "rediss://")):
        raise SettingsError("REDIS_URL must start with redis:// or rediss://.")
    return url


def _public_url(environ: Mapping[str, str]) -> str | None:
    url = (environ.get("POLYDESK_PUBLIC_URL") or "").rstrip("/")
    if url and not url.startswith(("https://", "http://")):
        raise SettingsError("POLYDESK_PUBLIC_URL must start with https:// or http://.")
    return url or None


def _accounts(environ: Mapping[str, str]) -> tuple[Account, ...]:
    try:
        return read_accounts(environ)
    except AccountsError as error:
        raise SettingsError(str(error)) from error


def _secret(environ: Mapping[str, str]) -> str | None:
    secret = environ.get("POLYDESK_SECRET") or None
    if secret and len(secret.encode()) < 32:
        raise SettingsError("POLYDESK_SECRET must have at least 32 bytes.")
    return secret


def _identity_key(environ: Mapping[str, str]) -> IdentityKey | None:
    makers = {"POLYDESK_IDENTITY_SECRET": IdentityKey.shared, "POLYDESK_IDENTITY_PUBLIC_KEY": IdentityKey.public}
    given = [name for name in makers if environ.get(name)]
    if len(given) > 1:
        raise SettingsError(f"Set {' or '.join(given)}, not both: a shop signs in one way.")
    for name in given:
        try:
            return makers[name](environ[name])
        except IdentityKeyError as error:
            # Neither key nor secret is repeated.
            raise SettingsError(f"{name} cannot be used: {error}.") from error
    return None


def _proxies(environ: Mapping[str, str]) -> tuple[str, ...]:
    given = [each.strip() for each in environ.get("POLYDESK_TRUSTED_PROXIES", "").split(",") if each.strip()]
    for each in given:
        try:
            ip_network(each)
        except ValueError as error:
            raise SettingsError(f"POLYDESK_TRUSTED_PROXIES: {each!r} is neither an address nor a network.") from error
    return tuple(given)
