"""The contenders in the source of a cell: its functions, its blocks under comments, or its lines."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from workbench.errors import InputError
from workbench.views import html

_NAME = re.compile(r"^#\s*(\S.*?)\s*$")
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_NO_VALUE = (*_FUNCTIONS, ast.ClassDef, ast.Import, ast.ImportFrom)
_LONGEST = 40
_EMPTY = (
    "There is nothing to race in the cell. Write functions (def), or one expression on each line, or blocks under "
    "comments with their names; %%race? shows examples."
)


@dataclass(frozen=True)
class Field:
    """Who races: functions by name, and what they are given, by position (a tuple) or by name (a dict)."""

    functions: Mapping[str, Callable[..., Any]]
    inputs: Any


def field_of(source: str, inputs: str, names: str | None, shell: Any, *, valued: bool = True) -> Field:
    """Run what a cell has besides its contenders, and return these.

    Parameters
    ----------
    source
        Python.
    inputs
        What stands on the line of the magic: names, or expressions for functions.
    names
        What the contenders are called, divided by commas; None for their own names.
    shell
        Whose variables they are.
    valued
        Whether each contender must have a value.

    Raises
    ------
    workbench.errors.InputError
        If there are no contenders, or inputs that they do not have.
    """
    tree = ast.parse(source)
    file = shell.compile.cache(source)  # so that a traceback shows the line
    blocks = _blocks(source, tree)
    defined = [name for node in tree.body for name in _defines(node) if not name.startswith("_")]
    if not blocks and defined:
        _run(tree.body, file, shell.user_ns)
        functions = {name: shell.user_ns[name] for name in defined}
        return Field(_called(functions, names), _arguments(functions, inputs, shell.user_ns))
    setup, pieces = _above(tree, blocks) if blocks else _lines(source, tree)
    _run(setup, file, shell.user_ns)
    given = _plain_names(inputs, shell.user_ns) if inputs.strip() else _arrays(pieces.values(), shell.user_ns)
    compiled = {name: _compiled(body, list(given), file, shell.user_ns, valued) for name, body in pieces.items()}
    return Field(_called(compiled, names), given)


def _blocks(source: str, tree: ast.Module) -> dict[str, tuple[int, int]]:
    """Return the lines that each comment with a name stands above; nothing if the cell is not written like that."""
    lines = source.splitlines()
    covered = {line for node in tree.body for line in range(node.lineno, (node.end_lineno or 0) + 1)}
    marks = [
        (number, found[1])
        for number, line in enumerate(lines, start=1)
        if (found := _NAME.match(line)) and number not in covered
    ]
    blocks: dict[str, tuple[int, int]] = {}
    valued = False
    for (start, name), (end, _) in pairwise([*marks, (len(lines) + 1, "")]):
        body = [node for node in tree.body if start < node.lineno < end]
        if not body or isinstance(body[-1], _NO_VALUE):
            continue  # a remark, and not the name of a contender
        if not valued and isinstance(body[-1], ast.Expr):
            valued, blocks = True, {}  # those before it, which end otherwise, are what is run once, with its remarks
        if name in blocks:
            raise InputError(f"Two blocks are called {name!r}; each needs a name of its own.")
        blocks[name] = (start, end)
    return blocks


def _above(tree: ast.Module, blocks: dict[str, tuple[int, int]]) -> tuple[list[ast.stmt], dict[str, list[ast.stmt]]]:
    first = min(start for start, _ in blocks.values())
    pieces = {name: [node for node in tree.body if start < node.lineno < end] for name, (start, end) in blocks.items()}
    taken = {id(node) for body in pieces.values() for node in body}
    stray = [node for node in tree.body if id(node) not in taken and node.lineno > first]
    if stray:
        raise InputError(
            f"Line {stray[0].lineno} belongs to no contender, since the comment above it stands above a definition: "
            "move what is run once above the first contender."
        )
    return [node for node in tree.body if node.lineno < first], pieces


def _lines(source: str, tree: ast.Module) -> tuple[list[ast.stmt], dict[str, list[ast.stmt]]]:
    """Return what is run once, and each expression by its own text."""
    body = tree.body
    first = next((at for at, node in enumerate(body) if _is_expression(node)), len(body))
    if first == len(body):
        raise InputError(_EMPTY)
    pieces: dict[str, list[ast.stmt]] = {}
    for node in body[first:]:
        if not _is_expression(node):
            raise InputError(
                f"Line {node.lineno} is no expression, and lines race one by one. Put what is run once above the first "
                "of them; contenders of several lines stand in blocks, each under a comment with its name."
            )
        text = " ".join((ast.get_source_segment(source, node) or "").split())
        name = html.shorten(text, _LONGEST)
        pieces[name if name not in pieces else f"{name} ({node.lineno})"] = [node]
    return body[:first], pieces


def _is_expression(node: ast.stmt) -> bool:
    """Tell whether a statement can race: neither a text that explains, nor what another magic has become."""
    if not isinstance(node, ast.Expr) or isinstance(node.value, ast.Constant):
        return False
    return not ast.unparse(node.value).startswith("get_ipython().")


def _defines(node: ast.stmt) -> list[str]:
    """Return the name of the function that a statement defines."""
    if isinstance(node, ast.AsyncFunctionDef):
        raise InputError(f"{node.name} is a coroutine, and a race calls functions; await it inside a function.")
    if isinstance(node, ast.FunctionDef):
        return [node.name]
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.Lambda):
        return [target.id for target in node.targets if isinstance(target, ast.Name)]
    return []


def _run(body: list[ast.stmt], file: str, namespace: dict[str, Any]) -> None:
    exec(compile(ast.Module(body, []), file, "exec"), namespace)


def _compiled(
    body: list[ast.stmt], parameters: list[str], file: str, namespace: dict[str, Any], valued: bool
) -> Callable[..., Any]:
    """Return statements as a function of some names, which returns the value of the last one."""
    *before, last = body
    if isinstance(last, ast.Expr):
        end = [ast.Return(last.value)]
    elif isinstance(last, ast.Assign | ast.AnnAssign | ast.AugAssign):
        target = last.targets[-1] if isinstance(last, ast.Assign) else last.target
        end = [last, ast.Return(ast.parse(ast.unparse(target), mode="eval").body)]  # type: ignore[list-item]
    elif not valued:
        end = [last, ast.Return(ast.Constant(None))]  # type: ignore[list-item]
    else:
        raise InputError(f"The block that ends in line {last.end_lineno} has no value: let it end with an expression.")
    arguments = ast.arguments([], [ast.arg(name) for name in parameters], None, [], [], None, [])
    function = ast.FunctionDef("contender", arguments, [*before, *end], [], None, None)
    for node in (function, end[-1]):
        ast.copy_location(node, last)
    module = ast.fix_missing_locations(ast.Module([function], []))
    made: dict[str, Any] = {}
    exec(compile(module, file, "exec"), namespace, made)
    found: Callable[..., Any] = made["contender"]
    return found


def _arguments(functions: Mapping[str, Callable[..., Any]], inputs: str, namespace: dict[str, Any]) -> Any:
    """Return what functions are called with: the named inputs by position, else their parameters from the variables."""
    if inputs.strip():
        return tuple(_value(text, namespace) for text in _parts(inputs))
    name, function = next(iter(functions.items()))
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return ()
    wanted = [
        each.name
        for each in parameters
        if each.default is each.empty and each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
    ]
    missing = [each for each in wanted if each not in namespace]
    if missing:
        raise InputError(
            f"{name} takes {', '.join(wanted)}, and there is no variable {missing[0]}: name the inputs on the first "
            f"line, such as %%race {', '.join(wanted)}."
        )
    return tuple(namespace[each] for each in wanted)


def _parts(inputs: str) -> list[str]:
    """Return the expressions that stand between commas or blanks."""
    try:
        tree = ast.parse(f"({inputs},)" if inputs.rstrip()[-1] != "," else f"({inputs})", mode="eval").body
    except SyntaxError:
        words = inputs.split()
        if not all(word.isidentifier() for word in words):
            raise InputError(
                f"The inputs are variables or expressions with commas between them; got {inputs!r}."
            ) from None
        return words
    assert isinstance(tree, ast.Tuple)
    return [ast.unparse(each) for each in tree.elts]


def _value(text: str, namespace: dict[str, Any]) -> Any:
    try:
        return eval(compile(text, "<%%race>", "eval"), namespace)
    except NameError as error:
        raise InputError(f"The input {text!r} cannot be had: {error}. Define it in a cell before this one.") from error


def _plain_names(inputs: str, namespace: dict[str, Any]) -> dict[str, Any]:
    """Return variables by their names, for code that reads them by name."""
    parts = _parts(inputs)
    for part in parts:
        if not part.isidentifier():
            raise InputError(
                f"{part!r} is no variable; lines and blocks read their inputs by name. Give it one in a line above the "
                "contenders, or race functions."
            )
    return {part: _value(part, namespace) for part in parts}


def _arrays(pieces: Iterable[list[ast.stmt]], namespace: dict[str, Any]) -> dict[str, Any]:
    """Return the arrays among the variables that code reads, by name: they are what is watched for changes."""
    read = {
        node.id
        for body in pieces
        for statement in body
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }
    return {name: namespace[name] for name in sorted(read & namespace.keys()) if _is_array(namespace[name])}


def _is_array(value: Any) -> bool:
    return hasattr(value, "dtype") and isinstance(getattr(value, "shape", None), tuple)


def _called(functions: Mapping[str, Callable[..., Any]], names: str | None) -> Mapping[str, Callable[..., Any]]:
    """Return functions under other names."""
    if names is None:
        return functions
    chosen = [name.strip() for name in names.split(",")]
    if len(set(chosen)) != len(functions) or not all(chosen):
        raise InputError(
            f"--names needs a name for each of the {len(functions)} contenders ({', '.join(functions)}); got {names!r}."
        )
    return dict(zip(chosen, functions.values(), strict=True))
