"""One module taken apart into its statements: what each says, what it binds, what it refers to. Nothing is imported.

What a statement says is its syntax tree: comments, docstrings and layout are no part of it, nor is what only describes
an asset or serves the type checker. Another Python may draw the tree in another way: all is then made anew, once.

To take every module apart needs a second, so each is kept as numba keeps machine code: in `__pycache__`, with a digest
of the source, the Python and this file, without which it is not used.
"""

from __future__ import annotations

import ast
import hashlib
import os
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

DESCRIPTIONS = frozenset({"stage", "asset_check", "add_output_metadata"})
"""Decorators and a method that say what an asset is and what its page shows: the artefact is the same without them."""

WRAPPERS = frozenset({"cache", "compiled", "contextmanager", "dataclass", "lru_cache", "runtime_checkable"})
"""Decorators that leave no trace elsewhere. What any other decorates may be found by other ways than its name."""

UNREADABLE = frozenset(
    {"__doc__", "__import__", "eval", "exec", "globals", "import_module", "sys.modules"}
    | {".__doc__", ".__init_subclass__", ".__subclasses__", ".import_module"}
)
"""Names, and attributes of whatever object, that lead to what is not followed: code named at run time, docstrings."""

PACKAGE_DATA = ("importlib.resources", "pkgutil")
"""Modules that read files of a package; `__file__` is the other way."""


class Statement(BaseModel):
    """A statement at the top of a module: a definition, an assignment, or something that is done.

    Attributes:
        digest: of what it says.
        names: dotted names in it, as far as they begin with what the module binds: `plots.degree_bars`.
        paths: what it imports itself and uses: `atft_pipeline.evaluation:plots.degree_bars`.
        executes: what it imports itself, used or not.
        attributes: what it asks of objects.
        reads_data: whether it reads files of its package.
        unreadable: what in it cannot be followed.
    """

    model_config = ConfigDict(frozen=True)

    digest: str
    names: tuple[str, ...]
    paths: tuple[str, ...]
    executes: tuple[str, ...]
    attributes: tuple[str, ...]
    reads_data: bool
    unreadable: tuple[str, ...]


class ModuleCode(BaseModel):
    """A module. What is imported is told as `module:name`, with nothing after the colon for a module itself.

    Attributes:
        statements: all but imports, in their order.
        defined: places of the statements that bind a name, or change what it is bound to.
        imported: what an imported name can stand for; under the empty name, modules that are executed only.
        effects: places of the statements that do more than to bind names.
    """

    model_config = ConfigDict(frozen=True)

    statements: tuple[Statement, ...]
    defined: dict[str, tuple[int, ...]]
    imported: dict[str, tuple[str, ...]]
    effects: tuple[int, ...]


def read_module(name: str, path: Path) -> ModuleCode:
    """The module of this full name in this file."""
    source = path.read_bytes()
    key = hashlib.blake2b(b"\0".join([_reader(), name.encode(), source]), digest_size=16).hexdigest().encode()
    kept = Path(cache_from_source(str(path))).with_suffix(".json")
    try:
        made_from, _, text = kept.read_bytes().partition(b"\n")
        if made_from == key:
            return ModuleCode.model_validate_json(text)
    except (OSError, ValidationError):
        pass  # never kept, or damaged: it is made again
    code = parse_module(name, source.decode(), is_package=path.name == "__init__.py")
    _keep(kept, key + b"\n" + code.model_dump_json().encode())
    return code


def parse_module(name: str, source: str, *, is_package: bool = False) -> ModuleCode:
    """The module of this full name with this source."""
    package = name if is_package else name.rpartition(".")[0]
    essence = _Essence()
    body: list[ast.stmt] = essence.visit(ast.parse(source)).body
    imported: dict[str, list[str]] = {}
    for node in body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            for bound, path in _imports(ast.walk(node), package):
                imported.setdefault(bound, []).append(path)
    nodes = [node for node in body if not isinstance(node, ast.Import | ast.ImportFrom)]
    defined: dict[str, list[int]] = {}
    for place, node in enumerate(nodes):
        for bound in _binds(node):
            defined.setdefault(bound, []).append(place)
    return ModuleCode(
        statements=tuple(_statement(node, package, {*defined}, imported, essence.described) for node in nodes),
        defined={bound: tuple(places) for bound, places in defined.items()},
        imported={bound: tuple(paths) for bound, paths in imported.items()},
        effects=tuple(place for place, node in enumerate(nodes) if _acts(node)),
    )


def split_first(dotted: str) -> tuple[str, str]:
    """`a` and `b.c` of `a.b.c`."""
    first, _, rest = dotted.partition(".")
    return first, rest


def extended(path: str, rest: str) -> str:
    """What `rest` is of what `path` stands for."""
    return f"{path}.{rest}" if rest and not path.endswith(":") else path + rest


class _Essence(ast.NodeTransformer):
    """Takes out what no value depends on, and notes the names in what only describes."""

    def __init__(self) -> None:
        self.described: set[str] = set()

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        if isinstance(node.value, ast.Constant):
            return None  # a docstring, of a function or of a constant
        if isinstance(node.value, ast.Call) and _last_name(node.value) in DESCRIPTIONS:
            self.described |= {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
            return None
        return node

    def visit_If(self, node: ast.If) -> Any:
        if _last_name(node.test) != "TYPE_CHECKING":
            return self.generic_visit(node)
        rest = ast.Module(node.orelse, [])
        return self.generic_visit(rest).body  # type: ignore[attr-defined]

    def visit_FunctionDef(self, node: ast.FunctionDef) -> Any:
        node.decorator_list = [each for each in node.decorator_list if _last_name(each) not in DESCRIPTIONS]
        return self.generic_visit(node)


def _statement(
    node: ast.stmt, package: str, defined: set[str], imported: dict[str, list[str]], described: set[str]
) -> Statement:
    parts = list(ast.walk(node))
    names, attributes = _references(parts)
    roots = {split_first(name)[0] for name in names}
    own = [(bound, path) for bound, path in _imports(parts, package) if bound in roots or bound not in described]
    paths = [extended(path, rest) for bound, path in own for rest in _after(names, bound)]
    known = [
        extended(path, rest) for bound in roots for path in imported.get(bound, ()) for rest in _after(names, bound)
    ]
    methods = {f".{part.name}" for part in parts if isinstance(part, ast.FunctionDef)}
    return Statement(
        digest=hashlib.blake2b(ast.dump(node).encode(), digest_size=12).hexdigest(),
        names=tuple(sorted(name for name in names if split_first(name)[0] in defined | imported.keys())),
        paths=tuple(sorted(paths)),
        executes=tuple(sorted(path for _, path in own)),
        attributes=tuple(sorted(attributes)),
        reads_data="__file__" in roots | attributes or any(map(_reads_package, [*known, *paths])),
        unreadable=tuple(sorted(UNREADABLE & {*names, *methods, *(f".{name}" for name in attributes)})),
    )


def _references(parts: Iterable[ast.AST]) -> tuple[set[str], set[str]]:
    """Dotted names, each as long as it stands there, and attributes; what is outside comes first in `parts`."""
    names: set[str] = set()
    attributes: set[str] = set()
    inner: set[ast.AST] = set()
    for part in parts:
        if isinstance(part, ast.Attribute):
            attributes.add(part.attr)
        if not isinstance(part, ast.Attribute | ast.Name) or part in inner:
            continue
        trail: list[str] = []
        base: ast.expr = part
        while isinstance(base, ast.Attribute):
            trail.insert(0, base.attr)
            base = base.value
            inner.add(base)
        if isinstance(base, ast.Name):
            names.add(".".join([base.id, *trail]))
    return names, attributes


def _imports(parts: Iterable[ast.AST], package: str) -> Iterator[tuple[str, str]]:
    """What imports bind, and to what."""
    for part in parts:
        if isinstance(part, ast.Import):
            for alias in part.names:
                bound = alias.asname or split_first(alias.name)[0]
                yield bound, f"{alias.name if alias.asname else bound}:"
                yield "", f"{alias.name}:"
        elif isinstance(part, ast.ImportFrom):
            parents = package.split(".")
            base = parents[: len(parents) + 1 - part.level] if part.level else []
            module = ".".join([*base, *([part.module] if part.module else [])])
            yield from ((alias.asname or alias.name, f"{module}:{alias.name}") for alias in part.names)


def _after(names: Iterable[str], root: str) -> Iterator[str]:
    return (rest for first, rest in map(split_first, names) if first == root)


def _binds(node: ast.stmt) -> set[str]:
    """Names that a statement binds, or whose value it changes; rather too many than too few."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    parts = list(ast.walk(node))
    inside = {name for part in parts if isinstance(part, ast.comprehension) for name in ast.walk(part.target)}
    found: set[str] = set()
    for part in parts:
        if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(part.name)
        elif part in inside:
            continue
        elif isinstance(part, ast.Name | ast.Attribute | ast.Subscript) and isinstance(part.ctx, ast.Store):
            base: ast.expr = part
            while isinstance(base, ast.Attribute | ast.Subscript):
                base = base.value
            if isinstance(base, ast.Name):
                found.add(base.id)
    return found


def _acts(node: ast.stmt) -> bool:
    """Whether a statement does more than to bind names."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return any(_last_name(each) not in WRAPPERS for each in node.decorator_list)
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return not targets or not all(isinstance(target, ast.Name | ast.Tuple) for target in targets)


def _last_name(node: ast.expr) -> str:
    """What a decorator, a call or a test ends with: `lru_cache` of `functools.lru_cache(maxsize=1)`."""
    if isinstance(node, ast.Call):
        return _last_name(node.func)
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _reads_package(path: str) -> bool:
    return path.replace(":", ".").startswith(PACKAGE_DATA)


@cache
def _reader() -> bytes:
    """What decides how a source is read, beside the source."""
    return sys.version.encode() + Path(__file__).read_bytes()


def _keep(path: Path, content: bytes) -> None:
    """For the next process; where nothing can be written, each reads for itself."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(content)
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
