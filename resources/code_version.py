"""The code version of an asset: a digest of the code that its value comes from, found by following names.

It begins with the function that makes the asset and goes on, statement by statement, to every definition that a name
can stand for, through `assets`, `resources` and `atft_pipeline`: imports anywhere, re-exports, modules handed about as
values. A module that is imported on the way adds what it does on import; a statement that reads files of its package
adds them all. In doubt more is followed, and what cannot be followed is refused: no list says what an asset depends on.

A list says what is NOT followed, `STOPS`. A stop is right if the manifest knows by value what it would give, if it is
for people's eyes only, or if it refuses and gives nothing. What comes through a `Door` is followed for those who ask.

Not seen: other libraries (their versions are pinned), and an assignment that registers something elsewhere although
nothing names what it binds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from atft_pipeline.errors import CodeError
from resources.manifest import hash_file
from resources.module_code import ModuleCode, Statement, extended, read_module, split_first

PACKAGES = ("atft_pipeline", "resources", "assets")

STOPS: Mapping[str, str] = {
    "atft_pipeline.settings": "the manifest holds the settings' hash",
    "atft_pipeline.sections": "the manifest holds the settings' hash",
    "resources.settings": "the manifest holds the settings' hash",
    "atft_pipeline.features.contract.CONTRACT": "the manifest holds the contract's hash",
    "resources.lake": "the manifest holds the content of every input",
    "resources.io_manager": "the manifest holds the content of every input",
    "resources.checkpoints": "a fit that goes on ends with the same bits",
    "resources.display": "for people's eyes",
    "resources.progress": "for people's eyes",
    "atft_pipeline.needs.require_endpoints": "it refuses, or gives nothing",
}
"""Modules, and names in modules, that are not followed, each with the reason."""


class Door(NamedTuple):
    """Something that stands for much more than most who hold it use of it.

    Attributes:
        module: where it is defined; nothing is followed from there into `behind`.
        behind: what it leads to.
        asked_by: attributes that take something from `behind`, in whatever code above the package of `behind`.
    """

    module: str
    behind: str
    asked_by: frozenset[str]


DOORS = (
    # What the source holds reaches the other assets as the content of raw ones.
    Door(
        "resources.structure",
        "atft_pipeline.jquants.source:open_source",
        asked_by=frozenset({"source", "notes", "calendar_rows"}),
    ),
)


class Place(NamedTuple):
    """A statement of a module, by its number; without one, the module's being imported."""

    module: str
    statement: int | None = None


class Step(NamedTuple):
    """What a place says, and the places that follow from it."""

    says: str
    after: frozenset[Place]


class Meaning(NamedTuple):
    """What a path can stand for: definitions, modules imported on the way to them, and the paths passed on the way."""

    places: set[Place]
    passed: tuple[str, ...]


class Codebase:
    """The packages of a project, and what follows from what in them.

    Args:
        root: folder that the packages lie in.
        packages: their names; everything else is another library.
        stops: what is not followed.
        doors: what is followed for those who ask.
    """

    def __init__(
        self,
        root: Path,
        packages: Sequence[str] = PACKAGES,
        stops: Mapping[str, str] = STOPS,
        doors: Sequence[Door] = DOORS,
    ) -> None:
        self._root, self._packages, self._stops, self._doors = root, frozenset(packages), stops, doors
        sources = [path for name in packages for path in (root / name).rglob("*.py")]
        self._files = {_module_name(path.relative_to(root)): path for path in sources}
        self._modules: dict[str, ModuleCode] = {}
        self._steps: dict[Place, Step] = {}

    def version(self, start: str) -> str:
        """Digest of what follows from a definition, told as `module:name`.

        Raises:
            CodeError: something cannot be followed.
        """
        digest = hashlib.blake2b(digest_size=6)
        for place in self.reached(start):
            digest.update(self._step(place).says.encode())
        return digest.hexdigest()

    def reached(self, start: str) -> list[Place]:
        """The statements that follow from a definition, told as `module:name`, by module and in their order."""
        module, _, name = start.partition(":")
        if not self._is_ours(module) or name not in self.code(module).defined:
            raise CodeError(
                f"{start} is not defined in {', '.join(sorted(self._packages))}.", remedy="Declare the asset there."
            )
        todo, found = self._meaning(start).places, set[Place]()
        while todo:
            found |= todo
            todo = {after for place in todo for after in self._step(place).after} - found
        return sorted(place for place in found if place.statement is not None)

    def code(self, module: str) -> ModuleCode:
        """A module.

        Raises:
            CodeError: it has no file.
        """
        if module not in self._files:
            raise CodeError(
                f"{module} is imported and is no file under {self._root}.", remedy="Give its folder an __init__.py."
            )
        if module not in self._modules:
            self._modules[module] = read_module(module, self._files[module])
        return self._modules[module]

    def _step(self, place: Place) -> Step:
        if place not in self._steps:
            module, number = place
            self._steps[place] = self._imported(module) if number is None else self._follow(module, number)
        return self._steps[place]

    def _imported(self, module: str) -> Step:
        code = self.code(module)
        paths = {path for paths in code.imported.values() for path in paths}
        if any(path.endswith(":*") and self._is_ours(path) for path in paths):
            raise CodeError(f"{module} imports *: what its names mean is not told.", remedy="Name what is imported.")
        effects = {Place(module, effect) for effect in code.effects}
        return Step("", frozenset(effects.union(*map(self._executed_by, paths))))

    def _follow(self, module: str, number: int) -> Step:
        code = self.code(module)
        statement = code.statements[number]
        if statement.unreadable:
            raise CodeError(
                f"{module}: {', '.join(statement.unreadable)} leads to what cannot be followed: artefacts would be"
                " stale without a word when it changes.",
                remedy="Import by a name that stands in the text.",
            )
        says, paths = [module, statement.digest], {*statement.paths}
        for name in statement.names:
            root, _ = split_first(name)
            targets = code.imported.get(root, ())
            says += [f"{root}={target}" for target in targets]
            if root in code.defined or any(map(self._is_ours, targets)):
                paths.add(f"{module}:{name if targets else root}")
        if statement.reads_data:
            says.append(self._data(split_first(module)[0]))
        meanings = [self._meaning(path) for path in sorted(paths)]
        says += [passed for meaning in meanings for passed in meaning.passed]
        after = set[Place]().union(*map(self._executed_by, statement.executes), *(each.places for each in meanings))
        return Step(" ".join(says), frozenset(self._through_doors(after, module, statement)))

    def _through_doors(self, after: set[Place], module: str, statement: Statement) -> set[Place]:
        for door in self._doors:
            behind = door.behind.partition(":")[0]
            if module == door.module:
                after = {place for place in after if place.module != behind or place.statement is None}
            elif split_first(module)[0] != split_first(behind)[0] and door.asked_by & {*statement.attributes}:
                after = after | self._meaning(door.behind).places
        return after

    def _meaning(self, path: str) -> Meaning:
        found: set[Place] = set()
        todo, passed = [path], dict[str, None]()
        while todo:
            path = todo.pop()
            if path in passed:
                continue
            passed[path] = None
            module, _, names = path.partition(":")
            name, rest = split_first(names)
            inner = f"{module}.{name}"
            if not self._is_ours(module) or module in self._stops or inner in self._stops:
                continue
            found |= self._executed_by(path)
            code = self.code(module)
            if name and (name in code.defined or name in code.imported):
                found |= {Place(module, number) for number in code.defined.get(name, ())}
                todo += [extended(target, rest) for target in code.imported.get(name, ())]
            elif inner not in self._files:  # a module as a value, or a name that it makes: anything in it
                found |= {Place(module, number) for number in range(len(code.statements))}
                todo += [target for targets in code.imported.values() for target in targets]
                todo += [f"{each}:" for each in sorted(self._files) if each.startswith(f"{module}.")]
            if inner in self._files:
                todo.append(f"{inner}:{rest}")
        return Meaning(found, tuple(passed))

    def _executed_by(self, path: str) -> set[Place]:
        """Packages and modules that importing a path executes."""
        module, _, names = path.partition(":")
        if not self._is_ours(module):
            return set()
        inner = f"{module}.{split_first(names)[0]}"
        found = {Place(inner)} if inner in self._files else set()
        while module:
            found.add(Place(module))
            module = module.rpartition(".")[0]
        return found

    def _is_ours(self, path: str) -> bool:
        return path.partition(":")[0].partition(".")[0] in self._packages

    def _data(self, package: str) -> str:
        """Every file of a package that is not code, by name and content."""
        files = [path for path in (self._root / package).rglob("*") if path.is_file() and path.suffix != ".py"]
        kept = sorted(path for path in files if path.parent.name != "__pycache__")
        return " ".join(f"{path.relative_to(self._root).as_posix()}={hash_file(path)}" for path in kept)


def code_version(function: Callable[..., Any]) -> str:
    """Version of the code of the asset that a function makes; of a function made by another, the outer one's."""
    return _version(f"{function.__module__}:{split_first(function.__qualname__)[0]}")


@cache
def _version(start: str) -> str:
    return _codebase().version(start)


@cache
def _codebase() -> Codebase:
    """That of this process, read once."""
    return Codebase(Path(__file__).parent.parent)


def _module_name(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
