from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
import yaml

from bot.logs import configure_logs
from bot.migrations import differences
from tests.bot.edge_for_tests import EDGE_TEXTS, Edge, Widget, edge_on
from tests.bot.fake_rasa import FakeRasa

REPLIES = Path("bot/replies")


def test_every_page_and_error_has_a_strict_policy(edge: Edge) -> None:
    for path in ("/widget/polydesk-chat.js", "/nothing", "/health", "/socket.io/?EIO=4&transport=polling"):
        headers = edge.http.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"], path
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


def test_the_widget_and_its_library_load_on_pages_of_other_sites(edge: Edge) -> None:
    for path in ("/widget/polydesk-chat.js", "/widget/polydesk-chat.css", "/vendor/socket.io.esm.min.js"):
        answer = edge.http.get(path)
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == "*"
    for path in ("/widget/../settings.py", "/widget/%2e%2e/settings.py", "/vendor/..%2f..%2fmarkets.yml"):
        assert edge.http.get(path).status_code == 404


def test_health_names_what_does_not_answer(edge: Edge) -> None:
    assert edge.http.get("/health").status_code == 200
    edge.rasa.ready = False

    answer = edge.http.get("/health")

    assert (answer.status_code, answer.json()) == (503, {"status": "unavailable", "missing": ["rasa"]})


def test_metrics_count_messages_turns_and_refusals(edge: Edge) -> None:
    edge.say("hallo")
    edge.say("")

    text = edge.http.get("/metrics").text

    assert 'polydesk_messages_total{channel="rest"} 1.0' in text
    assert 'polydesk_turns_total{channel="rest",state="done"} 1.0' in text
    assert 'polydesk_refusals_total{channel="rest",reason="empty"} 1.0' in text
    assert "polydesk_turn_seconds_count 1.0" in text


def test_a_body_over_the_limit_is_refused_whether_announced_or_not(edge: Edge) -> None:
    url, body = "/webhooks/rest/webhook", b'{"sender": "a", "message": "x"}' + b" " * 70_000

    assert edge.http.post(url, content=body).status_code == 413
    assert (
        edge.http.post(url, content=(body[start : start + 5000] for start in range(0, len(body), 5000))).status_code
        == 413
    )
    assert edge.rasa.asked == []
    assert edge.say("hallo").status_code == 200


@pytest.fixture
def logging_restored() -> Iterator[None]:
    """Undo what `configure_logs` does: other tests have other streams."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


def test_a_log_that_cannot_be_written_stops_nothing(
    database: str, rasa: FakeRasa, tmp_path: Path, logging_restored: None
) -> None:
    closed = io.StringIO()
    configure_logs(closed)
    closed.close()
    rasa.failing = 1
    with edge_on(database, rasa, tmp_path) as edge:
        assert edge.say("hallo").json()[0]["text"] == "echo hallo"


def test_nothing_that_was_written_is_logged(
    database: str, rasa: FakeRasa, tmp_path: Path, capfd: pytest.CaptureFixture[str], logging_restored: None
) -> None:
    configure_logs()
    with edge_on(database, rasa, tmp_path) as edge, Widget(edge.url) as widget:
        widget.begin()
        rasa.failing = 99
        widget.say("Pimpinelle 4711", "m1")
        widget.hear("bot_uttered")
        widget.say("Pimpinelle" * 1000, "m2")
        edge.say("Pimpinelle", metadata={"market": "Pimpinelle"})
        widget.socket.eio.send('2["user_uttered","Pimpinelle"')
    logged = capfd.readouterr()

    assert "turns.again" in logged.err
    assert "Pimpinelle" not in logged.out + logged.err


def test_the_tables_are_what_the_migrations_make(edge: Edge) -> None:
    assert [change for change in differences(edge.engine) if "sqlite_sequence" not in str(change)] == []


def test_every_reply_file_has_the_edges_texts() -> None:
    for file in sorted(REPLIES.glob("*.yml")):
        texts = yaml.safe_load(file.read_text(encoding="utf-8"))["edge"]
        assert set(EDGE_TEXTS) <= set(texts), file
