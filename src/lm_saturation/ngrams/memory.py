"""What the jobs of this stage may take of memory: `ngrams.memory_mb` of the configuration."""

import math

from lm_saturation.errors import InputError

PROCESS_MB = 500  # that every job takes: Python and its libraries, a chunk of ids, a part of a table


def require_memory(work_mb: float, memory_mb: int, work: str, remedy: str) -> None:
    """Raise InputError, with a remedy beside more memory, if `work` takes more than a job may have."""
    if (needed := PROCESS_MB + work_mb) > memory_mb:
        raise InputError(f"ngrams.memory_mb is {memory_mb}; {work} takes {math.ceil(needed)}: allow more, or {remedy}")
