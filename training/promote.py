"""From an adapter folder to the release that serves: check, make the served form, measure both, ask the gate, publish.

Everything is measured in the served form, as customers meet it. Nothing is visible of a candidate before all of it is
written, and what served before serves on whenever something goes wrong.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from nlu.adapters import DamagedAdapterError, Manifest, read_manifest
from nlu.classifier import Classifier
from nlu.heads import Heads
from nlu.markets import GLOBAL_ADAPTER, load_markets
from nlu.releases import LINEAGE, SERVED, DamagedReleaseError, Release, domain_intents
from nlu.served import ServedAdapters
from training.answers import Answers, Truth, score_served
from training.dataset import DatasetError, Example
from training.disk import needing_room
from training.gate import Verdict, judge
from training.held_back import judging_rows
from training.labelled import (
    as_examples,
    has_labels,
    labelled_rows,
    markets_served_by,
    own_engine,
    unknown_to,
)
from training.labels import labelled_messages
from training.lineage import Lineage, Trusted, read_lineage
from training.outcomes import RefusedError, UnknownReleaseError
from training.poison import Contradictions, LabelFinding, contradictions, judge_labels
from training.release import Releases

LABEL_NOTE = "labels.json"


@dataclass(frozen=True)
class Candidate:
    """What is to serve a market. `reason` forces it past the gate; `learned` are its new rows, to be checked for
    poison (None: what its training noted of them counts)."""

    adapter: Path
    market: str
    reason: str | None = None
    learned: Sequence[Example] | None = None


def promote(candidate: Candidate, served: ServedAdapters) -> Release:
    """Let a candidate serve its market if the gate does not refuse it, or with a reason even then.

    Raises `RefusedError`, `DamagedAdapterError` for an adapter that cannot be served, `NoRoomError` for a full disk.
    What serves may change while both are measured, which takes minutes: then the candidate is compared anew.
    """
    name = adapter_name(candidate.market)
    _refuse_unknown_origin(candidate, name)
    manifest = read_manifest(candidate.adapter, encoder=served.fingerprint)
    refuse_unknown_intents(Heads.load(candidate.adapter).settings.intents)
    releases = Releases(served.fingerprint, folder=served.releases)
    with (
        needing_room(f"Nothing was promoted; what served {name} serves on."),
        releases.staged(name, candidate.adapter, manifest, encoder=served.encoder) as staged,
    ):
        while True:
            compared_with = releases.pointer(name)
            served.look()
            served.take_over()
            verdict = compare(candidate, name, staged, manifest, served, releases)
            with releases.changing(name):
                if releases.pointer(name) != compared_with:
                    continue
                if verdict.refused and not candidate.reason:
                    releases.note_refusal(name, manifest.version, verdict.reasons)
                    raise RefusedError(name, verdict.reasons)
                return releases.publish(name, staged, manifest, reason=candidate.reason, gate=as_json(verdict))


def adapter_name(market: str) -> str:
    """Return the name under which a market's releases are kept; `global` is one, too. Raises `DatasetError`."""
    if market == GLOBAL_ADAPTER:
        return GLOBAL_ADAPTER
    name = load_markets()[market].adapter
    if name is None:
        raise DatasetError(
            f"The global adapter serves {market}: add `adapter: {market}` to its row in markets.yml, restart, and "
            "promote again."
        )
    return name


def compare(
    candidate: Candidate, name: str, staged: Path, manifest: Manifest, served: ServedAdapters, releases: Releases
) -> Verdict:
    """Measure the staged candidate and what serves `name` on equal rows, and return the gate's verdict."""
    own = [language for market in markets_served_by(name) for language in market.languages]
    trusted = releases.trusted(name)
    held_back, reviewed = judging_rows(own), _reviewed(name, read_lineage(staged / LINEAGE), trusted)
    rows = [*held_back, *(row for row, _ in reviewed)]
    challenger = Classifier(staged / SERVED, Heads.load(staged), name=name, version=manifest.version)
    serving = served[name]
    before = score_served(serving, served.embedder, rows)
    after = score_served(challenger, served.embedder, rows)
    # What is usual is not asked of the batch that is in doubt: only of labels that what serves now was checked with.
    checked = [True] * len(held_back) + [trusted.was_checked(labelled_at) for _, labelled_at in reviewed]
    at_home = [place for place, row in enumerate(rows) if row.language in own and checked[place]]
    intents = serving.heads.settings.intents
    usual = contradictions([rows[place] for place in at_home], before.at(at_home), intents)
    verdict = judge(
        Truth.of(rows),
        Answers.of(before, serving.heads.settings),
        Answers.of(after, challenger.heads.settings),
        served_languages=own or {row.language for row in rows},
        labels=_labels(candidate, serving, served, usual + _accepted(releases, name)),
    )
    return replace(verdict, lost=tuple(sorted(set(intents) - set(challenger.heads.settings.intents))))


def note_labels(adapter: Path, learned: Sequence[Example], name: str, served: ServedAdapters) -> None:
    """Leave in an adapter's folder how the labels that it learned from agree with what serves: the gate's evidence."""
    found = _contradictions(learned, served[name], served)
    (adapter / LABEL_NOTE).write_bytes(msgspec.json.encode(asdict(found)) + b"\n")


def as_json(verdict: Verdict) -> dict[str, Any]:
    """Return a verdict as a release's manifest keeps it."""
    return {"refused": verdict.refused, "reasons": verdict.reasons, **asdict(verdict)}


def refuse_unknown_intents(intents: Collection[str]) -> None:
    """Raise `DatasetError` with what to do if there are intents for which `domain.yml` has nothing."""
    unknown = sorted(set(intents) - domain_intents())
    if unknown:
        raise DatasetError(
            f"The dialogue does not know {', '.join(unknown)}. Add each under `intents:` in domain.yml, say in "
            "bot/dialogue/rules.yml what happens then, write its reply in bot/replies/, restart, and promote again."
        )


def _refuse_unknown_origin(candidate: Candidate, name: str) -> None:
    """Raise `RefusedError` if nobody can say whether the candidate's labels look poisoned, and no reason forces it."""
    is_known = candidate.learned is not None or (candidate.adapter / LABEL_NOTE).exists()
    if not is_known and not candidate.reason:
        raise RefusedError(name, [
            f"What {candidate.adapter} learned from is not known here, so its labels cannot be checked: name its rows "
            "with --data FILE…, train it with --market, or give a reason (--force --reason)"
        ])  # fmt: skip


def _reviewed(name: str, lineage: Lineage, trusted: Trusted) -> list[tuple[Example, datetime]]:
    """Return what people have labelled, and when, that may judge a candidate: what its training kept back for it.

    Left out are customers from whom it, what it began from, or what serves has learned. A candidate that knows none of
    our messages is judged by what a training of now would keep back, in all markets if it is the global adapter.
    """
    markets = list(load_markets()) if name == GLOBAL_ADAPTER else markets_served_by(name)
    engine = own_engine()
    try:
        if not has_labels(engine):
            return []
        if lineage.judging is None:
            kept_back = {row.message for row in labelled_rows(engine, [one.code for one in markets], trusted).test}
        else:
            kept_back = set(lineage.judging)
        learned = {*lineage.transcripts, *trusted.transcripts}
        found: list[tuple[Example, datetime]] = []
        for market in markets:
            rows = [row for row in labelled_messages(engine, market.code) if row.message in kept_back]
            rows = unknown_to(engine, learned, rows)
            examples = as_examples(rows, market.language)
            found += zip(examples, (row.labelled_at for row in rows), strict=True)
        return found
    finally:
        engine.dispose()


def _labels(
    candidate: Candidate, serving: Classifier, served: ServedAdapters, usual: Contradictions
) -> LabelFinding | None:
    if candidate.learned is not None:
        return judge_labels(_contradictions(candidate.learned, serving, served), usual)
    note = candidate.adapter / LABEL_NOTE
    if not note.exists():
        return None
    try:
        return judge_labels(msgspec.json.decode(note.read_bytes(), type=Contradictions), usual)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DamagedReleaseError(f"{note} cannot be read: {error}") from error


def _contradictions(rows: Sequence[Example], serving: Classifier, served: ServedAdapters) -> Contradictions:
    intents = serving.heads.settings.intents
    comparable = [row for row in rows if row.intent in intents]
    if not comparable:
        return Contradictions()
    return contradictions(comparable, score_served(serving, served.embedder, comparable), intents)


def _accepted(releases: Releases, name: str) -> Contradictions:
    """Count over the label batches that the gate let pass, of what serves and of what that replaced."""
    counted = Contradictions()
    for number in releases.ancestry(name):
        try:
            release = releases.read(name, number)
        except (DamagedAdapterError, UnknownReleaseError):
            continue
        if release.reason is None and release.gate.get("labels"):
            counted += Contradictions(**release.gate["labels"]["batch"])
    return counted
