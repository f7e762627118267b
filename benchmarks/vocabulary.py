"""A real shape, V = 49,152 and d = 576: heads, their losses, a training step, unargmaxable tokens, beside plain code.

python -m benchmarks.vocabulary    # a few minutes; python -m benchmarks.metrics has a checkpoint of V = 50,304, d = 768

One thread, CPU seconds, which neighbours change less than seconds. Both methods of a row run in one process, in turn.
"""

import json
import sys
import time

import numpy as np
import torch
from torch.nn.functional import cross_entropy
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

from benchmarks.common import measure, write_results
from lm_saturation.heads.factored_head import token_losses
from lm_saturation.heads.sweep import HeadRun, Sweep
from lm_saturation.inference.trunk import trunk_states
from lm_saturation.metrics import unargmaxable
from lm_saturation.training.loop import batch_loss, make_optimizer, update
from lm_saturation.training.recipe import BETAS, EPSILON, WEIGHT_DECAY, Precision

VOCABULARY, WIDTH, LAYERS = 49152, 576, 30  # those of SmolLM2-135M
RANKS = [4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 576]
SEQUENCES, LENGTH = 4, 128
ASKED, PROGRAMS = 1024, 2  # tokens asked of unargmaxable, and solved by programs alone
PARTS = {
    "heads": f"an update of 12 heads, ranks 4 to 576, on a trunk of {LAYERS} layers",
    "losses": "losses of N(0, 1) heads of rank 16 and 64",
    "training": f"a training step of {LAYERS} layers",
    "unargmaxable": f"unargmaxable tokens, the first {ASKED:,}",
}
PEERS = {
    "heads": "a loop for each head: trunk, cross_entropy, backward, AdamW",
    "losses": "logsumexp over 1 MiB of logits at a time",
    "training": "transformers' model(labels).loss.backward(), AdamW",
    "unargmaxable": f"scipy's linprog for each, from {PROGRAMS} of them",
}


def seconds(work):
    """CPU seconds of this process's only thread."""
    start = time.process_time()
    work()
    return time.process_time() - start


def matrix_rate():
    """TFLOP/s of a float32 matrix product of this size: a chunk of states times a head."""
    states, head = torch.randn(512, WIDTH), torch.randn(WIDTH, VOCABULARY // 4)
    logits = torch.empty(512, VOCABULARY // 4)
    found = [seconds(lambda: torch.mm(states, head, out=logits)) for _ in range(4)]
    return 2 * logits.numel() * WIDTH / min(found) / 1e12


def make_model():
    torch.manual_seed(0)
    config = GPTNeoXConfig(
        vocab_size=VOCABULARY,
        hidden_size=WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=9,
        intermediate_size=4 * WIDTH,
        max_position_embeddings=LENGTH,
    )
    return GPTNeoXForCausalLM(config)


def make_batch():
    return torch.randint(VOCABULARY, (SEQUENCES, LENGTH + 1), generator=torch.Generator().manual_seed(1))


def factors(rank, scale=1.0):
    generator = torch.Generator().manual_seed(rank)
    return tuple(scale * torch.randn(size, generator=generator) for size in ((rank, VOCABULARY), (rank, WIDTH)))


def trunk_flops():
    """Of a forward pass of the trunk over a batch."""
    return SEQUENCES * LENGTH * LAYERS * (24 * WIDTH**2 + 4 * LENGTH * WIDTH)


def heads():
    """One update of every head."""
    model, ids = make_model().eval(), make_batch()
    targets = ids[:, 1:].flatten()
    runs = [HeadRun("scaled", rank, 0.005, factors(rank, 0.05)) for rank in RANKS]
    plain = [tuple(factor.T.clone().requires_grad_() for factor in run.factors) for run in runs]
    losses = []

    def ours():
        Sweep(runs, 1).train(lambda _: (trunk_states(model, ids[:, :-1], SEQUENCES).flatten(0, 1), targets))

    def peer():
        for left, right in plain:
            optimizer = torch.optim.AdamW([left, right], 0.005, BETAS, EPSILON, WEIGHT_DECAY)
            with torch.no_grad():
                states = model.gpt_neox(ids[:, :-1]).last_hidden_state.flatten(0, 1)
            loss = cross_entropy((states @ right) @ left.T, targets)
            loss.backward()
            torch.nn.utils.clip_grad_norm_([left, right], 1.0)
            optimizer.step()
            losses.append(loss.item())

    found = seconds(ours), seconds(peer)
    np.testing.assert_allclose([run.losses[0] for run in runs], losses, rtol=1e-4)
    flops = sum(6 * rank * (VOCABULARY + WIDTH) - 2 * rank * WIDTH for rank in RANKS)
    return *found, trunk_flops() + SEQUENCES * LENGTH * flops


def losses():
    """Held-out losses of heads at the paper's initialisation, whose logits are tens apart."""
    states, targets = torch.randn(SEQUENCES * LENGTH, WIDTH), make_batch()[:, 1:].flatten()
    tried, parts, results = [factors(rank) for rank in (16, 64)], (1 << 18) // VOCABULARY, []

    def peer_of(head):
        for part, target in zip(states.split(parts), targets.split(parts), strict=True):
            logits = (part @ head[1].T) @ head[0]
            yield logits.logsumexp(1) - logits.gather(1, target[:, None])[:, 0]

    token_losses(states[:128], targets[:128], tried[0])  # which allocates memory
    ours = seconds(lambda: results.extend(token_losses(states, targets, head).nats for head in tried))
    peer = seconds(lambda: results.extend(torch.cat(list(peer_of(head))) for head in tried))
    torch.testing.assert_close(results[:2], results[2:], rtol=1e-4, atol=1e-2)
    return ours, peer, 2 * len(states) * (16 + 64) * (VOCABULARY + WIDTH)


def training():
    """One update of all weights."""
    batch, numerics, found = make_batch(), Precision(), []
    ours, plain = make_model().train(), make_model().train()
    optimizer, peer_optimizer = make_optimizer(ours), torch.optim.AdamW(plain.parameters(), lr=1e-3)

    def peer():
        peer_optimizer.zero_grad()
        found.append(plain(input_ids=batch[:, :-1], labels=batch[:, :-1]).loss)
        found[-1].backward()
        torch.nn.utils.clip_grad_norm_(plain.parameters(), 1.0)
        peer_optimizer.step()

    def step():
        update(ours, optimizer, batch_loss(ours, batch, numerics), 1e-3)

    step()  # which allocates gradients and moments
    peer()
    return seconds(step), seconds(peer), 3 * (trunk_flops() + 2 * SEQUENCES * LENGTH * VOCABULARY * WIDTH)


def make_head():
    """(V, d) rows of all sizes in clusters, as of trained heads: some lose to another row in their own direction."""
    rng = np.random.default_rng(0)
    centres = 0.7 * rng.standard_normal((256, WIDTH))
    head = centres[rng.integers(256, size=VOCABULARY)] + rng.uniform(0.2, 1, (VOCABULARY, 1)) * rng.standard_normal(
        (VOCABULARY, WIDTH)
    )
    return head * rng.uniform(0.5, 1, (VOCABULARY, 1))


def unargmaxable_tokens():
    """Whether each of the first tokens can be the argmax; the peer's time is that of programs for all that need one."""
    head, seen = make_head(), np.zeros(VOCABULARY, np.bool_)
    asked, search = [], unargmaxable._search

    def spy(rows, low, tokens, rounds):
        left = search(rows, low, tokens, rounds)
        if rounds == 1:
            asked.extend(left.tolist())
        return left

    unargmaxable._search = spy
    ours = seconds(lambda: unargmaxable.count_unargmaxable(head, None, ASKED, seen))
    rows = head - head.mean(0)
    rows /= np.linalg.norm(rows, axis=1).max()
    low, some = np.full(WIDTH, -1.0), asked[:PROGRAMS]
    own = seconds(lambda: search(torch.from_numpy(rows).float(), torch.full((WIDTH,), -1.0), torch.arange(256), 1))
    programs = seconds(lambda: [unargmaxable._argmaxable(rows, low, token) for token in some])
    print(f"{len(asked)} of {ASKED} need a program or a screen", file=sys.stderr)
    return ours, own * ASKED / 256 + programs * len(asked) / len(some), 2 * ASKED * VOCABULARY * WIDTH


def run(part):
    """One part, in this process."""
    Precision().prepare(threads=1)
    work = {"heads": heads, "losses": losses, "training": training, "unargmaxable": unargmaxable_tokens}[part]
    rate = matrix_rate()
    ours, peer, flops = work()
    print(json.dumps({"ours": ours, "peer": peer, "flops": flops, "rate": max(rate, matrix_rate())}))


def table(found):
    """Lines of Markdown, from what `run` printed for each part."""
    lines = [
        f"V = {VOCABULARY:,}, d = {WIDTH}, {SEQUENCES * LENGTH} tokens, float32, one thread, CPU seconds. Both agree",
        "on losses. The last columns: TFLOP/s of the matrix products that ours needs, and of a matrix product alone.",
        "",
        "| work | peer | ours, s | peer, s | peer / ours | TFLOP/s | product alone |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for part, name in PARTS.items():
        ours, peer, flops, rate = (found[part][key] for key in ("ours", "peer", "flops", "rate"))
        lines.append(
            f"| {name} | {PEERS[part]} | {ours:.2f} | {peer:.2f} | {peer / ours:.1f} | {flops / ours / 1e12:.3f} | "
            f"{rate:.3f} |"
        )
    return lines


def main():
    lines = table({part: measure("benchmarks.vocabulary", part) for part in PARTS})
    write_results("A real vocabulary", "python -m benchmarks.vocabulary", ["torch", "transformers", "scipy"], lines)


if __name__ == "__main__":
    run(sys.argv[1]) if len(sys.argv) > 1 else main()
