"""Rule `tied_models`: the loss of transformers' own models at their own initialisation, tied and untied, by depth."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.functional import cross_entropy
from transformers import AutoConfig, AutoModelForCausalLM

from scripts.common.jobs import job, log, progress
from scripts.common.tables import arrow_schema, write_tables
from scripts.tied.bigram import mean_error
from scripts.tied.formulas import expected_loss, page_loss

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

FAMILIES: dict[str, dict[str, Any]] = {  # what their configurations need beside sizes
    "gpt_neox": {"intermediate_size": 4},  # times the width
    "gpt2": {"n_inner": 4, "resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0},
    "llama": {"intermediate_size": 4},
}
WIDTHS = ("intermediate_size", "n_inner")


def build_model(family: str, tied: bool, layers: int, options: dict[str, Any]) -> Any:
    """A model of a family with random weights, as transformers draws them (std 0.02), in float32."""
    width = options["width"]
    own = {key: value * width if key in WIDTHS else value for key, value in FAMILIES[family].items()}
    config = AutoConfig.for_model(
        family,
        vocab_size=options["vocabulary_size"],
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=options["heads"],
        max_position_embeddings=options["sequence_length"],
        tie_word_embeddings=tied,
        bos_token_id=None,
        eos_token_id=None,
        **own,
    )
    torch.manual_seed(options["seed"])
    return AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()


@torch.inference_mode()
def first_losses(model: Any, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The losses (sequences, tokens) of a model's own forward pass, and the logits of the inputs themselves.

    `ids` (sequences, tokens + 1) are read one sequence at a time: their logits are what takes memory.
    """
    losses, own = [], []
    for sequence in ids:
        logits = model(input_ids=sequence[None, :-1], use_cache=False).logits[0].float()
        losses.append(cross_entropy(logits, sequence[1:], reduction="none"))
        own.append(logits.gather(1, sequence[:-1, None])[:, 0])
    return torch.stack(losses), torch.stack(own)


def model_row(model: Any, ids: torch.Tensor) -> dict[str, float | int]:
    """What a model starts with, and what theory makes of the standard deviation that its embedding has in fact.

    `own_logit_nats` is the second formula with the own logit as it is: it needs no premise about the branches.
    """
    embedding, head = model.get_input_embeddings().weight, model.get_output_embeddings().weight
    (size, width), sigma, tied = embedding.shape, float(head.detach().std()), head is embedding
    losses, own = first_losses(model, ids)
    loss, error = mean_error(losses.double().mean(1).numpy())
    own_logit, variance = float(own.double().mean()), width * sigma**2
    return {
        "sigma": sigma,
        "tokens": losses.numel(),
        "loss_nats": loss,
        "loss_error": error,
        "own_logit": own_logit,
        "log_vocabulary_nats": expected_loss(size, 0.0, 0.0),
        "page_nats": page_loss(size, width, sigma if tied else 0.0),
        "expected_nats": expected_loss(size, width * sigma if tied else 0.0, variance),
        "own_logit_nats": expected_loss(size, own_logit, variance),
    }


def rows_of(families: list[str], options: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The row of every family and depth, tied and untied, on the same random tokens."""
    generator = torch.Generator().manual_seed(options["seed"])
    size = (options["sequences"], options["sequence_length"] + 1)
    ids = torch.randint(options["vocabulary_size"], size, generator=generator)
    cases = [(family, layers, tied) for family in families for layers in options["layers"] for tied in (True, False)]
    for family, layers, tied in progress(cases, "models", unit="model"):
        row = model_row(build_model(family, tied, layers, options), ids)
        log.info("%s, %d layers, tied %d: %.3f nats", family, layers, tied, row["loss_nats"])
        keys = {"family": family, "tied": int(tied), "layers": layers, "width": options["width"]}
        yield {**keys, "vocabulary_size": options["vocabulary_size"], **row}


if __name__ == "__main__":
    with job(snakemake):
        torch.set_num_threads(snakemake.threads)
        options = snakemake.params.models
        rows = list(rows_of(options["families"], options))
        columns = {name: [row[name] for row in rows] for name in arrow_schema("tied_models").names}
        write_tables("tied_models", snakemake.output[0], [columns])
