"""What `promote`, `rollback` and `releases` do once their options are read."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from typing import Any

from nlu.adapters import DamagedAdapterError
from nlu.encoder import find_encoder, fingerprint
from nlu.markets import GLOBAL_ADAPTER, load_markets
from nlu.releases import SHIPPED, DamagedReleaseError, Release
from nlu.served import ServedAdapters
from training.dataset import DatasetError, read_examples
from training.disk import needing_room
from training.gate import Finding
from training.labelled import markets_served_by
from training.promote import Candidate, adapter_name, promote
from training.release import Releases

COLUMNS = ("serves", "release", "version", "parent", "created", "by", "transcripts", "accuracy", "forced")


def promote_adapter(options: argparse.Namespace) -> None:
    """Let an adapter folder serve a market, if the gate lets it pass or a reason is given."""
    reason = (options.reason or "").strip() or None
    if options.force != bool(reason):
        raise DatasetError("--force needs a --reason, and a --reason is only for --force.")
    learned = read_examples(options.data) if options.data else None
    candidate = Candidate(options.adapter, options.market, reason=reason, learned=learned)
    release = promote(candidate, ServedAdapters())
    if release.gate.get("labels") is None:
        _say("Forced although what it learned from is not known here, so that its labels were not checked.")
    for reason in release.gate["reasons"]:
        _say(f"Forced although: {reason}")
    sys.stdout.write(f"Release {release.number} (version {release.version}) serves {served_by(release.name)}.\n")
    sys.stdout.write(differences(release))


def roll_back(options: argparse.Namespace) -> None:
    """Let an earlier release serve a market again."""
    name = adapter_name(options.market)
    with needing_room(f"What serves {served_by(name)} serves on."):
        pointer = _releases().roll_back(name, to=options.to, keep_labels=options.keep_labels)
    what = "The adapter that Polydesk ships" if pointer.release == SHIPPED else f"Release {pointer.release}"
    sys.stdout.write(f"{what} serves {served_by(name)} again; `rollback --to {pointer.before}` undoes it.\n")


def list_releases(options: argparse.Namespace) -> None:
    """List releases, of one market or of all; with an id, only those that learned from that transcript."""
    releases = _releases()
    if options.learned_from is not None:
        chosen = releases.learned_from(options.learned_from)
    else:
        names = [adapter_name(options.market)] if options.market else _all_names(releases)
        chosen = [(name, number) for name in names for number in (SHIPPED, *releases.numbers(name))]
    serving = {name: _serving(releases, name) for name in dict.fromkeys(name for name, _ in chosen)}
    rows = [_row(releases, name, number, serves=serving[name] == number) for name, number in chosen]
    if options.json:
        names = sorted({name for name, _ in chosen})
        history = {name: [asdict(event) for event in releases.history(name)] for name in names}
        sys.stdout.write(json.dumps({"releases": rows, "history": history}, ensure_ascii=False) + "\n")
        return
    _print_table(rows)


def _serving(releases: Releases, name: str) -> int | None:
    try:
        return releases.pointer(name).release
    except DamagedReleaseError as error:
        _say(f"{error}. `rollback --market {name} --to N` writes it anew.")
        return None


def _row(releases: Releases, name: str, number: int, *, serves: bool) -> dict[str, Any]:
    row: dict[str, Any] = {"name": name, "release": number, "serves": serves}
    if number == SHIPPED:
        return row
    try:
        release = releases.read(name, number)
    except DamagedAdapterError as error:
        return {**row, "damaged": str(error)}
    return {
        **row,
        "version": release.version,
        "parent": release.parent,
        "created": release.created,
        "by": release.by,
        "transcripts": release.transcripts,
        "accuracy": release.metrics.get("accuracy"),
        "forced": release.reason,
        "refused_by_gate": release.gate.get("refused"),
        "reasons": release.gate.get("reasons"),
    }


def _print_table(rows: list[dict[str, Any]]) -> None:
    table = [("market", *COLUMNS)]
    for row in rows:
        shown = {**row, "serves": "*" if row["serves"] else ""}
        if "damaged" in row:
            shown["version"] = f"damaged: {row['damaged']}"
        elif row["release"] == SHIPPED:
            shown["version"] = "shipped"
        cells = (shown.get(column) for column in COLUMNS)
        table.append((row["name"], *("" if cell is None else str(cell) for cell in cells)))
    widths = [max(len(line[place]) for line in table) for place in range(len(table[0]))]
    for line in table:
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        sys.stdout.write("  ".join(padded).rstrip() + "\n")


def _releases() -> Releases:
    return Releases(fingerprint(find_encoder()))


def _all_names(releases: Releases) -> list[str]:
    adapters = [market.adapter for market in load_markets() if market.adapter]
    return list(dict.fromkeys([GLOBAL_ADAPTER, *adapters, *releases.names()]))


def differences(release: Release) -> str:
    """Say, a line each, what the gate measured in the languages that the release serves."""
    languages = {language for market in markets_served_by(release.name) for language in market.languages}
    findings = [Finding(**finding) for finding in release.gate["findings"]]
    met = [finding for finding in findings if finding.what.rpartition(" in ")[2] in languages or not languages]
    return "".join(f"  {finding}\n" for finding in met)


def served_by(name: str) -> str:
    """Name the markets that an adapter's name serves, for a sentence."""
    return ", ".join(market.code for market in markets_served_by(name)) or name


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
