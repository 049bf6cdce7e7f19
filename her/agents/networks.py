"""Small networks whose parameters lie in one flat vector, so that an optimiser or a target update is one operation."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import nn


def mlp(input_dim: int, hidden: Sequence[int], output_dim: int) -> nn.Sequential:
    """Linear layers with ReLU between them, none after the last; weights orthogonal (Saxe et al. 2014), biases 0.

    On bit flipping with 30 bits, orthogonal weights reach in 200 k steps what PyTorch's default does not in 300 k.
    """
    sizes = [input_dim, *hidden, output_dim]
    layers: list[nn.Module] = []
    for i, (fan_in, fan_out) in enumerate(itertools.pairwise(sizes)):
        linear = nn.Linear(fan_in, fan_out)
        is_last = i == len(hidden)
        nn.init.orthogonal_(linear.weight, gain=1.0 if is_last else 2**0.5)
        nn.init.zeros_(linear.bias)
        layers += [linear] if is_last else [linear, nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


class Learner:
    """A network, its Adam optimiser, and its slowly following target copy, each one flat vector of parameters.

    On small networks most of an update's time goes into starting many small operations; flat vectors make Adam and the
    target update one operation each.

    Args:
        network: whose parameters are moved into a flat vector; it is trained in place.
        learning_rate: of Adam.
        tau: the share of the network that goes into the target at every `follow`: target ← (1 - τ)·target + τ·network.
    """

    def __init__(self, network: nn.Module, target: nn.Module, learning_rate: float, tau: float):
        target.load_state_dict(network.state_dict())
        self.network, self.target, self.tau = network, target.requires_grad_(False), tau
        self.parameters = list(network.parameters())
        self._online = nn.Parameter(_flatten(network))
        self._online.grad = torch.zeros_like(self._online)
        self._targets = _flatten(target)
        offset = 0
        for parameter in self.parameters:
            end = offset + parameter.numel()
            parameter.grad = self._online.grad[offset:end].view_as(parameter)
            offset = end
        self.optimizer = torch.optim.Adam([self._online], lr=learning_rate, fused=True)

    def minimise(self, loss: torch.Tensor) -> None:
        """One Adam step down the gradient with respect to this network alone; others in the graph stay untouched."""
        self._online.grad.zero_()
        loss.backward(inputs=self.parameters)
        self.optimizer.step()

    def follow(self) -> None:
        """Move the target towards the network (Lillicrap et al. 2016, Algorithm 1)."""
        self._targets.lerp_(self._online.data, self.tau)

    def state(self) -> dict[str, torch.Tensor]:
        """Every number that learning depends on: parameters, targets, and Adam's moments."""
        adam = self.optimizer.state.get(self._online, {})
        return {"online": self._online.data, "target": self._targets, **{f"adam_{k}": v for k, v in adam.items()}}

    def load(self, state: dict[str, torch.Tensor]) -> None:
        """Take back what `state` gave."""
        self._online.data.copy_(state["online"])
        self._targets.copy_(state["target"])
        adam = {k.removeprefix("adam_"): v.clone() for k, v in state.items() if k.startswith("adam_")}
        if adam:
            self.optimizer.state[self._online] = adam


def _flatten(module: nn.Module) -> torch.Tensor:
    """One vector of all parameters, which become views of it."""
    parameters = list(module.parameters())
    flat = torch.cat([p.data.reshape(-1) for p in parameters])
    offset = 0
    for parameter in parameters:
        end = offset + parameter.numel()
        parameter.data = flat[offset:end].view_as(parameter)
        offset = end
    return flat
