"""From labels to a release in one command: resumable, one at a time, and never without the gate."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from filelock import FileLock
from sqlalchemy.engine import Engine

from actions.database import open_engine
from nlu.adapters import ADAPTERS_FOLDER, read_manifest
from nlu.releases import Release
from nlu.served import ServedAdapters
from tests.training.releases.miniature import INTENTS, PROJECT, Miniature
from training.answers import score_served
from training.dataset import DatasetError, Example, read_examples
from training.held_back import judging_rows
from training.labels import give_label, labelled_messages
from training.outcomes import BusyError, RefusedError
from training.poison import Contradictions, contradictions
from training.release import Releases, read_lineage
from training.retrain import RetrainSettings, retrain
from training.settings import TrainingSettings
from training.store import Store, TranscriptMessage

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


def add_labelled(engine: Engine, rows: list[Example], *, first: int = 0, conversation: str | None = None) -> None:
    messages = [
        TranscriptMessage(
            conversation=conversation or f"talk {first + number}",
            key=f"message {first + number}",
            speaker="customer",
            text=row.text,
            at=BEGUN + timedelta(hours=first + number),
            language="de",
            consent="version 1",
            label_intent=row.intent,
            label_sentiment=row.sentiment,
        )
        for number, row in enumerate(rows)
    ]
    Store(engine, "a secret that is long enough for a test").add(messages, source="csv", market="de-DE")


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
    miniature: Miniature, engine: Engine
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
    add_labelled(engine, german_messages()[60:70], first=60)  # later labels wait for the next run
    ended = miniature.run("training", "retrain", "--market", "de-DE")
    assert ended.returncode == 0, ended.stderr
    first_bar = next(part for part in ended.stderr.replace("\r", "\n").splitlines() if part.startswith("de-DE:"))
    assert "Release 1" in ended.stdout
    assert first_bar
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
