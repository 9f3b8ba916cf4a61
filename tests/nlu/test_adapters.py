"""An adapter folder is served whole or not at all."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from nlu.adapters import DamagedAdapterError, read_manifest, write_manifest

FILES = ["adapter_model.safetensors", "adapter_config.json", "heads.safetensors", "heads.json"]


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    folder = tmp_path / "xx-XX"
    folder.mkdir()
    for name in ("adapter_model.safetensors", "heads.safetensors"):
        save_file({"weight": np.arange(6, dtype=np.float32)}, str(folder / name))
    for name in ("heads.json", "adapter_config.json"):
        (folder / name).write_text("{}", encoding="utf-8")
    write_manifest(folder, name="xx-XX", encoder="abc", method="lora", training={})
    return folder


def test_a_whole_adapter_is_accepted(adapter: Path) -> None:
    assert read_manifest(adapter, encoder="abc").name == "xx-XX"


def test_the_version_changes_with_the_weights_and_only_with_them(adapter: Path) -> None:
    before = read_manifest(adapter).version
    write_manifest(adapter, name="xx-XX", encoder="abc", method="lora", training={"seed": 2})
    assert read_manifest(adapter).version == before
    save_file({"weight": np.ones(6, dtype=np.float32)}, str(adapter / "heads.safetensors"))
    write_manifest(adapter, name="xx-XX", encoder="abc", method="lora", training={})
    assert read_manifest(adapter).version != before


@pytest.mark.parametrize("name", FILES)
def test_one_changed_byte_in_any_file_is_refused(adapter: Path, name: str) -> None:
    content = bytearray((adapter / name).read_bytes())
    content[len(content) // 2] ^= 1
    (adapter / name).write_bytes(bytes(content))
    with pytest.raises(DamagedAdapterError, match="damaged"):
        read_manifest(adapter)


@pytest.mark.parametrize("name", [*FILES, "manifest.json"])
def test_a_missing_file_is_refused(adapter: Path, name: str) -> None:
    (adapter / name).unlink()
    with pytest.raises(DamagedAdapterError, match=name):
        read_manifest(adapter)


def test_an_adapter_of_another_encoder_is_refused(adapter: Path) -> None:
    with pytest.raises(DamagedAdapterError, match="encoder abc"):
        read_manifest(adapter, encoder="def")


@pytest.mark.parametrize("listed", ["../../etc/passwd", "weights.pkl", "sub/heads.json"])
def test_a_manifest_cannot_list_files_outside_its_folder_or_of_another_kind(adapter: Path, listed: str) -> None:
    manifest = json.loads((adapter / "manifest.json").read_text(encoding="utf-8"))
    manifest["files"][listed] = "0" * 64
    (adapter / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(DamagedAdapterError, match="may have"):
        read_manifest(adapter)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"name": 1}'])
def test_a_manifest_that_is_no_manifest_is_refused(adapter: Path, content: str) -> None:
    (adapter / "manifest.json").write_text(content, encoding="utf-8")
    with pytest.raises(DamagedAdapterError):
        read_manifest(adapter)
