"""Read the source without importing it: what a package lists as public, where it is defined, what is written there."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src"


@dataclass(frozen=True)
class Named:
    """A public name.

    Attributes:
        name: As it is imported.
        file: Where it is defined.
        node: Its definition.
        docstring: What is written there; empty = nothing.
    """

    name: str
    file: Path
    node: ast.stmt
    docstring: str


@cache
def parsed(file: Path) -> ast.Module:
    """A module."""
    return ast.parse(file.read_text(encoding="utf-8"))


def packages() -> list[str]:
    """Every package, and every module that lists public names of its own, by its dotted name, in order."""
    found = []
    for file in sorted((SOURCE / "rheostat").rglob("*.py")):
        if file.name == "__init__.py" or _listed(parsed(file)) is not None or file.name == "errors.py":
            parts = file.relative_to(SOURCE).with_suffix("").parts
            found.append(".".join(parts[:-1] if file.name == "__init__.py" else parts))
    return sorted(found)


def public_names(package: str) -> list[Named]:
    """What a package lists as public, in the order of its list; of `rheostat.errors` all that is defined."""
    file = source_file(package)
    listed = _listed(parsed(file))
    if listed is None:
        listed = [node.name for node in parsed(file).body if isinstance(node, ast.ClassDef)]
    return [public_name(package, name) for name in listed]


def docstring_of(package: str) -> str:
    """The docstring of a package or module."""
    return ast.get_docstring(parsed(source_file(package))) or ""


def first_paragraph(docstring: str) -> str:
    """What stands before the first blank line, on one line."""
    return " ".join(docstring.split("\n\n", 1)[0].split())


def attributes_in(docstring: str) -> dict[str, str]:
    """What the section `Attributes:` says of each name; an entry for several, joined by commas, is said of each."""
    told: dict[str, str] = {}
    inside, current = False, ()
    for line in inspect.cleandoc(docstring).splitlines():
        if not line.startswith(" ") and line.strip():
            inside, current = line == "Attributes:", ()
        elif inside and line.startswith("    ") and not line.startswith("     ") and ": " in line:
            names, _, said = line.strip().partition(": ")
            current = tuple(name.strip() for name in names.split(","))
            told |= dict.fromkeys(current, said)
        elif inside and current and line.strip():
            told |= {name: f"{told[name]} {line.strip()}" for name in current}
    return told


def class_of(module: str, name: str) -> ast.ClassDef:
    """A class by the module that defines it."""
    node = public_name(module, name).node
    assert isinstance(node, ast.ClassDef)
    return node


def decorated(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef, name: str) -> bool:
    """Whether a decorator is there, called or not."""
    found = (d.func if isinstance(d, ast.Call) else d for d in node.decorator_list)
    return any(ast.unparse(one).rpartition(".")[2] == name for one in found)


def fields_of(node: ast.ClassDef) -> Iterator[ast.AnnAssign]:
    """Public annotated fields, in order."""
    for one in node.body:
        if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name) and not one.target.id.startswith("_"):
            yield one


def source_file(module: str) -> Path:
    """Where a module or package is written."""
    path = SOURCE.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _listed(module: ast.Module) -> list[str] | None:
    for node in module.body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if isinstance(target, ast.Name) and target.id == "__all__" and isinstance(node, ast.Assign | ast.AnnAssign):
            return [str(name) for name in ast.literal_eval(node.value)] if node.value is not None else []
    return None


def public_name(module: str, name: str) -> Named:
    """Follow imports to the definition of a name.

    Raises:
        LookupError: The module neither defines nor imports it.
    """
    file = source_file(module)
    if name == "__version__":
        return Named(name, file, parsed(file).body[0], "The version, as `rheostat --version` says it.")
    body = [inner for node in parsed(file).body for inner in (node.body if isinstance(node, ast.If) else [node])]
    for at, node in enumerate(body):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name:
            return Named(name, file, node, ast.get_docstring(node) or "")
        if isinstance(node, ast.Assign | ast.AnnAssign):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if isinstance(target, ast.Name) and target.id == name:
                return Named(name, file, node, _said_after(body, at))
    for node in body:
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            for alias in node.names:
                if (alias.asname or alias.name) != name:
                    continue
                module_itself = f"{node.module}.{alias.name}"
                if (file := source_file(module_itself)).exists():
                    return Named(name, file, parsed(file).body[0], docstring_of(module_itself))
                return public_name(node.module, alias.name)
    raise LookupError(f"{module} does not say where {name} comes from")


def _said_after(body: list[ast.stmt], at: int) -> str:
    """The text right after an assignment, where it documents it."""
    after = body[at + 1] if at + 1 < len(body) else None
    if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) and isinstance(after.value.value, str):
        return inspect.cleandoc(after.value.value)
    return ""
