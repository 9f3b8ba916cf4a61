"""From new labels to a better release in one command: train from what serves, measure, ask the gate, promote or refuse.

Everything stands in `var/retrain/NAME/` until it is a release: the state, the training's progress, the candidate. So a
run that was killed is taken up where it stopped, on the same rows, and what serves is touched only by the promotion.
A lock lets one run a name work at a time. Touches the database for reading only.
"""

from __future__ import annotations

import argparse
import math
import os
import shutil
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import cast

import msgspec
from filelock import FileLock, Timeout
from sqlalchemy.engine import Engine

from nlu.adapters import DamagedAdapterError, read_manifest
from nlu.markets import load_markets
from nlu.releases import Release, domain_intents
from nlu.served import ServedAdapters
from training import adapter as adapter_folder
from training.checkpoint import FILE as PROGRESS_FILE
from training.commands import OWN_EXAMPLES, run_with_bar
from training.dataset import OUT_OF_SCOPE, DatasetError, Example, read_examples
from training.disk import needing_room, write_durably
from training.held_back import HELD_BACK, halves, learned_rows
from training.labelled import as_examples, labelled_rows, markets_served_by, own_engine
from training.labels import LabelledMessage
from training.model import Method
from training.outcomes import BusyError, RefusedError
from training.parents import release_folder
from training.probe import probe_heads
from training.promote import Candidate, adapter_name, note_labels, promote, refuse_unknown_intents
from training.release import Lineage, Releases, write_lineage
from training.release_commands import differences, served_by
from training.splits import Splits
from training.train import Trainer, TrainingSettings

STATE = "state.json"
CANDIDATE = "candidate"
PROGRESS = "progress"
# Part of the way is taken back: without that, other markets' languages were forgotten, and the gate refused.
CLOSE_TO_THE_PARENT = TrainingSettings(learning_rate=4e-4, hold=0.005, replay_share=0.5, way_back=0.3)


@dataclass(frozen=True)
class RetrainSettings:
    """How a market is trained anew. Epochs are as many as make about `steps` steps, within the bounds, so that 2,000
    new rows take five minutes on two cores and a few rows are learned, too."""

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
        releases = Releases(self.served.fingerprint, folder=self.served.releases)
        parent = releases.pointer(self.name).release
        since = releases.learned_until(self.name)
        newest = self._newest_label()
        if newest is None or (since is not None and newest <= since):
            return None
        state = self._state(parent, newest)
        rows = labelled_rows(self.engine, self._markets(), until=state.until)
        candidate = self.folder / CANDIDATE
        if not _is_whole(candidate):
            # Said before minutes of training, not after them.
            refuse_unknown_intents({row.intent for row in rows.training if row.intent} - {OUT_OF_SCOPE})
            self._train(rows, parent, candidate)
        transcripts = tuple(row.transcript for row in (*rows.training, *rows.validation))
        sources = read_manifest(candidate).training.get("sources", {})
        write_lineage(candidate, Lineage(transcripts, sources, state.until))
        every = [*rows.training, *rows.validation, *rows.test]
        new = self._examples([row for row in every if since is None or row.labelled_at > since])
        note_labels(candidate, new, self.name, self.served)
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
        shutil.rmtree(self.folder / CANDIDATE, ignore_errors=True)
        state = State(newest, parent)
        write_durably(path, msgspec.json.encode(state) + b"\n")
        return state

    def _is_under_way(self) -> bool:
        """Whether an earlier run left something to go on with; one that gave up before that is begun anew."""
        return _is_whole(self.folder / CANDIDATE) or (self.folder / PROGRESS / PROGRESS_FILE).exists()

    def _train(self, rows: Splits[LabelledMessage], parent: int, target: Path) -> None:
        if not rows.training:
            raise DatasetError(
                f"{self.market} has {len(rows.test)} labelled messages and none to learn from: they need more than one "
                "customer and more than one moment (column `at`)."
            )
        languages = [language for market in markets_served_by(self.name) for language in market.languages]
        examples = read_examples([OWN_EXAMPLES])
        own = [example for example in examples if example.language in languages]
        learned = [*self._examples(rows.training), *own, *learned_rows(languages)]
        init = release_folder(self.name, parent, releases=self.served.releases)
        made = read_manifest(init)
        settings = self.settings.for_rows(len(learned))
        trainer = Trainer(
            learned,
            replay=[example for example in examples if example.language not in languages],
            settings=replace(settings, method=cast(Method, made.method), rank=made.training.get("rank", settings.rank)),
            init=init,
            scratch=self.folder / PROGRESS,
            # Who learned them may have been erased since; an intent that left the dialogue goes by a forced promotion.
            keep=domain_intents(),
        )
        probe_heads(trainer)
        run_with_bar(trainer, self.name)
        judging = [half for language in languages for half in self._judging(language)]
        adapter_folder.finish(
            trainer,
            name=self.name,
            validation=[*judging, *self._examples(rows.validation)],
            lineage=adapter_folder.Lineage(
                sources=dict(Counter("transcripts" if ":" in row.source else row.source for row in learned)),
                command=f"python -m training retrain --market {self.market}",
                parent=f"{self.name} {parent}",
            ),
            target=target,
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

    def _newest_label(self) -> datetime | None:
        rows = labelled_rows(self.engine, self._markets())
        return max((row.labelled_at for row in (*rows.training, *rows.validation, *rows.test)), default=None)

    def _examples(self, rows: Sequence[LabelledMessage]) -> list[Example]:
        return as_examples(rows, load_markets()[self.market].language)

    def _judging(self, language: str) -> list[Example]:
        return halves([row for row in read_examples([HELD_BACK]) if row.language == language]).judging


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
    except DamagedAdapterError:
        return False
    return True
