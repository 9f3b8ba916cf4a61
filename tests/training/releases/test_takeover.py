"""A running bot takes a release over between two messages, in each of its processes, and refuses a bad one."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from nlu.adapters import ADAPTERS_FOLDER
from nlu.parser import Parser, Request
from nlu.releases import DomainFileError, domain_intents
from nlu.served import ServedAdapters
from tests.training.releases.miniature import Miniature, copy_adapter, the_same_in_other_bytes
from training.promote import Candidate, promote
from training.release import Releases

MESSAGE = Request("wo ist mein paket", "de-DE")
WITHIN = 60.0  # seconds, on a machine that is busy with other things


class Bot:
    """What `nlu/component.py` does for each message, without Rasa."""

    def __init__(self, served: ServedAdapters) -> None:
        self.served = served
        self.parser = Parser(adapters=served)
        served.watch(every=0.02)

    def answer(self) -> str:
        """Return the version that answers a message."""
        self.served.take_over()
        version = self.parser.parse(MESSAGE).adapter_version
        assert version is not None
        return version

    def answers_until(self, is_enough: Callable[[str], bool]) -> list[str]:
        """Send message after message until one is answered as wanted; return all answers."""
        answers, end = [self.answer()], time.monotonic() + WITHIN
        while not is_enough(answers[-1]):
            assert time.monotonic() < end, f"Still {answers[-1]} after {len(answers)} messages."
            answers.append(self.answer())
        return answers


@pytest.fixture
def bots(miniature: Miniature) -> Iterator[list[Bot]]:
    both = [Bot(miniature.served()), Bot(miniature.served())]
    for bot in both:
        bot.answer()
    yield both
    for bot in both:
        bot.served.close()


def new_release(miniature: Miniature) -> str:
    copy_adapter(ADAPTERS_FOLDER / "de-DE", Path("candidate"), change=the_same_in_other_bytes)
    return promote(Candidate(Path("candidate"), "de-DE"), miniature.served()).version


def serving_beside_a_copy(miniature: Miniature) -> tuple[ServedAdapters, str, Path]:
    """Let release 1 serve, with a copy of it as release 2; returns what serves, its version, the releases' folder."""
    new = new_release(miniature)
    served = miniature.served()
    assert served["de-DE"].version == new
    folder = Path("var/releases/de-DE")
    shutil.copytree(folder / "1", folder / "2")
    return served, new, folder


def test_each_running_process_takes_a_release_over_and_back_and_no_message_is_lost(
    miniature: Miniature, bots: list[Bot]
) -> None:
    old = bots[0].answer()
    new = new_release(miniature)
    for bot in bots:
        answers = bot.answers_until(lambda version: version == new)
        assert set(answers) <= {old, new}
        assert sorted(answers, key=[old, new].index) == answers
    Releases(miniature.served().fingerprint).roll_back("de-DE")
    for bot in bots:
        assert set(bot.answers_until(lambda version: version == old)) <= {old, new}


def test_a_message_is_answered_by_one_release_to_its_end(miniature: Miniature) -> None:
    served = miniature.served()
    before = served["de-DE"]
    new = new_release(miniature)
    served.look()
    assert served["de-DE"] is before
    served.take_over()
    assert served["de-DE"].version == new


def test_a_bad_release_is_refused_in_the_log_and_the_old_one_serves_on(miniature: Miniature) -> None:
    served, new, folder = serving_beside_a_copy(miniature)
    (folder / "serving.json").write_text('{"release":2,"before":1}', encoding="utf-8")
    with capture_logs() as logs:
        served.look()
        served.look()
    served.take_over()
    assert [(entry["event"], entry["adapter"], entry["serving"]) for entry in logs] == [
        ("release_refused", "de-DE", new)
    ]
    assert "holds release 1 of de-DE" in logs[0]["reason"]
    assert served["de-DE"].version == new


def test_a_release_whose_files_cannot_be_read_is_refused_and_the_next_one_taken_over(miniature: Miniature) -> None:
    served, new, folder = serving_beside_a_copy(miniature)
    (folder / "2" / "release.json").unlink()
    (folder / "2" / "release.json").mkdir()  # fails when it is read, as a file does without permission
    (folder / "serving.json").write_text('{"release":2,"before":1}', encoding="utf-8")
    served.look()
    served.take_over()
    assert served["de-DE"].version == new
    (folder / "serving.json").write_text('{"release":0,"before":1}', encoding="utf-8")
    served.look()
    served.take_over()
    assert served["de-DE"].version != new


def test_a_release_with_an_intent_that_the_running_dialogue_does_not_know_waits_for_the_restart(
    miniature: Miniature,
) -> None:
    running = ServedAdapters(encoder="models/encoder", domain=domain_intents() - {"track_order"}, threads=1)
    before = running["de-DE"].version
    new = new_release(miniature)
    with capture_logs() as logs:
        running.look()
    running.take_over()
    assert running["de-DE"].version == before
    assert "does not know: track_order. Add them to domain.yml with rules" in logs[0]["reason"]
    assert ServedAdapters(encoder="models/encoder", domain=domain_intents(), threads=1)["de-DE"].version == new


def test_the_watching_ends_when_told(miniature: Miniature) -> None:
    served = miniature.served()
    served.watch(every=0.01)
    watcher = next(thread for thread in threading.enumerate() if thread.name == "releases")
    served.close()
    watcher.join(WITHIN)
    assert not watcher.is_alive()


def test_a_domain_that_is_missing_or_no_domain_is_named(tmp_path: Path) -> None:
    with pytest.raises(DomainFileError, match="run from the project's root"):
        domain_intents(tmp_path / "domain.yml")
    (tmp_path / "domain.yml").write_text("intents: 5", encoding="utf-8")
    with pytest.raises(DomainFileError, match="list `intents`"):
        domain_intents(tmp_path / "domain.yml")


def test_intents_with_settings_of_their_own_count(tmp_path: Path) -> None:
    (tmp_path / "domain.yml").write_text("intents: [greet, {thank: {use_entities: []}}]", encoding="utf-8")
    assert domain_intents(tmp_path / "domain.yml") == {"greet", "thank"}
