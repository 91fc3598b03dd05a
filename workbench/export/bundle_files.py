"""The small files of a bundle: its start, its pinned libraries, and what each host wants to be told.

Knows what the hosts read (front matter, ``ms_deploy.json``, a Dockerfile); copies no weights, runs nothing.

Sources: Hugging Face, "Spaces Configuration Reference"; ModelScope, the schema that its own files name; Docker, the
Dockerfile reference. OpenXLab starts ``app.py`` of a repository and shows what listens on port 7860.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from workbench.errors import BadInput
from workbench.export.cards import plain
from workbench.models.notes import part
from workbench.texts import text

PORT = 7860  # what Spaces, ModelScope and OpenXLab look at
SPACES_ADD = "gradio[oauth,mcp]"  # what Spaces install in the same breath as a Gradio bundle's requirements


@dataclass(frozen=True, slots=True)
class Target:
    """Hold a host.

    Args:
        branch: what it builds from.
        public: whether the page is for everybody as soon as it is there.
        python: of its image; empty where it takes the one that is asked for.
    """

    branch: str
    public: bool
    python: str = ""


TARGETS = {
    "openxlab": Target("main", public=True),
    "modelscope": Target("master", public=True, python="3.11"),
    "huggingface": Target("main", public=True),
    "docker": Target("main", public=False),
}


@dataclass(frozen=True, slots=True)
class Bundle:
    """Hold what is in the bundle.

    Args:
        target, interface, quantization, lang: as ordered.
        adapter: whether base and adapter stand side by side.
        url: where the weights lie, if they do not travel along.
        tools: names of the tools that the assistant may call.
    """

    target: str
    interface: str
    quantization: str
    adapter: bool
    url: str
    lang: str | None
    tools: str = ""

    @property
    def docker(self) -> bool:
        """Tell whether the host builds an image; Spaces has no other way for Streamlit."""
        return self.target == "docker" or (self.target == "huggingface" and self.interface == "streamlit")

    @property
    def arguments(self) -> list[str]:
        """Return the command line of the app."""
        words = ["model"] + (["--adapter", "adapter"] if self.adapter else [])
        words += ["--quantization", self.quantization] if self.quantization != "none" else []
        words += ["--tools", self.tools] if self.tools else []
        return words + (["--lang", self.lang] if self.lang else [])


def write_files(folder: Path, order: Bundle, note: Mapping[str, Any]) -> None:
    """Write the start script, requirements and host files to ``folder``."""
    files = {
        "app.py": app_py(order),
        "requirements.txt": requirements(order),
        "packages.txt": "",  # Debian packages: none is needed
        "README.md": _front(order, note) + card(order, note),
    }
    if order.target == "modelscope":
        files["ms_deploy.json"] = json.dumps(_modelscope(order), indent=2) + "\n"
    if order.docker:
        files |= {"Dockerfile": DOCKERFILE.format(python=_python(), port=PORT), ".dockerignore": ".git\n.venv\n"}
    if order.interface == "streamlit":
        files[".streamlit/config.toml"] = STREAMLIT
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8", newline="\n")


def app_py(order: Bundle) -> str:
    """Return the program that a host starts."""
    lines = [
        APP_HEAD,
        "import os",
        "from pathlib import Path",
        "",
        "HERE = Path(__file__).resolve().parent",
        "os.chdir(HERE)",
    ]
    if TARGETS[order.target].public:
        lines += [
            "# This host shows the page to everybody. Elsewhere: WORKBENCH_HOST=127.0.0.1, or a WORKBENCH_PASSWORD.",
            'os.environ.setdefault("WORKBENCH_HOST", "0.0.0.0")',
            f'os.environ.setdefault("WORKBENCH_PORT", "{PORT}")',
            'os.environ.setdefault("WORKBENCH_PUBLIC", "1")',
        ]
    lines += [f"ARGUMENTS = {json.dumps(order.arguments)}", ""]
    return "\n".join(lines) + READY + START[order.interface]


APP_HEAD = '"""Starts the assistant. Everything it needs beside the pinned libraries is in this folder."""\n'
READY = """
def ready():
    from workbench.environment import prepare
    from workbench.errors import WorkbenchError
    from workbench.models.fetching import ensure

    prepare()
    try:
        ensure(HERE, lambda name: print("fetching", name, flush=True))
    except WorkbenchError as error:
        raise SystemExit(str(error))

"""
START = {
    "gradio": """
def start():
    from assistant.app import main

    main(ARGUMENTS)


if __name__ == "__main__":
    ready()
    start()
""",
    "streamlit": """
def start():
    from assistant.app import main

    main(ARGUMENTS, page=HERE / "app.py")


def show():
    from assistant.page import main

    main(ARGUMENTS)


if __name__ == "__main__":
    from streamlit.runtime.scriptrunner import get_script_run_ctx

    ready()
    show() if get_script_run_ctx(suppress_warning=True) else start()
""",
}

# Some hosts start a page by Streamlit's own command, which asks a server on the internet for its address.
STREAMLIT = """[browser]
serverAddress = "localhost"
gatherUsageStats = false

[logger]
hideWelcomeMessage = true

[server]
fileWatcherType = "none"
maxUploadSize = 1
maxMessageSize = 2

[client]
showErrorDetails = "none"
toolbarMode = "minimal"
"""

DOCKERFILE = """FROM python:{python}-slim
WORKDIR /app
COPY requirements.txt packages.txt ./
RUN if [ -s packages.txt ]; then apt-get update && xargs -r apt-get install -y --no-install-recommends < packages.txt \\
    && rm -rf /var/lib/apt/lists/*; fi
# Where the libraries come from: without a GPU, PyTorch's own source of builds for the processor saves gigabytes.
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
RUN pip install --no-cache-dir -r requirements.txt
RUN useradd --create-home --uid 1000 assistant
COPY --chown=assistant . .
USER assistant
# The port is open to whoever reaches the container: give a password with -e WORKBENCH_PASSWORD=…
ENV WORKBENCH_HOST=0.0.0.0 WORKBENCH_PORT={port} PYTHONUNBUFFERED=1
EXPOSE {port}
CMD ["python", "app.py"]
"""


def requirements(order: Bundle) -> str:
    """Return the libraries and all that they need, each at the version that is installed here."""
    roots = [
        "torch",
        "transformers",
        "tokenizers",
        "safetensors",
        "numpy",
        "pyyaml",
        "jinja2",
        "regex",
        "click",
        order.interface,
    ]
    roots += ["peft", "accelerate"] if order.adapter else []
    roots += ["jsonschema"] if order.tools else []
    roots += ["bitsandbytes", "accelerate"] if order.quantization == "nf4" else []
    versions = pins(roots, TARGETS[order.target].python)
    if order.target == "huggingface" and not order.docker:  # SPACES_ADD asks for an older one
        versions = {name: version for name, version in versions.items() if not name.startswith("pydantic")}
    return "".join(f"{name}=={version}\n" for name, version in sorted(versions.items()))


def pins(roots: Iterable[str], python: str = "") -> dict[str, str]:
    """Return the version of each of ``roots`` and of what it needs, as installed here; a build's own mark (``+cpu``)
    left out.

    Args:
        roots: libraries.
        python: of the host, ``3.11``, or this one: what only other Pythons, or other systems than Linux, need is left
            out.

    Raises:
        BadInput: one of ``roots`` is not installed.
    """
    versions: dict[str, str] = {}
    waiting = list(dict.fromkeys(roots))
    needed = set(waiting)
    python = python or _python()
    host = {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": "linux", "extra": ""}
    host |= {"platform_system": "Linux", "os_name": "posix", "platform_machine": "x86_64"}
    while waiting:
        name = waiting.pop()
        try:
            installed = distribution(name)
        except PackageNotFoundError:
            if name in needed:
                raise BadInput("web.needs", library=name) from None
            continue  # needed on other systems only
        key = re.sub(r"[-_.]+", "-", installed.metadata["Name"]).lower()
        if key not in versions:
            versions[key] = installed.version.partition("+")[0]
            needs = map(Requirement, installed.requires or ())
            waiting += [need.name for need in needs if need.marker is None or need.marker.evaluate(host)]
    return versions


def card(order: Bundle, note: Mapping[str, Any]) -> str:
    """Return what a visitor of the repository reads."""
    persona, base = part(note, "persona"), part(note, "base")
    name = plain(persona.get("name")) or text("export.card.unnamed", order.lang)
    kind = "adapter" if order.adapter else "merged" if base.get("name") else "model"
    lines = [f"# {name}", "", text(f"deploy.card.{kind}", order.lang, name=name, base=plain(base.get("name")))]
    if persona.get("author"):
        lines.append(text("export.card.author", order.lang, author=plain(persona["author"])))
    lines += ["", f"## {text('deploy.card.start', order.lang)}", "", "```bash", *_commands(order), "```", ""]
    lines += [text(f"deploy.card.{'docker' if order.docker else 'here'}", order.lang), ""]
    lines += [text("deploy.card.weights", order.lang, url=order.url), ""] if order.url else []
    lines += [text("deploy.card.tools", order.lang, tools=order.tools.replace(",", ", ")), ""] if order.tools else []
    judged = part(note, "run").get("reason")
    lines += [text("export.card.judged", order.lang, reason=plain(judged)), ""] if judged else []
    lines += [f"## {text('export.card.limits', order.lang)}", "", text("export.card.careful", order.lang), ""]
    return "\n".join(lines)


def _commands(order: Bundle) -> list[str]:
    if order.target == "docker":
        return [
            "docker build -t assistant .",
            f"# {text('deploy.card.processor', order.lang)}",
            "docker build --build-arg PIP_EXTRA_INDEX_URL=… -t assistant .",
            f"docker run -e WORKBENCH_PASSWORD=… -p 127.0.0.1:{PORT}:{PORT} assistant",
        ]
    return ["pip install -r requirements.txt", "WORKBENCH_HOST=127.0.0.1 python app.py"]


def _front(order: Bundle, note: Mapping[str, Any]) -> str:
    """The lines that Spaces reads. JSON is YAML, so no name can break out of its line."""
    if order.target != "huggingface":
        return ""
    persona = part(note, "persona")
    name = " ".join(str(persona.get("name") or "").split()) or text("export.card.unnamed", order.lang)
    fields: dict[str, Any] = {"title": name, "emoji": "🌱", "colorFrom": "blue", "colorTo": "green"}
    if order.docker:
        fields |= {"sdk": "docker", "app_port": PORT}
    else:
        version = pins([order.interface])[order.interface]
        fields |= {"sdk": order.interface, "sdk_version": version, "python_version": _python(), "app_file": "app.py"}
    fields |= {
        "pinned": False,
        "suggested_hardware": "cpu-basic",
        "short_description": text("deploy.short", order.lang),
    }
    lines = [f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in fields.items()]
    return "\n".join(["---", *lines, "---", "", ""])


def added_by_host(folder: Path) -> list[str]:
    """Return what the host of the bundle in ``folder`` installs together with its requirements, as pip wants it."""
    lines = (folder / "README.md").read_text(encoding="utf-8").splitlines()
    versions = [line.split('"')[1] for line in lines if line.startswith("sdk_version: ")]
    return [f"{SPACES_ADD}=={version}" for version in versions]


def _modelscope(order: Bundle) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "$schema": "https://modelscope.cn/api/v1/studios/deploy_schema.json",
        "sdk_type": order.interface,
        "resource_configuration": "platform/2v-cpu-16g-mem",
        "base_image": f"ubuntu22.04-py{TARGETS['modelscope'].python.replace('.', '')}-torch2.9.1-modelscope1.35.0",
    }
    return fields | ({"sdk_version": pins(["gradio"])["gradio"]} if order.interface == "gradio" else {})


def _python() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"
