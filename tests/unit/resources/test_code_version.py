"""What a code version follows, on a tiny project: what may change the value changes it, everything else leaves it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

import pytest

from atft_pipeline.errors import CodeError
from resources.code_version import Codebase, Door
from resources.module_code import read_module

PROJECT = {
    "top/__init__.py": "",
    "top/asset.py": """
        from __future__ import annotations

        from math import floor as rounded
        from typing import TYPE_CHECKING

        import lib.plain
        from lib import shop, table
        from lib.figures import mean as average
        from lib.pages import told

        from .near import helper

        if TYPE_CHECKING:
            from lib.typed import Kind

        FACTOR = 2

        def make(name: str) -> object:
            @stage(name=name, pool="cpu")
            def asset(context: object, kind: Kind) -> float:
                '''The value.'''
                from lib.drawn import draw, points
                from lib.inner import inside

                value = FACTOR * average(points()) + inside(shop.price()) + rounded(helper())
                value += lib.plain.deep(getattr(table, name)) + told()
                context.add_output_metadata({"picture": draw(value)})
                return value

            return asset

        @asset_check(asset="asset")
        def is_positive() -> bool:
            from lib.judged import judge

            return judge()
        """,
    "top/near.py": "def helper():\n    return 1.5\n",
    "lib/__init__.py": "",
    "lib/plain.py": "from . import below\n\ndef deep(x):\n    return below.deeper.deepest(x)\n",
    "lib/below/__init__.py": "from lib.below import deeper\n",
    "lib/below/deeper.py": "def deepest(x):\n    return x + 1\n",
    "lib/shop/__init__.py": "from lib.shop.prices import other, price\n",
    "lib/shop/prices.py": "def price():\n    return 3\n\ndef other():\n    return 4\n",
    "lib/table.py": "from lib.cells import cell\n\ndef first():\n    return cell()\n",
    "lib/cells.py": "def cell():\n    return 1\n",
    "lib/figures.py": """
        import lib.started

        WEIGHTS = {"a": 1}
        WEIGHTS["b"] = 2

        class Base:
            size = 5

        class Figure(Base):
            def mean(self, rows):
                '''What a mean is.'''
                return rows  # of the day

        def mean(rows):
            return Figure().mean(rows) * WEIGHTS["b"]

        def unused():
            return 0
        """,
    "lib/started.py": """
        from lib.rules import rule

        print("on import")

        @rule
        def doubled():
            return 2

        def idle():
            return 0
        """,
    "lib/rules.py": "RULES = []\n\ndef rule(function):\n    RULES.append(function)\n    return function\n",
    "lib/drawn.py": "def draw(value):\n    return 'red'\n\ndef points():\n    return 7\n",
    "lib/inner.py": "def inside(x):\n    return x\n",
    "lib/judged.py": "def judge():\n    return True\n",
    "lib/typed.py": "class Kind:\n    pass\n",
    "lib/pages.py": "def told():\n    return open(__file__.replace('pages.py', 'page.html')).read()\n",
    "lib/page.html": "<p>",
}

CHANGES_THE_VALUE = {
    "the body": ("top/asset.py", "average(points())", "average(2 * points())"),
    "a constant beside it": ("top/asset.py", "FACTOR = 2", "FACTOR = 3"),
    "an alias of another library": ("top/asset.py", "floor as rounded", "ceil as rounded"),
    "a relative import": ("top/near.py", "1.5", "2.5"),
    "an import in the function": ("lib/inner.py", "return x", "return -x"),
    "a transitive import": ("lib/below/deeper.py", "x + 1", "x + 2"),
    "a re-export": ("lib/shop/prices.py", "return 3", "return 5"),
    "what is re-exported": ("lib/shop/__init__.py", "other, price", "other as price"),
    "a module as a value": ("lib/table.py", "cell()", "-cell()"),
    "behind a module as a value": ("lib/cells.py", "return 1", "return 2"),
    "a base class": ("lib/figures.py", "size = 5", "size = 6"),
    "a table that is filled later": ("lib/figures.py", 'WEIGHTS["b"] = 2', 'WEIGHTS["b"] = 3'),
    "what a module does on import": ("lib/started.py", "on import", "first"),
    "what a decorator registers": ("lib/started.py", "return 2", "return 3"),
    "how it registers": ("lib/rules.py", "RULES.append(function)", "RULES.insert(0, function)"),
    "used in the value and in a picture's module": ("lib/drawn.py", "return 7", "return 8"),
    "a file that is read": ("lib/page.html", "<p>", "<div>"),
    "the order of statements": (
        "lib/figures.py",
        'WEIGHTS = {"a": 1}\nWEIGHTS["b"] = 2',
        'WEIGHTS["b"] = 2\nWEIGHTS = {"a": 1}',
    ),
}

LEAVES_THE_VALUE = {
    "a comment": ("lib/figures.py", "# of the day", "# of today"),
    "a docstring": ("lib/figures.py", "What a mean is.", "A mean."),
    "layout": ("lib/figures.py", "rows) * WEIGHTS", "rows\n    ) * WEIGHTS"),
    "a definition without users": ("lib/figures.py", "return 0", "return 1"),
    "another name of a package that re-exports": ("lib/shop/prices.py", "return 4", "return 5"),
    "a picture": ("lib/drawn.py", "'red'", "'blue'"),
    "what is shown": ("top/asset.py", '{"picture": draw(value)}', '{"drawn": draw(value)}'),
    "how the asset is described": ("top/asset.py", 'pool="cpu"', 'pool="gpu"'),
    "what a check uses": ("lib/judged.py", "True", "False"),
    "a check": ("top/asset.py", "return judge()", "return not judge()"),
    "an import for the type checker": ("lib/typed.py", "pass", "size = 1"),
    "unused in a module that is imported for what it does": ("lib/started.py", "return 0", "return 1"),
}


READS_A_FILE = (
    "from pathlib import Path\n\nHERE = Path(__file__).parent\n\ndef made():\n    return HERE.read_text()\n",
    "from importlib import resources\n\ndef made():\n    return resources.files('top').read_text()\n",
    "import importlib.resources\n\ndef made():\n    return importlib.resources.files('top').read_text()\n",
    "def made():\n    from importlib.resources import files\n\n    return files('top').read_text()\n",
    "import pkgutil\n\ndef made():\n    return pkgutil.get_data('top', 'table.toml')\n",
    "import top\n\ndef made():\n    return open(top.__file__)\n",
)


def write(root: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))
    return root


def version(root: Path, start: str = "top.asset:make") -> str:
    return Codebase(root, ("top", "lib"), stops={}, doors=()).version(start)


def changed(root: Path, edit: tuple[str, str, str]) -> bool:
    """Whether an edit of the project, which must be one, changes the version."""
    file, old, new = edit
    before, path = version(write(root, PROJECT)), root / file
    assert path.read_text().count(old) == 1
    path.write_text(path.read_text().replace(old, new))
    return version(root) != before


@pytest.mark.parametrize("edit", CHANGES_THE_VALUE.values(), ids=CHANGES_THE_VALUE)
def test_what_may_change_the_value_changes_the_version(tmp_path: Path, edit: tuple[str, str, str]) -> None:
    assert changed(tmp_path, edit)


@pytest.mark.parametrize("edit", LEAVES_THE_VALUE.values(), ids=LEAVES_THE_VALUE)
def test_what_does_not_leaves_it(tmp_path: Path, edit: tuple[str, str, str]) -> None:
    assert not changed(tmp_path, edit)


@pytest.mark.parametrize("source", READS_A_FILE)
def test_who_reads_files_of_the_package_has_them_in_its_version(tmp_path: Path, source: str) -> None:
    files = {"top/__init__.py": "", "top/inner/table.toml": "a = 1", "top/asset.py": source}
    before = version(write(tmp_path, files), "top.asset:made")
    write(tmp_path, {"top/inner/table.toml": "a = 2"})
    assert version(tmp_path, "top.asset:made") != before


def test_a_stop_is_not_followed_and_a_door_for_those_who_ask(tmp_path: Path) -> None:
    market = {
        "top/__init__.py": "",
        "top/held.py": "from lib.market import opened\n\ndef held():\n    return opened()\n",
        "top/asset.py": """
            from lib.values import KNOWN
            from top.held import held

            def day():
                return held().day + KNOWN

            def name():
                return held().market.name + KNOWN
            """,
        "lib/__init__.py": "",
        "lib/values.py": "KNOWN = 1\n",
        "lib/market.py": "def opened():\n    return 1\n",
    }
    write(tmp_path, market)
    doors = (Door("top.held", "lib.market:opened", asked_by=frozenset({"market"})),)

    def versions() -> list[str]:
        code = Codebase(tmp_path, ("top", "lib"), stops={"lib.values.KNOWN": "in the manifest"}, doors=doors)
        return [code.version("top.asset:day"), code.version("top.asset:name")]

    before = versions()
    write(tmp_path, {"lib/values.py": "KNOWN = 2\n"})
    assert versions() == before
    write(tmp_path, {"lib/market.py": "def opened():\n    return 2\n"})
    assert [now != then for now, then in zip(versions(), before, strict=True)] == [False, True]
    write(tmp_path, {**market, "top/held.py": market["top/held.py"].replace("opened()", "opened() or 0")})
    assert [now != then for now, then in zip(versions(), before, strict=True)] == [True, True]


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("import importlib\n\ndef made(name):\n    return importlib.import_module(name)\n", "import_module"),
        ("def made(name):\n    return globals()[name]\n", "globals"),
        (
            "class Part:\n    def __init_subclass__(cls):\n        pass\n\ndef made():\n    return Part\n",
            "__init_subclass__",
        ),
        ("def made():\n    return made.__doc__\n", "__doc__"),
        ("from top.absent import part\n\ndef made():\n    return part()\n", "top.absent is imported and is no file"),
        ("from top.every import *\n\ndef made():\n    return part()\n", r"imports \*"),
        ("def other():\n    return 1\n", "top.asset:made is not defined"),
    ],
)
def test_what_cannot_be_followed_is_refused(tmp_path: Path, source: str, problem: str) -> None:
    write(tmp_path, {"top/__init__.py": "", "top/every.py": "def part():\n    return 1\n", "top/asset.py": source})
    with pytest.raises(CodeError, match=problem):
        version(tmp_path, "top.asset:made")


def test_code_that_cannot_be_followed_and_is_not_reached_is_no_matter(tmp_path: Path) -> None:
    write(
        tmp_path, {"top/__init__.py": "", "top/asset.py": "def made():\n    return 1\n\ndef other():\n    exec('')\n"}
    )
    assert version(tmp_path, "top.asset:made")


def test_names_may_go_in_circles(tmp_path: Path) -> None:
    circle = {
        "top/__init__.py": "from . import asset\nfrom top.asset import made as made\n",
        "top/asset.py": "import top\n\ndef made():\n    return top.asset.other()\n\ndef other():\n    return made()\n",
    }
    before = version(write(tmp_path, circle), "top.asset:made")
    write(tmp_path, {"top/asset.py": circle["top/asset.py"].replace("return made()", "return 1")})
    assert version(tmp_path, "top.asset:made") != before


def test_what_was_kept_of_a_module_is_used_for_its_source_only(tmp_path: Path) -> None:
    path = tmp_path / "part.py"
    path.write_text("def part():\n    return 1\n")
    first = read_module("part", path)
    (kept,) = (tmp_path / "__pycache__").iterdir()
    assert read_module("part", path) == first
    content = kept.read_bytes()
    kept.write_bytes(content.replace(first.statements[0].digest.encode(), b"as kept"))
    assert read_module("part", path).statements[0].digest == "as kept"
    kept.write_bytes(content[:-10])
    assert read_module("part", path) == first
    path.write_text("def part():\n    return 2\n")
    assert read_module("part", path) != first


def test_where_nothing_can_be_written_the_version_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = version(write(tmp_path / "kept", PROJECT))

    def refuse(path: Path, content: bytes) -> int:
        raise PermissionError(path)

    monkeypatch.setattr(Path, "write_bytes", refuse)
    write(tmp_path / "bare", PROJECT)
    assert version(tmp_path / "bare") == before
    assert not list((tmp_path / "bare").rglob("*.json*"))
