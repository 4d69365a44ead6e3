"""What a command says of a command line that it does not understand: one sentence, not its whole usage."""

from __future__ import annotations

import re
from typing import NoReturn

from jsonargparse import ArgumentParser

_KEY = re.compile(r'Parser key "([^"]+)":')
_EXPECTED = re.compile(r"Expected a (?:<class '(\w+)'>|typing\.Literal\[([^]]+)\])")
_VALUE = re.compile(r"(?:Got|Given) value: (.*)")
_TWIN = re.compile(r"/--[\w.]+\+")  # the second name of an option that is a list, which nobody writes
_KINDS = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "a text", "dict": "a mapping"}


class CommandParser(ArgumentParser):
    """A parser that ends with exit status 2 and a sentence."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Say what is wrong, and where the options are told."""
        self.exit(2, f"{self.prog}: {sentence(message)}; {self.prog} --help tells the options\n")
        raise AssertionError("exit returned")


def sentence(message: str) -> str:
    """What jsonargparse says over several lines, in its types' names, as one sentence in words."""
    key, value = _KEY.search(message), _VALUE.search(message)
    kinds = [
        f"one of {literal.replace(chr(39), '')}" if literal else _KINDS.get(kind, "")
        for kind, literal in _EXPECTED.findall(message)
        if kind != "NoneType"
    ]
    if key and value and kinds and all(kinds):
        return f"--{key[1]} {value[1]} is not {' or '.join(kinds)}"
    return _TWIN.sub("", " ".join(_KEY.sub(r"--\1:", message).split())).removeprefix("argument ")
