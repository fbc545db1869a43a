"""Compares the compiled module with its stub: every name in one is in the other, both ways.

The stub carries the documentation of the boundary, so it must not drift. Signatures of methods are
compared by parameter names; types are the business of mypy.
"""

from __future__ import annotations

import ast
import inspect
import sys
from pathlib import Path

from ctcpmon import _ctcpmon

STUB = Path(__file__).resolve().parent.parent / "python" / "ctcpmon" / "_ctcpmon.pyi"


def public(names: list[str]) -> set[str]:
    """Names without the underscore ones."""
    return {name for name in names if not name.startswith("_")}


def members(node: ast.ClassDef) -> dict[str, ast.FunctionDef | None]:
    """Attributes (``None``) and methods of a class in the stub."""
    found: dict[str, ast.FunctionDef | None] = {}
    for item in node.body:
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
            found[item.target.id] = None
        elif isinstance(item, ast.FunctionDef):
            found[item.name] = item
    return found


def parameters(function: ast.FunctionDef) -> list[str]:
    """Parameter names without ``self``."""
    a = function.args
    names = [arg.arg for arg in (*a.posonlyargs, *a.args, *a.kwonlyargs)]
    return names[1:] if names[:1] == ["self"] else names


def check() -> list[str]:
    """Every difference, in words."""
    tree = ast.parse(STUB.read_text("utf-8"))
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    values = {
        node.target.id
        for node in tree.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }
    values |= {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    wrong = [
        f"{name}: only in one of stub and module"
        for name in public([*classes, *values]) ^ public(dir(_ctcpmon))
    ]
    for name, node in classes.items():
        real = getattr(_ctcpmon, name, None)
        if real is None or not isinstance(real, type) or issubclass(real, Exception):
            continue
        stubbed = members(node)
        wrong += [
            f"{name}.{member}: only in one of stub and module"
            for member in public(list(stubbed)) ^ public(list(vars(real)))
        ]
        for member, function in stubbed.items():
            if function is None or member.startswith("_") or member not in vars(real):
                continue
            have = [p for p in inspect.signature(vars(real)[member]).parameters if p != "self"]
            if have != parameters(function):
                wrong.append(f"{name}.{member}: stub {parameters(function)}, module {have}")
    return wrong


if __name__ == "__main__":
    problems = check()
    for problem in problems:
        print(problem)
    print(f"stub: {len(problems)} differences")
    sys.exit(1 if problems else 0)
