"""Releases: signed, numbered, taken back, listed with what they learned from; and what must never become one."""

from __future__ import annotations

import json
import pickle
import stat
import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from nlu.adapters import ADAPTERS_FOLDER, DamagedAdapterError, read_manifest
from nlu.heads import Heads
from nlu.parser import Parser, Request
from nlu.releases import LINEAGE, DamagedReleaseError
from tests.training.releases.miniature import (
    Miniature,
    copy_adapter,
    made_whole,
    the_same_in_other_bytes,
    with_intents_mixed_up,
)
from training.__main__ import main
from training.dataset import DatasetError
from training.gate import Verdict
from training.lineage import Lineage, Trusted, write_lineage
from training.outcomes import RefusedError, UnknownReleaseError
from training.promote import LABEL_NOTE, Candidate, compare, promote
from training.release import Releases

GERMAN = ADAPTERS_FOLDER / "de-DE"
WITHIN = 60.0  # seconds, on a machine that is busy with other things


def candidate(**changes: object) -> Path:
    return copy_adapter(GERMAN, Path("candidate"), **{"change": the_same_in_other_bytes, **changes})  # type: ignore[arg-type]


def releases(miniature: Miniature) -> Releases:
    return Releases(miniature.served().fingerprint)


def test_a_promoted_adapter_serves_under_its_markets_name_and_version(miniature: Miniature) -> None:
    adapter = candidate()
    release = promote(Candidate(adapter, "de-DE"), miniature.served())
    assert (release.number, release.parent, release.reason) == (1, 0, None)
    assert release.version == read_manifest(adapter).version
    serving = miniature.served()["de-DE"]
    assert (serving.name, serving.version) == ("de-DE", release.version)


def test_training_one_market_leaves_the_others_predictions_bit_for_bit_the_same(miniature: Miniature) -> None:
    requests = [Request(text, "fr-FR") for text in ("où est mon colis", "merci", "je veux un remboursement", "salut")]
    before = Parser(adapters=miniature.served()).parse_many(requests)
    promote(Candidate(candidate(change=with_intents_mixed_up), "de-DE", reason="a test"), miniature.served())
    after = Parser(adapters=miniature.served()).parse_many(requests)
    assert after == before
    german = [Request("wo ist mein paket", "de-DE")]
    assert Parser(adapters=miniature.served()).parse_many(german)[0].adapter_version != before[0].adapter_version


def test_a_worse_adapter_is_refused_with_language_and_points_and_leaves_no_trace_but_the_history(
    miniature: Miniature,
) -> None:
    with pytest.raises(RefusedError, match=r"intents in fr: \d+\.\d → \d+\.\d on \d+ messages \(-") as refused:
        promote(Candidate(candidate(change=with_intents_mixed_up), "de-DE"), miniature.served())
    kept = releases(miniature)
    assert kept.numbers("de-DE") == []
    assert kept.pointer("de-DE").release == 0
    assert [(event.action, event.why) for event in kept.history("de-DE")] == [
        ("refuse", "; ".join(refused.value.reasons))
    ]
    assert [path.name for path in Path("var/releases/de-DE").iterdir() if path.is_dir()] == []


def test_force_keeps_its_reason_and_what_the_gate_said(miniature: Miniature) -> None:
    release = promote(
        Candidate(candidate(change=with_intents_mixed_up), "de-DE", reason="the new terms need it"), miniature.served()
    )
    kept = releases(miniature).read("de-DE", release.number)
    assert kept.reason == "the new terms need it"
    assert kept.gate["refused"]
    assert kept.gate["reasons"]
    assert releases(miniature).history("de-DE")[-1].why == "the new terms need it"


def test_labels_that_look_poisoned_are_refused(miniature: Miniature) -> None:
    adapter = candidate()
    (adapter / LABEL_NOTE).write_text('{"confident": 1200, "contradicting": 80}', encoding="utf-8")
    with pytest.raises(RefusedError, match=r"labels look poisoned: 80 of 1200 labels \(6.7%\)"):
        promote(Candidate(adapter, "de-DE"), miniature.served())


def test_an_adapter_of_unknown_origin_is_refused_unless_its_rows_or_a_reason_are_given(
    miniature: Miniature, capsys: pytest.CaptureFixture[str]
) -> None:
    (candidate() / LABEL_NOTE).unlink()
    command = ["promote", "--adapter", "candidate", "--market", "de-DE"]
    assert main(command) == 3
    assert "learned from is not known here, so its labels cannot be checked: name its rows with --data" in (
        capsys.readouterr().err
    )
    assert releases(miniature).numbers("de-DE") == []
    Path("rows.csv").write_text("text,intent\nwo ist mein paket,track_order\n", encoding="utf-8")
    assert main([*command, "--data", "rows.csv"]) == 0
    assert main([*command, "--force", "--reason", "made on another machine"]) == 0
    assert "Forced although what it learned from is not known" in capsys.readouterr().err


def test_a_rollback_waits_for_no_promotion_which_is_then_compared_with_what_serves(
    miniature: Miniature, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = promote(Candidate(candidate(), "de-DE"), miniature.served())
    compared_with: list[str] = []

    def and_meanwhile_a_rollback(candidate: Candidate, name: str, *others: Any) -> Verdict:
        verdict = compare(candidate, name, *others)
        compared_with.append(others[2][name].version)
        if len(compared_with) == 1:
            rollback = threading.Thread(target=releases(miniature).roll_back, args=("de-DE",), daemon=True)
            rollback.start()
            rollback.join(WITHIN)
            assert not rollback.is_alive()
        return verdict

    monkeypatch.setattr("training.promote.compare", and_meanwhile_a_rollback)
    second = promote(Candidate(copy_adapter(Path("candidate"), Path("second")), "de-DE"), miniature.served())
    assert compared_with == [first.version, read_manifest(GERMAN).version]
    assert (second.number, second.parent) == (2, 0)


def test_lines_of_the_history_that_a_power_failure_left_damaged_are_said_and_set_aside(
    miniature: Miniature, capsys: pytest.CaptureFixture[str]
) -> None:
    promote(Candidate(candidate(), "de-DE"), miniature.served())
    history = Path("var/releases/de-DE/history.jsonl")
    whole = history.read_bytes()
    history.write_bytes(whole + whole[:20])
    assert [event.action for event in releases(miniature).history("de-DE")] == ["promote"]
    assert main(["rollback", "--market", "de-DE"]) == 0
    assert "had 1 damaged lines" in capsys.readouterr().err
    history.write_bytes(history.read_bytes() + bytes(30))
    assert promote(Candidate(Path("candidate"), "de-DE"), miniature.served()).number == 2
    assert [event.action for event in releases(miniature).history("de-DE")] == ["promote", "rollback", "promote"]
    assert history.with_name("history.damaged").read_bytes() == whole[:20] + b"\n" + bytes(30) + b"\n"


def test_an_intent_that_the_dialogue_does_not_know_is_refused_with_what_to_do(miniature: Miniature) -> None:
    adapter = candidate()
    heads = json.loads((adapter / "heads.json").read_text(encoding="utf-8"))
    heads["intents"][0] = "warranty_claim"
    (adapter / "heads.json").write_text(json.dumps(heads), encoding="utf-8")
    with pytest.raises(DatasetError, match=r"does not know warranty_claim\. Add each under `intents:` in domain.yml"):
        promote(Candidate(made_whole(adapter), "de-DE"), miniature.served())


def test_a_market_without_an_adapter_of_its_own_is_told_how_to_get_one(miniature: Miniature) -> None:
    markets = Path("markets.yml").read_text(encoding="utf-8")
    Path("markets.yml").write_text(markets.replace("adapter: fr-FR", "adapter: null"), encoding="utf-8")
    with pytest.raises(DatasetError, match=r"add `adapter: fr-FR` to its row in markets\.yml"):
        promote(Candidate(candidate(), "fr-FR"), miniature.served())


def test_an_adapter_that_lacks_an_intent_of_the_serving_one_is_refused_by_its_name(miniature: Miniature) -> None:
    with pytest.raises(RefusedError, match="no longer knows cancel_order"):
        promote(Candidate(candidate(change=without_the_first_intent), "de-DE"), miniature.served())


def without_the_first_intent(heads: Heads) -> Heads:
    return replace(
        heads,
        settings=replace(heads.settings, intents=heads.settings.intents[1:]),
        intent_weight=heads.intent_weight[1:],
        intent_bias=heads.intent_bias[1:],
        centroids=heads.centroids[1:],
    )


def test_a_reason_of_nothing_but_spaces_is_none(miniature: Miniature, capsys: pytest.CaptureFixture[str]) -> None:
    made = str(candidate(change=with_intents_mixed_up))
    assert main(["promote", "--adapter", made, "--market", "de-DE", "--force", "--reason", "  "]) == 2
    assert "--force needs a --reason" in capsys.readouterr().err
    assert releases(miniature).numbers("de-DE") == []


def test_a_pointer_that_cannot_be_read_is_said_and_a_rollback_to_a_number_writes_it_anew(
    miniature: Miniature, capsys: pytest.CaptureFixture[str]
) -> None:
    release = promote(Candidate(candidate(), "de-DE"), miniature.served())
    Path("var/releases/de-DE/serving.json").write_text("{", encoding="utf-8")
    assert main(["releases"]) == 0
    listed = capsys.readouterr()
    assert release.version in listed.out
    assert "`rollback --market de-DE --to N` writes it anew" in listed.err
    assert main(["rollback", "--market", "de-DE"]) == 2
    assert main(["rollback", "--market", "de-DE", "--to", "1"]) == 0
    assert miniature.served()["de-DE"].version == release.version


def test_rollback_goes_to_the_parent_or_to_any_number_and_back(miniature: Miniature) -> None:
    kept = releases(miniature)
    promote(Candidate(candidate(), "de-DE"), miniature.served())
    promote(Candidate(copy_adapter(Path("candidate"), Path("second")), "de-DE"), miniature.served())
    assert kept.roll_back("de-DE").release == 1
    assert kept.roll_back("de-DE").release == 0
    assert miniature.served()["de-DE"].version == read_manifest(GERMAN).version
    with pytest.raises(UnknownReleaseError, match="nothing came before"):
        kept.roll_back("de-DE")
    assert kept.roll_back("de-DE", to=2).release == 2
    with pytest.raises(UnknownReleaseError, match="no release 9; it has 0, 1, 2"):
        kept.roll_back("de-DE", to=9)
    assert [(event.action, event.release) for event in kept.history("de-DE")] == [
        ("promote", 1), ("promote", 2), ("rollback", 1), ("rollback", 0), ("rollback", 2),
    ]  # fmt: skip


def test_a_release_remembers_the_transcripts_it_learned_from_and_is_found_by_them(miniature: Miniature) -> None:
    adapter = candidate()
    write_lineage(adapter, Lineage(transcripts=(31, 7, 31), sources={"transcripts": 2}))
    assert promote(Candidate(adapter, "de-DE"), miniature.served()).transcripts == 2
    kept = releases(miniature)
    assert kept.learned_from(31) == [("de-DE", 1)]
    assert kept.learned_from(8) == []
    lineage = Path("var/releases/de-DE/1") / LINEAGE
    lineage.write_text('{"transcripts": [7]}', encoding="utf-8")
    with pytest.raises(DamagedReleaseError, match=LINEAGE):
        kept.read("de-DE", 1)


def test_what_serves_keeps_its_labels_though_a_younger_release_that_learned_them_too_was_taken_back() -> None:
    first, second, third, fourth = (datetime(2026, 10, day, tzinfo=UTC) for day in (1, 2, 3, 4))
    trusted = Trusted(frozenset({1}), until=second, taken_back=((None, third),))
    assert not trusted.was_taken_back(1, first)
    assert trusted.was_taken_back(2, first)
    assert trusted.was_taken_back(1, third)
    assert not trusted.was_taken_back(2, fourth)


def test_the_key_is_readable_by_its_owner_only_and_a_release_signed_by_another_is_refused(
    miniature: Miniature,
) -> None:
    promote(Candidate(candidate(), "de-DE"), miniature.served())
    key = Path("var/release-key.pem")
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    public = Path("var/releases/public-key.pem")
    first = public.read_bytes()
    key.unlink()
    public.unlink()
    promote(Candidate(copy_adapter(Path("candidate"), Path("second")), "de-DE"), miniature.served())
    assert public.read_bytes() != first
    with pytest.raises(DamagedReleaseError, match="another key"):
        releases(miniature).read("de-DE", 1)
    assert releases(miniature).read("de-DE", 2).parent == 1


def test_a_pickle_renamed_to_safetensors_is_refused_even_with_its_hash_in_the_manifest(miniature: Miniature) -> None:
    adapter = candidate()
    (adapter / "adapter_model.safetensors").write_bytes(pickle.dumps({"weight": [1.0]}))
    with pytest.raises(DamagedAdapterError, match="not a safetensors file"):
        promote(Candidate(made_whole(adapter), "de-DE"), miniature.served())


def test_an_adapter_of_another_encoder_is_refused(miniature: Miniature) -> None:
    with pytest.raises(DamagedAdapterError, match="trained on encoder abc"):
        promote(Candidate(candidate(encoder="abc"), "de-DE"), miniature.served())


def test_weights_of_other_shapes_are_refused_although_every_hash_is_right(miniature: Miniature) -> None:
    adapter = candidate()
    settings = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    (adapter / "adapter_config.json").write_text(json.dumps({**settings, "r": settings["r"] * 2}), encoding="utf-8")
    with pytest.raises(DamagedAdapterError, match="does not fit the encoder"):
        promote(Candidate(made_whole(adapter), "de-DE"), miniature.served())


def test_heads_that_do_not_fit_their_labels_are_refused(miniature: Miniature) -> None:
    adapter = candidate()
    settings = json.loads((adapter / "heads.json").read_text(encoding="utf-8"))
    settings["intents"].append("one_too_many")
    (adapter / "heads.json").write_text(json.dumps(settings), encoding="utf-8")
    with pytest.raises(DamagedAdapterError, match="the labels want"):
        Heads.load(adapter)


def test_the_commands_promote_list_and_roll_back(miniature: Miniature, capsys: pytest.CaptureFixture[str]) -> None:
    candidate()
    assert main(["promote", "--adapter", "candidate", "--market", "de-DE"]) == 0
    assert capsys.readouterr().out.startswith("Release 1 (version ")
    assert main(["releases", "--market", "de-DE", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [(row["release"], row["serves"]) for row in listed["releases"]] == [(0, False), (1, True)]
    copy_adapter(Path("candidate"), Path("worse"), change=with_intents_mixed_up)
    assert main(["promote", "--adapter", "worse", "--market", "de-DE"]) == 3
    assert "Refused: the candidate does not replace what serves de-DE." in capsys.readouterr().err
    assert main(["rollback", "--market", "de-DE"]) == 0
    assert capsys.readouterr().out.startswith("The adapter that Polydesk ships serves de-DE again")
    assert main(["rollback", "--market", "xx-XX"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert main(["promote", "--adapter", "worse", "--market", "de-DE", "--force"]) == 2
    assert "--reason" in capsys.readouterr().err
    assert main(["releases", "--learned-from", "5"]) == 0
