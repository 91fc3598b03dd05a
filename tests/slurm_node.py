"""A real Slurm of one node, for the tests of the queue: its daemons live in a folder of the test, and end with it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

# seconds in which the daemons must be ready; far more than they need
PATIENCE = 180.0
CONFIGURATION = """
ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
ReturnToService=2
MpiDefault=none
KillWait=30
MinJobAge=300
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=60 State=UP
"""


def missing() -> str:
    """Why no Slurm can be started here; empty where one can."""
    programs = [name for name in ("munged", "slurmctld", "slurmd", "sbatch", "srun") if shutil.which(name) is None]
    if programs:
        return f"not installed: {', '.join(programs)}"
    if os.geteuid() != 0 or not Path("/etc/munge/munge.key").exists():
        return "needs root, and munge's key"
    return ""


@contextmanager
def one_node(folder: Path) -> Iterator[Path]:
    """Start munge, the controller and the node; gives the configuration's file, for SLURM_CONF."""
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True)
    host = socket.gethostname().partition(".")[0]
    configuration = folder / "slurm.conf"
    facts = {"host": host, "folder": folder, "ports": _free_ports(), "cpus": os.cpu_count()}
    configuration.write_text(CONFIGURATION.format(**facts), encoding="utf-8")
    environment = {**os.environ, "SLURM_CONF": str(configuration)}
    started: list[Path] = []
    try:
        _munge(folder)
        started.append(folder / "munged.pid")
        for daemon in ("slurmctld", "slurmd"):
            subprocess.run([daemon, "-f", str(configuration)], env=environment, check=True, timeout=60)
            started.append(folder / f"{daemon}.pid")
            time.sleep(2)
        _await_idle(environment)
        try:
            yield configuration
        finally:
            _empty(environment)
    finally:
        for file in reversed(started):
            _end(file)


def _munge(folder: Path) -> None:
    folder.chmod(0o755)
    names = {"socket": "munge.socket", "pid-file": "munged.pid", "log-file": "munged.log", "seed-file": "munged.seed"}
    files = [f"--{name}={folder / file}" for name, file in names.items()]
    command = ["munged", "--force", "--key-file=/etc/munge/munge.key", *files]
    subprocess.run(command, check=True, timeout=60, capture_output=True)


def _free_ports() -> list[int]:
    sockets = [socket.socket() for _ in range(2)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _await_idle(environment: dict[str, str]) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        told = subprocess.run(["sinfo", "-h", "-o", "%T"], env=environment, capture_output=True, text=True, check=False)
        if "idle" in told.stdout:
            return
        time.sleep(0.5)
    raise TimeoutError("the node is not idle")


def _empty(environment: dict[str, str]) -> None:
    """End what is still in the queue, for without its daemons a job would never end."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        told = subprocess.run(["squeue", "-h", "-o", "%i"], env=environment, capture_output=True, text=True, check=True)
        if not told.stdout.split():
            return
        subprocess.run(["scancel", *told.stdout.split()], env=environment, check=False)
        time.sleep(1)
    raise TimeoutError(f"jobs that do not end: {told.stdout}")


def _end(file: Path) -> None:
    """End the daemon of a pid file, and wait until it is gone."""
    with suppress(OSError, ValueError, psutil.Error):
        process = psutil.Process(int(file.read_text()))
        process.terminate()
        try:
            process.wait(30)
        except psutil.TimeoutExpired:
            process.kill()
