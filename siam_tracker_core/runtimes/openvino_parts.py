"""A SiamFC's search graph in two: what it makes of the crops alone, and what meets the template."""

from __future__ import annotations

from typing import Any


def parted(model: Any) -> tuple[Any, Any]:
    """Cut a search graph where the template comes in; the given graph is used up.

    Args:
        model: an ``openvino.Model`` of fixed shapes whose first parameter is the crops and whose others are the
            template, with nothing behind the template that asks for the shape of what is before it.

    Returns:
        Two graphs: one from crops to all that the other needs of them, and one from that and the template to the
        answers, whose parameters come in this order.
    """
    from openvino import Model, opset13

    crops, *template = model.get_parameters()
    told = {each.get_friendly_name() for each in template}
    of_template = _downstream(model, told)
    needed: dict[tuple[str, int], Any] = {}
    for operation in model.get_ordered_ops():
        if operation.get_friendly_name() not in of_template and operation.get_type_name() != "Result":
            continue
        for entry in operation.inputs():
            source = entry.get_source_output()
            node = source.get_node()
            if node.get_type_name() in ("Constant", "Parameter") or node.get_friendly_name() in of_template:
                continue
            place = (node.get_friendly_name(), source.get_index())
            if place not in needed:
                needed[place] = (source, opset13.parameter(source.get_shape(), source.get_element_type()))
            entry.replace_source_output(needed[place][1].output(0))
    answers = model.get_results()
    before = Model([source for source, _ in needed.values()], [crops])
    after = Model(answers, [*(parameter for _, parameter in needed.values()), *template])
    return before, after


def _downstream(model: Any, names: set[str]) -> set[str]:
    """The names of all operations that depend on those of some names, these among them."""
    found = set(names)
    for operation in model.get_ordered_ops():
        sources = (entry.get_source_output().get_node().get_friendly_name() for entry in operation.inputs())
        if any(name in found for name in sources):
            found.add(operation.get_friendly_name())
    return found
