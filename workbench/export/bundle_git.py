"""A folder as a git repository: the first commit, with git-lfs, and the push. Knows git's commands; no weights."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from workbench.errors import BadInput, Failed

_LFS = "filter=lfs diff=lfs merge=lfs -text"
BINARY = (".safetensors", ".model")  # weights, and the vocabularies of SentencePiece
LARGE = 9_000_000  # bytes; Hugging Face refuses what is larger than 10 MiB, and every binary file, outside git-lfs
IGNORED = "__pycache__/\n*.pyc\n*.part\n.gradio/\n.venv/\n"
# git runs it by its own shell; it answers with the variables' values, which stand in no argument.
_HELPER = (
    '!f() { test "$1" = get || exit 0; '
    'printf "username=%s\\npassword=%s\\n" "$WORKBENCH_GIT_NAME" "$WORKBENCH_GIT_PASSWORD"; }; f'
)
_WHO = {"GIT_AUTHOR_NAME": "assistant", "GIT_AUTHOR_EMAIL": "assistant@localhost"}


def commit(folder: Path, branch: str) -> None:
    """Make ``folder`` a repository with one commit of everything in it; large files go by git-lfs.

    Raises:
        Failed: git or git-lfs is missing, or refuses.
    """
    check_git()
    patterns = [f"*{suffix}" for suffix in BINARY] + [f"/{name}" for name in by_lfs(folder)]
    lines = ["* text=auto eol=lf", "tokenizer.json -diff", *(f"{pattern} {_LFS}" for pattern in patterns)]
    # of two patterns that fit a file, git takes the last
    (folder / ".gitattributes").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / ".gitignore").write_text(IGNORED, encoding="utf-8")
    git(folder, "init", "--quiet", f"--initial-branch={branch}")
    git(folder, "lfs", "install", "--local")
    git(folder, "add", "--all")
    git(folder, "-c", "commit.gpgsign=false", "commit", "--quiet", "--message", "The assistant", named=True)


def by_lfs(folder: Path) -> list[str]:
    """Return the files of ``folder`` that go by git-lfs: the :data:`BINARY` ones, and whatever is :data:`LARGE`."""
    files = (file for file in folder.rglob("*") if file.is_file() and ".git" not in file.parts)
    chosen = (f for f in files if f.suffix in BINARY or f.stat().st_size > LARGE)
    return sorted(file.relative_to(folder).as_posix() for file in chosen)


def push(folder: str | Path, url: str, *, replace: bool = False) -> str:
    """Push the bundle to ``url``, its large files by git-lfs; returns the branch.

    The address is not kept in the folder, since people put keys into it.

    Args:
        folder: the bundle.
        url: the host's repository.
        replace: put it in the place of what that branch holds: the bundle before, or a host's first commit.

    Raises:
        BadInput: no bundle is there, or the address cannot be one. Failed: git refuses; what it says is told.
    """
    root = Path(folder).expanduser()
    if not (root / ".git").is_dir():
        raise BadInput("deploy.no_repository", folder=folder)
    if url.startswith("-") or "::" in url or not url.strip():
        raise BadInput("deploy.bad_remote", given=hidden(url))
    if Path(url).expanduser().is_dir():  # git takes a path, git-lfs only an address
        url = Path(url).expanduser().resolve().as_uri()
    check_git()
    branch = git(root, "symbolic-ref", "--short", "HEAD").strip()
    force = ["--force"] if replace else []
    bare, secret = _apart(url)
    git(root, "push", "--quiet", *force, bare, f"HEAD:refs/heads/{branch}", stdin=hidden(url), more=secret)
    return branch


def _apart(url: str) -> tuple[str, dict[str, str]]:
    """The address without name and password, and the variables by which git and git-lfs are told them: arguments are
    seen by everybody on the machine, variables by nobody else."""
    parts = urlsplit(url)
    who, _, host = parts.netloc.rpartition("@")
    name, _, password = who.partition(":")
    if not who or parts.scheme not in ("http", "https"):  # of ssh the name is no secret, and a password means nothing
        return (parts._replace(netloc=f"{name}@{host}").geturl() if password else url), {}
    secret = {"WORKBENCH_GIT_NAME": unquote(name), "WORKBENCH_GIT_PASSWORD": unquote(password)}
    settings = {"GIT_CONFIG_COUNT": "2", "GIT_CONFIG_KEY_0": "credential.helper", "GIT_CONFIG_VALUE_0": ""}
    settings |= {"GIT_CONFIG_KEY_1": "credential.helper", "GIT_CONFIG_VALUE_1": _HELPER}
    return parts._replace(netloc=host).geturl(), {**settings, **secret}


def clone(folder: Path, out: Path) -> None:
    """Make a clone of what was committed, with the large files, as a host would make it.

    Raises:
        Failed: git or git-lfs is missing, or refuses.
    """
    check_git()
    lfs = ["-c", "filter.lfs.process=git-lfs filter-process", "-c", "filter.lfs.smudge=git-lfs smudge -- %f"]
    needed = ["-c", "filter.lfs.required=true", "-c", "protocol.file.allow=always"]
    git(Path.cwd(), *lfs, *needed, "clone", "--quiet", "--no-hardlinks", folder.resolve().as_uri(), str(out))


def hidden(url: str) -> str:
    """Return an address without the name and the password that it may hold."""
    parts = urlsplit(url)
    if "@" not in parts.netloc:
        return url
    return parts._replace(netloc="…@" + parts.netloc.rpartition("@")[2]).geturl()


def git(
    folder: Path, *arguments: str, stdin: str = "", named: bool = False, more: Mapping[str, str] | None = None
) -> str:
    """Return what ``git`` prints; no terminal, so that it asks for nothing.

    Args:
        stdin: what stands in an error in the place of the arguments' last address.
        named: give an author where the person has told git none.
        more: further variables; what is secret in them is taken out of what git says.

    Raises:
        Failed: git refuses.
    """
    env = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C.UTF-8", **(more or {})}
    if named and not _identity(folder):
        env |= _WHO | {name.replace("AUTHOR", "COMMITTER"): value for name, value in _WHO.items()}
    process = subprocess.run(  # noqa: S603  a list, never a shell
        ["git", *arguments],  # noqa: S607  the person's own git
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        stdin=subprocess.DEVNULL,
        check=False,
    )
    if process.returncode:
        reason = " ".join(process.stderr.split())[-600:] or str(process.returncode)
        for argument in arguments:  # git repeats the address that it was given, with whatever key is in it
            reason = reason.replace(argument, hidden(argument)) if "@" in argument else reason
        for name in ("WORKBENCH_GIT_PASSWORD", "WORKBENCH_GIT_NAME"):
            if len(secret := (more or {}).get(name, "")) > 3:
                reason = reason.replace(secret, "…")
        command = next(word for word in arguments if not word.startswith("-") and "=" not in word)
        raise Failed("deploy.git_refused", command=f"git {command}", where=stdin or folder, reason=reason)
    return process.stdout


def _identity(folder: Path) -> bool:
    try:
        return bool(git(folder, "config", "user.email").strip())
    except Failed:
        return False


def check_git() -> None:
    """Refuse a machine on which no bundle can be made.

    Raises:
        Failed: git or git-lfs is not installed.
    """
    for program in ("git", "git-lfs"):
        if shutil.which(program) is None:
            raise Failed("deploy.no_git", program=program)
