"""Personal data is found in every market, in the forms people type, and what is nobody's is left alone."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nlu.markets import load_markets
from tests.training.pii_cases import LOCALES, STRUCTURED, Case, cases
from training.dataset import read_examples
from training.placeholders import KINDS, placeholder
from training.redact import find_pii, redact

MARKETS = load_markets()
A_KIND = 25  # of eight kinds: two hundred cases a market
EXAMPLES = Path("training/examples")


def is_found(case: Case) -> bool:
    spans = find_pii(case.text, MARKETS[case.market])
    return any((span.start, span.end, span.kind) == (case.start, case.end, case.kind) for span in spans)


@pytest.mark.parametrize("market", LOCALES)
def test_structured_data_is_found_whole_and_as_what_it_is(market: str) -> None:
    made = [case for kind in STRUCTURED for case in cases(market, kind, A_KIND, seed=1)]
    missed = [case for case in made if not is_found(case)]
    assert len(made) >= 200
    assert len(missed) <= len(made) * 0.01, missed


@pytest.mark.parametrize("market", LOCALES)
def test_names_and_addresses_are_found_where_something_introduces_them(market: str) -> None:
    made = [case for kind in ("name", "address") for case in cases(market, kind, 20, seed=1)]
    missed = [
        case.text for case in made if case.kind not in {span.kind for span in find_pii(case.text, MARKETS[market])}
    ]
    assert len(missed) <= len(made) * 0.1, missed


@pytest.mark.parametrize("market", LOCALES)
def test_ordinary_messages_raise_no_false_alarm(market: str) -> None:
    language = MARKETS[market].language
    texts = [row.text for row in read_examples([EXAMPLES]) if row.language == language][::6]
    # Order numbers in the examples are order numbers; what else is found is nearly all true, and counted all the same.
    alarmed = [text for text in texts if {span.kind for span in find_pii(text, MARKETS[market])} - {"order_number"}]
    assert len(texts) > 200
    assert len(alarmed) <= len(texts) * 0.05, alarmed


@pytest.mark.parametrize(
    ("market", "text"),
    [
        ("en-US", "is item no. 48213 back in size 10.5 on 12/24/2026 for $1,299.00?"),
        ("en-US", "I ordered at amazon.com on 2026-05-04, 3 pcs of 250 ml for 24.99 USD"),
        ("en-US", "the 5000 mAh one, open 9-5, call center was rude 24/7"),
        ("de-DE", "Artikel 77120 in Größe 42, 29,99 € am 12.03.2026, 140x200 cm"),
        ("de-DE", "von 10 bis 18 Uhr, 2.500 Stück, 15.000,00 EUR, Modell 4711"),
        ("es-ES", "talla 38, referencia 55123, 1.299,50 € el 3/4/2026 a las 17:30"),
        ("fr-FR", "l'article 90321 en taille 44 à 59,90 € le 12.05.2026 à 14h30"),
        ("it-IT", "articolo 88123 taglia 46, 1.250,00 euro, il 12/05/2026"),
        ("pt-BR", "produto 55321 tamanho 40 por R$ 1.299,90 no dia 12/05/2026"),
        ("hi-IN", "मॉडल 48213 का दाम ₹ 1,29,999 है, 12/05/2026 तक, 10 पीस"),
        ("ar-SA", "مقاس 42 بسعر 1299 ريال يوم 12/05/2026 موديل 48213"),
        ("zh-CN", "货号48213，尺码175，价格1299元，2026年5月12日，5000毫安"),
    ],
)
def test_amounts_dates_sizes_and_product_numbers_are_nobodys(market: str, text: str) -> None:
    assert redact(text, MARKETS[market]).text == text


@pytest.mark.parametrize(
    ("market", "text", "wanted"),
    [
        ("en-US", "order 48213 to 12 Baker St, Dayton, OH 45402", "order <order_number> to <address>"),
        ("en-US", "item 48213 of order 48214", "item 48213 of order <order_number>"),
        ("de-DE", "IBAN DE89 3704 0044 0532 0130 00", "IBAN <iban>"),
        ("de-DE", "IBAN DE88 3704 0044 0532 0130 00 (mit Tippfehler)", "IBAN <iban> (mit Tippfehler)"),
        ("de-DE", "Sendung 00340434161094042557 von DHL", "Sendung <tracking_number> von DHL"),
        ("de-DE", "anna.mayer (ät) web (punkt) de", "<email>"),
        ("fr-FR", "ma carte 4970 1000 0000 0154", "ma carte <card>"),
        ("pt-BR", "CPF 529.982.247-25, CEP 01310-100", "CPF <national_id>, CEP <address>"),
        ("hi-IN", "मेरा नाम राजेश कुमार है, मोबाइल ९८७६५४३२१०", "मेरा नाम <name> है, मोबाइल <phone>"),
        ("ar-SA", "اسمي محمد العتيبي وجوالي ٠٥٠١٢٣٤٥٦٧", "اسمي <name> وجوالي <phone>"),
        ("zh-CN", "李女士，１３８１２３４５６７８", "<name>女士，<phone>"),
        ("ja-JP", "山田太郎と申します。電話は090-1234-5678です", "<name>と申します。電話は<phone>です"),
    ],
)
def test_what_stands_beside_a_number_decides_what_it_is(market: str, text: str, wanted: str) -> None:
    assert redact(text, MARKETS[market]).text == wanted


def test_offsets_count_code_points_of_the_original_whatever_is_in_front() -> None:
    text = "👩‍👧 né\u0301e\u200b → tel:\u00a0\u202a+49\u00a030\u00a01234567\u202c, ＡＢ１２３４５６"
    spans = find_pii(text, MARKETS["de-DE"])
    assert [text[span.start : span.end] for span in spans] == ["+49\u00a030\u00a01234567", "ＡＢ１２３４５６"]


def test_redacting_again_changes_nothing() -> None:
    text = redact("Ich heiße Eva Braun, 0171 2345678, eva@example.com", MARKETS["de-DE"]).text
    assert redact(text, MARKETS["de-DE"]).text == text == "Ich heiße <name>, <phone>, <email>"


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=80), st.sampled_from(list(LOCALES)))
def test_spans_never_overlap_and_the_rest_of_the_text_stays(text: str, market: str) -> None:
    redacted = redact(text, MARKETS[market])
    last, rebuilt = 0, ""
    for span in redacted.pii:
        assert last <= span.start < span.end <= len(text)
        assert span.kind in KINDS
        rebuilt += text[last : span.start] + placeholder(span.kind)
        last = span.end
    assert rebuilt + text[last:] == redacted.text


@pytest.mark.parametrize(
    "piece", ["a", "A ", "Aa", "1", "1 ", "1-", "a.", "a@", "Rua ", "ا ", "क", "路", "1号", "Aa-", "شارع "]
)
def test_no_text_makes_it_slow(piece: str) -> None:
    text = piece * (2000 // len(piece))
    began = time.process_time()
    for market in ("en-US", "pt-BR", "hi-IN"):
        find_pii(text, MARKETS[market])
    assert time.process_time() - began < 10


def test_the_command_adds_the_redacted_text_and_where_what_was(tmp_path: Path) -> None:
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text(
        "id,text,market\n1,write to a@b.com,en-US\n2,nothing here,\n3,Ruf an: 0171 2345678,de-DE\n4,,fr-FR\n",
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "training", "redact", "--input", str(source), "--output", str(target)]
    subprocess.run(command, check=True)
    with target.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["id", "text", "market", "redacted", "pii"]
    assert [row["redacted"] for row in rows] == ["write to <email>", "nothing here", "Ruf an: <phone>", ""]
    assert json.loads(rows[0]["pii"]) == [{"start": 9, "end": 16, "type": "email"}]


def test_a_market_that_does_not_exist_is_bad_input(tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text("text,market\nhi,xx-XX\n", encoding="utf-8")
    command = [sys.executable, "-m", "training", "redact", "--input", str(source), "--output", str(tmp_path / "o.csv")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "row 2" in done.stderr
