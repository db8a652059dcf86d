#!/usr/bin/env python3
"""Shield a sentence encoder with real weights, MiniLM, beside the same encoder in plain PyTorch.

A notebook as a script: run it from top to bottom, or cell by cell where the editor knows `# %%`.

    make python && tools/setup --models
    PYTHONPATH=build/release/python .venv/bin/python examples/shield_sentence_encoder.py

It takes half a minute on two cores, and ends with an error where an answer differs from PyTorch's.
"""

# %% The encoder, untouched: PyTorch alone
from __future__ import annotations

import torch

import minilm
import taoism
from side_by_side import check_same, difference, median_ms

TOKENS = 32  # every sentence is padded to these; the number of sentences is free

encoder = minilm.load_encoder()
tokenize = minilm.Tokenizer.load()

DOCUMENTS = [
    "The invoice is due within thirty days of delivery.",
    "Restart the router and wait until the green light stops blinking.",
    "Our cafeteria serves a vegetarian dish every day.",
    "Employees may carry over five days of holiday into the next year.",
    "The warranty does not cover damage caused by water.",
    "To reset your password, follow the link that we sent you by email.",
    "Parking is free for visitors on weekends.",
    "The train to the airport leaves every twenty minutes.",
]
QUESTIONS = [
    "How long do I have to pay?",
    "The internet connection is down, what can I do?",
    "I dropped my phone in the sink, will you replace it?",
    "I cannot log in to my account.",
]


def best(questions: torch.Tensor, documents: torch.Tensor) -> torch.Tensor:
    """For every question the documents, the nearest first."""
    return (questions @ documents.T).argsort(dim=1, descending=True)


documents, questions = tokenize(DOCUMENTS, TOKENS), tokenize(QUESTIONS, TOKENS)
with torch.no_grad():
    plain_documents, plain_questions = encoder(*documents), encoder(*questions)
plain_ranks = best(plain_questions, plain_documents)

# %% Shielded: one call
# The base model is known to everybody. Say that its owner has trained the last two layers on data
# of his own: these are what is private, and they go into the TEE.
PRIVATE = ["encoder.layer.4", "encoder.layer.5"]

shielded = taoism.shield(
    encoder,
    documents,
    placement={name: "tee" for name in PRIVATE} | {"": "device"},
    private=PRIVATE,
)

# %% The same answers
shielded_documents, shielded_questions = shielded(*documents), shielded(*questions)
check_same("documents", shielded_documents, plain_documents)
check_same("questions", shielded_questions, plain_questions)
likeness = shielded_questions @ shielded_documents.T
ranks = best(shielded_questions, shielded_documents)
for i, question in enumerate(QUESTIONS):
    print(question)
    print(f"  PyTorch:  {DOCUMENTS[plain_ranks[i, 0]]}")
    print(f"  shielded: {DOCUMENTS[ranks[i, 0]]} ({likeness[i, ranks[i, 0]]:.2f})")

# %% What runs where, and what the device sees
# `print(shielded.explain())` has a line for every module.
print()
for name, side in shielded.placement.items():
    if name == "embeddings" or (name.startswith("encoder.layer.") and name.count(".") == 2):
        print(f"{name} runs here: {side}")
print(repr(shielded.plan))
for tensor in shielded.plan.report["exposed_activations"]:
    if tensor["kind"] == "input":
        print(f"the device sees the input {tensor['name']}, {tensor['shape']}")

# %% Other ways to split it
# `full` wants all 86 MiB of weights in trusted memory, half of them the table of words. A look-up
# needs the whole table at hand, so that it cannot be streamed; the rest can. The table left outside
# (the device then sees the words, and nothing after them), 16 MiB do. Nothing is said of privacy
# in these, and so all weights count as private.
WAYS: dict[str, taoism.ShieldedModule] = {
    "last two layers": shielded,
    "deep:k=2": taoism.shield(encoder, documents, taoism.Deep(k=2)),
    "full": taoism.shield(encoder, documents, "full"),
    "table outside, 16 MiB": taoism.shield(
        encoder,
        documents,
        placement={"embeddings.word_embeddings": "device", "": "tee"},
        tee_memory="16MiB",
    ),
}

one = tokenize(QUESTIONS[:1], TOKENS)


def plain() -> torch.Tensor:
    with torch.no_grad():
        return encoder(*one)


times = median_ms({"PyTorch": plain} | {name: (lambda m=m: m(*one)) for name, m in WAYS.items()})
print(f"\nOne sentence, {TOKENS} tokens, {torch.get_num_threads()} threads; the TEE is simulated.")
print(f"{'':22}  {'ms':>6}  MACs in TEE  private exposed  trusted memory  differs by")
print(f"{'PyTorch':22}  {times['PyTorch']:6.2f}")
for name, way in WAYS.items():
    check_same(name, way(*documents), plain_documents)
    if not torch.equal(best(way(*questions), way(*documents)), plain_ranks):
        raise SystemExit(f"{name}: ranks the documents otherwise than PyTorch")
    plan = way.plan
    print(
        f"{name:22}  {times[name]:6.2f}  {plan.tee_macs_share:11.1%}"
        f"  {plan.private_params_exposed_share:15.1%}  {plan.tee_memory_peak / 2**20:10.1f} MiB"
        f"  {difference(way(*documents), plain_documents):10.1g}"
    )

# %% The end of it
# Closing ends the worker processes; so does leaving a `with` block, or the interpreter's end.
for way in WAYS.values():
    way.close()
print("\nevery way ranks every document as PyTorch does")
