"""A GPT as nanoGPT has it: the same names, shapes and arithmetic, written anew, to compare with."""

from types import SimpleNamespace

import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

ARGUMENTS = {"n_layer": 2, "n_head": 2, "n_embd": 32, "block_size": 64, "vocab_size": 300, "bias": True, "dropout": 0.1}


class Norm(nn.Module):
    def __init__(self, width, bias):
        super().__init__()
        self.weight = nn.Parameter(torch.rand(width) + 0.5)
        self.bias = nn.Parameter(0.1 * torch.randn(width)) if bias else None

    def forward(self, states):
        return nn.functional.layer_norm(states, self.weight.shape, self.weight, self.bias, 1e-5)


class Attention(nn.Module):
    def __init__(self, width, heads, bias):
        super().__init__()
        self.c_attn, self.c_proj, self.heads = nn.Linear(width, 3 * width, bias), nn.Linear(width, width, bias), heads

    def forward(self, states):
        parts = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.c_attn(states).chunk(3, -1))
        return self.c_proj(scaled_dot_product_attention(*parts, is_causal=True).transpose(1, 2).flatten(-2))


class Feedforward(nn.Module):
    def __init__(self, width, bias):
        super().__init__()
        self.c_fc, self.gelu, self.c_proj = (
            nn.Linear(width, 4 * width, bias),
            nn.GELU(),
            nn.Linear(4 * width, width, bias),
        )

    def forward(self, states):
        return self.c_proj(self.gelu(self.c_fc(states)))


class Block(nn.Module):
    def __init__(self, width, heads, bias):
        super().__init__()
        self.ln_1, self.attn = Norm(width, bias), Attention(width, heads, bias)
        self.ln_2, self.mlp = Norm(width, bias), Feedforward(width, bias)

    def forward(self, states):
        states = states + self.attn(self.ln_1(states))
        return states + self.mlp(self.ln_2(states))


class GPT(nn.Module):
    def __init__(self, **changes):
        super().__init__()
        config = self.config = SimpleNamespace(**{**ARGUMENTS, **changes})
        width, bias = config.n_embd, config.bias
        parts = {"wte": nn.Embedding(config.vocab_size, width), "wpe": nn.Embedding(config.block_size, width)}
        blocks = nn.ModuleList(Block(width, config.n_head, bias) for _ in range(config.n_layer))
        self.transformer = nn.ModuleDict({**parts, "h": blocks, "ln_f": Norm(width, bias)})
        self.lm_head = nn.Linear(width, config.vocab_size, bias=False)
        self.transformer.wte.weight = self.lm_head.weight

    def forward(self, ids):
        trunk = self.transformer
        states = trunk.wte(ids) + trunk.wpe(torch.arange(ids.shape[1]))
        for block in trunk.h:
            states = block(states)
        return self.lm_head(trunk.ln_f(states))


def gpt(seed=0, **changes):
    torch.manual_seed(seed)
    return GPT(**changes)


def checkpoint(model, step):
    """What nanoGPT's train.py saves."""
    optimizer = torch.optim.AdamW(model.parameters())
    state = {f"_orig_mod.{name}": tensor for name, tensor in model.state_dict().items()}  # compiled, which it strips
    return {
        "model": state,
        "optimizer": optimizer.state_dict(),
        "model_args": vars(model.config),
        "iter_num": step,
        "best_val_loss": torch.tensor(3.0),
        "config": {"dataset": "shakespeare_char"},
    }
