"""The public names of a room: signature, what it is for, and the methods of a class."""

from __future__ import annotations

import ast
import os
from pathlib import Path

from benchmarks.rendering.source import (
    ROOT,
    Named,
    decorated,
    docstring_of,
    fields_of,
    first_paragraph,
    packages,
    public_names,
)

PAGES = ROOT / "docs" / "api"
_RECORDS = ("NamedTuple", "BaseModel", "Entry", "Settings")  # classes that are made of their fields
_WIDTH = 100
_LONGEST_VALUE = 90


def rooms() -> dict[str, list[str]]:
    """The packages by room: what stands right below `rheostat`."""
    found: dict[str, list[str]] = {}
    for package in packages():
        if public_names(package):
            parts = package.split(".")
            found.setdefault(parts[1] if len(parts) > 1 else "rheostat", []).append(package)
    return found


def piece(name: str) -> str:
    """Everything of one room, or `index`: the rooms and what they are for."""
    if name == "index":
        return "\n".join(["| room | names | what it is for |", "|---|---:|---|", *map(_index_row, rooms())])
    shown: dict[ast.stmt, str] = {}  # a package may list what one within it defines, which is told once
    return "\n\n".join(_package(package, shown) for package in rooms()[name])


def _index_row(room: str) -> str:
    package = "rheostat" if room == "rheostat" else f"rheostat.{room}"
    number = sum(len(public_names(one)) for one in rooms()[room])
    return f"| [`{package}`]({room}.md) | {number} | {first_paragraph(docstring_of(package))} |"


def _package(package: str, shown: dict[ast.stmt, str]) -> str:
    told = [f"## `{package}`", first_paragraph(docstring_of(package))]
    names = public_names(package)
    if known := [f"`{one.name}`" for one in names if one.node in shown]:
        told.append(f"Also here, and told above: {', '.join(known)}.")
    told += [_name(one) for one in names if one.node not in shown]
    shown.update((one.node, package) for one in names)
    return "\n\n".join(told)


def _name(named: Named) -> str:
    link = Path(os.path.relpath(named.file, PAGES)).as_posix()
    told = [f"### `{named.name}`", f"```text\n{_signature(named)}\n```"]
    said = first_paragraph(named.docstring)
    told.append(f"{_escaped(said)} ([source]({link}))" if said else f"([source]({link}))")
    if isinstance(named.node, ast.ClassDef) and (methods := _methods(named.node)):
        told.append("\n".join(methods))
    return "\n\n".join(told)


def _signature(named: Named) -> str:
    node = named.node
    if isinstance(node, ast.ClassDef):
        return _class_signature(node)
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        returns = f" -> {ast.unparse(node.returns)}" if node.returns is not None else ""
        return _wrapped(named.name, _arguments(node.args), returns)
    if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
        value = ast.unparse(node.value)
        if named.name == node_name(node) and len(value) <= _LONGEST_VALUE:
            return f"{named.name} = {value}"
        kind = {"Dict": "{...}", "Tuple": "(...)", "List": "[...]"}.get(type(node.value).__name__, "...")
        return f"{named.name} = {kind}"
    return f"import {named.name}" if named.name != "__version__" else "__version__: str"


def node_name(node: ast.Assign | ast.AnnAssign) -> str:
    """What an assignment names."""
    return ast.unparse(node.targets[0] if isinstance(node, ast.Assign) else node.target)


def _class_signature(node: ast.ClassDef) -> str:
    bases = [ast.unparse(base).partition("[")[0] for base in node.bases]
    if "Protocol" in bases:
        return f"class {node.name}(Protocol)"
    for one in node.body:
        if isinstance(one, ast.FunctionDef) and one.name == "__init__":
            return _wrapped(f"class {node.name}", _arguments(one.args, bound=True), "")
    if decorated(node, "dataclass") or any(base.rpartition(".")[2] in _RECORDS for base in bases):
        return _wrapped(f"class {node.name}", [_field(one) for one in fields_of(node)], "")
    return f"class {node.name}({', '.join(bases)})" if bases else f"class {node.name}"


def _field(one: ast.AnnAssign) -> str:
    """A field as an argument; pydantic's description of it is left out, the formats page has it."""
    kind, value = ast.unparse(one.annotation), one.value
    if isinstance(value, ast.Call) and ast.unparse(value.func) == "Field":
        given = [k.value for k in value.keywords if k.arg == "default"] + value.args[:1]
        value = given[0] if given and not (isinstance(given[0], ast.Constant) and given[0].value is ...) else None
    made_anew = isinstance(value, ast.Call) and ast.unparse(value.func) == "field"
    default = "" if value is None else " = ..." if made_anew else f" = {ast.unparse(value)}"
    return f"{ast.unparse(one.target)}: {kind}{default}"


def _arguments(given: ast.arguments, *, bound: bool = False) -> list[str]:
    """Arguments one by one, without the object that a method is bound to."""
    plain = [*given.posonlyargs, *given.args]
    defaults = [None] * (len(plain) - len(given.defaults)) + [*given.defaults]
    told = [_argument(one, default) for one, default in zip(plain, defaults, strict=True)]
    if given.vararg is not None:
        told.append(f"*{_argument(given.vararg)}")
    elif given.kwonlyargs:
        told.append("*")
    told += [_argument(one, default) for one, default in zip(given.kwonlyargs, given.kw_defaults, strict=True)]
    if given.kwarg is not None:
        told.append(f"**{_argument(given.kwarg)}")
    return told[1:] if bound else told


def _argument(one: ast.arg, default: ast.expr | None = None) -> str:
    kind = f": {ast.unparse(one.annotation)}" if one.annotation is not None else ""
    if default is None:
        return one.arg + kind
    return f"{one.arg}{kind}{' = ' if kind else '='}{ast.unparse(default)}"


def _wrapped(head: str, arguments: list[str], tail: str) -> str:
    """On one line if it is short, else an argument a line."""
    flat = f"{head}({', '.join(arguments)}){tail}"
    return flat if len(flat) <= _WIDTH else "\n".join([f"{head}(", *(f"    {one}," for one in arguments), f"){tail}"])


def _methods(node: ast.ClassDef) -> list[str]:
    """Public methods and properties that say what they do."""
    told = []
    for one in node.body:
        if not isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef) or one.name.startswith("_"):
            continue
        said = first_paragraph(ast.get_docstring(one) or "")
        if decorated(one, "setter") or not said:
            continue
        is_property = decorated(one, "property") or decorated(one, "cached_property")
        static = decorated(one, "staticmethod")
        call = "" if is_property else f"({', '.join(_arguments(one.args, bound=not static))})"
        told.append(f"- `{one.name}{call}`: {_escaped(said)}")
    return told


def _escaped(text: str) -> str:
    """Docstrings are reStructuredText, where code stands between two backticks; angle brackets would be tags here."""
    plain = text.replace("``", "`")
    return "`".join(part if at % 2 else part.replace("<", "&lt;") for at, part in enumerate(plain.split("`")))
