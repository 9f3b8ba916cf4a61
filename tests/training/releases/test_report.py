"""The report is one page with everything in it; an explanation names the words that moved a prediction."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from nlu.adapters import ADAPTERS_FOLDER
from nlu.heads import Heads
from tests.training.releases.miniature import Miniature, copy_adapter, with_intents_mixed_up
from training.__main__ import main
from training.dataset import DatasetError
from training.explain import explain
from training.predict import AdapterPredictor

GERMAN_ROWS = Path("training/examples/held_back/de.yml")


class Links(HTMLParser):
    """Collects what a page would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        # Within an SVG, `#name` refers to the page itself, and `data:` holds what it names.
        wanted = {name: value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "data", "srcset")}
        self.found += [value for value in wanted.values() if not value.startswith(("#", "data:"))]
        if tag in ("script", "link", "iframe", "object"):
            self.found.append(tag)


def _surely_wrong(heads: Heads) -> Heads:
    """Call each intent by the name of the next one, and hardly ever a message out of scope."""
    wrong = with_intents_mixed_up(heads)
    return replace(wrong, settings=replace(wrong.settings, threshold=0.01))


@pytest.fixture
def page(miniature: Miniature, capsys: pytest.CaptureFixture[str]) -> str:
    copy_adapter(ADAPTERS_FOLDER / "de-DE", Path("worse/de-DE"), change=_surely_wrong)
    arguments = ["--adapter", "worse/de-DE", "--data", str(GERMAN_ROWS), "--html", "out/report.html"]
    assert main(["evaluate", *arguments]) == 0, capsys.readouterr().err
    return Path("out/report.html").read_text(encoding="utf-8")


def test_the_page_fetches_nothing(page: str) -> None:
    links = Links()
    links.feed(page)
    assert links.found == []
    assert not re.search(r"url\((?!#)|@import", page)


def test_it_has_each_table_and_plot_and_shades_what_the_gate_would_refuse(page: str) -> None:
    headings = re.findall(r"<h2>(.*?)</h2>", page)
    assert [heading.split(" what")[0] for heading in headings] == [
        "Languages", "Slices", "Against", "Other markets", "Calibration", "Confusion",
    ]  # fmt: skip
    assert page.count("<svg") == 2
    assert "typos: every message with one more" in page
    refused = re.findall(r'<tr class="refused"><td>(.*?)</td>', page)
    assert "intents in de" in refused
    assert "intents in fr" in refused  # another market's language: forgotten


def test_an_explanation_adds_up_to_what_it_explains(miniature: Miniature) -> None:
    predictor = AdapterPredictor(ADAPTERS_FOLDER / "de-DE")
    text = "wo bleibt meine bestellung, ich warte"
    explanation = explain(predictor, text, language="de")
    assert "".join(word.word for word in explanation.words) == text.replace(" ", "")
    assert abs(explanation.missing) < 0.05
    assert explanation.intent == predictor.heads.settings.intents[int(predictor.score([text], ["de"]).intents.argmax())]
    others = explain(predictor, "danke, das war alles", language="de")
    assert [word.word for word in others.words][-1] == "alles"


def test_the_word_that_an_intent_hangs_on_moves_it_most(miniature: Miniature) -> None:
    """Taking the strongest word out of the message changes the prediction's logit more than taking the weakest."""
    predictor = AdapterPredictor(ADAPTERS_FOLDER / "global")
    words = ["bitte", "meine", "bestellung", "stornieren", "danke"]
    explanation = explain(predictor, " ".join(words), language="de")
    place = predictor.heads.settings.intents.index(explanation.intent)
    weights = {word.word: word.weight for word in explanation.words}

    def left_without(word: str) -> float:
        rest = " ".join(each for each in words if each != word)
        return float(predictor.score([rest], ["de"]).intents[0, place])

    strongest, weakest = max(weights, key=weights.__getitem__), min(weights, key=weights.__getitem__)
    assert left_without(strongest) < left_without(weakest)


def test_the_command_prints_bars_or_json(miniature: Miniature, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "--market", "de-DE", "--json", "wo ist es"]) == 0
    explained = json.loads(capsys.readouterr().out)
    assert [word["word"] for word in explained["words"]] == ["wo", "ist", "es"]
    assert main(["explain", "--market", "de-DE", "wo ist es"]) == 0
    assert re.search(r"^ *[+-]\d+\.\d\d  wo  [+-]*$", capsys.readouterr().out, re.MULTILINE)


def test_an_empty_text_is_bad_input(miniature: Miniature, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "--market", "de-DE", "  "]) == 2
    with pytest.raises(DatasetError, match="empty"):
        explain(AdapterPredictor(ADAPTERS_FOLDER / "global"), " ", language="de")
