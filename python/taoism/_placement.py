"""Placement by module: from what the caller says to a side for every node of the plan."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from torch import nn

from taoism._machine import listed
from taoism._modules import is_within, nearest_owner, source_module
from taoism.errors import PlacementError

if TYPE_CHECKING:
    from taoism._plan import Plan

Side: TypeAlias = Literal["tee", "device"]
PlacementMap: TypeAlias = Mapping[str | re.Pattern[str], Side]
PlacementFunction: TypeAlias = Callable[[str, nn.Module], Side | None]
ModulePlacement: TypeAlias = PlacementMap | PlacementFunction
Placement: TypeAlias = "ModulePlacement | Plan | Path"  # a path is that of a plan.json

_SIDES = ("tee", "device")


def sides_of(placement: ModulePlacement, modules: Mapping[str, nn.Module]) -> dict[str, Side]:
    """By module, the side of it and of all within that no longer name decides. A text names one
    module ("" is the root), a pattern all whose whole name it matches, a function is asked for
    each. A text counts before a pattern for the same module, a later pattern before an earlier
    one. Errors: PlacementError for a key that names nothing, or a side that does not exist."""
    if callable(placement) and not isinstance(placement, type):
        asked = {name: placement(name, module) for name, module in modules.items()}
        return {name: _side(name, side) for name, side in asked.items() if side is not None}
    if not isinstance(placement, Mapping):
        raise PlacementError(
            f"placement is a {type(placement).__name__}; give a dict such as "
            '{"layer4": "tee", "": "device"}, or a function of a module\'s name and the module'
        )
    by_pattern: dict[str, Side] = {}
    by_name: dict[str, Side] = {}
    for key, given in placement.items():
        if isinstance(key, re.Pattern):
            side = _side(key.pattern, given)
            matched = [name for name in modules if key.fullmatch(name)]
            if not matched:
                raise PlacementError(
                    f"placement: the pattern '{key.pattern}' matches no module"
                    + _suggestion(key.pattern, modules)
                )
            by_pattern.update(dict.fromkeys(matched, side))
        else:
            check_module(key, modules, "placement")
            by_name[key] = _side(key, given)
    return by_pattern | by_name


def check_module(name: Any, modules: Iterable[str], what: str) -> None:
    """Errors: PlacementError naming the nearest modules there are."""
    known = list(modules)
    if not isinstance(name, str):
        raise PlacementError(f"{what}: {name!r} is neither a module's name nor a pattern")
    if name not in known:
        raise PlacementError(f"{what}: there is no module '{name}'{_suggestion(name, known)}")


def privacy_of(
    private: Iterable[str] | None, public: Iterable[str] | None, modules: Iterable[str]
) -> dict[str, bool]:
    """By module, whether its weights are private. With `private` alone all others are public;
    otherwise what nothing names is private. Errors: PlacementError, ArgumentTypeError."""
    known = list(modules)
    result: dict[str, bool] = {}
    if private is not None and public is None:
        result[""] = False
    for names, is_private, what in ((private, True, "private"), (public, False, "public")):
        for name in () if names is None else listed(what, names):
            check_module(name, known, what)
            if what == "public" and result.get(name) is True:
                raise PlacementError(f"module '{name}' is listed as private and as public")
            result[name] = is_private
    return result


def place(
    plan_json: str, sides: Mapping[str, Side], modules: Mapping[str, str], keep_rest: bool
) -> str:
    """The plan with every node on the side of its module. `modules`: by ONNX node. Nodes of modules
    that `sides` leaves out keep their place, or are an error. Errors: PlacementError."""
    plan = json.loads(plan_json)
    left_out = []
    for node in plan["nodes"]:
        module = source_module(node["name"], modules)
        owner = nearest_owner(module, sides)
        if owner is None:
            left_out.append(module)
            continue
        node["placement"] = sides[owner]
        node["why"] = f"placement of '{owner}'" if owner else "placement of everything else"
        node.pop("transform", None)
    if left_out and not keep_rest:
        shown = ", ".join(f"'{name}'" for name in list(dict.fromkeys(left_out))[:5])
        raise PlacementError(
            f"placement says nothing about {shown}: add '' for everything else ('tee' or "
            "'device'), or give a strategy beside it"
        )
    if not left_out:
        plan["strategy"] = "custom"
    return json.dumps(plan)


def place_as(given: Plan | Path, plan_json: str, is_of_module: bool) -> str:
    """The plan `plan_json` with every node where `given` has it. A module is another file at each
    export, so that a plan of one is known by its nodes alone; that they are the model's is checked
    by who reads the result. Errors: PlacementError for a file that is no plan."""
    if isinstance(given, Path):
        try:
            text = given.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise PlacementError(f"placement: cannot read the plan {given}: {error}") from None
    else:
        text = given.plan_json
    plan = json.loads(plan_json)
    try:
        edited = json.loads(text)
        plan.update({key: edited[key] for key in ("schema", "strategy", "nodes")})
        if not is_of_module:
            plan["model_hash"] = edited["model_hash"]
    except (ValueError, KeyError, TypeError):
        name = str(given) if isinstance(given, Path) else "a package's plan"
        raise PlacementError(
            f"placement: {name} is not what Plan.save writes; make one with taoism.plan(...)"
        ) from None
    return json.dumps(plan)


def sides_by_module(
    nodes: Iterable[tuple[str, str]], names: Iterable[str]
) -> dict[str, Literal["tee", "device", "both"]]:
    """Where every module runs that has an operator, from (module, side) of each node."""
    placed = list(nodes)
    result: dict[str, Literal["tee", "device", "both"]] = {}
    for name in names:
        inside = {side for module, side in placed if is_within(module, name)}
        if inside == {"tee"}:
            result[name] = "tee"
        elif inside == {"device"}:
            result[name] = "device"
        elif inside:
            result[name] = "both"
    return result


def _side(name: str, side: Any) -> Side:
    if side == "tee":
        return "tee"
    if side == "device":
        return "device"
    near = difflib.get_close_matches(str(side), _SIDES, 1)
    hint = f"; did you mean '{near[0]}'?" if near else ""
    raise PlacementError(f"placement of '{name}': {side!r} is neither 'tee' nor 'device'{hint}")


def _suggestion(name: str, known: Iterable[str]) -> str:
    names = [module for module in known if module]
    near = difflib.get_close_matches(name, names, 3, 0.5)
    near = near or [module for module in names if "." not in module][:3]
    return f"; did you mean {' or '.join(repr(module) for module in near)}?" if near else ""
