"""Cells that a page leaves out or folds, in its notebook.

A page runs more than it shows: cells that hand numbers to the text and check what it
says, and code that only draws. A notebook has to run by itself, so it needs of the
cells that the page leaves out what later cells build on, and nothing more: the rest
would stand between the thoughts, and some of it is the answer to an exercise.
"""

from __future__ import annotations

import ast
import builtins
import symtable
from collections.abc import Sequence

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

# Tags of cells of which a page shows nothing, and of those whose code it hides.
LEFT_OUT = frozenset({"remove-cell"})
FOLDED = frozenset({"hide-input", "remove-input", "hide-cell"})

# Calls that only hand something to the page.
_FOR_THE_PAGE = frozenset({"glue"})


def tags(cell: NotebookNode) -> frozenset[str]:
    """Return a cell's tags."""
    return frozenset(cell.metadata.get("tags", ()))


def fold(cell: NotebookNode) -> None:
    """Have viewers show a cell's code only when a reader opens it.

    JupyterLab and Notebook read the one mark, Colab the other.
    """
    cell.metadata["jupyter"] = {"source_hidden": True}
    cell.metadata["cellView"] = "form"


def needed(cells: Sequence[tuple[str, bool]]) -> list[str]:
    """Return what a notebook needs of each cell: hidden ones are cut down to it.

    The code is read from its end to its beginning, with the set of names that what
    was read still wants. A statement of a hidden cell stays if it binds one of them,
    or may change its object. Statements that hand numbers to the page, and
    assertions, never stay.

    Parameters
    ----------
    cells : sequence of (str, bool)
        Source of a chapter's code cells, in order, and whether the cell is hidden.

    Returns
    -------
    list of str
        For each cell its source; of a hidden one the lines that are needed, "" if
        there is none.
    """
    plain = [without_magics(source) for source, _ in cells]
    # When a function reads a global name is not known before it is called, so such
    # names are wanted from the end to the beginning, and of code already read, too.
    wanted: set[str] = set()
    while True:
        before = len(wanted)
        kept = []
        alive: set[str] = set()
        for source, (_, hidden) in zip(reversed(plain), reversed(cells), strict=True):
            lines = source.splitlines()
            parts = []
            for statement in reversed(ast.parse(source).body):
                text = "\n".join(lines[_start(statement) - 1 : statement.end_lineno])
                if hidden and (
                    not _touched(statement) & (alive | wanted)
                    or _only_for_the_page(statement)
                ):
                    continue
                parts.append(text)
                alive -= _bound(statement)
                alive |= _reads(text)
                wanted |= _reads_in_functions(text)
            kept.append("\n".join(reversed(parts)))
        if len(wanted) == before:
            break
    return [
        part if hidden else source
        for part, (source, hidden) in zip(reversed(kept), cells, strict=True)
    ]


def without_magics(source: str) -> str:
    """Return a cell's code with IPython's own lines emptied."""
    return "\n".join(
        "" if line.lstrip().startswith(("%", "!")) else line
        for line in source.splitlines()
    )


def _start(statement: ast.stmt) -> int:
    """Return a statement's first line, decorators included."""
    decorators = getattr(statement, "decorator_list", [])
    return min([statement.lineno, *(each.lineno for each in decorators)])


def _reads(source: str) -> set[str]:
    """Return the global names that code reads, where it stands or in functions."""
    # `x += 1` reads x, too; for a symbol table it does not.
    added_to = {
        node.target.id
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name)
    }
    return added_to | _global_reads([symtable.symtable(source, "cell", "exec")])


def _reads_in_functions(source: str) -> set[str]:
    """Return the global names that code reads when functions in it are called."""
    inner = symtable.symtable(source, "cell", "exec").get_children()
    # What these read, they read where they stand; functions in them do not.
    at_once = {"listcomp", "setcomp", "dictcomp", "genexpr"}
    tables = []
    while inner:
        table = inner.pop()
        if table.get_name() in at_once:
            inner += table.get_children()
        else:
            tables.append(table)
    return _global_reads(tables)


def _global_reads(tables: list[symtable.SymbolTable]) -> set[str]:
    """Return the global names that scopes, and the scopes inside them, read."""
    names = set()
    for table in tables:
        for name in table.get_symbols():
            outside = table.get_type() == "module" or name.is_global()
            if outside and name.is_referenced():
                names.add(name.get_name())
        names |= _global_reads(list(table.get_children()))
    return names - set(dir(builtins))


def _bound(statement: ast.stmt) -> set[str]:
    """Return the names that a statement gives a new object in any case."""
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return {statement.name}
    if isinstance(statement, ast.Assign | ast.Import | ast.ImportFrom):
        return _stored(statement)
    return set()


def _stored(tree: ast.AST) -> set[str]:
    """Return the names that code stores or imports."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.alias):
            names.add(node.asname or node.name.partition(".")[0])
    return names


def _touched(statement: ast.stmt) -> set[str]:
    """Return the names that a statement binds, or whose objects it may change."""
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return {statement.name}
    names = _stored(statement)
    for node in ast.walk(statement):
        # x.a = 1, x[0] = 1; and a call for its own sake changes what it names.
        changed: ast.AST | None = None
        if isinstance(node, ast.Attribute | ast.Subscript):
            changed = None if isinstance(node.ctx, ast.Load) else node.value
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            changed = node.value
        if changed is not None:
            names |= {n.id for n in ast.walk(changed) if isinstance(n, ast.Name)}
    return names


def _only_for_the_page(statement: ast.stmt) -> bool:
    """Return whether a statement checks, or hands numbers to the page.

    A loop does one of the two if it does so in its body.
    """
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return False
    return any(
        isinstance(node, ast.Assert)
        or (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in _FOR_THE_PAGE
        )
        for node in ast.walk(statement)
    )


def install(package: str) -> NotebookNode:
    """Return the cell that installs the book's package where it is missing.

    Parameters
    ----------
    package : str
        Address from which pip takes the package.
    """
    # PyPI's PyTorch for Linux carries CUDA. In the other index it does not, and has
    # a version that ranks above PyPI's; where that index is out of reach, pip goes on
    # with PyPI's. A PyTorch that is there already stays.
    cell = new_code_cell(
        "# @title Install the book's package, where it is missing\n"
        "import importlib.util\n\n"
        'if importlib.util.find_spec("descent") is None:\n'
        "    print(\n"
        '        "Installing the book\'s package and what it needs: some 30 MB in "\n'
        '        "Colab, 300 MB where PyTorch is missing, too (without CUDA, since "\n'
        '        "no cell needs a graphics card)."\n'
        "    )\n"
        "    %pip install --extra-index-url https://download.pytorch.org/whl/cpu "
        f'"descent[book] @ {package}"',
        id="install",
    )
    fold(cell)
    return cell


def merged(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Return outputs with one stream of each name.

    MyST-NB merges streams into the first of each name, and leaves the others behind:
    what they say would be said twice.
    """
    streams: dict[str, NotebookNode] = {}
    kept = []
    for output in outputs:
        if output.output_type == "stream":
            first = streams.setdefault(output.name, output)
            if first is not output:
                if not first.text.rstrip().endswith(output.text.rstrip()):
                    first.text += output.text
                continue
        kept.append(output)
    return kept
