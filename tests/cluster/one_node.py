"""A SLURM of one node on this machine: slurmctld, slurmd and munge, without systemd, cgroups and accounting.

with one_node(folder):
    ... sbatch, squeue and scancel work ...

It needs root, and writes /etc/slurm, the only place where the executor plugin's inner `srun` looks. Where there is a
configuration already it refuses: somebody's real cluster is not to be touched.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

ETC = Path("/etc/slurm")
MARK = "# written by tests/cluster, and removed by it\n"
PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch", "squeue", "scancel")
GPUS = 2  # that are none: devices with the numbers of /dev/null, which SLURM hands out all the same

CONFIG = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
AuthType=auth/munge
AuthInfo=socket={state}/munge/socket
SlurmUser=root
SlurmdUser=root
SlurmctldPidFile={state}/slurmctld.pid
SlurmdPidFile={state}/slurmd.pid
SlurmctldLogFile={state}/slurmctld.log
SlurmdLogFile={state}/slurmd.log
StateSaveLocation={state}/ctld
SlurmdSpoolDir={state}/slurmd
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
ReturnToService=2
SchedulerType=sched/backfill
SchedulerParameters=sched_min_interval=0,bf_interval=1
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=500
MinJobAge=300
KillWait=5
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory_mb} Gres=gpu:test:{gpus} State=UNKNOWN
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def why_not() -> str | None:
    """Why no SLURM can be started here; None if it can."""
    if missing := [name for name in PROGRAMS if not shutil.which(name)]:
        return f"no SLURM: {', '.join(missing)} not found (Debian: slurmctld slurmd slurm-client munge)"
    if os.geteuid() != 0:
        return "a SLURM can be started by root only"
    config = ETC / "slurm.conf"
    if config.exists() and not config.read_text().startswith(MARK):
        return f"there is a SLURM already: {config}"
    return None


@contextmanager
def one_node(state, cpus=4, memory_mb=200_000):
    """Start it, with more processors and memory than this machine has if need be; `state` is a folder of its own."""
    try:
        _start(Path(state), cpus, memory_mb)
        yield
    finally:
        _stop(Path(state))


def _start(state, cpus, memory_mb):
    for name in ("ctld", "slurmd", "munge", "dev"):
        (state / name).mkdir(parents=True)
    (state / "munge").chmod(0o755)
    key = state / "munge" / "key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    options = {"key-file": "key", "socket": "socket", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
    run("munged", "--force", *(f"--{option}={state}/munge/{file}" for option, file in options.items()))
    for number in range(GPUS):
        os.mknod(state / "dev" / f"gpu{number}", 0o666 | 0o020000, os.makedev(1, 3))
    host = socket.gethostname().split(".")[0]
    ETC.mkdir(exist_ok=True)
    text = CONFIG.format(state=state, host=host, cpus=cpus, memory_mb=memory_mb, gpus=GPUS)
    (ETC / "slurm.conf").write_text(MARK + text)
    (ETC / "gres.conf").write_text(f"{MARK}NodeName={host} Name=gpu Type=test File={state}/dev/gpu[0-{GPUS - 1}]\n")
    run("slurmctld")
    run("slurmd")
    for _ in range(150):
        if run("sinfo", "--noheader", "--format=%T", check=False).split() == ["idle"]:
            return
        time.sleep(0.2)
    logs = [(state / f"{name}.log").read_text()[-2000:] for name in ("slurmctld", "slurmd")]
    raise RuntimeError("no node became idle:\n" + "\n".join(logs))


def run(*command, check=True):
    """What the command prints."""
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if check and result.returncode:
        raise RuntimeError(f"{command}: {result.stdout}{result.stderr}")
    return result.stdout


def _stop(state):
    """Cancel all jobs, end the daemons, which linger while a job lives, and remove the configuration."""
    run("scancel", "--user=root", check=False)
    for _ in range(60):
        if not run("squeue", "--noheader", check=False).strip():
            break
        time.sleep(0.5)
    for file in ("slurmd.pid", "slurmctld.pid", "munge/pid"):
        if (state / file).exists():
            _end(int((state / file).read_text()))
    for name in ("slurm.conf", "gres.conf"):
        if (ETC / name).exists() and (ETC / name).read_text().startswith(MARK):
            (ETC / name).unlink()


def _end(pid):
    for number in (signal.SIGTERM, signal.SIGKILL):
        for _ in range(25):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                return
            time.sleep(0.2)
