"""What Rasa needs to run: its model, trained when the dialogue's files have changed, and the run's two configurations.

Touches `models/` and the run's own folder, and starts `rasa train`. Secrets stand in neither configuration: Rasa puts
them in from its environment.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml

from bot.settings import Settings

DIALOGUE = (Path("config.yml"), Path("domain.yml"), Path("bot/dialogue"))
MODELS = Path("models")
SCHEMA = "rasa"
REDIS_PORT = 6379
# Rasa's own database of locks within Redis; ours is the one that the URL names.
LOCKS_DATABASE = 1
# How long a conversation stays locked in Redis when its Rasa dies, in seconds; Rasa's own default is a minute.
LOCK_LIFETIME = 18


class TrainingFailed(RuntimeError):
    """Rasa could not make its model; what it said stands in the named log."""


def model_file() -> Path:
    """Name the model that belongs to the dialogue's present files, whether it exists or not."""
    digest = hashlib.sha256()
    for file in _dialogue_files():
        digest.update(file.as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return MODELS / f"rasa-{digest.hexdigest()[:16]}.tar.gz"


async def train_model(model: Path, log: Path, environment: Mapping[str, str]) -> None:
    """Train Rasa's model; raises `TrainingFailed`. Two runs that train at once do not meet."""
    # No dot: Rasa would take what follows it for a suffix and drop it.
    name = f"{model.name.removesuffix('.tar.gz')}-{os.getpid()}"
    config, domain, dialogue = map(str, DIALOGUE)
    command = ["-m", "rasa", "train", "--config", config, "--domain", domain, "--data", dialogue]
    command += ["--out", str(MODELS), "--fixed-model-name", name]
    MODELS.mkdir(exist_ok=True)
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, *command, stdout=output, stderr=output, env=environment, start_new_session=True
        )
        try:
            code = await process.wait()
        except asyncio.CancelledError:
            process.kill()
            await process.wait()
            raise
    made = MODELS / f"{name}.tar.gz"
    if code != 0 or not made.exists():
        raise TrainingFailed(f"rasa train failed; {log} says why.")
    made.replace(model)


def write_files(folder: Path, settings: Settings) -> None:
    """Write the run's `endpoints.yml` and `credentials.yml`."""
    endpoints: dict[str, Any] = {
        # Our actions know the shop and not the domain, which Rasa would send along with each call.
        "action_endpoint": {
            "url": "${POLYDESK_ACTIONS_URL}/webhook",
            "token": "${ACTIONS_SECRET}",
            "enable_selective_domain": True,
        },
        "nlg": {"type": "bot.nlg.Replies"},
        # What Rasa calls `url` it hands on as the host, and a host that is a whole URL it takes as it is.
        "tracker_store": {"type": "SQL", "url": "${POLYDESK_TRACKER_URL}"},
    }
    if settings.redis_url:
        endpoints["lock_store"] = _lock_store(settings.redis_url)
    (folder / "endpoints.yml").write_text(yaml.safe_dump(endpoints), encoding="utf-8")
    credentials: dict[str, Any] = {"bot.rasa_channel.PolydeskChannel": {}}
    (folder / "credentials.yml").write_text(yaml.safe_dump(credentials), encoding="utf-8")


def rasa_environment(settings: Settings) -> Mapping[str, str]:
    """Return the variables that the two files refer to, and those of Rasa's own."""
    environment = {
        "RASA_TELEMETRY_ENABLED": "false",
        "TICKET_LOCK_LIFETIME": str(LOCK_LIFETIME),
        "POLYDESK_TRACKER_URL": tracker_url(settings.database_url),
        "POLYDESK_PRIVACY_URL": settings.absolute(settings.privacy_url),
    }
    if not settings.database_url.startswith("sqlite"):
        environment["POSTGRESQL_SCHEMA"] = SCHEMA
    if settings.redis_url:
        environment["POLYDESK_REDIS_PASSWORD"] = unquote(urlsplit(settings.redis_url).password or "")
    return environment


def tracker_url(database_url: str) -> str:
    """Say where Rasa keeps its trackers: a file beside ours, or our PostgreSQL (there in a schema of its own)."""
    scheme, _, rest = database_url.partition("://")
    if not scheme.startswith("sqlite"):
        return f"postgresql://{rest}"
    file = Path(rest.removeprefix("/"))
    # Two databases in one folder are two runs: only the usual name has the usual neighbour.
    name = "rasa.db" if file.name == "polydesk.db" else f"{file.stem}-rasa.db"
    return f"sqlite:///{file.with_name(name)}"


def _lock_store(redis_url: str) -> dict[str, Any]:
    parts = urlsplit(redis_url)
    store: dict[str, Any] = {
        "type": "redis",
        "url": parts.hostname or "localhost",  # Rasa's name for the host
        "port": parts.port or REDIS_PORT,
        "db": LOCKS_DATABASE,
        "key_prefix": "polydesk",
        "use_ssl": parts.scheme == "rediss",
    }
    if parts.username:
        store["username"] = unquote(parts.username)
    if parts.password:
        store["password"] = "${POLYDESK_REDIS_PASSWORD}"  # noqa: S105 - a name, not a secret
    return store


def _dialogue_files() -> Iterable[Path]:
    for path in DIALOGUE:
        yield from sorted(file for file in path.rglob("*.yml")) if path.is_dir() else [path]
