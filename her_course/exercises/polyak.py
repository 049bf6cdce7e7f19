"""The second exercise of chapter 4, the target network: what becomes of tensors in place, and how it goes wrong."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from her_course.exercises import reference
from her_course.exercises.judging import is_array, value_case
from her_course.exercises.model import Case, Outcome, Text
from her_course.exercises.saying import show_both


def polyak_case(
    name: Text | str, shapes: Sequence[tuple[int, ...]], tau: float, rng: np.random.Generator, kind: type = list
) -> Case:
    """The arguments after the call must be what they should be; what is returned does not matter.

    Args:
        kind: of sequence that the parameters come in. Nothing can be assigned to the entries of a tuple.
    """
    import torch

    target, online = (
        kind(torch.nn.Parameter(torch.from_numpy(rng.normal(size=shape).astype(np.float32))) for shape in shapes)
        for _ in range(2)
    )

    return value_case(
        name, (target, online, tau), reference.polyak_update, same_networks, look=_after, describe=_which_tensor
    )


def _after(outcome: Outcome) -> list[list[Any]] | None:
    """Both networks after the call, as lists of tensors; None if they are something else."""
    if outcome.arguments_after is None or len(outcome.arguments_after[0]) != 3:
        return None
    networks = outcome.arguments_after[0][:2]
    if any(type(network) not in (list, tuple) for network in networks):
        return None
    return [list(network) for network in networks]


def _same_tensor(one: Any, other: Any) -> bool:
    if type(one) is not type(other) or getattr(one, "requires_grad", None) != getattr(other, "requires_grad", None):
        return False
    return hasattr(one, "detach") and is_array(1e-4, 1e-5)(one.detach().numpy(), other.detach().numpy())


def _same_tensors(one: Sequence, other: Sequence) -> bool:
    return len(one) == len(other) and all(map(_same_tensor, one, other))


def same_networks(got: Any, expected: Any) -> bool:
    """Are all tensors of both networks the same, parameters where those are?"""
    return got is not None and expected is not None and all(map(_same_tensors, got, expected))


def _which_tensor(right: Any, got: Any, compare: Callable) -> tuple[Text | str, Text | str]:
    if got is None:
        return Text("两列参数", "two lists of parameters"), Text("成了别的东西", "something else")
    if not _same_tensors(got[1], right[1]):
        changed = Text("它变了", "it has changed")
        return Text("在线网络不变", "the online network as it was"), changed
    if len(got[0]) != len(right[0]):
        return f"{len(right[0])}", f"{len(got[0])}"
    i = next(i for i, pair in enumerate(zip(got[0], right[0], strict=True)) if not _same_tensor(*pair))
    kind = type(got[0][i]).__name__
    if kind != "Parameter" or not got[0][i].requires_grad:
        expected = Text("目标网络自己的 Parameter，要梯度", "the target's own Parameter, which requires gradients")
        frozen = Text("不再要梯度的 Parameter", "a Parameter that requires none")
        return expected, frozen if kind == "Parameter" else Text(f"另一个 {kind}", f"another {kind}")
    expected, came = show_both(right[0][i].detach().numpy(), got[0][i].detach().numpy(), 60)
    return Text(f"第 {i + 1} 个张量 {expected}", f"tensor {i + 1}: {expected}"), Text(
        f"第 {i + 1} 个张量 {came}", f"tensor {i + 1}: {came}"
    )


def polyak_cases(rng: np.random.Generator) -> list[Case]:
    """The public cases."""
    return [
        polyak_case("one_tensor", [(3,)], 0.1, rng),
        polyak_case("network", [(4, 3), (4,), (2, 4), (2,)], 0.25, rng, tuple),
        polyak_case("no_move", [(2, 2), (2,)], 0.0, rng),
        polyak_case("full_copy", [(2, 2), (2,)], 1.0, rng),
    ]


def _each(change: Callable, only: slice = slice(None)) -> Callable:
    """``change(t, o, tau)`` gives the new values of each tensor of the target, in place."""

    def wrong(target: Sequence, online: Sequence, tau: float) -> None:
        for t, o in list(zip(target, online, strict=True))[only]:
            t.data.copy_(change(t.data, o.data, tau))

    return wrong


def _online(change: Callable, target_too: bool) -> Callable:
    def wrong(target: Sequence, online: Sequence, tau: float) -> None:
        for t, o in zip(target, online, strict=True):
            new = change(t.data, o.data, tau)
            if target_too:
                t.data.copy_((1 - tau) * t.data + tau * o.data)
            o.data.copy_(new)

    return wrong


def _with_gradients(target: Sequence, online: Sequence, tau: float) -> None:
    for t, o in zip(target, online, strict=True):
        t.mul_(1 - tau).add_(tau * o)


def _assigned(make: Callable) -> Callable:
    def wrong(target: Sequence, online: Sequence, tau: float) -> None:
        for i in range(len(target)):
            target[i] = make((1 - tau) * target[i] + tau * online[i])

    return wrong


def _parameter(tensor: Any) -> Any:
    import torch

    return torch.nn.Parameter(tensor.detach())


POLYAK_UPDATE = {
    "not_in_place": lambda target, online, tau: None,
    "entries_assigned": (
        _assigned(lambda tensor: tensor),
        _assigned(lambda tensor: tensor.detach()),
        _assigned(_parameter),
    ),
    "needs_no_grad": _with_gradients,
    "tau_swapped": _each(lambda t, o, tau: tau * t + (1 - tau) * o),
    "hard_copy": _each(lambda t, o, tau: o),
    "updates_online": (
        _online(lambda t, o, tau: (1 - tau) * t + tau * o, False),
        _online(lambda t, o, tau: tau * t + (1 - tau) * o, False),
        _online(lambda t, o, tau: (1 - tau) * t + tau * o, True),
        _online(lambda t, o, tau: tau * o, True),
    ),
    "wrong_sign": (_each(lambda t, o, tau: t - tau * (o - t)), _each(lambda t, o, tau: (1 - tau) * t - tau * o)),
    "adds_without_decay": _each(lambda t, o, tau: t + tau * o),
    "only_decays": _each(lambda t, o, tau: (1 - tau) * t),
    "only_online": _each(lambda t, o, tau: tau * o),
    "plain_mean": _each(lambda t, o, tau: (t + o) / 2),
    "adds_all": _each(lambda t, o, tau: (1 - tau) * t + o),
    "only_the_first": _each(lambda t, o, tau: (1 - tau) * t + tau * o, slice(1)),
    "only_the_last": _each(lambda t, o, tau: (1 - tau) * t + tau * o, slice(-1, None)),
    "compounded": _each(lambda t, o, tau: (1 - tau) * (t + tau * o)),
}
