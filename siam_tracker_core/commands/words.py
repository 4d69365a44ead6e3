"""Command lines as people write them: lists with spaces (``--trackers siamfc kcf``), flags (``--fresh``), hyphens."""

from __future__ import annotations

import inspect
import itertools
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from siam_tracker_core.commands.nested import gather_nested

_NONE = type(None)
_NOTHING = re.compile(r"[#&]|~$")  # a comment, an anchor, and another word for null
_NEGATIVE = re.compile(r"-\.?\d")
# Options that had another name once, so that old command lines go on working.
FORMER_NAMES = {"--nano_models": "--peer_models"}


def folders_of(given: Sequence[str] | str) -> list[Path]:
    """The folders of an option that takes one or several; none of an empty text."""
    return [Path(text) for text in ([given] if isinstance(given, str) else given) if text]


def words_of(given: Sequence[str] | str) -> list[str]:
    """The words in a list, or in a text with commas or spaces between them; a file's path is one word."""
    texts = [given] if isinstance(given, str) else given
    return [word for text in texts for word in _words(text)]


def _words(text: str) -> list[str]:
    from siam_tracker_core.evaluation.resolve import is_file_with_settings  # here, for it takes long to load

    if is_file_with_settings(text):
        return [text]
    return text.strip("[]").replace(",", " ").split()


def plain_words(function: Callable[..., Any], words: Sequence[str]) -> list[str]:
    """The words of a command line as jsonargparse takes them.

    Args:
        function: the command, whose annotations say what each option is.
        words: what follows the command's name.
    """
    plain = join_values(function, named_positionals(function, underscored(function, words)))
    return plain_paths(function, fill_flags(function, join_lists(function, gather_nested(function, plain))))


def join_values(function: Callable[..., Any], words: Sequence[str]) -> list[str]:
    """The words with values that begin with a minus joined to their option, for argparse takes them for options.

    ``--init -10,30,40,36`` becomes ``--init=-10,30,40,36``.
    """
    names = {f"--{name}" for name in get_type_hints(function)}
    joined: list[str] = []
    for word in words:
        if joined and joined[-1] in names and _NEGATIVE.match(word):
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined


def underscored(function: Callable[..., Any], words: Sequence[str]) -> list[str]:
    """The words with the command's options under their Python names: ``--vot-ini FILE`` becomes ``--vot_ini FILE``."""
    names = {f"--{name}" for name in get_type_hints(function)}
    renamed_options = {old: new for old, new in FORMER_NAMES.items() if new in names and old not in names}

    def plain(word: str) -> str:
        option, equals, value = word.partition("=")
        renamed = "--" + option[2:].replace("-", "_")
        renamed = renamed_options.get(renamed, renamed)
        return f"{renamed}{equals}{value}" if word.startswith("--") and renamed in names else word

    return [plain(word) for word in words]


def named_positionals(function: Callable[..., Any], words: Sequence[str]) -> list[str]:
    """The words with what a command must be given by place, if it was given by name: ``--root DIR`` of ``tune``.

    Those that are given by place stand before all options then.
    """
    needed = [name for name, each in inspect.signature(function).parameters.items() if each.default is each.empty]
    named: dict[str, str] = {}
    others: list[str] = []
    for word in words:
        option, equals, value = word.partition("=")
        name = option.removeprefix("--")
        if others and others[-1].removeprefix("--") in needed and others[-1].startswith("--"):
            named[others.pop().removeprefix("--")] = word
        elif equals and option.startswith("--") and name in needed:
            named[name] = value
        else:
            others.append(word)
    if not named:
        return list(words)
    first_option = next((place for place, word in enumerate(others) if word.startswith("--")), len(others))
    by_place, rest = iter(others[:first_option]), others[first_option:]
    found = [named[name] if name in named else next(by_place, None) for name in needed]
    return [*(word for word in found if word is not None), *by_place, *rest]


def fill_flags(function: Callable[..., Any], words: Sequence[str]) -> list[str]:
    """The words with ``true`` after every yes-or-no option that has no value."""
    flags = {f"--{name}" for name, hint in get_type_hints(function).items() if hint is bool}
    filled: list[str] = []
    for word, following in itertools.zip_longest(words, words[1:], fillvalue="--"):
        filled.append(word)
        if word in flags and following.lower() not in ("true", "false"):
            filled.append("true")
    return filled


def join_lists(function: Callable[..., Any], words: Sequence[str]) -> list[str]:
    """The words of a command line with those of each list joined into one, ``["siamfc", "kcf"]``, for jsonargparse.

    A list goes to the next option, or to the end, and an option that is given again goes on with it; one word alone
    stays as it is, so that ``a,b`` and ``[a,b]`` mean what they did.

    Args:
        function: the command; its parameters that can be a list or a tuple are the lists.
        words: what follows the command's name.
    """
    hints = {f"--{name}": hint for name, hint in get_type_hints(function).items() if _takes_many(hint)}
    given: dict[str, list[str]] = {}
    others: list[str] = []  # with each list's option where it was given first
    index = 0
    while index < len(words):
        option, equals, value = words[index].partition("=")
        index += 1
        if option not in hints:
            others.append(words[index - 1])
            continue
        if option not in given:
            others.append(option)
        values = given.setdefault(option, [])
        if equals:
            values.append(value)
            continue
        stop = next((place for place in range(index, len(words)) if words[place].startswith("--")), len(words))
        values += words[index:stop]
        index = stop
    joined: list[str] = []
    for word in others:
        joined += [word, *_as_list(hints[word], given[word])] if word in given else [word]
    return joined


def _as_list(hint: Any, values: list[str]) -> list[str]:
    if len(values) < 2:
        return values
    return [f"[{', '.join(map(json.dumps, values) if _takes(hint, str) or _takes(hint, Path) else values)}]"]


def plain_paths(function: Callable[..., Any], words: Sequence[str]) -> list[str]:
    """The words with paths of which YAML makes nothing, such as ``#1`` and ``~``, as ``./#1``; ``null`` stays."""
    names = {f"--{name}" for name, hint in get_type_hints(function).items() if set(get_args(hint)) == {Path, _NONE}}
    plain: list[str] = []
    for word in words:
        option, equals, value = word.partition("=")
        if plain and plain[-1] in names and _NOTHING.match(word):
            plain.append(f"./{word}")
        else:
            plain.append(f"{option}=./{value}" if equals and option in names and _NOTHING.match(value) else word)
    return plain


def _takes_many(hint: Any) -> bool:
    return get_origin(hint) in (list, tuple) or any(_takes_many(part) for part in get_args(hint))


def _takes(hint: Any, kind: type) -> bool:
    return hint is kind or any(_takes(part, kind) for part in get_args(hint))
