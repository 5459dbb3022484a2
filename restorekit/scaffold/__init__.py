"""`restorekit plugins new`: a whole package of a task that works, to be changed into one's own.

The package is the folder `derain` beside this file, complete as it stands; making another of it is
writing another name into it.
"""

from __future__ import annotations

import keyword
import re
from pathlib import Path

from restorekit.errors import UsageError

MODEL = Path(__file__).parent / "derain"
# Files that would mean something to the tools of restorekit's own repository if they had their names.
_PLACES = {"workflow.yml": ".github/workflows/test.yml", "gitignore": ".gitignore"}


def write_package(name: str, folder: Path) -> list[Path]:
    """Write the package of the task `name` into a folder, new or empty; the files, in order.

    Raises UsageError where the name cannot be a command's, or the folder holds something.
    """
    module = name.replace("-", "_")
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name) or keyword.iskeyword(module):
        raise UsageError(
            f"{name!r} cannot be a command: use lower-case letters and digits, with single dashes "
            "between them, and no word of Python"
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} is there already and is not empty; name another with --out")
    written = []
    for source in sorted(path for path in MODEL.rglob("*") if _is_part(path)):
        place = source.relative_to(MODEL).as_posix()
        target = folder / _renamed(_PLACES.get(place, place), name, module)
        target.parent.mkdir(parents=True, exist_ok=True)
        text = source.read_text(encoding="utf-8")
        target.write_text(_renamed(text, name, module), encoding="utf-8")
        written.append(target)
    return written


def _is_part(path: Path) -> bool:
    return path.is_file() and path.suffix != ".pyc"


def _renamed(text: str, name: str, module: str) -> str:
    """The text with another task in it: a name of Python where one must be, else the command's."""
    for before in ("restorekit_", "restorekit.", "test_"):
        text = text.replace(f"{before}derain", f"{before}{module}")
    return text.replace("derain", name)
