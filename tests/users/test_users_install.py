"""A, L4, M7: what is installed works as it is; it fetches nothing, installs nothing, tells nobody."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest
import watched
from outer_kit import REPOSITORY, noise, save, tree
from packaging.requirements import Requirement
from task_kit import blot

from restorekit import plugins

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
SOURCES = sorted(
    path
    for folder in ("restorekit", "plugins")
    for path in (REPOSITORY / folder).rglob("*.py")
    if "tests" not in path.parts
)
NEVER = (
    {"socket", "ssl", "http", "urllib", "urllib3", "requests", "httpx", "ftplib", "smtplib"}
    | {"webbrowser", "huggingface_hub", "pip", "ensurepip", "subprocess"}
    | {"torchvision", "basicsr", "cv2", "imp", "pkg_resources"}
)
"""What fetches, installs or tells, and what breaks with an update of another package."""
ABSENT = ("torchvision", "basicsr", "cv2", "lpips", "skimage", "scipy", "pandas", "matplotlib")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty home that nobody may write (root may: what appears in it is looked for too)."""
    place = tmp_path / "home"
    place.mkdir(mode=0o555)
    return place


def restoring(name: str, tmp_path: Path, stand_in: Path) -> list[object]:
    """A command that restores a small picture by a task, with its own weights where it has any."""
    photo = save(tmp_path / "in" / "a.png", noise(40, 50))
    task = plugins.load(name).task
    given: list[object] = [name, photo, "-o", tmp_path / "out" / "a.png"]
    if "mask" in [companion.name for companion in task.companions]:
        hole = blot(40, 50, (9, 12, 8, 9)).astype("uint8") * 255
        given += ["--mask", save(tmp_path / "masks" / "a.png", hole)]
    if task.model not in plugins.models()[0]:
        given += ["--model", stand_in]
    return given


@pytest.mark.user("A1")
@pytest.mark.user("A2")
@pytest.mark.user("A4")
@pytest.mark.user("L4")
@pytest.mark.user("M7")
@pytest.mark.parametrize("name", sorted(plugins.tasks()))
def test_a_task_reaches_for_nothing_but_its_input_and_its_result(
    name: str, tmp_path: Path, home: Path, inpaint_model: Path
) -> None:
    """No network, an empty home, a current folder that may not be written, no other packages."""
    if name not in ("upscale", "denoise", "inpaint"):
        pytest.skip(f"{name} is tested where its inputs are made")
    given = restoring(name, tmp_path, inpaint_model)
    ran = watched.command(*given, home=home, absent=ABSENT)
    assert ran.code == 0, ran.said
    assert (tmp_path / "out" / "a.png").exists()
    assert ran.sockets == ran.programs == []
    out = tmp_path / "out"
    assert [path for path in ran.written if out not in (path, *path.parents)] == []
    assert tree(home) == {}
    assert not ran.imported & set(ABSENT)


OTHERS = [
    ["models", "list"],
    ["models", "verify"],
    ["plugins"],
    ["doctor"],
    ["evaluate", "denoise", "--data", "{in}", "--metrics", "psnr", "--against", "input"],
    ["upscale", "{in}", "-o", "{out}", "--plan"],
]


@pytest.mark.user("A2")
@pytest.mark.user("L4")
@pytest.mark.user("M7")
@pytest.mark.parametrize("given", OTHERS, ids=lambda given: " ".join(given[:2]))
def test_no_other_command_writes_or_asks_a_network(
    given: list[str], tmp_path: Path, home: Path
) -> None:
    save(tmp_path / "in" / "a.png", noise(48, 64))
    places = {"in": tmp_path / "in", "out": tmp_path / "out"}
    ran = watched.command(*(word.format(**places) for word in given), home=home)
    assert ran.code == 0, ran.said
    assert ran.sockets == []
    nowhere = Path(os.path.abspath(os.devnull))  # noqa: PTH100 (as the watcher says it)
    assert [path for path in ran.written if path != nowhere] == []
    assert tree(home) == {}
    assert not (tmp_path / "out").exists()


@pytest.mark.user("L4")
def test_a_watched_program_that_does_reach_out_is_caught(home: Path, tmp_path: Path) -> None:
    code = f"""
import subprocess, urllib.request
open({str(tmp_path / "traces")!r}, "w").close()
subprocess.run(["true"])
try:
    urllib.request.urlopen("http://127.0.0.1:9/")
except OSError as error:
    print(error)
"""
    ran = watched.python(code, home=home)
    assert "without a network" in ran.said
    assert ran.sockets
    assert "['true']" in ran.programs
    assert ran.written[0] == tmp_path / "traces"


@pytest.mark.user("A1")
@pytest.mark.user("A4")
@pytest.mark.user("L4")
def test_no_module_can_fetch_install_or_tell() -> None:
    assert len(SOURCES) > 100
    reaching = {path: found for path in SOURCES if (found := imports(path) & NEVER)}
    baselines = REPOSITORY / "restorekit" / "evaluation" / "baselines.py"
    assert reaching in (
        {},
        {baselines: {"cv2"}},
    )  # which compares with OpenCV where one asks for it


def imports(path: Path) -> set[str]:
    """The packages that a module imports, anywhere in it, and torch's own way to download."""
    named: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            named |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            named.add(node.module or "")
        elif isinstance(node, ast.Attribute) and node.attr.startswith(
            ("load_state_dict_from_url", "download")
        ):
            named.add("urllib")
    return {name.partition(".")[0] for name in named}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The source archive, the wheel, and the wheel built from the unpacked archive."""
    pytest.importorskip("build", reason="build, of the dev extra, makes wheels")
    here = importlib.util.find_spec("hatchling")  # else build fetches it
    folder = tmp_path_factory.mktemp("dist")

    def build(kind: str, source: Path, out: Path) -> Path:
        command = [sys.executable, "-m", "build", f"--{kind}", "--outdir", str(out), str(source)]
        command += ["--no-isolation", "--skip-dependency-check"] if here else []
        subprocess.run(command, cwd=out.parent, check=True, capture_output=True, timeout=300)
        return next(out.iterdir())

    archive = build("sdist", REPOSITORY, folder / "sdist")
    with tarfile.open(archive) as packed:
        packed.extractall(folder / "source", filter="data")
    unpacked = next((folder / "source").iterdir())
    return {
        "sdist": archive,
        "wheel": build("wheel", REPOSITORY, folder / "wheel"),
        "rebuilt": build("wheel", unpacked, folder / "rebuilt"),
    }


def names(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as packed:
        return sorted(packed.namelist())


@pytest.mark.user("A5")
def test_the_archive_builds_the_same_pure_wheel(built: dict[str, Path]) -> None:
    assert built["wheel"].name.endswith("-py3-none-any.whl")
    assert names(built["wheel"]) == names(built["rebuilt"])
    assert "dynamic" not in PROJECT["project"]
    assert not list(REPOSITORY.glob("setup.*"))


@pytest.mark.user("A3")
@pytest.mark.user("A4")
@pytest.mark.user("J9")
def test_the_wheel_is_small_and_pins_nothing(built: dict[str, Path]) -> None:
    """Four tasks' weights of at most 6 MB each, and code."""
    assert built["wheel"].stat().st_size < 4 * 6_000_000
    with zipfile.ZipFile(built["wheel"]) as packed:
        text = packed.read(next(n for n in packed.namelist() if n.endswith("/METADATA")))
    needed = [Requirement(r) for r in Parser().parsestr(text.decode()).get_all("Requires-Dist")]
    assert needed
    for requirement in needed:
        assert {s.operator for s in requirement.specifier} <= {">="}, requirement
    always = {requirement.name for requirement in needed if not requirement.marker}
    assert always == {"torch", "numpy", "pillow", "safetensors", "pluggy", "click"}


@pytest.mark.user("A2")
def test_the_wheel_carries_the_weights_of_its_tasks(built: dict[str, Path]) -> None:
    packed = set(names(built["wheel"]))
    for name, module in PROJECT["project"]["entry-points"]["restorekit.tasks"].items():
        assert f"{module}/weights/{name}.safetensors" in packed


@pytest.mark.user("A4")
def test_an_install_without_internet_is_documented_and_tried_by_ci() -> None:
    page = (REPOSITORY / "docs" / "index.md").read_text(encoding="utf-8")
    offline = re.findall(r"^pip install .*--no-index.*--find-links.*$", page, re.MULTILINE)
    assert offline
    ci = (REPOSITORY / ".ci" / "run").read_text(encoding="utf-8")
    assert re.search(r"^offline .*pip install .*--no-index --find-links", ci, re.MULTILINE)
