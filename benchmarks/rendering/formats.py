"""The files that Rheostat writes and reads: a table of the keys of each object, from the class that checks it."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from benchmarks.rendering.source import (
    attributes_in,
    class_of,
    fields_of,
    parsed,
    public_name,
    source_file,
)

# piece: the module and the class that an object is read into
OBJECTS = {
    "settings": ("rheostat.settings", "TrainSettings"),
    "node_settings": ("rheostat.share.node.settings", "NodeSettings"),
    "workload": ("rheostat.share.plan", "Workload"),
    "app": ("rheostat.share.plan", "App"),
    "branch_point": ("rheostat.share.plan", "BranchPoint"),
    "correlation": ("rheostat.share.plan", "CorrelationTable"),
    "plan": ("rheostat.share.plan", "Plan"),
    "app_plan": ("rheostat.share.plan", "AppPlan"),
    "deployment": ("rheostat.share.plan", "Deployment"),
    "labels": ("rheostat.share.clips.labels", "LabelsDocument"),
    "labelled_event": ("rheostat.share.clips.labels", "EventEntry"),
    "base": ("rheostat.share.base", "BaseDocument"),
    "layer": ("rheostat.share.base", "Layer"),
    "preprocessing": ("rheostat.share.base", "Preprocessing"),
    "profile": ("rheostat.share.runner.profile", "Profile"),
    "package": ("rheostat.share.package.document", "PackageDocument"),
    "base_reference": ("rheostat.share.package.document", "BaseReference"),
    "event_statistics": ("rheostat.share.package.document", "EventStatistics"),
    "variant": ("rheostat.share.package.document", "Variant"),
    "held_out": ("rheostat.share.package.document", "HeldOut"),
    "held_out_scores": ("rheostat.share.package.held_out", "HeldOutDocument"),
    "held_out_clip": ("rheostat.share.package.held_out", "HeldOutClip"),
    "event": ("rheostat.share.node.store", "Event"),
    "fleet": ("rheostat.share.placement.document", "FleetDocument"),
    "fleet_node": ("rheostat.share.placement.document", "FleetNode"),
    "fleet_camera": ("rheostat.share.placement.document", "FleetCamera"),
    "placement": ("rheostat.share.placement.document", "Placement"),
    "placed_node": ("rheostat.share.placement.document", "PlacedNode"),
    "placed_camera": ("rheostat.share.placement.document", "PlacedCamera"),
    "suspect_list": ("rheostat.review.listing", "SuspectList"),
    "suspect": ("rheostat.review.listing", "Suspect"),
    "data_identity": ("rheostat.augment.decision", "DataIdentity"),
    "decision": ("rheostat.augment.decision", "Decision"),
}
# where the class says it in another place than at the key, or the name says it
_SAID = {
    "schema": "version of the format",
    "name": "for people; unique within a file",
    "note": "anything",
    "weight": "what its F1 counts in the mean",
    "branch_points": "what it can be, by how much it shares, `frozen` rising",
    "apps": "one object per event detector",
    "event_model": "what foretells F1 from the figures of the apps: [which one](share.md#which-event-model-to-trust)",
    "objective": "what a plan maximises: the mean F1 by weight, or the lowest",
    "frozen": "layers before the cut, which the app shares",
    "fps": "frames per second",
    "votes": "positive samples in a row that report an event; null = any one",
    "f1": "predicted",
    "recall": "predicted",
    "precision": "predicted",
    "cost": "compute per second of stream, in the unit of `budget`",
    "budget": "what it was planned for",
    "optimal": "whether it is proven that no plan is better",
    "solver": "`exact` or `legacy-greedy`",
    "packages": "folders of the packages by app, as `base`",
    "lag_seconds": "time between two samples, rising",
    "value": "correlation of samples so far apart, one per lag",
    "correlation": "of neighbouring samples: 0 = independent, 1 = copies; one number, or by lag",
    "video": "file name, in the folder of the labels",
    "frames": "how many there are",
    "events": "what is in view, and when",
    "labelled_range": "first frame and end of what was looked at; null = all of it",
    "label": "what is in view",
    "start_frame": "first frame, from 0",
    "end_frame": "the frame after the last one",
    "hash": "of the base",
    "preprocessing": "from a picture to the input of the base; [object](#preprocessing)",
    "base": "that the heads were trained on; [object](#package)",
    "held_out": "how much time the figures rest on",
    "threads": "that it was measured with",
    "seconds": "time that was held out",
    "HeldOutDocument.clips": "name and number of frames of each clip, in order",
    "PackageDocument.positive": "the class that makes an event",
    "PackageDocument.branch_points": "the heads, `frozen` rising; [object](#branch-points-of-a-package)",
    "PackageDocument.events": "how events occur; [object](#package)",
    "HeldOut.events": "how many of them are events that begin and end there",
    "HeldOut.frames": "of held-out time",
    "nodes": "the boxes",
    "cameras": "the streams, with their apps",
    "PlacedNode.cameras": "what it carries",
    "PlacedNode.bound": "no other plans for the same cameras on this node have a higher mean F1",
    "PlacedCamera.camera": "its name",
    "PlacedCamera.cost": "what they use of it",
    "Plan.apps": "what every app gets",
}
_WORDS = {
    "Share": "0 to 1",
    "ShareAboveZero": "above 0 to 1",
    "AtLeastZero": "number, at least 0",
    "AboveZero": "number, above 0",
    "Count": "whole, at least 0",
    "CountAboveZero": "whole, at least 1",
    "Votes": "whole, 1 to 1000",
    "Name": "text",
    "FileName": "text, the name of a file or fit to be one",
    "Sha256": "64 hexadecimal digits",
    "Measured": "list of 0 to 1, or a list of such lists",
    "_Correlation": "0 to 1, or [object](#correlation-by-lag)",
    "Interval": "list of two, 0 to 1",
    "str": "text",
    "Path": "path",
    "int": "whole",
    "float": "number",
    "bool": "true or false",
    "None": "null",
}
_BOUNDS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}


def piece(name: str) -> str:
    """The keys of one object; `suspect_columns` the columns of the exports, `decision_columns` those of decisions."""
    if name == "suspect_columns":
        told = ast.literal_eval(_value("rheostat.review.exports", "COLUMNS"))
        rows = [f"| `{column}` | {said} |" for column, said in told.items()]
        return "\n".join(["| column | meaning |", "|---|---|", *rows])
    if name == "decision_columns":
        columns = ast.literal_eval(_value("rheostat.augment.decision_files", "COLUMNS"))
        return ", ".join(f"`{column}`" for column in columns)
    module, kind = OBJECTS[name]
    return "\n".join(["| key | value | if left out | meaning |", "|---|---|---|---|", *_rows(module, kind)])


def _rows(module: str, kind: str) -> Iterator[str]:
    node = class_of(module, kind)
    told = attributes_in(ast.get_docstring(node) or "")
    for field in fields_of(node):
        name = ast.unparse(field.target)
        options = _options(field)
        key = options.get("alias", name)
        said = _SAID.get(f"{kind}.{key}") or told.get(name) or options.get("description") or _SAID.get(key)
        if said is None:
            raise LookupError(f"{kind}.{name} is not described: in its docstring, its Field, or _SAID in {__file__}")
        bounds = ", ".join(f"{word} {options[bound]}" for bound, word in _BOUNDS.items() if bound in options)
        value = _kind(field.annotation, module) + (f", {bounds}" if bounds else "")
        yield f"| `{key}` | {value} | {_default(field)} | {_cell(said)} |"


def _options(field: ast.AnnAssign) -> dict[str, str]:
    """Plain keyword arguments of a `Field`."""
    if not isinstance(field.value, ast.Call) or ast.unparse(field.value.func) != "Field":
        return {}
    given = {keyword.arg: keyword.value for keyword in field.value.keywords}
    return {
        str(name): ast.literal_eval(value) if isinstance(value, ast.Constant) else ast.unparse(value)
        for name, value in given.items()
    }


def _default(field: ast.AnnAssign) -> str:
    value = field.value
    if isinstance(value, ast.Call) and ast.unparse(value.func) == "Field":
        value = next((k.value for k in value.keywords if k.arg == "default"), value.args[0] if value.args else None)
    if value is None or (isinstance(value, ast.Constant) and value.value is ...):
        return "needed"
    written = ast.unparse(value)
    return {"None": "null", "()": "none", "SCHEMA": "needed", "''": "empty"}.get(written, f"`{_plain(value)}`")


def _plain(value: ast.expr) -> str:
    """As it is written in a file."""
    if isinstance(value, ast.Constant):
        return str(value.value).lower() if isinstance(value.value, bool) else str(value.value)
    return ast.unparse(value.args[0]) if isinstance(value, ast.Call) and value.args else ast.unparse(value)


def _kind(annotation: ast.expr, module: str) -> str:
    """An annotation in words; what a module calls by a name of its own is looked up there."""
    if isinstance(annotation, ast.BinOp):
        return f"{_kind(annotation.left, module)}, or {_kind(annotation.right, module)}"
    if isinstance(annotation, ast.Subscript):
        outer, inner = ast.unparse(annotation.value), annotation.slice
        parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
        if outer == "Annotated":
            return ", ".join([_kind(parts[0], module), *_bounds(parts[1:], module)])
        if outer == "Literal":
            return " or ".join(f"`{ast.literal_eval(part)}`" for part in parts)
        if outer in ("dict", "Mapping"):
            return f"object of {_kind(parts[1], module)}"
        if outer == "tuple":
            of_any_length = ast.unparse(parts[-1]) == "..."
            number = "list" if of_any_length else f"list of {len(parts)}"
            return f"{number}: {_kind(parts[0], module)}"
    written = ast.unparse(annotation)
    if written in _WORDS:
        return _WORDS[written]
    names = {kind: piece for piece, (_, kind) in OBJECTS.items()}
    if written in names:
        return f"[object](#{_ANCHORS.get(names[written], names[written].replace('_', '-'))})"
    found = public_name(module, written)
    assert isinstance(found.node, ast.Assign)
    return _kind(found.node.value, module)


def _bounds(of: Iterable[ast.expr], module: str) -> Iterator[str]:
    for one in of:
        if isinstance(one, ast.Call) and ast.unparse(one.func) == "Field":
            for keyword in one.keywords:
                if (word := _BOUNDS.get(str(keyword.arg))) is not None:
                    yield f"{word} {_number(keyword.value, module)}"


def _number(value: ast.expr, module: str) -> str:
    """A number, or what a module calls one."""
    if isinstance(value, ast.Name):
        value = getattr(public_name(module, value.id).node, "value", value)
    return ast.unparse(value)


def _value(module: str, name: str) -> str:
    """What a module assigns to a name, as written."""
    for node in parsed(source_file(module)).body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if isinstance(target, ast.Name) and target.id == name and isinstance(node, ast.Assign | ast.AnnAssign):
            assert node.value is not None
            return ast.unparse(node.value)
    raise LookupError(f"{module} has no {name}")


def _cell(text: str) -> str:
    text = text.replace("|", "\\|").replace("``", "`").replace("None", "null").removesuffix(".")
    return text[:1].lower() + text[1:] if text[1:2].islower() else text


_ANCHORS = {
    "correlation": "correlation-by-lag",
    "app_plan": "what-an-app-gets",
    "event_statistics": "package",
    "base_reference": "package",
    "held_out": "package",
    "variant": "branch-points-of-a-package",
    "labelled_event": "labels",
    "layer": "base",
    "held_out_clip": "held-out-scores",
    "data_identity": "suspects",
    "suspect": "suspects",
    "app": "apps",
    "fleet_node": "fleet",
    "fleet_camera": "fleet",
    "placed_node": "placement",
    "placed_camera": "placement",
    "branch_point": "branch-points",
}
