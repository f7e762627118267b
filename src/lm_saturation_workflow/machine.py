"""Whether this machine has what the jobs to come need, a GPU and room on the disk: asked once, before the first."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from lm_saturation.config import Experiment
from lm_saturation.devices import has_gpu, no_gpu_error
from lm_saturation.errors import InputError
from lm_saturation_workflow.cost import downloads, models_used
from lm_saturation_workflow.plan import Planned
from lm_saturation_workflow.resources import BASE_MB, trained_mb

DEVICES = {  # keys of the config that send jobs of these rules to a GPU
    "ngram_spectrum": "ngrams.device",
    "checkpoint_train": "suites.{suite}.device",
    "checkpoint_metrics": "metrics.device",
    "head_states": "heads.device",
    "head_rank_sweep": "heads.device",
    "bottleneck_bound": "heads.device",
    "ability_evaluation": "abilities.device",
    "tied_training": "tied.training.device",
    "offset_intervention": "metrics.device",
}
MB_A_JOB = 7  # that a job which trains and fetches nothing leaves behind, as in the mean of the default run


def machine_error(experiment: Experiment, jobs: list[Planned]) -> str | None:
    """In one line, what the jobs need that is not here. None if nothing is missing."""
    try:
        check_gpu(jobs)
        check_disk(needed_mb(experiment, jobs), experiment.pathvars.results)
    except InputError as error:
        return str(error)
    return None


def check_gpu(jobs: Iterable[Planned], folder: str = "/dev") -> None:
    """Raise InputError if a job needs a GPU and the machine shows no sign of one. torch would know, in seconds."""
    asking = [job for job in jobs if job.resources.get("gpu")]
    if asking and not has_gpu(folder):
        raise no_gpu_error(*sorted({DEVICES[job.rule].format(**job.wildcards) for job in asking}))


def needed_mb(experiment: Experiment, jobs: list[Planned]) -> int:
    """Megabytes that the jobs need at once, roughly: trained checkpoints, spans of fetched ones, and the rest."""
    trained = [trained_mb(experiment, **job.wildcards) - BASE_MB for job in jobs if job.rule == "checkpoint_train"]
    try:
        fetched = downloads(experiment, models_used(experiment, jobs))[1]
    except SystemExit:  # a name does not say how large the model is; its download asks again
        fetched = 0
    return sum(trained) + int(fetched / 1e6) + MB_A_JOB * (len(jobs) - len(trained))


def check_disk(needed: int, results: str) -> None:
    """Raise InputError if the file system of the folder of results has fewer megabytes free than needed.

    Or if that folder cannot be made, because a link on its path leads nowhere.
    """
    folder = Path(results).absolute()
    if broken := next((path for path in (folder, *folder.parents) if path.is_symlink() and not path.exists()), None):
        raise InputError(f"{broken}: a link that leads nowhere; make {broken.readlink()}, or remove the link")
    free = shutil.disk_usage(next(path for path in (folder, *folder.parents) if path.exists())).free // 10**6
    if free < needed:
        raise InputError(
            f"about {needed:,} MB will lie in {results}, and {free:,} MB are free there: make room, "
            "write on another disk (--directory), or go on all the same with --no-hooks"
        )
