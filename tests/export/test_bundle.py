"""A bundle is a git repository that holds all that its app needs, and nothing else of this machine."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import pytest
import yaml

from workbench.cli import run
from workbench.cli.deploy import deploy
from workbench.errors import BadInput, Failed, OutputExists
from workbench.export import convert
from workbench.export.bundle import Order, bundle
from workbench.export.bundle_files import TARGETS, pins
from workbench.export.bundle_git import LARGE, by_lfs, commit, git, hidden, push

pytestmark = pytest.mark.skipif(
    not shutil.which("git") or not shutil.which("git-lfs"), reason="a bundle is a git repository with git-lfs"
)
GRADIO = find_spec("gradio") is not None


@pytest.fixture(scope="module")
def parts(tiny: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A base and an adapter that names it and a persona."""
    base = tiny.save_base(tmp_path_factory.mktemp("base"))
    raw = tiny.save_adapter(base, tmp_path_factory.mktemp("raw"), strength=0.3)
    adapter = convert(raw, tmp_path_factory.mktemp("made") / "adapter")
    note = json.loads((adapter / "workbench.json").read_text(encoding="utf-8"))
    note["persona"] = {"name": 'A: "b" #小芽', "author": "x\ny"}
    (adapter / "workbench.json").write_text(json.dumps(note), encoding="utf-8")
    return base, adapter


@pytest.fixture(scope="module")
def made(parts: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A bundle for each host, of the merged model."""
    if not GRADIO:
        pytest.skip("its version is pinned, so Gradio must be installed")
    folder = tmp_path_factory.mktemp("bundles")
    return {target: bundle(Order(target, str(parts[1])), folder / target) for target in TARGETS}


def committed(folder: Path) -> list[str]:
    return git(folder, "ls-files").split()


@pytest.mark.parametrize("program", ["git", "git-lfs"])
def test_what_is_missing_is_told_before_anything_is_made(
    program: str, parts: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    present = shutil.which
    monkeypatch.setattr("shutil.which", lambda name: None if name == program else present(name))
    stages: list[str] = []
    with pytest.raises(Failed, match=f"{program} is not installed"):
        bundle(Order("docker", str(parts[1])), tmp_path / "b", tell=stages.append)
    assert not stages and not (tmp_path / "b").exists()


@pytest.mark.parametrize(
    ("given", "host"), [("spaces", "huggingface"), ("Spaces", "huggingface"), ("studio", "modelscope")]
)
def test_a_host_is_known_by_the_name_of_its_place_for_apps(given: str, host: str) -> None:
    assert deploy.params[0].type_cast_value(click.Context(deploy), given) == host


@pytest.mark.parametrize("target", TARGETS)
def test_everything_is_committed_on_the_hosts_branch(made: dict[str, Path], target: str) -> None:
    folder = made[target]
    assert git(folder, "status", "--porcelain") == ""
    assert git(folder, "symbolic-ref", "--short", "HEAD").strip() == TARGETS[target].branch
    assert git(folder, "rev-list", "--count", "HEAD").strip() == "1"
    names = {"app.py", "requirements.txt", "packages.txt", "README.md", ".gitattributes", "weights.json"}
    assert names | {"model/model.safetensors", "model/config.json", "workbench/LICENSE"} <= set(committed(folder))


def test_weights_go_by_git_lfs_and_nothing_else_large_is_there(made: dict[str, Path]) -> None:
    folder = made["docker"]
    pointer = git(folder, "show", "HEAD:model/model.safetensors")
    assert pointer.startswith("version https://git-lfs")
    others = [folder / name for name in committed(folder) if not name.endswith(".safetensors")]
    assert max(file.stat().st_size for file in others) < 1_000_000


def test_whatever_a_host_refuses_outside_git_lfs_goes_by_it(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "tokenizer.json").write_bytes(b"x" * (LARGE + 1))
    (tmp_path / "model" / "tokenizer.model").write_bytes(b"\0binary")
    (tmp_path / "model" / "config.json").write_text("{}\n")
    commit(tmp_path, "main")
    assert by_lfs(tmp_path) == ["model/tokenizer.json", "model/tokenizer.model"]
    for name in by_lfs(tmp_path):
        assert git(tmp_path, "show", f"HEAD:{name}").startswith("version https://git-lfs")
        assert "text: unset" in git(tmp_path, "check-attr", "text", name)
    assert git(tmp_path, "show", "HEAD:model/config.json") == "{}\n"


def test_spaces_may_choose_its_own_pydantic_and_other_hosts_may_not(made: dict[str, Path]) -> None:
    pinned = {target: (folder / "requirements.txt").read_text() for target, folder in made.items()}
    assert "pydantic" not in pinned["huggingface"]
    assert all("pydantic==" in text for target, text in pinned.items() if target != "huggingface")


def test_what_only_another_python_or_system_needs_is_left_out() -> None:
    pytest.importorskip("gradio")
    assert "audioop-lts" not in pins(["gradio"], "3.11")
    assert "colorama" not in pins(["click"]) and "numpy" in pins(["gradio"])


def test_each_host_is_told_what_it_asks_for(made: dict[str, Path]) -> None:
    front = yaml.safe_load((made["huggingface"] / "README.md").read_text(encoding="utf-8").split("---")[1])
    assert front["sdk"] == "gradio" and front["app_file"] == "app.py" and front["title"] == 'A: "b" #小芽'
    told = json.loads((made["modelscope"] / "ms_deploy.json").read_text(encoding="utf-8"))
    assert told["sdk_type"] == "gradio" and told["sdk_version"] == front["sdk_version"]
    docker = (made["docker"] / "Dockerfile").read_text(encoding="utf-8")
    assert "USER assistant" in docker and "WORKBENCH_PUBLIC" not in docker
    # a build without a GPU can name a source of smaller libraries: pip reads these, and they stand before it
    assert re.search(r"^ARG PIP_EXTRA_INDEX_URL$(.|\n)*^RUN pip install", docker, re.M)
    assert "--build-arg PIP_EXTRA_INDEX_URL=" in (made["docker"] / "README.md").read_text(encoding="utf-8")
    assert not (made["openxlab"] / "Dockerfile").exists()


def test_only_hosts_that_show_everything_to_everybody_open_the_page(made: dict[str, Path]) -> None:
    for target, folder in made.items():
        assert ("WORKBENCH_PUBLIC" in (folder / "app.py").read_text()) == TARGETS[target].public


def test_every_library_is_pinned_to_what_is_installed_here(made: dict[str, Path]) -> None:
    from importlib.metadata import version

    lines = (made["docker"] / "requirements.txt").read_text().splitlines()
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9][\w.]*", line) for line in lines)
    assert f"gradio=={version('gradio')}" in lines and f"transformers=={version('transformers')}" in lines
    assert f"torch=={version('torch').partition('+')[0]}" in lines
    assert not [line for line in lines if line.startswith(("assistant-workbench", "jupyterlab", "pytest", "peft"))]
    assert {"huggingface-hub", "starlette"} <= {line.partition("==")[0] for line in lines}


def test_a_library_that_is_not_installed_is_named() -> None:
    with pytest.raises(BadInput, match="no-such-library"):
        pins(["no-such-library"])


def test_the_bundle_imports_nothing_of_the_project_that_it_does_not_hold(made: dict[str, Path]) -> None:
    """Every import in it, those in functions too, leads into the bundle; what is left out is never asked for."""
    import ast

    folder = made["docker"]
    wrong = []
    for file in [
        *folder.glob("workbench/chat/*.py"),
        *folder.glob("assistant/*.py"),
        *folder.glob("workbench/models/*.py"),
    ]:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            for name in names:
                place = folder.joinpath(*name.split("."))
                if name.startswith("workbench") and not (place.with_suffix(".py").exists() or place.is_dir()):
                    wrong.append((file.name, name))
    assert not wrong


def test_the_model_of_a_bundle_says_who_it_is(made: dict[str, Path]) -> None:
    note = json.loads((made["docker"] / "model" / "workbench.json").read_text(encoding="utf-8"))
    assert note["kind"] == "merged" and note["persona"]["name"] == 'A: "b" #小芽'
    assert '# A: "b" \\#小芽' in (made["docker"] / "README.md").read_text(encoding="utf-8")


def test_no_path_of_this_machine_goes_along(made: dict[str, Path], parts: tuple[Path, Path]) -> None:
    wrong = []
    for folder in made.values():
        for name in committed(folder):
            raw = (folder / name).read_bytes()
            wrong += [name for place in (str(parts[0]), str(parts[1]), str(folder)) if place.encode() in raw]
    assert not wrong


@pytest.mark.skipif(not GRADIO, reason="needs Gradio")
def test_what_collapsed_is_bundled_with_a_warning_and_its_card_praises_nothing(
    parts: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if not GRADIO:
        pytest.skip("its version is pinned, so Gradio must be installed")
    adapter = Path(shutil.copytree(parts[1], tmp_path / "adapter"))
    note = json.loads((adapter / "workbench.json").read_text(encoding="utf-8"))
    note["run"] = {"name": "r", "step": 3, "verdict": "collapsed", "reason": "collapsed: only 8% is left"}
    (adapter / "workbench.json").write_text(json.dumps(note), encoding="utf-8")
    assert run(["deploy", "docker", str(adapter), str(tmp_path / "out"), "--lang", "en"]) == 0
    assert "only 8% is left" in capsys.readouterr().err
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "only 8% is left" in card and "knows what its base knew" not in card


@pytest.mark.skipif(not GRADIO, reason="its version is pinned, so Gradio must be installed")
def test_base_and_adapter_can_stay_apart(parts: tuple[Path, Path], tmp_path: Path) -> None:
    folder = bundle(Order("docker", str(parts[1]), keep_adapter=True, quantization="nf4"), tmp_path / "b")
    config = json.loads((folder / "adapter" / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "model"
    app = (folder / "app.py").read_text()
    assert '"--adapter", "adapter"' in app and '"--quantization", "nf4"' in app
    libraries = (folder / "requirements.txt").read_text()
    assert "peft==" in libraries and "bitsandbytes==" in libraries


@pytest.mark.skipif(not GRADIO, reason="needs Gradio")
def test_weights_can_stay_elsewhere(parts: tuple[Path, Path], tmp_path: Path) -> None:
    order = Order("huggingface", str(parts[1]), weights_url="https://host/owner/name/")
    folder = bundle(order, tmp_path / "b")
    listed = json.loads((folder / "weights.json").read_text())
    assert listed["from"] == "https://host/owner/name" and list(listed["files"]) == ["model/model.safetensors"]
    assert not list(folder.rglob("*.safetensors")) and "https://host/owner/name" in (folder / "README.md").read_text()
    with pytest.raises(BadInput, match="no address"):
        bundle(Order("docker", str(parts[1]), weights_url="http://host/x"), tmp_path / "c")
    assert not (tmp_path / "c").exists()


def test_a_push_takes_the_weights_along(made: dict[str, Path], tmp_path: Path) -> None:
    remote, copy = tmp_path / "remote.git", tmp_path / "copy"
    git(tmp_path, "init", "--quiet", "--bare", str(remote))
    branch = push(made["modelscope"], str(remote))
    assert branch == "master"
    git(tmp_path, "clone", "--quiet", "--branch", branch, remote.as_uri(), str(copy))
    git(copy, "lfs", "install", "--local")
    git(copy, "lfs", "pull")
    sent = (made["modelscope"] / "model" / "model.safetensors").read_bytes()
    assert (copy / "model" / "model.safetensors").read_bytes() == sent
    assert "remote" not in (made["modelscope"] / ".git" / "config").read_text()


def test_a_push_replaces_what_is_there_only_when_told_to(made: dict[str, Path], tmp_path: Path) -> None:
    remote = tmp_path / "remote.git"
    git(tmp_path, "init", "--quiet", "--bare", str(remote))
    push(made["openxlab"], str(remote))
    with pytest.raises(Failed, match="--replace"):
        push(made["docker"], str(remote))
    assert push(made["docker"], str(remote), replace=True) == "main"
    assert git(remote, "rev-parse", "main") == git(made["docker"], "rev-parse", "HEAD")


def test_a_refused_push_says_what_git_says_and_hides_the_key(made: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(Failed) as caught:
        push(made["docker"], f"file://user:hf_secret@/{tmp_path}/nothing")
    assert "hf_secret" not in str(caught.value) and "git push" in str(caught.value)
    assert hidden("https://user:key@host/x.git") == "https://…@host/x.git"
    for bad in ("--upload-pack=x", "ext::sh -c x", " "):
        with pytest.raises(BadInput, match="no address"):
            push(made["docker"], bad)
    with pytest.raises(BadInput, match="no git repository"):
        push(tmp_path, "x")


def test_a_bundle_replaces_only_a_bundle(made: dict[str, Path], parts: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(OutputExists):
        bundle(Order("docker", str(parts[1])), made["docker"])
    (tmp_path / "file").touch()
    with pytest.raises(OutputExists):
        bundle(Order("docker", str(parts[1])), tmp_path, overwrite=True)


def test_mistakes_are_sentences(tmp_path: Path, capsys: Any) -> None:
    assert run(["deploy", "huggingfase", "pocket", str(tmp_path / "b")]) == 2
    assert run(["deploy", "docker", "pokcet", str(tmp_path / "b")]) == 2
    assert "pocket" in capsys.readouterr().err
    assert not (tmp_path / "b").exists()


def test_the_bundles_app_shows_a_missing_file_as_a_sentence(made: dict[str, Path], tmp_path: Path) -> None:
    copy = Path(shutil.copytree(made["docker"], tmp_path / "b", ignore=shutil.ignore_patterns(".git", "*.safetensors")))
    env = {**os.environ, "PYTHONPATH": "", "WORKBENCH_LANG": "en"}
    done = subprocess.run([sys.executable, "app.py"], cwd=copy, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "model.safetensors is missing" in done.stderr and "Traceback" not in done.stderr


def test_a_bundle_may_offer_tools_that_open_no_file(parts: tuple[Path, Path], tmp_path: Path) -> None:
    if not GRADIO:
        pytest.skip("its version is pinned, so Gradio must be installed")
    order = Order("docker", str(parts[1]), tools="calculator,weekday")
    folder = bundle(order, tmp_path / "tools")
    assert '"--tools", "calculator,weekday"' in (folder / "app.py").read_text(encoding="utf-8")
    assert "jsonschema==" in (folder / "requirements.txt").read_text(encoding="utf-8")
    assert "calculator, weekday" in (folder / "README.md").read_text(encoding="utf-8")
    assert (folder / "workbench" / "tools" / "kit" / "calculator.py").is_file()


@pytest.mark.parametrize("tools", ["lookup", "lookup=prices.csv", "calculator,lookup", "shell"])
def test_a_bundle_offers_no_tool_that_reads_a_file_or_is_none(
    parts: tuple[Path, Path], tmp_path: Path, tools: str
) -> None:
    (tmp_path / "prices.csv").write_text("name,price\na,1\n", encoding="utf-8")
    wanted = tools.replace("prices.csv", str(tmp_path / "prices.csv"))
    with pytest.raises(BadInput):
        bundle(Order("docker", str(parts[1]), tools=wanted), tmp_path / "out")
    assert not (tmp_path / "out").exists()
