"""What ships, and with which versions: the locks, the wheel, the repository's own files."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
PLATFORMS = {
    "linux": {"sys_platform": "linux", "os_name": "posix", "platform_machine": "x86_64", "platform_system": "Linux"},
    "macos": {"sys_platform": "darwin", "os_name": "posix", "platform_machine": "arm64", "platform_system": "Darwin"},
    "windows": {"sys_platform": "win32", "os_name": "nt", "platform_machine": "AMD64", "platform_system": "Windows"},
}
LOCK_OF = {
    "notebook": "requirements-extras.lock",
    "apps": "requirements-extras.lock",
    "serve": "requirements-extras.lock",
    "agents": "requirements-extras.lock",
    "gguf": "requirements-extras.lock",
    "documents": "requirements-extras.lock",
    "slurm": "requirements-extras.lock",
    "writers": "requirements-extras.lock",
    "deepspeed": "requirements-deepspeed.lock",
}
LIMIT = 16 * 2**20


def project() -> dict[str, object]:
    """The ``[project]`` table of pyproject.toml."""
    try:
        import tomllib
    except ModuleNotFoundError:  # Python 3.10
        import tomli as tomllib
    loaded: dict[str, object] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return loaded


def pins(name: str) -> list[Requirement]:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def locked(python: str, platform: str, *names: str) -> dict[str, Version]:
    """The version of each distribution that these locks give on one Python and one platform."""
    environment = PLATFORMS[platform] | {
        "python_version": python,
        "python_full_version": f"{python}.9",
        "implementation_name": "cpython",
    }
    found: dict[str, Version] = {}
    for name in names:
        for pin in pins(name):
            if pin.marker is None or pin.marker.evaluate(environment):
                version = Version(next(iter(pin.specifier)).version)
                assert found.get(canonicalize_name(pin.name), version) == version, f"two versions of {pin.name}"
                found[canonicalize_name(pin.name)] = version
    return found


def tracked() -> list[Path]:
    out = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if out.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in out.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_every_pin_is_exact() -> None:
    for name in ("requirements.lock", *set(LOCK_OF.values())):
        for pin in pins(name):
            assert [spec.operator for spec in pin.specifier] == ["=="], f"{name}: {pin}"


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("platform", PLATFORMS)
def test_the_lock_gives_every_dependency_at_an_allowed_version(python: str, platform: str) -> None:
    table = project()
    extras = table["optional-dependencies"]
    assert isinstance(extras, dict) and isinstance(table["dependencies"], list)
    groups = {"": table["dependencies"], **extras}
    for extra, needs in groups.items():
        names = ["requirements.lock", *filter(None, [LOCK_OF.get(extra)])]
        versions = locked(python, platform, *names)
        for need in map(Requirement, needs):
            if need.marker is None or need.marker.evaluate(PLATFORMS[platform] | {"python_version": python}):
                assert need.specifier.contains(versions[canonicalize_name(need.name)]), f"{extra}: {need}"


def test_whatever_the_package_imports_it_depends_on() -> None:
    """Directly, or through a library that cannot do without: PyArrow through datasets, IPython through ipykernel …"""
    table = project()
    assert isinstance(table["dependencies"], list) and isinstance(table["optional-dependencies"], dict)
    needs = [*table["dependencies"], *(need for group in table["optional-dependencies"].values() for need in group)]
    declared = {canonicalize_name(Requirement(need).name) for need in needs} | {"pyarrow", "huggingface-hub"}
    declared |= {"ipython", "traitlets"}
    called = {"yaml": "pyyaml", "google": "protobuf", "docx": "python-docx", "bs4": "beautifulsoup4", "PIL": "pillow"}
    called |= {"markdown_it": "markdown-it-py"}
    imported = set()
    for file in (ROOT / "workbench").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            imported |= {name.split(".")[0] for name in names}
    others = imported - set(sys.stdlib_module_names) - {"workbench"}
    assert {called.get(name, canonicalize_name(name)) for name in others} <= declared


def test_every_dependency_has_a_lower_bound() -> None:
    table = project()
    assert isinstance(table["dependencies"], list)
    for need in map(Requirement, table["dependencies"]):
        assert ">=" in {spec.operator for spec in need.specifier}, need


def test_conda_gets_the_versions_of_the_locks_with_notebooks_and_apps() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    through_pip = next(part["pip"] for part in environment["dependencies"] if isinstance(part, dict))
    assert through_pip[-1] == "-e ."
    locked = [*pins("requirements.lock"), *pins("requirements-extras.lock")]
    assert [str(Requirement(line)) for line in through_pip[:-1]] == [str(pin) for pin in locked]
    named = {Requirement(line).name for line in through_pip[:-1]}
    assert {"jupyterlab", "ipywidgets", "gradio", "streamlit", "torch", "transformers", "peft", "bitsandbytes"} <= named


def test_conda_gets_a_python_that_is_supported() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    python = next(part for part in environment["dependencies"] if isinstance(part, str) and part.startswith("python="))
    assert python.removeprefix("python=") in PYTHONS


def test_torch_is_one_version_everywhere() -> None:
    """A range would admit a newer build of several gigabytes."""
    assert [str(pin) for pin in pins("requirements.lock") if pin.name == "torch"] == ["torch==2.13.0"]


def test_the_folder_datasets_does_not_shadow_the_library() -> None:
    """Where would a Python that stands in the repository's root import it from? (Importing it would take seconds.)"""
    code = "from importlib.util import find_spec; print(find_spec('datasets').origin)"
    origin = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()
    assert Path(origin).name == "__init__.py"
    assert (Path(origin).parent / "arrow_dataset.py").exists()
    assert ROOT / "datasets" not in Path(origin).parents


def test_the_folder_datasets_holds_data_only() -> None:
    assert not [
        path
        for path in (ROOT / "datasets").rglob("*")
        if path.suffix in {".py", ".pyc", ".pyi", ".so", ".pkl", ".pt", ".bin"}
    ]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names of the files in a wheel built from this tree."""
    out = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    with zipfile.ZipFile(next(out.glob("*.whl"))) as opened:
        return set(opened.namelist())


def test_the_wheel_holds_the_package_and_its_data_and_nothing_else(wheel: set[str]) -> None:
    roots = {name.split("/")[0] for name in wheel}
    assert roots == {"workbench", f"assistant_workbench-{__import__('workbench').__version__}.dist-info"}


@pytest.mark.parametrize("folder", ["workbench", "datasets"])
def test_the_wheel_leaves_out_nothing_that_is_tracked(wheel: set[str], folder: str) -> None:
    here = {path.relative_to(ROOT).as_posix() for path in tracked() if path.relative_to(ROOT).parts[0] == folder}
    assert not {re.sub(r"^datasets/", "workbench/_shipped/", name) for name in here} - wheel


def test_the_wheel_gives_the_licence(wheel: set[str]) -> None:
    assert any(name.endswith("dist-info/licenses/LICENSE") for name in wheel)


def test_no_tracked_file_is_large() -> None:
    assert not [(path.name, path.stat().st_size) for path in tracked() if path.stat().st_size >= LIMIT]


def test_the_pocket_model_is_small() -> None:
    weights = [path for path in tracked() if path.suffix == ".safetensors"]
    assert all(path.stat().st_size <= 12_000_000 for path in weights)


def test_no_notebook_keeps_outputs() -> None:
    for path in tracked():
        if path.suffix == ".ipynb":
            cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
            assert not [cell for cell in cells if cell.get("outputs") or cell.get("execution_count")], path.name


def test_no_file_names_a_path_of_somebodys_machine() -> None:
    machine = re.compile(rb"(?<![\w.$}])/(?:home|root|Users|work|mnt|opt|farm)/[\w.-]+|[A-Z]:\\\\?Users")
    texts = [path for path in tracked() if path.suffix not in {".safetensors", ".png", ".parquet"}]
    found = {
        path.relative_to(ROOT).as_posix(): hit.group() for path in texts if (hit := machine.search(path.read_bytes()))
    }
    assert not found


def test_no_file_is_of_a_format_that_runs_code_when_read() -> None:
    assert not [
        path.name
        for path in tracked()
        if path.suffix in {".pkl", ".pickle", ".pt", ".pth", ".bin", ".ckpt", ".joblib", ".npy"}
    ]


def test_text_files_are_utf8_with_one_kind_of_line_end() -> None:
    wrong = []
    for path in tracked():
        if path.suffix in {".py", ".md", ".yaml", ".yml", ".toml", ".tsv", ".lock", ".css", ".jsonl"}:
            raw = path.read_bytes()
            wrong += [path.name] if b"\r" in raw or raw.startswith(b"\xef\xbb\xbf") else []
            raw.decode("utf-8")
    assert not wrong
