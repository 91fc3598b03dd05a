"""A training as a job of a cluster: what is asked of Slurm, and the sending off, by submitit. Knows runs and submitit.

The job is the worker that trains everywhere, on another machine; everybody else reads the run folder, which must lie
where that machine sees it.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path

from workbench.environment import FOR_WORKERS
from workbench.errors import BadInput, Failed
from workbench.runs import Run, jobs

CLUSTERS = ("slurm",)
# minutes, where nothing else is asked for; seconds before the limit at which the worker is told to save
_MINUTES, _WARNING = 120, 120
_OPTION = re.compile(r"([a-z][a-z-]*)=([^\x00-\x1f\x7f]+)")
# what the sending off needs for itself: one process on one machine, its output in the run's folder
_OURS = (
    "output", "error", "open-mode", "signal", "array", "wrap", "chdir", "nodes", "ntasks", "ntasks-per-node",
    "parsable", "wait", "test-only", "export",
)  # fmt: skip
_SETTINGS = {"PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1", "PYTHONSAFEPATH": "1"}


def options(cluster: str, written: Iterable[str]) -> dict[str, str]:
    """Return what is asked of the cluster, ``key=value`` as for ``sbatch --key=value``, before anything is made.

    Raises:
        BadInput: there is no such cluster here, its commands or submitit are missing, or an option is none.
    """
    if cluster not in CLUSTERS:
        raise BadInput("training.queue.unknown", given=cluster, known=tuple(CLUSTERS))
    if shutil.which("sbatch") is None or shutil.which("srun") is None:
        raise BadInput("training.queue.no_slurm")
    if find_spec("submitit") is None:
        raise BadInput("training.queue.no_submitit")
    asked: dict[str, str] = {}
    for option in written:
        name, sign, value = option.partition("=")
        parts = _OPTION.fullmatch(name.replace("_", "-") + sign + value)
        if parts is None:
            raise BadInput("training.queue.bad_option", given=option[:200])
        if parts[1] in _OURS:
            raise BadInput("training.queue.ours", given=parts[1])
        asked[parts[1]] = parts[2]
    return asked


def submit(run: Run, asked: Mapping[str, str]) -> str:
    """Send the training of ``run`` off as a job, and return its number.

    Raises:
        Failed: Slurm refuses it; says why.
    """
    import submitit

    folder = run.path / "slurm"
    settings = {**FOR_WORKERS, **_SETTINGS}
    try:
        executor = submitit.SlurmExecutor(folder, max_num_timeout=0)
        executor.update_parameters(
            job_name=re.sub(r"[^\w.-]", "-", run.name, flags=re.ASCII)[:60],
            time=_MINUTES,
            signal_delay_s=_WARNING,
            stderr_to_stdout=True,
            wckey=None,  # submitit names itself there, which some clusters refuse
            setup=[f"export {name}={shlex.quote(value)}" for name, value in settings.items()],
            additional_parameters=dict(asked),
        )
        job = executor.submit(work_in, str(run.path))
    except (RuntimeError, ValueError, OSError) as error:  # submitit's own errors are RuntimeErrors
        raise Failed("training.queue.refused", reason=_reason(error)) from error
    return str(job.job_id)


def _reason(error: BaseException) -> str:
    """What Slurm said, in its last line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__).replace("sbatch: error: ", "")[:300]


def work_in(path: str) -> int:
    """Train the run in ``path``, in the job that this process is; what is printed goes to the run's own log.

    Returns:
        The worker's exit status.
    """
    from workbench.training.worker import main

    folder = Path(path)
    log = os.open(folder / "worker.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for stream in (1, 2):
        os.dup2(log, stream)
    os.close(log)
    os.chdir(folder)
    os.environ[jobs.MINE] = os.environ.get("SLURM_JOB_ID", "")
    status = main([path])
    if status:
        raise SystemExit(status)  # so that Slurm too says that it failed
    return status
