"""Start, continue and follow a training from another process. Knows recipes and runs; loads no model."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import BadInput, BadSetting, Failed, Interrupted, WorkbenchError, error_from_record
from workbench.runs import Run, State, front, is_run, manifest, start, stop, wait
from workbench.runs.events import Event
from workbench.runs.line import owner_here
from workbench.runs.summary import death
from workbench.training.cluster import options, submit
from workbench.training.recipe import load_recipe, recipe_of, recipe_yaml, with_overrides
from workbench.training.rehearsing import rehearses
from workbench.training.settings import Recipe
from workbench.training.team import join, launched
from workbench.training.turn import check_line

if TYPE_CHECKING:
    from workbench.training.data import Conversations


def train(
    recipe: Recipe | str | Path,
    out: str | Path,
    *,
    overrides: Iterable[str] = (),
    resume: bool = False,
    detach: bool = False,
    on_event: Callable[[Event], None] | None = None,
    waiting: front.Ahead | None = None,
    owner: str | None = None,
    queue: str | None = None,
    queue_options: Iterable[str] = (),
) -> Run:
    """Train by ``recipe`` into the folder ``out``, in a process of its own.

    Args:
        recipe: settings, a file, or the name of a shipped recipe.
        out: the run folder; new or empty, unless ``resume``.
        overrides: ``key=value``, on top of a file or a shipped recipe.
        resume: go on with the run that is there, from its last checkpoint.
        detach: return at once; the training goes on by itself.
        on_event: called with each event while this process waits.
        waiting: a worker that has begun already; None starts one.
        owner: for whom it stands in the line for the device, where one account trains for several people; None: whom
            WORKBENCH_OWNER or JupyterHub names, else the account.
        queue: ``slurm``: as a job of that cluster, by submitit; the folder must lie where its machines see it.
        queue_options: what is asked of it, ``key=value`` as for ``sbatch --key=value``.

    Raises:
        BadInput: settings, data or folder are not as they must be; no folder was left behind.
        Failed: the training could not be finished. Interrupted: Ctrl-C; the worker saved a checkpoint and ended.
    """
    settings = recipe if isinstance(recipe, Recipe) else load_recipe(recipe, overrides)
    if queue is not None:
        run = _enqueued(settings, Path(out), options(queue, queue_options), resume=resume)
        return run if detach else follow(run, on_event, fresh=not resume)
    if launched(settings):
        if waiting:
            waiting.dismiss()
        return _together(settings, Path(out), resume=resume)
    with nullcontext(waiting) if waiting else front.ahead() as begun:
        if resume:
            check_line(owner)
            run = start(_continued(settings, Path(out)), waiting=begun)
        else:
            run = launch(settings, Path(out), waiting=begun, owner=owner)
    return run if detach else follow(run, on_event, fresh=not resume)


def _enqueued(recipe: Recipe, out: Path, asked: dict[str, str], *, resume: bool) -> Run:
    """Make the run folder, or open it, and send its training off; where that is refused, no folder is left behind."""
    run = _continued(recipe, out) if resume else begin(recipe, out)
    try:
        return front.enqueue(run, lambda: submit(run, asked))
    except WorkbenchError:
        if not resume:
            front.discard(run)
        raise


def _together(recipe: Recipe, out: Path, *, resume: bool) -> Run:
    """Train in this very process, one of those that torchrun or DeepSpeed's launcher started; the run's folder is one
    that all of them see."""
    from workbench.training.worker import work

    team = join(recipe)
    if team.leads:
        _continued(recipe, out) if resume else begin(recipe, out)
    team.meet()
    run = Run(out)
    work(run, team)
    return run


def launch(
    recipe: Recipe,
    out: Path,
    *,
    waiting: front.Ahead | None,
    split: Conversations | None = None,
    owner: str | None = None,
) -> Run:
    """Make the run folder of ``recipe`` and start its worker, which gets the data that were read for it.

    Args:
        recipe: the settings.
        out: the run folder.
        waiting: a worker that has begun already.
        split: the data, where they were read already.
        owner: as :func:`train` says.

    Raises:
        BadInput: settings, data or folder are not as they must be, or this owner stands in line too often.
    """
    owner = owner_here() if owner is None else owner
    check_line(owner)
    recipe, split = _checked(recipe, split)
    # of the base's own answers nobody knows yet, and drawn pictures are drawn again sooner than handed over
    handed = waiting and not rehearses(recipe) and not recipe.vision.drawn
    return start(_made(recipe, split, out, owner), waiting=waiting, data=split.handed() if handed else "")


def begin(recipe: Recipe, out: Path) -> Run:
    """Make the run folder of ``recipe``; data and settings are checked first, so a mistake leaves no folder behind."""
    return _made(*_checked(recipe), out)


def _checked(recipe: Recipe, split: Conversations | None = None) -> tuple[Recipe, Conversations]:
    from workbench.models import resolve
    from workbench.templates.named import spec
    from workbench.training.checks import check_base, check_settings
    from workbench.training.data import conversations

    check_settings(recipe)
    recipe = with_absolute_paths(recipe)
    resolve(recipe.base)
    check_base(recipe)
    if recipe.model.template:
        spec(recipe.model.template)
    return recipe, split or conversations(recipe)


def _made(recipe: Recipe, split: Conversations, out: Path, owner: str = "") -> Run:
    from workbench.models import fingerprint

    hashes = {"data_sha256": split.fingerprint(), "base_fingerprint": fingerprint(recipe.base)}
    if rehearses(recipe):
        del hashes["data_sha256"]  # the worker knows it, once the base was asked
    facts = manifest(seed=recipe.runtime.seed, base=recipe.base)
    return Run.create(out, recipe_yaml(recipe), {**facts, **hashes, **({"owner": owner} if owner else {})})


def follow(run: Run, on_event: Callable[[Event], None] | None = None, *, fresh: bool = False) -> Run:
    """Wait until the run ends, handing each event to ``on_event``; Ctrl-C asks the worker to save and end.

    Args:
        fresh: the folder was made for this; one whose settings or data are refused is taken away again.

    Raises:
        BadInput: its worker refused settings or data. Failed: it failed or died. Interrupted: it was stopped by Ctrl-C
            here.
    """
    try:
        for event in run.follow():
            if on_event is not None:
                on_event(event)
    except KeyboardInterrupt:
        stop(run)
        wait(run, 120)
        raise Interrupted("training.stopped_by_you", step=run.state().step, run=run.path) from None
    try:
        finished(run)
    except BadInput:
        if fresh:
            front.discard(run)
        raise
    return run


def finished(run: Run) -> None:
    """Refuse a run whose training failed, or whose folder is gone.

    Raises:
        BadInput: its worker refused settings or data. Failed: it failed or died, or its folder is gone; says why, and
            how to go on.
    """
    if not is_run(run.path):
        raise Failed("training.folder_gone", run=run.path)
    state = run.state()
    if state.status == "failed":
        raise _told(state)
    if state.key.startswith("runs.job."):
        raise death(run, state)
    if state.status in ("died", "new"):  # a folder whose state is gone has nothing to show for it
        log = run.worker_log(3) or "–"
        raise Failed("training.worker_died", run=run.path, state=state.status, step=state.step, log=log)


def with_absolute_paths(recipe: Recipe) -> Recipe:
    """Return the worker has a folder of its own to stand in: what is a path here must be one there."""
    changed: dict[str, dict[str, Any]] = {}
    for group, name in (
        ("model", "name"),
        ("data", "train"),
        ("data", "validation"),
        ("data", "general"),
        ("adapter", "start"),
        ("vision", "tower"),
        ("vision", "image_folder"),
        ("vision", "projector"),
    ):
        value = getattr(getattr(recipe, group), name)
        path, sign, step = str(value or "").rpartition("@")
        if name in ("start", "projector") and sign and step.isdigit() and not Path(value).expanduser().exists():
            changed.setdefault(group, {})[name] = f"{Path(path).expanduser().absolute()}@{step}"
        elif value and Path(value).expanduser().exists():
            changed.setdefault(group, {})[name] = str(Path(value).expanduser().absolute())
    changed.pop("model", None) if recipe.model.name == "pocket" else None
    return with_overrides(recipe, **changed) if changed else recipe


def _continued(recipe: Recipe, out: Path) -> Run:
    if not is_run(out):
        raise BadInput("training.nothing_to_resume", run=out)
    run = Run.create(out, "", resume=True)
    check_unchanged(out, recipe_of(run), recipe)
    return run


def check_unchanged(out: Path, begun: Recipe, requested: Recipe) -> None:
    """Refuse to go on with other settings than the run began with.

    Raises:
        BadSetting: the run in ``out`` was begun with other settings; names the first.
    """
    before, after = begun.model_dump(), with_absolute_paths(requested).model_dump()
    for group, settings in before.items():
        for name, value in settings.items():
            if after[group][name] != value:
                raise BadSetting(
                    "training.resume_changed", run=out, key=f"{group}.{name}", before=value, after=after[group][name]
                )


def _told(state: State) -> WorkbenchError:
    """The worker's error again, in the language of this process."""
    try:
        error = error_from_record(state.error, state.key, state.values)
        str(error)
    except (KeyError, IndexError, TypeError):
        return Failed("training.worker_failed", message=state.message, remedy=state.remedy)
    return error
