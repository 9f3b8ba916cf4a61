"""From new labels to a better release in one command: train from what serves, measure, ask the gate, promote or refuse.

Everything stands in `var/retrain/NAME/` until it is a release: the state, the training's progress, the candidate. So a
run that was killed is taken up where it stopped, on the same rows, and what serves is touched only by the promotion.
A lock lets one run a name work at a time. Of the database it touches only the labels: agents' corrections become some.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import shutil
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import cast

import msgspec
from filelock import FileLock, Timeout
from sqlalchemy.engine import Engine

from nlu.adapters import DamagedAdapterError, read_manifest
from nlu.markets import GLOBAL_ADAPTER, load_markets
from nlu.releases import LINEAGE, Release, domain_intents
from nlu.served import ServedAdapters
from training.adapter import Provenance, calibrated, write_adapter
from training.checkpoint import FILE as PROGRESS_FILE
from training.checkpoint import clear_progress
from training.commands import OWN_EXAMPLES, run_with_bar
from training.dataset import OUT_OF_SCOPE, DatasetError, Example, read_examples
from training.disk import needing_room, sync_files, write_durably
from training.held_back import HELD_BACK, halves, learned_rows
from training.labelled import as_examples, has_labels, labelled_rows, markets_served_by, own_engine
from training.labels import LabelledMessage
from training.lineage import Lineage, Trusted, read_lineage, write_lineage
from training.model import Method
from training.outcomes import BusyError, RefusedError
from training.parents import release_folder
from training.probe import probe_heads
from training.promote import Candidate, adapter_name, note_labels, promote, refuse_unknown_intents
from training.queue import take_over_corrections
from training.release import Releases
from training.release_commands import differences, served_by
from training.splits import Splits
from training.train import Trainer, TrainingSettings

STATE = "state.json"
CANDIDATE = "candidate"
DRAFT = "draft"
PROGRESS = "progress"
# Of what is known already so many rows are learned again, where our own examples or the new rows are not more.
KNOWN_AT_LEAST = 500
# Part of the way is taken back: without that, other markets' languages were forgotten, and the gate refused.
CLOSE_TO_THE_PARENT = TrainingSettings(learning_rate=4e-4, hold=0.005, replay_share=0.5, way_back=0.3)


@dataclass(frozen=True)
class RetrainSettings:
    """How a market is trained anew. Epochs are as many as make about `steps` steps, within the bounds, so that 2,000
    new rows take five minutes on two cores, in any month, and a few rows are learned, too."""

    training: TrainingSettings = CLOSE_TO_THE_PARENT
    steps: int = 240
    epochs_at_least: int = 2
    epochs_at_most: int = 6

    def for_rows(self, rows: int) -> TrainingSettings:
        """Return the settings for a training with so many rows of its own."""
        an_epoch = math.ceil(rows * (1 + self.training.replay_share) / self.training.batch_size)
        epochs = max(self.epochs_at_least, min(self.epochs_at_most, round(self.steps / an_epoch)))
        return replace(self.training, epochs=epochs)


@dataclass(frozen=True)
class State:
    """`state.json`: the run's rows are those labelled up to `until`; it started from release `parent`. `reasons` are
    the gate's, once it has refused."""

    until: datetime
    parent: int
    reasons: tuple[str, ...] = ()


def main(options: argparse.Namespace) -> None:
    """Retrain a market and say what came of it."""
    served = ServedAdapters()
    engine = own_engine()
    try:
        release = retrain(options.market, served, engine)
    finally:
        engine.dispose()
    if release is None:
        sys.stdout.write(f"No labels in {options.market} since its last release: nothing to learn.\n")
        return
    sys.stdout.write(
        f"Release {release.number} (version {release.version}) serves {served_by(release.name)}; it learned from "
        f"{release.transcripts} transcripts. `rollback --market {options.market}` takes it back.\n"
    )
    sys.stdout.write(differences(release))


def retrain(
    market: str, served: ServedAdapters, engine: Engine, *, settings: RetrainSettings | None = None
) -> Release | None:
    """Make a release of what people labelled since the last one; None if they labelled nothing.

    Raises `RefusedError` with the gate's reasons, `BusyError` if another run is at it, `DatasetError` if the labels
    cannot be learned from, `NoRoomError` for a full disk; in all cases what served before serves on.
    """
    if market == GLOBAL_ADAPTER:
        raise DatasetError(
            "The global adapter does not learn from labelled messages: retrain one of the markets "
            f"({', '.join(load_markets().by_code)}), or make it again from the examples (`adapters --only global`)."
        )
    name = adapter_name(market)
    folder = Path(os.environ.get("POLYDESK_VAR") or "var") / "retrain" / name
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with (
            FileLock(folder / ".lock", timeout=0),
            needing_room(f"What served {market} serves on; the next run goes on where this one stopped."),
        ):
            return _Run(name, market, folder, served, engine, settings or RetrainSettings()).result()
    except Timeout as error:
        raise BusyError(f"Another retraining of {name} is under way: this one ends.") from error


@dataclass(frozen=True)
class _Run:
    name: str
    market: str
    folder: Path
    served: ServedAdapters
    engine: Engine
    settings: RetrainSettings

    def result(self) -> Release | None:
        if has_labels(self.engine):
            for market in self._markets():
                take_over_corrections(self.engine, market)
        releases = Releases(self.served.fingerprint, folder=self.served.releases)
        trusted = releases.trusted(self.name)
        # New is what no release has seen, also none that was taken back: else the same labels would make it again.
        since = releases.learned_until(self.name)
        newest = self._newest_label(trusted)
        if newest is None or (since is not None and newest <= since):
            return None
        state = self._state(releases.pointer(self.name).release, newest)
        candidate = self.folder / CANDIDATE
        if not _is_whole(candidate):
            self._train(labelled_rows(self.engine, self._markets(), trusted, until=state.until), state, trusted)
        return self._promote(candidate, state)

    def _state(self, parent: int, newest: datetime) -> State:
        """Take up the run that was interrupted, or begin one. Raises `RefusedError` if nothing changed since one."""
        path = self.folder / STATE
        state = _read_state(path)
        if state is not None and state.parent == parent:
            if state.reasons and state.until >= newest:
                raise RefusedError(self.name, state.reasons)
            if not state.reasons and self._is_under_way():
                return state
        for left in (CANDIDATE, DRAFT, PROGRESS):
            shutil.rmtree(self.folder / left, ignore_errors=True)
        state = State(newest, parent)
        write_durably(path, msgspec.json.encode(state) + b"\n")
        return state

    def _is_under_way(self) -> bool:
        """Whether an earlier run left something to go on with; one that gave up before that is begun anew."""
        return _is_whole(self.folder / CANDIDATE) or (self.folder / PROGRESS / PROGRESS_FILE).exists()

    def _train(self, rows: Splits[LabelledMessage], state: State, trusted: Trusted) -> None:
        """Make the candidate. It is seen only when all of it is there, and the training's progress is kept until then.

        What it learned from is written with it: some of that may be erased before it serves.
        """
        # Said before minutes of training, not after them.
        refuse_unknown_intents({row.intent for row in rows.training if row.intent} - {OUT_OF_SCOPE})
        if not rows.training:
            raise DatasetError(
                f"{self.market} has {len(rows.validation) + len(rows.test)} labelled messages and none to learn from: "
                "they need more than one customer and more than one moment (column `at`)."
            )
        trainer = self._trainer(rows.training, state, trusted)
        probe_heads(trainer)
        run_with_bar(trainer, self.name)
        judging = [half for language in self._languages() for half in self._judging(language)]
        sources = dict(Counter("transcripts" if ":" in row.source else row.source for row in trainer.examples))
        draft, candidate = self.folder / DRAFT, self.folder / CANDIDATE
        write_adapter(
            trainer,
            calibrated(trainer, [*judging, *self._examples(rows.validation)]),
            name=self.name,
            provenance=Provenance(
                sources=sources,
                command=f"python -m training retrain --market {self.market}",
                parent=f"{self.name} {state.parent}",
            ),
            target=draft,
        )
        learned = {row.transcript for row in (*rows.training, *rows.validation)} | trusted.transcripts
        kept_back = tuple(row.message for row in rows.test)
        write_lineage(draft, Lineage(tuple(learned), sources, state.until, kept_back))
        every = (*rows.training, *rows.validation, *rows.test)
        unchecked = [row for row in every if not trusted.was_checked(row.labelled_at)]
        note_labels(draft, self._examples(unchecked), self.name, self.served)
        sync_files(draft)
        shutil.rmtree(candidate, ignore_errors=True)
        draft.rename(candidate)
        clear_progress(self.folder / PROGRESS)

    def _trainer(self, rows: Sequence[LabelledMessage], state: State, trusted: Trusted) -> Trainer:
        """Return a trainer of the rows, our own examples and other markets', that begins from what serves."""
        languages = self._languages()
        examples = read_examples([OWN_EXAMPLES])
        own = [*(example for example in examples if example.language in languages), *learned_rows(languages)]
        known: list[LabelledMessage] = []
        new: list[LabelledMessage] = []
        for row in rows:
            (known if trusted.has_learned(row.transcript, row.labelled_at) else new).append(row)
        again = learned_again([*self._examples(known), *own], own=len(own), new=len(new))
        learned = [*self._examples(new), *again]
        init = release_folder(self.name, state.parent, releases=self.served.releases)
        made = read_manifest(init)
        settings = self.settings.for_rows(len(learned))
        return Trainer(
            learned,
            replay=[example for example in examples if example.language not in languages],
            settings=replace(settings, method=cast(Method, made.method), rank=made.training.get("rank", settings.rank)),
            init=init,
            scratch=self.folder / PROGRESS,
            keep_progress=True,
            # Who learned them may have been erased since; an intent that left the dialogue goes by a forced promotion.
            keep=domain_intents(),
        )

    def _promote(self, candidate: Path, state: State) -> Release:
        try:
            release = promote(Candidate(candidate, self.market), self.served)
        except RefusedError as error:
            write_durably(self.folder / STATE, msgspec.json.encode(replace(state, reasons=error.reasons)) + b"\n")
            raise
        (self.folder / STATE).unlink()
        shutil.rmtree(candidate)
        return release

    def _markets(self) -> list[str]:
        return [market.code for market in markets_served_by(self.name)]

    def _languages(self) -> list[str]:
        return [language for market in markets_served_by(self.name) for language in market.languages]

    def _newest_label(self, trusted: Trusted) -> datetime | None:
        rows = labelled_rows(self.engine, self._markets(), trusted)
        return max((row.labelled_at for row in (*rows.training, *rows.validation, *rows.test)), default=None)

    def _examples(self, rows: Sequence[LabelledMessage]) -> list[Example]:
        return as_examples(rows, load_markets()[self.market].language)

    def _judging(self, language: str) -> list[Example]:
        return halves([row for row in read_examples([HELD_BACK]) if row.language == language]).judging


def learned_again(known: Sequence[Example], *, own: int, new: int) -> list[Example]:
    """Draw the known rows that a training repeats beside its `new` ones; each intent keeps its share, and one row.

    They are as many as our `own` examples, or as the new rows where these are more: so a month takes as many steps as
    the first one, however many came before. What is not drawn is not lost, since training begins from the weights that
    learned it.
    """
    wanted = max(own, new, KNOWN_AT_LEAST)
    if len(known) <= wanted:
        return list(known)
    chance = random.Random(0)  # noqa: S311 - not for secrets
    groups: dict[tuple[str, str | None], list[Example]] = defaultdict(list)
    for row in chance.sample(known, len(known)):
        groups[row.language, row.intent].append(row)
    ranked = [(place / len(group), row) for group in groups.values() for place, row in enumerate(group)]
    ranked.sort(key=lambda one: one[0])
    return [row for _, row in ranked[:wanted]]


def _read_state(path: Path) -> State | None:
    """Return the state that an earlier run left; None if there is none, or none that can be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=State)
    except (FileNotFoundError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _is_whole(candidate: Path) -> bool:
    """Whether a run has finished its candidate, and all of it has reached the disk."""
    try:
        read_manifest(candidate)
        read_lineage(candidate / LINEAGE)
    except DamagedAdapterError:
        return False
    return True
