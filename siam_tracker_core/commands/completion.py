"""``siam-tracker completion``: what a shell needs to complete commands and options."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from siam_tracker_core.commands.listing import COMMANDS

# zsh understands what is written for bash, once it is told to.
_FOR_ZSH = "autoload -U +X compinit && compinit\nautoload -U +X bashcompinit && bashcompinit\n"

_SCRIPT = """\
_siam_tracker() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} options=""
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "{commands} --help --version" -- "$word"))
    return
  fi
  case "${{COMP_WORDS[1]}}" in
{cases}
  esac
  case "$word" in
    -*) COMPREPLY=($(compgen -W "$options --config --help" -- "$word")) ;;
  esac
}}
complete -o default -F _siam_tracker siam-tracker
"""


def completion(shell: Literal["bash", "zsh"]) -> None:
    """Print a script that completes commands, options and files: ``source <(siam-tracker completion bash)``.

    Args:
        shell: bash or zsh.
    """
    options = {name: _options(module, name) for name, (module, _) in COMMANDS.items()}
    print((_FOR_ZSH if shell == "zsh" else "") + script(options), end="")


def script(options: Mapping[str, list[str]]) -> str:
    """The script for commands with their options; all of them but names have plain letters and hyphens."""
    cases = "\n".join(f'    {name}) options="{" ".join(words)}" ;;' for name, words in options.items())
    return _SCRIPT.format(commands=" ".join(options), cases=cases)


def _options(module: str, command: str) -> list[str]:
    """Read, not imported: some modules need what is not installed, and together they take long to load."""
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    name = command.replace("-", "_")
    function = next(each for each in tree.body if isinstance(each, ast.FunctionDef) and each.name == name)
    with_default = function.args.args[-len(function.args.defaults) :] if function.args.defaults else []
    return [f"--{each.arg.replace('_', '-')}" for each in with_default]
