"""Takes conversations in: reads an archive or the bot's own, leaves out who did not consent, redacts, stores once.

Touches the file and the database. A file is read twice, first for consent, which a customer may give at a
conversation's end, or withdraw there, and for conversations that stand under another market already. Held at a time:
one batch of messages, and a few bytes a conversation.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO

from tqdm import tqdm

from nlu.language import LanguageDetector
from nlu.markets import Market, load_markets
from training.disk import needing_room
from training.formats import ArchiveError, Record, Rejected, Talk, chatwoot, own, rasa, rows, zendesk
from training.redact import redact
from training.store import Store, TranscriptMessage
from training.tables import OWN

READERS: dict[str, Callable[[BinaryIO], Iterator[Record]]] = {
    "chatwoot": chatwoot.read,
    "zendesk": zendesk.read,
    "rasa": rasa.read,
    "csv": rows.read_csv,
    "jsonl": rows.read_jsonl,
}
BATCH = 500
SOURCE_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,19}")
LANGUAGE_CODE = re.compile(r"([A-Za-z]{2})(?:[-_].*)?")
STATED = "stated in the archive"
SAID_IN_WORDS = ("clashes", "moved")
DISK_FULL = "What was taken in before that stays, whole; the same command takes in the rest."


@dataclass
class Ingested:
    """What came of an archive. `conversations` and `messages` are new ones; `without_consent` counts conversations.

    `clashes` are the duplicates whose text is another one, `moved` the conversations that changed their market.
    """

    conversations: int = 0
    messages: int = 0
    duplicates: int = 0
    without_consent: int = 0
    rejected: list[Rejected] = field(default_factory=list)
    clashes: int = 0
    moved: int = 0


@dataclass(frozen=True)
class Survey:
    """What the first reading found, by a conversation's short name: its last statement of consent, and under which
    market it is stored, if that is another one."""

    consent: dict[bytes, bool | None]
    elsewhere: dict[bytes, str]


class Archive:
    """Something that can be read from its beginning as often as is needed, under a progress bar on standard error."""

    def __init__(self, read: Callable[[str], Iterator[Record]]) -> None:
        self.records = read


def run(options: argparse.Namespace) -> None:
    """Take the archive in and print the contract's JSON object."""
    market = load_markets()[options.market]
    source = _source(options)
    with needing_room(DISK_FULL):
        store = Store.from_environment()
        if options.format == OWN:
            archive = Archive(partial(_own_records, store, market.code))
        elif options.file is None:
            raise ArchiveError("Name the FILE to take in.")
        else:
            archive = Archive(partial(_file_records, options.file, READERS[options.format]))
        basis = options.consent_by_contract
        done = ingest(archive, store, source=source, market=market, legal_basis=basis, move=options.move)
    _say(done, market)
    counted = {name: value for name, value in asdict(done).items() if name not in SAID_IN_WORDS}
    sys.stdout.write(json.dumps(counted) + "\n")


def ingest(
    archive: Archive,
    store: Store,
    *,
    source: str,
    market: Market,
    legal_basis: str | None = None,
    move: bool = False,
) -> Ingested:
    """Store the archive's conversations that may be learned from, their texts redacted.

    `source` names the help desk, or whatever else gives ids of its own. Without a statement there is no consent, unless
    the operator names a `legal_basis`; a refusal always counts, also for what was stored before it. Raises
    `ArchiveError` before anything is stored if conversations stand under another market, unless they are to `move`; the
    bot's own always do.
    """
    survey = _survey(archive.records("consent"), store, source=source, market=market)
    consent = survey.consent
    allowed = {name: _reason(stated, legal_basis) for name, stated in consent.items()}
    elsewhere = [
        code for name, code in survey.elsewhere.items() if allowed[name] is not None or consent[name] is False
    ]
    if elsewhere and not move and source != OWN:
        raise ArchiveError(_which_way(elsewhere, source=source, market=market))
    moves = move or bool(elsewhere)
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
            _add(done, store, batch, source=source, market=market, moves=moves)
            batch = []
    _add(done, store, batch, source=source, market=market, moves=moves)
    _forget(store, refused, source=source)
    return done


def _source(options: argparse.Namespace) -> str:
    """Return the name that the archive's ids belong to; raises `ArchiveError` for one that cannot be used."""
    source: str = options.source or options.format
    if (source == OWN) != (options.format == OWN):
        raise ArchiveError(f"`--source {OWN}` is for the bot's own conversations, and these have no other.")
    if not SOURCE_NAME.fullmatch(source):
        raise ArchiveError("A --source has at most 20 small letters, digits, dots, hyphens and underscores.")
    return source


def _survey(records: Iterable[Record], store: Store, *, source: str, market: Market) -> Survey:
    found = Survey({}, {})
    fresh: set[str] = set()
    for record in records:
        if not isinstance(record, Talk):
            continue
        name = _short(record.conversation)
        if name not in found.consent:
            fresh.add(record.conversation)
        found.consent[name] = record.consent if record.consent is not None else found.consent.get(name)
        if len(fresh) >= BATCH:
            found.elsewhere.update(_elsewhere(store, fresh, source=source, market=market))
            fresh = set()
    found.elsewhere.update(_elsewhere(store, fresh, source=source, market=market))
    return found


def _elsewhere(store: Store, conversations: Collection[str], *, source: str, market: Market) -> dict[bytes, str]:
    known = store.markets(conversations, source=source)
    return {_short(conversation): code for conversation, code in known.items() if code != market.code}


def _which_way(markets: Sequence[str], *, source: str, market: Market) -> str:
    """Say what stands under other markets, and what the operator may mean by giving it again."""
    counted = ", ".join(f"{count} under {code}" for code, count in Counter(markets).most_common())
    return (
        f"Nothing was taken in: of these conversations, stored as those of `{source}`, there are {counted} already. "
        f"If they are the same ones and belong to {market.code}, add --move; if they come from another help desk, "
        "which only has the same ids, add --source NAME."
    )


def _say(done: Ingested, market: Market) -> None:
    """Tell on standard error what the contract's object has no place for."""
    if done.moved:
        sys.stderr.write(f"moved: {done.moved} conversations, which belong to {market.code} now.\n")
    if done.clashes:
        sys.stderr.write(
            f"{done.clashes} of the duplicates have the id of a message with another text, which was kept: if they "
            "come from another help desk, take them in with --source NAME.\n"
        )


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


def _add(
    done: Ingested, store: Store, batch: list[TranscriptMessage], *, source: str, market: Market, moves: bool
) -> None:
    if moves:
        done.moved += store.move(batch, source=source, market=market.code)
    added = store.add(batch, source=source, market=market.code)
    done.conversations += added.conversations
    done.messages += added.messages
    done.duplicates += added.duplicates
    done.clashes += added.clashes


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
