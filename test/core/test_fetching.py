"""Weights that are got from a server or a folder: taken when they are whole, and never otherwise."""

from __future__ import annotations

import hashlib
import http.server
import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import yaml

from siam_tracker_core import zoo as zoo_module
from siam_tracker_core.cli import main
from siam_tracker_core.errors import WeightsError
from siam_tracker_core.weights import save_weights
from siam_tracker_core.zoo import find_weights, read_zoo

HALF, WHOLE = "half of it", "whole"


class Release(http.server.BaseHTTPRequestHandler):
    """Gives the files of a folder; ``plan`` says how, and ``asked`` takes down what was asked for."""

    folder: Path
    plan: dict[str, str]
    asked: list[str]

    def do_GET(self) -> None:
        name = self.path.rpartition("/")[2]
        self.asked.append(name)
        file = self.folder / name
        if not file.is_file():
            self.send_error(404)
            return
        data = file.read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if self.plan.get(name) == HALF else data)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def release(tmp_path: Path) -> Iterator[tuple[str, type[Release]]]:
    """A server of a folder with all files, and its handler."""
    handler = type("Here", (Release,), {"folder": tmp_path / "release", "plan": {}, "asked": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v0", handler
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repository_root: Path) -> Path:
    """The folder for what is fetched; the installed zoo lists a file that is there and three that are not."""
    made, installed = tmp_path / "release", tmp_path / "installed"
    made.mkdir()
    installed.mkdir()
    for name in ("here", "absent", "other"):
        state = {"kernel": torch.full((4, 4), float(len(name))), "bias": torch.zeros(2)}
        save_weights(made / f"{name}.safetensors", state, {})
    state = {"kernel": torch.full((4, 4), 6.0), "own": torch.ones(3)}
    shared = save_weights(made / "sharing.safetensors", state, {}, beside=[made / "absent.safetensors"])
    assert shared == ["kernel"]
    entry = yaml.safe_load((repository_root / "weights" / "zoo.yaml").read_text(encoding="utf-8"))["siamfc"]
    entries = {}
    for file in made.iterdir():
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        entries[file.stem] = {**entry, "file": file.name, "sha256": digest}
    (installed / "zoo.yaml").write_text(yaml.safe_dump(entries))
    shutil.copy2(made / "here.safetensors", installed)
    monkeypatch.setattr(zoo_module, "shipped", lambda folder: installed)
    monkeypatch.setattr("siam_tracker_core.commands.zoo.shipped", lambda folder: installed)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("SIAM_TRACKER_WEIGHTS", raising=False)
    return tmp_path / "home" / "siam_tracker_ros" / "weights"


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def test_what_is_missing_is_got_and_then_found(own: Path, release: tuple[str, type[Release]]) -> None:
    address, handler = release
    with pytest.raises(WeightsError, match="siam-tracker zoo --get absent"):
        find_weights("absent")
    assert main(["zoo", "--get", "absent", "here", "--location", address]) == 0
    assert find_weights("absent") == own / "absent.safetensors"
    assert handler.asked == ["absent.safetensors"]
    assert main(["zoo", "--get", "absent", "--location", address]) == 0
    assert handler.asked == ["absent.safetensors"]
    assert files(own) == ["absent.safetensors"]


def test_what_a_file_shares_comes_with_it(
    own: Path, release: tuple[str, type[Release]], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, handler = release
    monkeypatch.setenv("SIAM_TRACKER_WEIGHTS", address)
    assert main(["zoo", "--get", "sharing"]) == 0
    assert handler.asked == ["sharing.safetensors", "absent.safetensors"]
    assert files(own) == ["absent.safetensors", "sharing.safetensors"]


def test_a_folder_is_a_place_too_and_all_means_all(own: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["zoo", "--get", "all", "--location", str(tmp_path / "release")]) == 0
    assert files(own) == ["absent.safetensors", "other.safetensors", "sharing.safetensors"]
    told = [Path(line.split(" is ")[0]).name for line in capsys.readouterr().out.splitlines()]
    assert sorted(told) == ["absent.safetensors", "here.safetensors", "other.safetensors", "sharing.safetensors"]
    assert main(["zoo", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert {each["name"] for each in listed if each["bytes"]} == {"absent", "here", "other", "sharing"}


@pytest.mark.parametrize("plan", [HALF, "another file"])
def test_what_is_not_whole_is_never_taken(
    own: Path, release: tuple[str, type[Release]], plan: str, capsys: pytest.CaptureFixture
) -> None:
    address, handler = release
    handler.plan["absent.safetensors"] = plan
    if plan != HALF:
        (handler.folder / "absent.safetensors").write_bytes(b"something else")
    assert main(["zoo", "--get", "absent", "--location", address]) == 1
    told = capsys.readouterr().err
    assert read_zoo()["absent"].sha256 in told
    assert str(own / "absent.safetensors") in told
    assert "Traceback" not in told
    assert files(own) == []


def test_a_damaged_file_is_replaced_where_it_lies(own: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "installed" / "here.safetensors"
    damaged.write_bytes(b"damaged")
    assert main(["zoo", "--get", "here", "--location", str(tmp_path / "release")]) == 0
    assert damaged.read_bytes() == (tmp_path / "release" / "here.safetensors").read_bytes()
    assert files(own) == []


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("", "no place is known to get it from: give one with --location"),
        ("http://127.0.0.1:9/nobody", "cannot be fetched (connection refused); without a network, put the file"),
        ("{address}/nowhere/", "HTTP status 404"),
        ("{folder}/no such folder", "no such file or directory"),
    ],
)
def test_without_a_network_it_says_where_to_put_the_file(
    own: Path,
    release: tuple[str, type[Release]],
    tmp_path: Path,
    location: str,
    words: str,
    capsys: pytest.CaptureFixture,
) -> None:
    address, handler = release
    (handler.folder / "absent.safetensors").rename(handler.folder / "elsewhere.safetensors")
    place = location.format(address=address, folder=tmp_path)
    assert main(["zoo", "--get", "absent", *(["--location", place] if place else [])]) == 1
    told = capsys.readouterr().err
    assert words in told
    assert str(own / "absent.safetensors") in told
    assert read_zoo()["absent"].sha256 in told


def test_an_unknown_name_is_told_before_anything_is_got(own: Path, release: tuple[str, type[Release]]) -> None:
    address, handler = release
    assert main(["zoo", "--get", "absent", "nobody", "--location", address]) == 1
    assert handler.asked == []


def test_missing_weights_are_no_error_of_the_list(own: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["zoo"]) == 0
    told = capsys.readouterr()
    assert "not here: absent, other, sharing; --get gets them" in told.err
    assert "not here" not in told.out
