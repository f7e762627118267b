"""The initial loss of models of transformers at their own initialisation, tied and untied, by depth."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import AutoConfig, AutoModelForCausalLM

from lm_saturation.config.tied import TransformersOptions
from lm_saturation.io.logs import log, progress
from lm_saturation.tied.bigram import mean_error
from lm_saturation.tied.formulas import expected_loss, su_2023_loss

FAMILIES: dict[str, dict[str, Any]] = {  # what their configurations need beside sizes
    "gpt_neox": {"intermediate_size": 4},  # times the width
    "gpt2": {"n_inner": 4, "resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0},
    "llama": {"intermediate_size": 4},
}
WIDTHS = ("intermediate_size", "n_inner")


def random_model(family: str, tied: bool, layers: int, options: TransformersOptions) -> Any:
    """A model of a family with random weights, as transformers draws them (std 0.02), in float32."""
    settings = {key: value * options.width if key in WIDTHS else value for key, value in FAMILIES[family].items()}
    config = AutoConfig.for_model(
        family,
        vocab_size=options.vocabulary_size,
        hidden_size=options.width,
        num_hidden_layers=layers,
        num_attention_heads=options.attention_heads,
        max_position_embeddings=options.sequence_length,
        tie_word_embeddings=tied,
        bos_token_id=None,
        eos_token_id=None,
        **settings,
    )
    torch.manual_seed(options.seed)
    return AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()


@torch.inference_mode()
def losses_and_self_logits(model: Any, ids: Tensor) -> tuple[Tensor, Tensor]:
    """Losses and self-logits (sequences, tokens) of a model's own forward pass.

    `ids` (sequences, tokens + 1) are read one sequence at a time: their logits are what takes memory.
    """
    losses, self_logits = [], []
    for sequence in ids:
        logits = model(input_ids=sequence[None, :-1], use_cache=False).logits[0].float()
        losses.append(cross_entropy(logits, sequence[1:], reduction="none"))
        self_logits.append(logits.gather(1, sequence[:-1, None])[:, 0])
    return torch.stack(losses), torch.stack(self_logits)


def model_row(model: Any, ids: Tensor) -> dict[str, float | int]:
    """The initial loss of a model, beside what the formulas give for the measured σ of its embedding.

    `self_logit_nats` is the second formula with the self-logit as measured: it assumes nothing about the branches.
    """
    embedding, head = model.get_input_embeddings().weight, model.get_output_embeddings().weight
    (size, width), sigma, tied = embedding.shape, float(head.detach().std()), head is embedding
    losses, self_logits = losses_and_self_logits(model, ids)
    loss, error = mean_error(losses.double().mean(1).numpy())
    self_logit, variance = float(self_logits.double().mean()), width * sigma**2
    return {
        "sigma": sigma,
        "sequences": len(losses),
        "tokens": losses.numel(),
        "loss_nats": loss,
        "loss_error": error,
        "self_logit": self_logit,
        "log_vocabulary_nats": expected_loss(size, 0.0, 0.0),
        "su_2023_nats": su_2023_loss(size, width, sigma if tied else 0.0),
        "expected_nats": expected_loss(size, width * sigma if tied else 0.0, variance),
        "self_logit_nats": expected_loss(size, self_logit, variance),
    }


def model_rows(options: TransformersOptions) -> Iterator[dict[str, Any]]:
    """The rows of the table `tied_models`: every family and depth, tied and untied, on the same random tokens."""
    generator = torch.Generator().manual_seed(options.seed)
    size = (options.sequences, options.sequence_length + 1)
    ids = torch.randint(options.vocabulary_size, size, generator=generator)
    cases = [
        (family, layers, tied) for family in options.families for layers in options.layers for tied in (True, False)
    ]
    for family, layers, tied in progress(cases, "models", unit="model"):
        row = model_row(random_model(family, tied, layers, options), ids)
        log.info("%s, %d layers, tied %d: %.3f nats", family, layers, tied, row["loss_nats"])
        keys = {"family": family, "tied": int(tied), "layers": layers, "width": options.width}
        yield {**keys, "vocabulary_size": options.vocabulary_size, **row}
