"""What a module keeps or draws, which an export would freeze."""

from __future__ import annotations

import os
import random
import time
from collections import deque
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from module_case import Case, floats, through
from torch import nn

from taoism import errors

COUNTS = [0]
HELD = torch.zeros(5)


def draws(draw, **more) -> Case:
    return Case(through(lambda net, x: draw(net.fc(x)), fc=nn.Linear(5, 5)), floats(5), **more)


class Momentum(nn.Module):
    def __init__(self, update) -> None:
        super().__init__()
        self.fc = nn.Linear(5, 5)
        self.register_buffer("mean", torch.zeros(5))
        self.steps = 0
        self.seen: list[torch.Tensor] = []
        self.queue: deque[int] = deque(maxlen=3)
        self.cache: dict[int, torch.Tensor] = {}
        self.shape: tuple[int, ...] = (5,)
        self.pair = (0, torch.ones(5))
        self.note: object = None
        self.notes = Notes()
        self.lists: tuple[int, list[torch.Tensor]] = (0, [])
        self.closure = keeping()
        self.update = update

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.update(self, self.fc(x))


def keeps(update, **more) -> Case:
    return Case(lambda: Momentum(update), floats(5), **more)


def add_(net, x):
    net.mean.mul_(0.9).add_(x.mean(0), alpha=0.1)
    return x - net.mean


def copies(net, x):
    net.mean.copy_(x[0])
    return x + net.mean


def data(net, x):
    net.mean.data = net.mean.data + 1
    return x + net.mean


def through_numpy(net, x):
    net.mean.numpy()[:] += 1
    return x + net.mean


def weight(net, x):
    net.fc.weight.data.mul_(0.5)
    return x


def steps(net, x):
    net.steps += 1
    return x * net.steps


def remembers(net, x):
    net.seen.append(x.detach())
    return x + net.seen[-1].sum() + len(net.seen)


def queue(net, x):
    net.queue.append(len(net.queue))
    return x + sum(net.queue)


def cache(net, x):
    if x.shape[1] not in net.cache:
        net.cache[x.shape[1]] = torch.arange(float(x.shape[1]))
    return x + net.cache[x.shape[1]]


def cache_by_batch(net, x):
    if x.shape[0] not in net.cache:
        net.cache[x.shape[0]] = torch.arange(float(x.shape[0]))[:, None]
    return x + net.cache[x.shape[0]]


def of_the_process(net, x):
    COUNTS[0] += 1
    return x * COUNTS[0]


def tensor_of_the_process(net, x):
    HELD.add_(1)
    return x + HELD


def last(net, x):
    net.last = x
    return x


def emptied(net, x):
    net.shape = ()
    return x


def counted_in_a_pair(net, x):
    net.pair = (net.pair[0] + 1, net.pair[1])
    return x + net.pair[1]


def made_again_in_a_pair(net, x):
    net.pair = (0, torch.ones(5))
    return x + net.pair[1]


def rotary(net, x):
    length = x.shape[1]
    if getattr(net, "table", None) is None or net.table.shape[0] < length:
        net.table = torch.arange(float(length))
    return x + net.table[:length]


class Notes:
    """Somebody's own."""


def first_mean(net, x):
    if net.note is None:
        net.note = x.mean()
    return x + net.note


def first_number(net, x):
    if net.note is None:
        net.note = float(x.abs().max())
    return x * net.note


def first_number_beside(net, x):
    if net.note is None:
        net.note = float(x.abs().max())
    return x, net.note


def count_beside(net, x):
    net.steps += 1
    return x, net.steps


def first_sum_of_ids(net, x):
    if not hasattr(net, "note"):
        net.note = x[0].sum()
    return net.fc(x) * net.note


def first_in_a_dict(net, x):
    if "mean" not in net.cache:
        net.cache["mean"] = x.mean(0)
    return x + net.cache["mean"]


def first_in_a_list_in_a_pair(net, x):
    if not net.lists[1]:
        net.lists[1].append(x.mean(0))
    return x + net.lists[1][0]


def first_in_an_object(net, x):
    if not hasattr(net.notes, "mean"):
        net.notes.mean = x.mean(0)
    return x + net.notes.mean


def first_in_a_part(net, x):
    if not hasattr(net.fc, "mean"):
        net.fc.mean = x.mean(0)
    return x + net.fc.mean


def first_in_a_closure(net, x):
    return x + net.closure(x)


def keeping() -> Callable[[torch.Tensor], torch.Tensor]:
    mean = None

    def keep(x: torch.Tensor) -> torch.Tensor:
        nonlocal mean
        mean = x.mean(0) if mean is None else mean
        return mean

    return keep


def largest_so_far(net, x):
    net.note = x.max() if net.note is None else torch.maximum(net.note, x.max())
    return x / net.note


def the_one_before(net, x):
    before = 0 if net.note is None else net.note
    net.note = x[0]
    return x + before


def keeps_the_first(update, what: str, **more) -> Case:
    words = f"once it has seen another input .it changes attribute '{what}'"
    return keeps(update, refused=(errors.StatefulError, words), **more)


class Stochastic(nn.Module):
    """Drops whole paths, as in training."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(5, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        keep = x.new_empty(x.shape[0], 1).bernoulli_(0.5)
        return x + self.fc(x) * keep


def training_part(part: nn.Module) -> nn.Module:
    net = nn.Sequential(nn.Linear(5, 5), part).eval()
    part.train()
    return net


def at_training(part) -> Case:
    return Case(
        lambda: training_part(part()),
        floats(5),
        (errors.TrainingModeError, "module '1' is in training mode"),
        as_it_is=True,
    )


STATE = {
    "bernoulli": draws(lambda x: torch.bernoulli(x.sigmoid()), refused=(errors.StatefulError, r"answers the same input otherwise.*aten\.bernoulli")),
    "rand like": draws(lambda x: x + torch.rand_like(x), refused=(errors.StatefulError, r"answers the same input otherwise.*aten\.rand_like")),
    "randint": draws(lambda x: x + torch.randint(9, (5,)), refused=(errors.StatefulError, r"answers the same input otherwise.*aten\.randint")),
    "randperm": draws(lambda x: x[:, torch.randperm(5)], refused=(errors.StatefulError, r"answers the same input otherwise.*aten\.randperm")),
    "exponential": draws(lambda x: x + torch.empty(5).exponential_(), refused=(errors.StatefulError, r"answers the same input otherwise.*aten\.exponential_")),
    "gumbel": draws(lambda x: F.gumbel_softmax(x, dim=1), refused=(errors.StatefulError, r"answers the same input otherwise.*aten\.exponential_")),
    "dropout": draws(lambda x: F.dropout(x, 0.3), refused=(errors.StatefulError, r"answers the same input otherwise.*aten\.bernoulli_")),
    "alpha dropout": draws(lambda x: F.alpha_dropout(x, 0.3, True), refused=(errors.StatefulError, r"answers the same input otherwise.*aten\.bernoulli_")),
    "a generator of its own": draws(lambda x: x + torch.rand(5, generator=torch.Generator().manual_seed(1)), refused=(errors.StatefulError, r"draws random numbers \(aten\.rand\)")),
    "a seed of its own": draws(lambda x: (torch.manual_seed(3), x + torch.rand(5))[1], refused=(errors.StatefulError, r"draws random numbers \(aten\.rand\), and the answer")),
    "a distribution": draws(lambda x: torch.distributions.Normal(x, 1.0).rsample(), refused=(errors.StatefulError, r"answers the same input otherwise.*aten\.normal_")),
    "attention that drops": draws(lambda x: F.scaled_dot_product_attention(x[:, None], x[:, None], x[:, None], dropout_p=0.4), refused=(errors.StatefulError, r"answers the same input otherwise.*aten\.bernoulli_")),
    "rrelu in training": draws(lambda x: F.rrelu(x, training=True), refused=(errors.StatefulError, r"answers the same input otherwise.*aten\.rrelu_with_noise")),
    "paths dropped": Case(Stochastic, floats(5), refused=(errors.StatefulError, r"answers the same input otherwise.*aten\.bernoulli_")),
    "python's numbers": draws(lambda x: x * random.random(), refused=(errors.StatefulError, r"answers the same input otherwise.*Python's random")),
    "numpy's numbers": draws(lambda x: x * float(np.random.rand()), refused=(errors.StatefulError, r"answers the same input otherwise.*numpy\.random")),
    "numpy's new numbers": draws(lambda x: x * float(np.random.default_rng().random()), refused=(errors.StatefulError, r"answers the same input otherwise.*where is not known")),
    "the clock": draws(lambda x: x * (time.perf_counter_ns() % 1000), refused=(errors.StatefulError, r"answers the same input otherwise.*where is not known")),
    "the system's numbers": draws(lambda x: x * int.from_bytes(os.urandom(2)), refused=(errors.StatefulError, r"answers the same input otherwise.*where is not known")),
    "a draw that nobody reads": draws(lambda x: (torch.rand(5), x)[1]),
    "running mean": keeps(add_, refused=(errors.StatefulError, r"changes the buffer 'mean' \(aten\.mul_\)")),
    "copied": keeps(copies, refused=(errors.StatefulError, r"changes the buffer 'mean' \(aten\.copy_\)")),
    "through data": keeps(data, refused=(errors.StatefulError, r"answers the same input otherwise.*attribute 'mean'")),
    "through numpy": keeps(through_numpy, refused=(errors.StatefulError, r"answers the same input otherwise")),
    "its weight": keeps(weight, refused=(errors.StatefulError, r"changes the parameter 'fc\.weight' \(aten\.mul_\)")),
    "steps": keeps(steps, refused=(errors.StatefulError, r"answers the same input otherwise.*attribute 'steps'")),
    "what it saw": keeps(remembers, refused=(errors.StatefulError, r"answers the same input otherwise.*attribute 'seen'")),
    "a queue": keeps(queue, refused=(errors.StatefulError, r"answers the same input otherwise.*attribute 'queue'")),
    "a cache": keeps(cache),
    "a cache by batch": keeps(cache_by_batch, fixed="the module's code, as PyTorch exports it, fixes it"),
    "the process's count": keeps(of_the_process, refused=(errors.StatefulError, r"answers the same input otherwise.*where is not known")),
    "the process's tensor": keeps(tensor_of_the_process, refused=(errors.StatefulError, r"answers the same input otherwise.*where is not known")),
    "the last one": keeps(last, warns="'last'"),
    "an empty shape": keeps(emptied),
    "a count in a pair": keeps(counted_in_a_pair, warns="'pair'"),
    "a pair made again": keeps(made_again_in_a_pair),
    "a table that grows": keeps(rotary),
    "the first mean": keeps_the_first(first_mean, "note", fast=True),
    "the first mean, of many": keeps_the_first(first_mean, "note", example=5),
    "the first number": keeps_the_first(first_number, "note"),
    "the first number, beside": keeps_the_first(first_number_beside, "note"),
    "a count beside": keeps(count_beside, refused=(errors.StatefulError, r"answers the same input otherwise.*attribute 'steps'")),
    "the first of what is all alike": Case(lambda: Momentum(first_mean), lambda b: (torch.ones(b, 5),), refused=(errors.StatefulError, "'note'")),
    "the first of numbers that are all alike": Case(
        through(first_sum_of_ids, fc=nn.Embedding(3, 5)), lambda b: (torch.ones(b, 4).long(),), warns="'note'"),
    "the first in a dict": keeps_the_first(first_in_a_dict, "cache"),
    "the first in a list in a pair": keeps_the_first(first_in_a_list_in_a_pair, "lists"),
    "the first in an object": keeps_the_first(first_in_an_object, "notes", fast=True),
    "the first in a part": keeps_the_first(first_in_a_part, "mean"),
    "the first in a closure": keeps_the_first(first_in_a_closure, "closure"),
    "the largest so far": keeps_the_first(largest_so_far, "note"),
    "the one before": keeps(the_one_before, refused=(errors.StatefulError, "is called again .it changes attribute 'note'")),
    "batch norm in training": at_training(lambda: nn.BatchNorm1d(5)),
    "dropout in training": at_training(lambda: nn.Dropout(0.3)),
    "batch norm without statistics": Case(lambda: nn.Sequential(nn.Linear(5, 5), nn.BatchNorm1d(5, track_running_stats=False)), floats(5), refused=(errors.UnsupportedError, "mean must be a constant")),
    "instance norm with statistics": Case(lambda: nn.InstanceNorm1d(4, track_running_stats=True), floats(4, 6), refused=(errors.UnsupportedError, "scale must be a constant")),
    "in training, nothing in it is otherwise": Case(
        lambda: nn.Linear(5, 5), floats(5), (errors.TrainingModeError, "the module is in training mode"), as_it_is=True),
}  # fmt: skip
