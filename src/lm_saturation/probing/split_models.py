"""Models whose parameters are split over processes: a whole copy in the first one, where that can be had.

FSDP 2 leaves parameters as DTensors, which PyTorch gathers. Nothing is gathered from FSDP 1 and ZeRO-3.
"""

from typing import Any

import torch

from lm_saturation.errors import InputError

SAVED = "probe its saved checkpoints"


def way_of_splitting(model: Any) -> str | None:
    """How a model's parameters are split over processes: DTensor, FSDP 1 or ZeRO-3; None if each process has all."""
    if any(type(module).__name__ == "FullyShardedDataParallel" for module in model.modules()):
        return "FSDP 1"  # with use_orig_params its parameters look like others, of another shape
    for parameter in model.parameters():
        if hasattr(parameter, "ds_id"):
            return "ZeRO-3"
        if hasattr(parameter, "device_mesh"):
            return "DTensor"
    return None


def check_not_split(model: Any) -> None:
    """Raise InputError if this process alone cannot run the model."""
    check_gathers(model)
    if way_of_splitting(model):
        raise InputError(
            "its parameters are split over processes (DTensor): use Watch or ProbeCallback in all processes, or "
            f"{SAVED}"
        )


def check_gathers(model: Any) -> None:
    """Raise InputError if a whole copy of the model cannot be had."""
    if (way := way_of_splitting(model)) in ("FSDP 1", "ZeRO-3"):
        others = " (or train with FSDP 2)" if way == "FSDP 1" else ""
        raise InputError(f"its parameters are split over processes ({way}), which are not gathered: {SAVED}{others}")


class WholeModel:
    """Gives a model that this process can run: itself, or a copy if it is split."""

    def __init__(self) -> None:
        self.copy: Any = None

    def of(self, model: Any) -> Any:
        """The model itself, or a copy of a split one on the CPU of the first process; None in the others.

        Of a split model, all processes must ask. Raises InputError if it cannot be gathered.
        """
        check_gathers(model)
        if not way_of_splitting(model):
            return model
        state = _gathered(model)
        if not is_first_process():
            return None
        self.copy = self.copy or _untrained(model.config, next(iter(state.values())).dtype)
        missing, unexpected = self.copy.load_state_dict(state, strict=False)
        if unlike := [*unexpected, *(set(missing) - set(self.copy.all_tied_weights_keys))]:
            raise InputError(f"{unlike[0]}: not in the split model and in {type(self.copy).__name__} alike: {SAVED}")
        return self.copy


def is_first_process() -> bool:
    """Whether this is the first of several processes that train together, or the only one."""
    distributed = torch.distributed
    return not (distributed.is_available() and distributed.is_initialized() and distributed.get_rank())


def _gathered(model: Any) -> dict[str, torch.Tensor]:
    """All parameters and buffers, whole, in the first process; none in the others."""
    from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

    state: Any = get_model_state_dict(model, options=StateDictOptions(full_state_dict=True, cpu_offload=True))
    return state


def _untrained(config: Any, dtype: torch.dtype) -> Any:
    """A model of this configuration. Raises InputError if transformers has none."""
    from transformers import AutoModelForCausalLM

    try:
        with torch.random.fork_rng([]):
            return AutoModelForCausalLM.from_config(config, dtype=dtype, trust_remote_code=False).eval()
    except ValueError as error:  # a class that no one registered
        raise InputError(f"{type(config).__name__}: split, and no causal model of transformers: {SAVED}") from error
