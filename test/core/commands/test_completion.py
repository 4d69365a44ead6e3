"""What bash completes, asked of bash itself."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from siam_tracker_core.cli import main
from siam_tracker_core.commands.completion import script

OPTIONS = {"track": ["--init", "--out", "--overlay"], "train": ["--resume"], "zoo": ["--check"]}


def completed(words: list[str], source: str) -> list[str]:
    asked = f"{source}\nCOMP_WORDS=({' '.join(words)} ''); COMP_CWORD={len(words) - 1}; _siam_tracker\n"
    done = subprocess.run(
        ["bash", "-c", asked + 'printf "%s\\n" "${COMPREPLY[@]}"'], capture_output=True, text=True, check=True
    )
    return done.stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed here")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["siam-tracker", "tr"], ["track", "train"]),
        (["siam-tracker", "track", "--o"], ["--out", "--overlay"]),
        (["siam-tracker", "train", "--o"], []),
        (["siam-tracker", "zoo", "file"], []),
    ],
)
def test_bash_completes(words: list[str], expected: list[str]) -> None:
    assert completed(words, script(OPTIONS)) == expected


def test_the_scripts_have_every_command_and_parse(capsys: pytest.CaptureFixture[str]) -> None:
    for shell in ("bash", "zsh"):
        assert main(["completion", shell]) == 0
        text = capsys.readouterr().out
        assert "--overlay" in text
        assert "import-checkpoint)" in text
        assert subprocess.run(["bash", "-n"], input=text, text=True, check=False).returncode == 0
