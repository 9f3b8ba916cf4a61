"""Takes conversations in: reads an archive or the bot's own, leaves out who did not consent, redacts, stores once.

Touches the file and the database. A file is read twice, first for consent: a customer may give it at a conversation's
end, or withdraw it there. Held at a time: one batch of messages, and a few bytes a conversation.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO

from tqdm import tqdm

from nlu.language import LanguageDetector
from nlu.markets import Market, load_markets
from training.formats import ArchiveError, Record, Rejected, Talk, chatwoot, own, rasa, rows, zendesk
from training.redact import redact
from training.store import Store, TranscriptMessage

READERS: dict[str, Callable[[BinaryIO], Iterator[Record]]] = {
    "chatwoot": chatwoot.read,
    "zendesk": zendesk.read,
    "rasa": rasa.read,
    "csv": rows.read_csv,
    "jsonl": rows.read_jsonl,
}
BATCH = 500
LANGUAGE_CODE = re.compile(r"([A-Za-z]{2})(?:[-_].*)?")
STATED = "stated in the archive"


@dataclass
class Ingested:
    """What came of an archive. `conversations` and `messages` are new ones; `without_consent` counts conversations."""

    conversations: int = 0
    messages: int = 0
    duplicates: int = 0
    without_consent: int = 0
    rejected: list[Rejected] = field(default_factory=list)


class Archive:
    """Something that can be read from its beginning as often as is needed, under a progress bar on standard error."""

    def __init__(self, read: Callable[[str], Iterator[Record]]) -> None:
        self.records = read


def run(options: argparse.Namespace) -> None:
    """Take the archive in and print the contract's JSON object."""
    market = load_markets()[options.market]
    store = Store.from_environment()
    if options.format == "own":
        archive = Archive(partial(_own_records, store, market.code))
    elif options.file is None:
        raise ArchiveError("Name the FILE to take in.")
    else:
        archive = Archive(partial(_file_records, options.file, READERS[options.format]))
    done = ingest(archive, store, source=options.format, market=market, legal_basis=options.consent_by_contract)
    sys.stdout.write(json.dumps(asdict(done)) + "\n")


def ingest(archive: Archive, store: Store, *, source: str, market: Market, legal_basis: str | None = None) -> Ingested:
    """Store the archive's conversations that may be learned from, their texts redacted.

    Without a statement there is no consent, unless the operator names a `legal_basis`; a refusal always counts, also
    for what was stored before it.
    """
    consent = _consents(archive.records("consent"))
    allowed = {name: _reason(stated, legal_basis) for name, stated in consent.items()}
    done = Ingested(without_consent=sum(reason is None for reason in allowed.values()))
    detector = LanguageDetector(load_markets().languages)
    batch: list[TranscriptMessage] = []
    refused: set[str] = set()
    for record in archive.records("messages"):
        if isinstance(record, Rejected):
            done.rejected.append(record)
            continue
        name = _short(record.conversation)
        reason = allowed.get(name)
        if consent.get(name) is False:
            refused.add(record.conversation)
        if len(refused) >= BATCH:
            _forget(store, refused, source=source)
            refused = set()
        if reason is None:
            continue
        batch += [_prepared(message, reason, market, detector) for message in record.messages]
        if len(batch) >= BATCH:
            _add(done, store, batch, source=source, market=market)
            batch = []
    _add(done, store, batch, source=source, market=market)
    _forget(store, refused, source=source)
    return done


def _consents(records: Iterable[Record]) -> dict[bytes, bool | None]:
    """Return each conversation's last statement."""
    stated: dict[bytes, bool | None] = {}
    for record in records:
        if isinstance(record, Talk):
            name = _short(record.conversation)
            stated[name] = record.consent if record.consent is not None else stated.get(name)
    return stated


def _reason(stated: bool | None, legal_basis: str | None) -> str | None:
    if stated is None:
        return legal_basis
    return STATED if stated else None


def _short(conversation: str) -> bytes:
    return blake2b(conversation.encode("utf-8", "surrogatepass"), digest_size=12).digest()


def _prepared(message: TranscriptMessage, reason: str, market: Market, detector: LanguageDetector) -> TranscriptMessage:
    # Archives say de, de-DE, German or nothing.
    named = LANGUAGE_CODE.fullmatch(message.language or "")
    language = named[1].lower() if named else detector.detect(message.text, market=market.language).code
    if language == "und":
        language = market.language
    return replace(message, text=redact(message.text, market).text, language=language, consent=reason)


def _add(done: Ingested, store: Store, batch: list[TranscriptMessage], *, source: str, market: Market) -> None:
    added = store.add(batch, source=source, market=market.code)
    done.conversations += added.conversations
    done.messages += added.messages
    done.duplicates += added.duplicates


def _forget(store: Store, refused: Collection[str], *, source: str) -> None:
    """Erase what was stored of conversations before their customers withdrew their consent, and say so."""
    erased = store.erase(source=source, conversations=refused) if refused else []
    if erased:
        ids = ", ".join(map(str, erased))
        sys.stderr.write(f"Consent was withdrawn: transcripts {ids} are erased (`releases --learned-from ID`).\n")


def _own_records(store: Store, market: str, what: str) -> Iterator[Record]:
    with tqdm(desc=what, unit=" conversations", file=sys.stderr, mininterval=1.0) as bar:
        for record in own.read(store.engine, market):
            bar.update()
            yield record


def _file_records(path: Path, read: Callable[[BinaryIO], Iterator[Record]], what: str) -> Iterator[Record]:
    with (
        _opened(path) as file,
        tqdm(desc=what, unit="B", unit_scale=True, total=_size(path), file=sys.stderr, mininterval=1.0) as bar,
    ):
        for record in read(file):
            bar.update(file.tell() - bar.n)
            yield record
        bar.update(_size(path) - bar.n)


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        file = path.open("rb")
    except OSError as error:
        raise ArchiveError(f"{path} cannot be read: {error.strerror}.") from error
    with file:
        yield file


def _size(path: Path) -> int:
    return path.stat().st_size
