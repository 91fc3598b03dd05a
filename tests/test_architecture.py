"""The house as design says: who may import whom, what loads when, how long a file and a function may be."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "workbench"
APPS = ROOT / "apps"

# From the top down; a room imports only from floors below its own, or from itself.
FLOORS = [
    {"cli", "widgets", "course", "apps"},
    {"handin"},
    {"steps", "render", "quickstart"},
    {"imports", "serve"},
    {"chat", "export"},
    {"training"},
    {"evaluation"},
    {"tools"},
    {"models"},
    {"templates"},
    {"data"},
    {"coursework"},
    {"runs"},
    {"usage"},
    {"errors"},
    {"texts", "shipped", "environment", "version"},
]
FLOOR = {room: number for number, floor in enumerate(FLOORS) for room in floor}
# What an import of the package must not cost: each of these takes from 0.1 s to seconds, or is not everybody's.
HEAVY = {
    "torch", "transformers", "peft", "bitsandbytes", "accelerate", "deepspeed", "datasets", "tokenizers",
    "safetensors", "huggingface_hub", "numpy", "pandas", "pyarrow", "scipy", "matplotlib", "ipywidgets", "IPython",
    "gradio", "streamlit",
}  # fmt: skip
FILES = sorted(PACKAGE.rglob("*.py"))
HOUSE = [*FILES, *sorted(APPS.rglob("*.py"))]


def name_of(file: Path) -> str:
    """``workbench.data.identity`` of its file."""
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module: str) -> str:
    """``data`` of ``workbench.data.identity``; empty for the package's own root."""
    return [*module.split("."), ""][1]


@cache
def tree_of(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"), str(file))


def imported(node: ast.AST, file: Path) -> list[str]:
    """The modules that an import statement names, in full."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    if node.level:
        package = name_of(file).split(".")
        package = package if file.name == "__init__.py" else package[:-1]
        base = ".".join([*package[: len(package) - node.level + 1], *filter(None, [node.module])])
    else:
        base = node.module or ""
    return [f"{base}.{alias.name}" for alias in node.names] if base == "workbench" else [base]


@cache
def all_imports(file: Path) -> list[tuple[int, str]]:
    """Every import of a file, those inside functions and for the type checker too."""
    return [
        (node.lineno, name)
        for node in ast.walk(tree_of(file))
        if hasattr(node, "lineno")
        for name in imported(node, file)
    ]


def top_imports(file: Path) -> list[tuple[int, str]]:
    """The imports that run when the module does: not in functions, not for the type checker alone."""
    found: list[tuple[int, str]] = []

    def walk(nodes: list[ast.stmt]) -> None:
        for node in nodes:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
                walk(node.orelse)
                continue
            found.extend((node.lineno, name) for name in imported(node, file))
            for part in ("body", "orelse", "finalbody"):
                walk(getattr(node, part, []))
            for handler in getattr(node, "handlers", []):
                walk(handler.body)

    walk(tree_of(file).body)
    return found


def is_panel(file: Path) -> bool:
    return room_of(name_of(file)) == "widgets" and file.name != "__init__.py"


def without_extras(file: Path) -> bool:
    """Whether a module cannot be imported here, since the libraries of the notebooks are not installed."""
    return is_panel(file) and find_spec("ipywidgets") is None


def at(file: Path, line: int, what: str) -> str:
    return f"{file.relative_to(ROOT)}:{line} {what}"


def test_every_room_has_its_floor() -> None:
    rooms = {room_of(name_of(file)) for file in FILES} - {"", "__main__"}
    assert rooms <= set(FLOOR), f"no floor for {rooms - set(FLOOR)}"


def test_imports_go_only_downward() -> None:
    wrong = []
    for file in FILES:
        room = room_of(name_of(file))
        for line, name in all_imports(file):
            other = room_of(name) if name.split(".")[0] == "workbench" else ""
            if room in FLOOR and other in FLOOR and other != room and FLOOR[other] <= FLOOR[room]:
                wrong.append(at(file, line, f"imports {name}"))
    assert not wrong


def files_imported(file: Path, modules: set[str]) -> set[str]:
    """The house's own files that a file imports; ``from room import file`` counts as the file, not as its room."""
    names: set[str] = set()
    for node in ast.walk(tree_of(file)):
        bases = imported(node, file)
        aliases = [alias.name for alias in node.names] if isinstance(node, ast.ImportFrom) else []
        deeper = {f"{base}.{alias}" for base in bases for alias in aliases} & modules
        names |= deeper if deeper and len(deeper) == len(aliases) else deeper | set(bases)
    return names & modules


def test_no_file_imports_itself_round_a_corner() -> None:
    """Imports in functions and for the type checker count too: two files that need each other are one file."""
    modules = {name_of(file) for file in HOUSE}
    waiting = {name_of(file): files_imported(file, modules) for file in HOUSE}
    while free := {name for name, needs in waiting.items() if not needs & waiting.keys()}:
        waiting = {name: needs for name, needs in waiting.items() if name not in free}
    assert not waiting, "these files are in a circle, or stand on one"


def test_nothing_but_the_root_imports_the_root_as_a_whole() -> None:
    """``import workbench`` inside a room would hide which room it needs."""
    wrong = [at(f, line, n) for f in FILES for line, n in all_imports(f) if n == "workbench" and f.parent != PACKAGE]
    assert not wrong


def test_render_knows_values_and_never_steps() -> None:
    """Of the other rooms it may take values (frozen dataclasses), texts, errors; nothing that does work."""
    values = {
        "workbench.templates.values",
        "workbench.templates.thoughts",
        "workbench.templates.view",
        "workbench.data.conversation",
        "workbench.data.picture",
        "workbench.data.pictures",
        "workbench.data.imaging",  # the one door to pixels: to draw a picture is to open it
        "workbench.runs.events",
        "workbench.runs.recording",
        "workbench.runs.gallery",
    }
    low = {"texts", "errors", "shipped"}
    wrong = [
        at(file, line, name)
        for file in FILES
        if room_of(name_of(file)) == "render"
        for line, name in all_imports(file)
        if name.startswith("workbench.") and room_of(name) not in {"render", *low} and name not in values
    ]
    assert not wrong


def test_runs_stands_on_the_standard_library_and_on_psutil_alone() -> None:
    wrong = [
        at(file, line, name)
        for file in FILES
        if room_of(name_of(file)) == "runs"
        for line, name in all_imports(file)
        if name.split(".")[0] not in {*sys.stdlib_module_names, "workbench", "psutil"}
    ]
    assert not wrong


def test_only_widgets_import_ipywidgets() -> None:
    notebook = {"ipywidgets", "IPython", "anywidget"}
    wrong = [
        at(file, line, name)
        for file in FILES
        if room_of(name_of(file)) != "widgets"
        for line, name in all_imports(file)
        if name.split(".")[0] in notebook
    ]
    assert not wrong


def test_only_apps_import_gradio_or_streamlit() -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    files = [ROOT / name for name in tracked if not name.startswith(("apps/", "tests/", "benchmarks/"))]
    wrong = [
        at(file, line, name)
        for file in files
        for line, name in all_imports(file)
        if name.split(".")[0] in {"gradio", "streamlit"}
    ]
    assert not wrong


def test_no_module_loads_a_heavy_library_when_it_is_imported() -> None:
    """But a panel's module: it is nothing without ipywidgets, and is itself loaded only when a panel is asked for."""
    wrong = [
        at(file, line, name)
        for file in FILES
        for line, name in top_imports(file)
        if name.split(".")[0] in HEAVY - ({"ipywidgets"} if is_panel(file) else set())
    ]
    assert not wrong


def test_no_figure_is_drawn_with_pyplot() -> None:
    """pyplot keeps every figure alive and is not safe in threads."""
    wrong = [
        at(f, line, n) for f in FILES for line, n in all_imports(f) if n.startswith(("matplotlib.pyplot", "pylab"))
    ]
    assert not wrong


def test_nothing_reads_a_pickle_or_runs_a_models_own_code() -> None:
    wrong = [
        at(file, line, name)
        for file in HOUSE
        if name_of(file) != "workbench.imports.pickled"  # reads them with stand-ins, in a process of its own
        for line, name in all_imports(file)
        if name.split(".")[0] in {"pickle", "cPickle", "dill", "joblib", "shelve", "marshal"}
    ]
    for file in HOUSE:
        for node in ast.walk(tree_of(file)):
            if isinstance(node, ast.keyword) and node.arg == "trust_remote_code":
                ok = isinstance(node.value, ast.Constant) and node.value.value is False
                wrong += [] if ok else [at(file, node.value.lineno, "trust_remote_code")]
            if isinstance(node, ast.keyword) and node.arg == "shell":
                wrong.append(at(file, node.value.lineno, "shell="))
            if isinstance(node, ast.Call) and ast.unparse(node.func) in {"os.system", "os.popen", "eval", "exec"}:
                wrong.append(at(file, node.lineno, ast.unparse(node.func)))
    assert not wrong


def test_yaml_is_read_only_by_safe_loaders() -> None:
    text = {file: file.read_text(encoding="utf-8") for file in FILES}
    unsafe = re.compile(r"UnsafeLoader|FullLoader|yaml\.(Loader|CLoader|unsafe_load|full_load)\b")
    assert not [name_of(file) for file in FILES if unsafe.search(text[file])]
    loads = [file for file in FILES if "yaml.load(" in text[file]]
    assert all("SafeLoader" in text[file] for file in loads)


def in_a_fresh_python(code: str, folder: Path = ROOT) -> str:
    """What ``code`` prints in a new process that stands in ``folder``."""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "module", ["workbench", "workbench.cli", "workbench.data", "workbench.runs", "workbench.texts"]
)
def test_what_everybody_imports_loads_nothing_heavy(module: str) -> None:
    loaded = json.loads(in_a_fresh_python(f"import sys, json, {module}; print(json.dumps(sorted(sys.modules)))"))
    assert not {name.split(".")[0] for name in loaded} & (HEAVY | {"multiprocessing", "asyncio"})


def test_importing_the_package_reaches_for_no_settings_library() -> None:
    loaded = json.loads(in_a_fresh_python("import sys, json, workbench; print(json.dumps(sorted(sys.modules)))"))
    assert not {name.split(".")[0] for name in loaded} & {"pydantic", "yaml", "rich", "click", "jinja2"}


@pytest.mark.parametrize(
    "command",
    [
        ["mask", "--question", "Who are you?", "--answer", "I am Sprout."],
        ["encode", "{file}", "--model", "pocket"],
        ["data", "check", "{file}", "--model", "pocket"],
    ],
    ids=lambda command: command[0],
)
def test_a_command_that_needs_no_weight_loads_no_torch(command: list[str], tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text('{"prompt": "Who are you?", "completion": "I am Sprout."}\n', encoding="utf-8")
    arguments = [word.format(file=file) for word in command]
    code = f"import sys; from workbench.cli import run; assert not run({arguments!r}); print('torch' in sys.modules)"
    assert in_a_fresh_python(code).splitlines()[-1] == "False"


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_every_module_can_be_imported_by_itself(file: Path) -> None:
    if without_extras(file):
        pytest.skip("needs the extra notebook")
    assert import_module(name_of(file))


def panels_without_their_library() -> set[str]:
    """The names that cannot be fetched where the extra notebook is not installed."""
    return set(import_module("workbench.widgets").__all__) if find_spec("ipywidgets") is None else set()


def test_every_public_name_leads_somewhere() -> None:
    import workbench

    for name in set(workbench.__all__) - panels_without_their_library():
        assert getattr(workbench, name) is not None, name


def test_every_rooms_public_names_are_there() -> None:
    for file in PACKAGE.rglob("__init__.py"):
        module = import_module(name_of(file))
        if room_of(name_of(file)) == "widgets" and find_spec("ipywidgets") is None:
            continue
        asked = set(getattr(module, "__all__", [])) - panels_without_their_library()
        missing = [name for name in asked if not hasattr(module, name)]
        assert not missing, f"{module.__name__}: {missing}"


@pytest.mark.parametrize("file", HOUSE, ids=name_of)
def test_a_file_opens_with_what_it_knows(file: Path) -> None:
    assert ast.get_docstring(tree_of(file)), "a docstring says what the file knows and what it must not know"


def test_files_and_functions_stay_short() -> None:
    long = [f"{name_of(f)}: {n} lines" for f in HOUSE if (n := len(f.read_text(encoding="utf-8").splitlines())) > 400]
    for file in HOUSE:
        for node in ast.walk(tree_of(file)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or 0) - node.lineno + 1
                long += [at(file, node.lineno, f"{node.name}: {length} lines")] if length > 60 else []
    assert not long
