"""One declaration for each parameter of a node; settings, parameter files, launch arguments and docs follow from it.

A node's settings are a frozen dataclass whose fields are made by ``parameter``.
"""

from __future__ import annotations

import dataclasses
import difflib
import enum
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import ParameterException
from rclpy.node import Node

from siam_tracker_core.errors import ConfigError

Value = str | int | float | bool

_KEY = "declaration"


class Changes(enum.Enum):
    """When a parameter may be changed."""

    ANY_TIME = "any time"
    WHILE_INACTIVE = "takes effect on activation"
    WHILE_UNCONFIGURED = "takes effect on configuration"
    NEVER = "read-only"


@dataclass(frozen=True)
class Declaration:
    """One parameter.

    Attributes:
        default: also gives its type.
        description: for `ros2 param describe`, parameter files, launch arguments and docs.
        range: lowest and highest value of a number.
        choices: the values that a string may have.
        known: gives the values that a string may have where those are only known later; none allow any but the empty.
        pattern: regular expression that a string matches as a whole.
        words: what ``pattern`` stands for.
        changes: when the parameter may be changed.
    """

    default: Value
    description: str
    range: tuple[float, float] | None = None
    choices: tuple[str, ...] = ()
    known: Callable[[], tuple[str, ...]] | None = None
    pattern: str = ""
    words: str = ""
    changes: Changes = Changes.ANY_TIME

    @property
    def kind(self) -> type:
        """The type of the parameter's values."""
        return type(self.default)

    def accepts(self, value: object) -> bool:
        """Whether the parameter can have a value."""
        if type(value) is not self.kind:
            return False
        if self.range is not None:
            assert isinstance(value, int | float)
            return self.range[0] <= value <= self.range[1]
        if self.pattern:
            return re.fullmatch(self.pattern, str(value)) is not None
        if self.known is not None:
            return value in known if (known := self.known()) else bool(value)
        return not self.choices or value in self.choices

    def expected(self) -> str:
        """What the parameter may be, in words."""
        if self.range is not None:
            kind = "a whole number" if self.kind is int else "a number with a decimal point"
            return f"{kind} from {self.range[0]:.12g} to {self.range[1]:.12g}"
        choices = self.known() if self.known is not None else self.choices
        return self.words or " or ".join(choices) or {str: "a string", bool: "true or false"}[self.kind]

    def descriptor(self) -> ParameterDescriptor:
        """What `ros2 param describe` shows."""
        descriptor = ParameterDescriptor(
            description=self.description,
            additional_constraints=f"Expected {self.expected()}; may change: {self.changes.value}.",
            read_only=self.changes is Changes.NEVER,
        )
        if self.range is not None:
            low, high = self.range
            if self.kind is int:
                descriptor.integer_range = [IntegerRange(from_value=int(low), to_value=int(high))]
            else:
                descriptor.floating_point_range = [FloatingPointRange(from_value=float(low), to_value=float(high))]
        return descriptor


def parameter(default: Value, description: str, **rest: Any) -> Any:
    """A field of a settings dataclass that is a parameter; takes what ``Declaration`` takes."""
    return dataclasses.field(default=default, metadata={_KEY: Declaration(default, description, **rest)})


def declarations_of(settings: type) -> dict[str, Declaration]:
    """The declarations of a settings dataclass by name, in its order."""
    return {field.name: field.metadata[_KEY] for field in dataclasses.fields(settings)}


def declare(node: Node, declarations: Mapping[str, Declaration]) -> None:
    """Declare parameters of a node.

    Raises:
        ConfigError: if a value given at start is of a wrong type or out of range.
    """
    for name, declaration in declarations.items():
        try:
            node.declare_parameter(name, declaration.default, declaration.descriptor())
        except ParameterException as error:
            # The exceptions of rclpy name neither the value nor what would be right in one form.
            given = getattr(node, "_parameter_overrides", {}).get(name)
            value = "what was given" if given is None else repr(given.value)
            raise ConfigError(f"the parameter {name} cannot be {value}; expected {declaration.expected()}") from error
        reason = problem(declarations, name, node.get_parameter(name).value)
        if reason:
            raise ConfigError(reason)


def unknown(node: Node, declarations: Mapping[str, Declaration]) -> list[str]:
    """A sentence for each value given at start that belongs to no parameter, e.g. of a misspelt key in a file."""
    given = getattr(node, "_parameter_overrides", {})
    names = [name for name in given if not node.has_parameter(name) and not name.startswith("qos_overrides.")]
    return [_unknown(name, declarations) for name in sorted(names)]


def _unknown(name: str, declarations: Mapping[str, Declaration]) -> str:
    alike = difflib.get_close_matches(name, declarations, 1)
    guess = f"; did you mean {alike[0]}?" if alike else ""
    return f"the parameter {name} that was given at start is unknown and has no effect{guess}"


def problem(declarations: Mapping[str, Declaration], name: str, value: object) -> str:
    """Why a parameter cannot have a value, in a sentence that says what would be right; empty if it can."""
    declaration = declarations.get(name)
    if declaration is None or declaration.accepts(value):  # those of rclpy, such as use_sim_time, are not declared here
        return ""
    return f"the parameter {name} cannot be {value!r}; expected {declaration.expected()}"


def change_problem(declarations: Mapping[str, Declaration], name: str, state: str) -> str:
    """Why a parameter cannot be changed in a lifecycle state, or empty if it can.

    Args:
        declarations: of the node.
        name: of the parameter.
        state: the label of the node's state, e.g. ``"active"``.
    """
    declaration = declarations.get(name)
    if declaration is None or declaration.changes is Changes.ANY_TIME:
        return ""
    if declaration.changes is Changes.WHILE_INACTIVE and state == "active":
        return f"the parameter {name} cannot change while the node is active; deactivate it first"
    if declaration.changes is Changes.WHILE_UNCONFIGURED and state != "unconfigured":
        return f"the parameter {name} cannot change while the node is {state}; clean it up first, then configure again"
    return ""
