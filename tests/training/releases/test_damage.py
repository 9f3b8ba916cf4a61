"""Whatever happens to the bytes of an adapter or a release, it is refused, and what served before serves on."""

from __future__ import annotations

import os
import random
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from nlu.adapters import ADAPTERS_FOLDER, DamagedAdapterError, read_manifest, write_manifest
from nlu.heads import Heads
from nlu.parser import Parser, Request
from tests.training.releases.miniature import Miniature, copy_adapter, the_same_in_other_bytes
from training.promote import Candidate, promote
from training.release import Releases

GERMAN = ADAPTERS_FOLDER / "de-DE"
RELEASE = Path("var/releases/de-DE/1")
VARIANTS = 200


def flipped(content: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(content))
    return content[:place] + bytes([content[place] ^ (1 << chance.randrange(8))]) + content[place + 1 :]


def cut(content: bytes, chance: random.Random) -> bytes:
    return content[: chance.randrange(len(content))]


def grown(content: bytes, chance: random.Random) -> bytes:
    return content + chance.randbytes(chance.randrange(1, 50))


def torn(content: bytes, chance: random.Random) -> bytes:
    """Write the end of a file over its middle, as a disk does that lost a block."""
    start = chance.randrange(len(content) // 2)
    length = chance.randrange(1, max(2, len(content) // 4))
    return content[:start] + bytes(length) + content[start + length :] + b"\x00"


def another(content: bytes, chance: random.Random) -> bytes:
    return chance.randbytes(len(content))


DAMAGES: tuple[Callable[[bytes, random.Random], bytes], ...] = (flipped, cut, grown, torn, another)


@pytest.fixture
def release(miniature: Miniature) -> Path:
    copy_adapter(GERMAN, Path("candidate"), change=the_same_in_other_bytes)
    promote(Candidate(Path("candidate"), "de-DE"), miniature.served())
    return RELEASE


def test_two_hundred_damaged_releases_are_all_refused(miniature: Miniature, release: Path) -> None:
    chance = random.Random(11)
    served = miniature.served()
    files = sorted(path.name for path in release.iterdir())
    for variant in range(VARIANTS):
        path = release / files[variant % len(files)]
        whole = path.read_bytes()
        if variant % 17 == 0:
            path.unlink()
        else:
            path.write_bytes(DAMAGES[variant % len(DAMAGES)](whole, chance))
        with pytest.raises(DamagedAdapterError):
            served.load_release("de-DE", 1)
        path.write_bytes(whole)
    assert served.load_release("de-DE", 1).name == "de-DE"


def test_two_hundred_damaged_adapters_are_all_refused(miniature: Miniature) -> None:
    """A damage that reaches the manifest, too, or with whose hashes somebody has made it up, is no better."""
    chance = random.Random(12)
    encoder = miniature.served().fingerprint
    for variant in range(VARIANTS):
        folder = Path("damaged")
        shutil.copytree(GERMAN, folder)
        manifest = read_manifest(GERMAN)
        path = folder / sorted([*manifest.files, "manifest.json"])[variant % (len(manifest.files) + 1)]
        if path.name == "manifest.json":
            path.write_bytes(cut(path.read_bytes(), chance))
        elif variant % 2 and path.name.startswith("heads"):
            # Made up to look whole: only what the file says gives it away.
            path.write_bytes(cut(path.read_bytes(), chance))
            write_manifest(folder, name="de-DE", encoder=encoder, method="lora", training={})
        else:
            path.write_bytes(DAMAGES[variant % len(DAMAGES)](path.read_bytes(), chance))
        with pytest.raises(DamagedAdapterError):
            read_manifest(folder, encoder=encoder)
            Heads.load(folder)
        shutil.rmtree(folder)


def test_a_bot_that_starts_with_a_damaged_release_serves_the_one_before_it(
    miniature: Miniature, release: Path
) -> None:
    before = miniature.served()["de-DE"].version
    promote(Candidate(copy_adapter(GERMAN, Path("second")), "de-DE"), miniature.served())
    (RELEASE.with_name("2") / "served.onnx").write_bytes(b"")
    with capture_logs() as logs:
        served = miniature.served()
        assert served["de-DE"].version == before
    assert [(entry["event"], entry["release"]) for entry in logs] == [("adapter_refused", 2)]
    shutil.rmtree(release)
    assert miniature.served()["de-DE"].version == read_manifest(GERMAN).version
    assert Parser(adapters=miniature.served()).parse(Request("wo ist mein paket", "de-DE")).intent.name


def test_a_damaged_pointer_is_refused_at_the_start_and_the_shipped_adapter_serves(
    miniature: Miniature, release: Path
) -> None:
    release.with_name("serving.json").write_text('{"release": "1', encoding="utf-8")
    with capture_logs() as logs:
        assert miniature.served()["de-DE"].version == read_manifest(GERMAN).version
    assert [entry["event"] for entry in logs] == ["release_refused"]


def test_a_rollback_to_a_damaged_release_is_refused(miniature: Miniature, release: Path) -> None:
    kept = Releases(miniature.served().fingerprint)
    kept.roll_back("de-DE")
    (release / "heads.json").unlink()
    with pytest.raises(DamagedAdapterError, match=r"heads\.json is missing or damaged"):
        kept.roll_back("de-DE", to=1)
    assert kept.pointer("de-DE").release == 0


@pytest.mark.parametrize("kilobytes", [8, 100, 500])
def test_a_full_disk_promotes_nothing_and_leaves_nothing(miniature: Miniature, kilobytes: int) -> None:
    """`ulimit -f` makes every file end where a full disk would end it."""
    copy_adapter(GERMAN, Path("candidate"), change=the_same_in_other_bytes)
    command = f"{sys.executable} -m training promote --adapter candidate --market de-DE"
    ended = miniature.shell(f"ulimit -f {kilobytes}; exec {command}")
    assert ended.returncode == 1, ended.stderr
    assert "The disk is full" in ended.stderr.splitlines()[-1]
    assert "what served de-DE serves on" in ended.stderr
    assert not list(Path("var/releases/de-DE").glob(".staged-*"))
    assert Releases(miniature.served().fingerprint).numbers("de-DE") == []
    assert miniature.served()["de-DE"].version == read_manifest(GERMAN).version


def test_what_a_killed_promotion_left_is_gone_after_a_day_and_one_at_work_is_let_be(miniature: Miniature) -> None:
    folder = Path("var/releases/de-DE")
    killed, at_work = folder / ".staged-killed", folder / ".staged-at-work"
    for left in (killed, at_work):
        (left / "release").mkdir(parents=True)
    two_days_ago = time.time() - 2 * 24 * 3600
    os.utime(killed, (two_days_ago, two_days_ago))
    copy_adapter(GERMAN, Path("candidate"), change=the_same_in_other_bytes)
    promote(Candidate(Path("candidate"), "de-DE"), miniature.served())
    assert not killed.exists()
    assert at_work.exists()
