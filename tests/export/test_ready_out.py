"""Models that see by themselves on their way out: adapters of others merged, cards, bundles, and a clean process."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.ready import KINDS, LANGUAGE, make_adapter, shared
from workbench.chat import Assistant
from workbench.chat.loading import Serving
from workbench.chat.serving import may_see
from workbench.data.drawn import questions
from workbench.data.imaging import encoded, opened
from workbench.export import convert, merge, read_note
from workbench.export.bundle import Order, bundle
from workbench.export.bundle_files import TARGETS

GIT = pytest.mark.skipif(not shutil.which("git-lfs"), reason="a bundle is a git repository with git-lfs")
# The bundle's own code and the libraries, nothing of the project; a socket to another machine is refused.
INSIDE = """
import json, os, sys
def refuse(event, args):
    if event in ("socket.connect", "socket.getaddrinfo"):
        raise RuntimeError(f"{event} {args[-1]}")
sys.addaudithook(refuse)
folder, picture, *more = sys.argv[1:]
sys.path.insert(0, folder)
os.chdir(folder)
import workbench
assert os.path.dirname(workbench.__file__) == os.path.join(folder, "workbench")
from workbench.chat import Assistant
from workbench.chat.serving import may_see, serving
settings = serving(["model", *more], "assistant")
assert may_see(settings)
assistant = Assistant.load(settings.model, settings.adapter, device="cpu")
print(json.dumps(assistant.ask("What?", images=[picture], max_new_tokens=8)))
"""


@pytest.fixture(scope="module", params=KINDS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shared(request.param, tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("picture") / "a.png"
    file.write_bytes(encoded(opened(questions(1)[0].pictures[0]).resize((60, 40))))
    return file


@pytest.fixture(scope="module")
def adapter(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return convert(make_adapter(folder, tmp_path_factory.mktemp("raw")), tmp_path_factory.mktemp("made") / "adapter")


def said(folder: str | Path, picture: Path, adapter: Path | None = None) -> str:
    return Assistant.load(str(folder), adapter, device="cpu").ask("What?", images=[picture], max_new_tokens=8)


def front(folder: Path) -> dict[str, Any]:
    return dict(yaml.safe_load((folder / "README.md").read_text(encoding="utf-8").split("---")[1]))


@pytest.mark.parametrize("targets", [LANGUAGE, "all-linear"])
def test_an_adapter_of_anybodys_is_merged_as_peft_merges_it(folder: Path, targets: str, tmp_path: Path) -> None:
    """Also where it reaches into the tower and the projector."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForImageTextToText

    raw = make_adapter(folder, tmp_path / "raw", targets)
    network = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.bfloat16)
    theirs = PeftModel.from_pretrained(network, raw).merge_and_unload().state_dict()
    merged = merge(str(folder), raw, tmp_path / "merged")
    ours = AutoModelForImageTextToText.from_pretrained(merged, dtype=torch.bfloat16).state_dict()
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)
    before = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.bfloat16).state_dict()
    moved = {name for name in ours if not torch.equal(ours[name], before[name])}
    assert any("vision" in name or "visual" in name for name in moved) == (targets == "all-linear") and moved


def test_what_is_written_says_that_it_sees(folder: Path, adapter: Path, tmp_path: Path) -> None:
    merged = merge(str(folder), adapter, tmp_path / "merged")
    for made in (adapter, merged):
        card = (made / "README.md").read_text(encoding="utf-8")
        assert front(made)["pipeline_tag"] == "image-text-to-text" and "AutoModelForImageTextToText" in card
        assert read_note(made)["base"]["sees"] is True
    files = {"preprocessor_config.json", "chat_template.jinja", "tokenizer.json", "generation_config.json"}
    assert files <= {file.name for file in merged.iterdir()}


def test_a_card_of_a_language_model_says_nothing_of_pictures(tiny: Any, tmp_path: Path) -> None:
    base = tiny.save_base(tmp_path / "base")
    made = convert(tiny.save_adapter(base, tmp_path / "raw", strength=0.3), tmp_path / "made")
    assert front(made)["pipeline_tag"] == "text-generation"
    assert "AutoProcessor" not in (made / "README.md").read_text(encoding="utf-8")


def test_a_system_text_of_ones_own_goes_into_what_is_merged(folder: Path, adapter: Path, tmp_path: Path) -> None:
    """Every program that renders the folder's template sends what was trained, with pictures too."""
    from transformers import AutoTokenizer

    dressed = Path(shutil.copytree(adapter, tmp_path / "dressed"))
    note = read_note(dressed)
    note["template"] = {"name": None, "system": "You are Iris.", "fingerprint": ""}
    (dressed / "workbench.json").write_text(json.dumps(note), encoding="utf-8")
    merged = merge(str(folder), dressed, tmp_path / "merged")
    content = [{"type": "image"}, {"type": "text", "text": "What?"}]
    rendered = AutoTokenizer.from_pretrained(merged).apply_chat_template(
        [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True
    )
    assert rendered.count("You are Iris.") == 1


@GIT
@pytest.mark.slow
@pytest.mark.parametrize("interface", ["gradio", "streamlit"])
@pytest.mark.parametrize("keep", [False, True])
def test_a_bundle_answers_about_pictures_by_itself(
    folder: Path, adapter: Path, picture: Path, interface: Any, keep: bool, tmp_path: Path
) -> None:
    if not find_spec(interface):
        pytest.skip(f"its version is pinned, so {interface} must be installed")
    made = bundle(Order("docker", str(adapter), interface, keep_adapter=keep), tmp_path / "bundle")
    assert {"preprocessor_config.json", "config.json"} <= {file.name for file in (made / "model").iterdir()}
    more = ["--adapter", "adapter"] if keep else []
    done = subprocess.run(
        [sys.executable, "-I", "-c", INSIDE, str(made), str(picture), *more], capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    merged = merge(str(folder), adapter, tmp_path / "merged")
    expected = said(folder, picture, adapter) if keep else said(merged, picture)
    assert json.loads(done.stdout.splitlines()[-1]) == expected != said(folder, picture)


@GIT
@pytest.mark.parametrize("target", TARGETS)
def test_each_host_is_given_what_makes_pictures_into_numbers(target: str, adapter: Path, tmp_path: Path) -> None:
    if not find_spec("gradio"):
        pytest.skip("its version is pinned, so Gradio must be installed")
    made = bundle(Order(target, str(adapter)), tmp_path / "bundle")
    assert may_see(Serving(str(made / "model")))
    names = {line.partition("==")[0] for line in (made / "requirements.txt").read_text(encoding="utf-8").splitlines()}
    assert {"pillow", "numpy", "transformers"} <= names and "torchvision" not in names


def test_the_library_s_processor_wants_torchvision_where_it_is_said_to(folder: Path) -> None:
    """Idefics3's loads without it; ours needs it for none of them."""
    from transformers import AutoProcessor

    if json.loads((folder / "config.json").read_text(encoding="utf-8"))["model_type"] == "idefics3":
        assert AutoProcessor.from_pretrained(folder, backend="pil").image_processor is not None
    elif not find_spec("torchvision"):
        with pytest.raises(ImportError, match=r"(?i)torchvision"):
            AutoProcessor.from_pretrained(folder)
        with pytest.raises(ImportError):
            AutoProcessor.from_pretrained(folder, backend="pil")
