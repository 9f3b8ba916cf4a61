"""From labels to a release in one command: resumable, one at a time, and never without the gate."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from filelock import FileLock
from safetensors import safe_open
from sqlalchemy import delete, update
from sqlalchemy.engine import Engine

from actions.database import open_engine, transaction
from bot.agent_tables import corrections
from bot.personal_data.lineage import learned_from
from nlu.adapters import ADAPTERS_FOLDER, read_manifest
from nlu.releases import Release
from nlu.served import ServedAdapters
from tests.training.releases.miniature import INTENTS, PROJECT, Miniature
from tests.training.test_review import _conversation_at_the_desk as conversation_at_the_desk
from training.__main__ import main
from training.answers import score_served
from training.dataset import DatasetError, Example, read_examples
from training.held_back import judging_rows
from training.labelled import as_examples
from training.labels import LabelledMessage, give_label, labelled_messages
from training.lineage import read_lineage
from training.outcomes import BusyError, RefusedError, UnknownReleaseError
from training.poison import Contradictions, contradictions
from training.promote import Candidate, note_labels, promote
from training.release import Releases
from training.retrain import RetrainSettings, learned_again, retrain
from training.settings import TrainingSettings
from training.store import Store, TranscriptMessage
from training.tables import OWN, transcripts
from training.train import Trainer

BEGUN = datetime(2026, 10, 1, tzinfo=UTC)
GENTLE = RetrainSettings(
    TrainingSettings(learning_rate=1e-6, head_learning_rate=1e-4, hold=0.005, replay_share=0.2), 8, 1, 1
)
WITHIN = 120  # seconds


@pytest.fixture
def unlabelled(miniature: Miniature, sqlite_template: Path) -> Iterator[Engine]:
    """Give the miniature's own database, and only German messages to the gate.

    What a threshold fitted to German does to French is chance where the encoder was never trained.
    """
    Path("training/examples/held_back/fr.yml").unlink()
    Path("var").mkdir()
    shutil.copyfile(sqlite_template, "var/polydesk.db")
    made = open_engine(miniature.environment["DATABASE_URL"])
    yield made
    made.dispose()


@pytest.fixture
def engine(unlabelled: Engine) -> Engine:
    """Give the same with labelled German messages in it."""
    add_labelled(unlabelled, german_messages()[:60])
    return unlabelled


def german_messages() -> list[Example]:
    """Return messages that the miniature's adapters have not seen."""
    known = {row.text for row in read_examples([Path("training/examples")])}
    rows = read_examples([PROJECT / "training" / "examples" / "de.yml"])
    return [row for row in rows if row.intent in INTENTS and row.text not in known]


def add_labelled(
    engine: Engine,
    rows: list[Example],
    *,
    first: int = 0,
    conversation: str | None = None,
    market: str = "de-DE",
    returning: int = 0,
) -> None:
    """Store labelled messages an hour apart, each of a customer of its own; the first `returning` of known ones."""
    messages = [
        TranscriptMessage(
            conversation=conversation or f"talk {first + number}",
            key=f"message {first + number}",
            speaker="customer",
            customer=f"talk {number}" if number < returning else "",
            text=row.text,
            at=BEGUN + timedelta(hours=first + number),
            language="de",
            consent="version 1",
            label_intent=row.intent,
            label_sentiment=row.sentiment,
        )
        for number, row in enumerate(rows)
    ]
    Store(engine, "a secret that is long enough for a test").add(messages, source="csv", market=market)


@dataclass
class Seen:
    """What trainings learned of transcripts, what was checked for poison, and what the gate judged by."""

    learned: list[Example]
    checked: list[Example]
    judging: list[LabelledMessage]


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Seen:
    noted = Seen([], [], [])

    def trainer(examples: Sequence[Example], **others: Any) -> Trainer:
        noted.learned += [row for row in examples if row.source.startswith("transcript:")]
        return Trainer(examples, **others)

    def note(adapter: Path, learned: Sequence[Example], *others: Any) -> None:
        noted.checked += learned
        note_labels(adapter, learned, *others)

    def judging(rows: Sequence[LabelledMessage], language: str) -> list[Example]:
        noted.judging += rows
        return as_examples(rows, language)

    monkeypatch.setattr("training.retrain.Trainer", trainer)
    monkeypatch.setattr("training.retrain.note_labels", note)
    monkeypatch.setattr("training.promote.as_examples", judging)
    return noted


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return where trainings stand, step by step."""
    done: list[int] = []
    monkeypatch.setattr(
        "training.retrain.run_with_bar", lambda trainer, name: done.extend(at.step for at in trainer.steps())
    )
    return done


def learn(miniature: Miniature, engine: Engine) -> Release | None:
    return retrain("de-DE", miniature.served(), engine, settings=GENTLE)


def releases(miniature: Miniature) -> Releases:
    return Releases(miniature.served().fingerprint)


def test_labels_become_a_release_that_remembers_its_transcripts_and_nothing_new_makes_none(
    miniature: Miniature, engine: Engine
) -> None:
    release = learn(miniature, engine)
    assert release is not None
    assert (release.number, release.parent) == (1, 0)
    lineage = read_lineage(Path("var/releases/de-DE/1/lineage.json"))
    assert release.transcripts == len(lineage.transcripts)
    assert 40 <= release.transcripts <= 50  # sixty without those of the test
    assert lineage.sources["transcripts"] > 30
    assert miniature.served()["de-DE"].version == release.version
    assert not list(Path("var/retrain/de-DE").glob("[!.]*/*"))
    assert learn(miniature, engine) is None
    add_labelled(engine, german_messages()[60:90], first=60)
    second = learn(miniature, engine)
    assert second is not None
    assert (second.number, second.parent) == (2, 1)


def test_what_was_taken_back_is_not_learned_again_from_the_same_labels(miniature: Miniature, engine: Engine) -> None:
    learn(miniature, engine)
    releases(miniature).roll_back("de-DE")
    assert learn(miniature, engine) is None


def test_a_batch_that_was_taken_back_is_not_learned_with_the_next_one_either_until_somebody_labels_it_anew(
    miniature: Miniature, engine: Engine, seen: Seen
) -> None:
    learn(miniature, engine)
    releases(miniature).roll_back("de-DE")
    batch, again = {row.text for row in german_messages()[:60]}, seen.learned[0].text
    seen.learned.clear()
    seen.checked.clear()
    add_labelled(engine, german_messages()[60:61], first=62)
    second = learn(miniature, engine)
    assert second is not None and second.parent == 0
    assert seen.learned and not batch & {row.text for row in seen.learned}
    assert {row.text for row in seen.learned} <= {row.text for row in seen.checked}
    (labelled,) = [row for row in labelled_messages(engine, "de-DE") if row.text == again]
    give_label(engine, replace(labelled.labels[0], labeller="mia", at=datetime.now(UTC)))
    assert learn(miniature, engine) is not None
    assert {row.text for row in seen.checked} & batch == {row.text for row in seen.learned} & batch == {again}


def test_what_was_taken_back_with_its_labels_kept_is_learned_and_checked_again_until_it_is_taken_back_for_them(
    miniature: Miniature, engine: Engine, seen: Seen
) -> None:
    learn(miniature, engine)
    batch = {row.text for row in seen.learned}
    releases(miniature).roll_back("de-DE", keep_labels=True)
    seen.learned.clear()
    seen.checked.clear()
    second = learn(miniature, engine)
    assert second is not None and second.parent == 0
    assert {row.text for row in seen.learned} == batch <= {row.text for row in seen.checked}
    releases(miniature).roll_back("de-DE")
    assert learn(miniature, engine) is None


def test_the_gate_judges_by_what_the_training_kept_back_whatever_was_labelled_meanwhile_and_by_whichever_market(
    miniature: Miniature, engine: Engine, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two markets share the adapter, and one of them has only older messages; others are labelled in training."""
    markets = Path("markets.yml").read_text(encoding="utf-8")
    Path("markets.yml").write_text(markets.replace("adapter: fr-FR", "adapter: de-DE"), encoding="utf-8")
    add_labelled(engine, german_messages()[60:90], first=-900, market="fr-FR")

    def and_meanwhile_more_labels(candidate: Candidate, served: ServedAdapters) -> Release:
        add_labelled(engine, german_messages()[90:120], first=-500)
        add_labelled(engine, german_messages()[120:150], first=500)
        return promote(candidate, served)

    monkeypatch.setattr("training.retrain.promote", and_meanwhile_more_labels)
    with suppress(RefusedError):
        learn(miniature, engine)
    learned = {int(row.source.removeprefix("transcript:")) for row in seen.learned}
    assert len(learned) > 50
    assert not learned & {row.transcript for row in seen.judging}
    assert sorted(row.message for row in seen.judging) == list(range(43, 61))  # the youngest of the ninety


def test_the_gate_leaves_out_customers_from_whom_an_earlier_release_has_learned(
    miniature: Miniature, engine: Engine, seen: Seen
) -> None:
    learn(miniature, engine)
    known = {row.text for row in seen.learned}
    seen.judging.clear()
    add_labelled(engine, german_messages()[60:120], first=60, returning=50)
    with suppress(RefusedError):
        learn(miniature, engine)
    customers = {row.customer for row in labelled_messages(engine, "de-DE") if row.text in known}
    assert seen.judging
    assert not customers & {row.customer for row in seen.judging}


def test_a_release_is_found_by_what_the_one_it_began_from_learned_and_by_what_was_erased_before_it_served(
    miniature: Miniature, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    learn(miniature, engine)
    of_the_first = read_lineage(Path("var/releases/de-DE/1/lineage.json")).transcripts[0]
    forget(engine, of_the_first)
    add_labelled(engine, german_messages()[60:90], first=60)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("training.retrain.promote", interrupted)
        learn(miniature, engine)
    of_the_second = read_lineage(Path("var/retrain/de-DE/candidate/lineage.json")).transcripts[-1]
    forget(engine, of_the_second)
    assert learn(miniature, engine) is not None
    assert releases(miniature).learned_from(of_the_first) == [("de-DE", 1), ("de-DE", 2)]
    assert releases(miniature).learned_from(of_the_second) == [("de-DE", 2)]
    assert learned_from(Path("var/releases"), [of_the_first]) == ["de-DE/1", "de-DE/2"]


def forget(engine: Engine, transcript: int) -> None:
    with transaction(engine) as session:
        session.execute(delete(transcripts).where(transcripts.c.id == transcript))


def interrupted(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("killed_in", ["append_durably", "write_durably"])
def test_a_promotion_killed_before_the_pointer_moved_let_nothing_serve_and_the_next_run_promotes(
    miniature: Miniature, engine: Engine, monkeypatch: pytest.MonkeyPatch, killed_in: str
) -> None:
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(f"training.release.{killed_in}", interrupted)
        learn(miniature, engine)
    assert Path("var/releases/de-DE/1").is_dir()
    kept = releases(miniature)
    assert kept.numbers("de-DE") == []
    with pytest.raises(UnknownReleaseError, match="no release 1; it has 0"):
        kept.roll_back("de-DE", to=1)
    monkeypatch.setattr("training.retrain.Trainer", None)  # the candidate is there
    release = learn(miniature, engine)
    assert release is not None and release.number == 2
    assert kept.numbers("de-DE") == [2]
    assert miniature.served()["de-DE"].version == release.version


def test_a_correction_that_waited_over_a_release_is_new_to_the_next_retraining(
    miniature: Miniature, engine: Engine, seen: Seen
) -> None:
    learn(miniature, engine)
    _, corrected = conversation_at_the_desk(engine)
    text = "das war nicht meine frage, ich will mein geld zurück"
    said = TranscriptMessage("c", "m", "customer", text, language="de", consent="1", origin=corrected)
    Store(engine, "a secret that is long enough for a test").add([said], source=OWN, market="de-DE")
    with transaction(engine) as session:
        session.execute(update(corrections).values(intent="get_refund"))
    assert learn(miniature, engine) is not None
    assert text in {row.text for row in seen.checked}


def test_the_global_adapter_is_not_retrained_and_its_error_names_the_markets(
    miniature: Miniature, engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["retrain", "--market", "global"]) == 2
    assert "retrain one of the markets (de-DE, fr-FR)" in capsys.readouterr().err


def test_a_training_takes_as_many_steps_however_much_was_learned_before_and_no_intent_is_left_out() -> None:
    own = [Example(f"ours {n}", f"intent {n % 70}", None, "de") for n in range(3500)]
    learned = [Example(f"theirs {n}", f"intent {n % 7}", None, "de") for n in range(20000)]
    rare = [Example("the only one", "rare", None, "de")]
    assert learned_again(own, own=len(own), new=1400) == own
    again = learned_again([*learned, *own, *rare], own=len(own), new=1400)
    assert len(again) == len(own)
    assert {row.intent for row in again} == {row.intent for row in [*own, *rare]}
    assert len(learned_again(learned, own=0, new=30)) == 500
    assert len(learned_again(learned, own=0, new=3000)) == 3000


def test_what_was_learned_before_is_drawn_and_what_is_new_is_taken_whole(
    miniature: Miniature, engine: Engine, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    learn(miniature, engine)
    seen.learned.clear()
    new = german_messages()[60:90]
    add_labelled(engine, new, first=60)
    monkeypatch.setattr("training.retrain.learned_again", lambda known, *, own, new: [])
    learn(miniature, engine)
    lineage = read_lineage(Path("var/releases/de-DE/1/lineage.json"))
    first_batch = {f"transcript:{transcript}" for transcript in lineage.transcripts}
    assert len(seen.learned) > 10
    assert not first_batch & {row.source for row in seen.learned}


def test_a_refusal_says_why_and_the_next_run_on_the_same_labels_repeats_it_without_training(
    miniature: Miniature, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.promote.judge_labels", lambda batch, usual: _poisoned(usual))
    with pytest.raises(RefusedError, match="look poisoned"):
        learn(miniature, engine)
    candidate = read_manifest(Path("var/retrain/de-DE/candidate"))
    monkeypatch.setattr("training.retrain.Trainer", None)
    with pytest.raises(RefusedError, match="look poisoned"):
        learn(miniature, engine)
    assert read_manifest(Path("var/retrain/de-DE/candidate")).created == candidate.created
    assert releases(miniature).numbers("de-DE") == []


def _poisoned(usual: Contradictions) -> object:
    from training.poison import judge_labels

    return judge_labels(Contradictions(1200, 90), usual)


@pytest.mark.timeout(900)  # two whole trainings, on a machine that may be busy with others
def test_a_run_killed_in_mid_training_leaves_the_old_release_serving_and_the_next_one_goes_on(
    miniature: Miniature, engine: Engine, steps: list[int]
) -> None:
    before = miniature.served()["de-DE"].version
    lines = "; ".join([
        "import sys",
        "from training import train",
        "from training.__main__ import main",
        "train.SAVE_EVERY = train.SaveEvery(steps=3)",
        "sys.exit(main(['retrain', '--market', 'de-DE']))",
    ])  # fmt: skip
    environment = {**os.environ, **miniature.environment}
    run = subprocess.Popen([sys.executable, "-c", lines], cwd=miniature.root, env=environment, start_new_session=True)
    progress = Path("var/retrain/de-DE/progress/progress.safetensors")
    wait_for_change(progress, run)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    assert progress.exists()
    assert miniature.served()["de-DE"].version == before
    assert not Path("var/releases/de-DE").exists()
    assert not Path("var/retrain/de-DE/candidate").exists()
    with safe_open(str(progress), framework="pt") as file:
        saved = json.loads(file.metadata()["progress"])["step"]
    add_labelled(engine, german_messages()[60:70], first=60)  # later labels wait for the next run
    first = labelled_messages(engine, "de-DE")[0]
    give_label(engine, replace(first.labels[0], at=datetime.now(UTC)))
    release = retrain("de-DE", miniature.served(), engine)
    assert release is not None and release.number == 1
    assert steps[0] == saved + 1 > 3
    assert read_lineage(Path("var/releases/de-DE/1/lineage.json")).transcripts[-1] <= 60
    assert not list(Path("var/retrain/de-DE/progress").glob("progress.safetensors"))


def wait_for_change(path: Path, run: subprocess.Popen[bytes]) -> None:
    """Wait until the training has saved its progress."""
    import time

    end = time.monotonic() + WITHIN
    while not path.exists():
        assert run.poll() is None, "It ended before it had saved anything."
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize("cut_off", ["write_adapter", "note_labels"])
def test_a_run_cut_off_between_training_and_candidate_goes_on_there_on_the_same_labels(
    miniature: Miniature, engine: Engine, steps: list[int], monkeypatch: pytest.MonkeyPatch, cut_off: str
) -> None:
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(f"training.retrain.{cut_off}", interrupted)
        learn(miniature, engine)
    assert steps
    steps.clear()
    add_labelled(engine, german_messages()[60:70], first=60)
    assert learn(miniature, engine) is not None
    assert steps == []
    assert read_lineage(Path("var/releases/de-DE/1/lineage.json")).transcripts[-1] <= 60
    assert not list(Path("var/retrain/de-DE").glob("[!.]*/*"))


def test_labels_that_are_too_few_are_learned_once_there_are_more(miniature: Miniature, unlabelled: Engine) -> None:
    add_labelled(unlabelled, german_messages()[:5], conversation="of one customer")
    with pytest.raises(DatasetError, match="more than one customer"):
        learn(miniature, unlabelled)
    add_labelled(unlabelled, german_messages()[5:60], first=5)
    release = learn(miniature, unlabelled)
    assert release is not None
    assert release.transcripts > 20


def test_an_intent_that_the_dialogue_does_not_know_is_said_before_training_and_can_be_mended(
    miniature: Miniature, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_labelled(engine, [replace(german_messages()[60], intent="trak_order")], first=-9)
    with monkeypatch.context() as patch, pytest.raises(DatasetError, match="does not know trak_order"):
        patch.setattr("training.retrain.Trainer", None)
        learn(miniature, engine)
    (wrong,) = [row for row in labelled_messages(engine, "de-DE") if row.intent == "trak_order"]
    give_label(engine, replace(wrong.labels[0], intent="track_order", at=datetime.now(UTC)))
    release = learn(miniature, engine)
    assert release is not None
    assert wrong.transcript in read_lineage(Path("var/releases/de-DE/1/lineage.json")).transcripts


@pytest.mark.parametrize("state", ["{", '{"until": "2126-01-01T00:00:00Z", "parent": 0}'])
def test_what_a_power_failure_left_half_written_is_made_anew(
    miniature: Miniature, engine: Engine, state: str
) -> None:
    folder = Path("var/retrain/de-DE")
    for file in ("state.json", "candidate/manifest.json", "progress/progress.safetensors"):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text("{", encoding="utf-8")
    (folder / "state.json").write_text(state, encoding="utf-8")
    assert learn(miniature, engine) is not None


def test_what_is_usual_in_a_market_is_not_asked_of_the_labels_that_are_in_doubt(
    miniature: Miniature, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.poison.CONFIDENT", 0.1)  # the miniature is sure of little
    served = miniature.served()
    shipped = served.load_shipped("de-DE")
    rows = [row for row in judging_rows(["de"]) if row.language == "de"]
    intents = shipped.heads.settings.intents
    known = contradictions(rows, score_served(shipped, served.embedder, rows), intents)
    release = learn(miniature, engine)
    assert release is not None
    assert release.gate["labels"]["usual"] == asdict(known)
    assert known.confident > 0


def test_an_intent_of_which_no_example_is_left_is_known_and_recognised_as_before(
    miniature: Miniature, unlabelled: Engine
) -> None:
    thanks = [row.text for row in read_examples([Path("training/examples/de.yml")]) if row.intent == "thank"]
    served = miniature.served()
    before = answers(served, thanks)
    for file in Path("training/examples").rglob("*.yml"):
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        content["nlu"] = [block for block in content["nlu"] if block["intent"] != "thank"]
        file.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    add_labelled(unlabelled, [row for row in german_messages() if row.intent != "thank"][:60])
    release = learn(miniature, unlabelled)
    assert release is not None
    assert "thank" in release.intents
    assert before.count("thank") > len(thanks) / 2
    assert answers(miniature.served(), thanks).count("thank") >= before.count("thank") - 1


def answers(served: ServedAdapters, texts: list[str]) -> list[str]:
    rows = [Example(text, None, None, "de") for text in texts]
    intents = served["de-DE"].heads.settings.intents
    return [intents[place] for place in score_served(served["de-DE"], served.embedder, rows).intents.argmax(axis=1)]


def test_two_at_once_do_not_collide(miniature: Miniature, engine: Engine) -> None:
    Path("var/retrain/de-DE").mkdir(parents=True)
    with FileLock("var/retrain/de-DE/.lock"):
        with pytest.raises(BusyError, match="under way: this one ends"):
            learn(miniature, engine)
        ended = miniature.run("training", "retrain", "--market", "de-DE")
        assert (ended.returncode, ended.stderr.count("\n")) == (4, 1)
    assert releases(miniature).numbers("de-DE") == []
    assert learn(miniature, engine) is not None


def test_a_disk_that_fills_up_in_training_is_said_and_nothing_is_lost(miniature: Miniature, engine: Engine) -> None:
    command = f"{sys.executable} -m training retrain --market de-DE"
    ended = miniature.shell(f"ulimit -f 64; exec {command}")
    assert ended.returncode == 1, ended.stderr
    assert "The disk is full" in ended.stderr.splitlines()[-1]
    assert "What served de-DE serves on" in ended.stderr
    assert releases(miniature).numbers("de-DE") == []
    assert learn(miniature, engine) is not None


def test_without_labels_there_is_nothing_to_do(miniature: Miniature, sqlite_template: Path) -> None:
    Path("var").mkdir()
    shutil.copyfile(sqlite_template, "var/polydesk.db")
    ended = miniature.run("training", "retrain", "--market", "fr-FR")
    assert (ended.returncode, ended.stdout) == (0, "No labels in fr-FR since its last release: nothing to learn.\n")


def test_a_trained_adapter_notes_how_its_labels_agree_with_what_serves(miniature: Miniature) -> None:
    rows = "text,intent\n" + "".join(f"{row.text!r},{row.intent}\n" for row in german_messages()[:40])
    Path("rows.csv").write_text(rows, encoding="utf-8")
    ended = miniature.run("training", "train", "--data", "rows.csv", "--market", "de-DE", "--output", "made",
                          "--epochs", "1")  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert set(json.loads(Path("made/labels.json").read_text(encoding="utf-8"))) == {"confident", "contradicting"}
    assert read_manifest(Path("made")).training["parent"] == ADAPTERS_FOLDER.joinpath("global").name
