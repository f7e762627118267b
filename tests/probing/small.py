"""A small text, its tokenizer, and small models on it."""

from functools import cache

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoModelForCausalLM, GPT2Config, GPTNeoXConfig

WORDS = ["the", "model", "reads", "a", "text", "and", "says", "what", "follows", "it", "where", "most", "words", "are"]
TEXTS = [" ".join(WORDS[(number * k + k // 3) % len(WORDS)] for k in range(150)) for number in range(1, 9)]
ROWS = 300  # of the LM head


@cache
def tokenizer():
    """Byte-level BPE of fewer tokens than ROWS."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer, made.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(TEXTS, trainers.BpeTrainer(vocab_size=290, initial_alphabet=alphabet, show_progress=False))
    return made


def small_model(seed=0, dropout=0.0, **changes):
    torch.manual_seed(seed)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    settings = {"vocab_size": ROWS, "max_position_embeddings": 64, "hidden_dropout": dropout, **sizes, **changes}
    return AutoModelForCausalLM.from_config(GPTNeoXConfig(**settings))


def small_gpt2(seed=0, **changes):
    torch.manual_seed(seed)
    sizes = {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 64}
    return AutoModelForCausalLM.from_config(GPT2Config(vocab_size=ROWS, **sizes, **changes))


def save(model, folder):
    """A checkpoint as Trainer writes it, with the tokenizer."""
    model.save_pretrained(folder)
    tokenizer().save(str(folder / "tokenizer.json"))
    return folder
