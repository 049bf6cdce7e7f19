"""n-step returns with hindsight in Stable-Baselines3 (2.7 or newer), whose own `HerReplayBuffer` has none."""

from typing import Any

import torch
from stable_baselines3.common.type_aliases import DictReplayBufferSamples

from her.integrations.infos import ReplayWithInfos
from her.integrations.sb3 import HindsightReplayBuffer
from her.n_step import NStepReturns, NStepStepwise


class NStepWithInfos(NStepReturns, ReplayWithInfos):
    """`ReplayWithInfos` with n-step returns."""


class NStepHindsightReplayBuffer(HindsightReplayBuffer):
    """`HindsightReplayBuffer` with returns of at most ``n_steps`` (`her.n_step`); ``gamma`` is that of the model."""

    def __init__(self, *args: Any, n_steps: int = 3, gamma: float = 0.99, **settings: Any):
        self.n_steps, self.gamma = n_steps, gamma
        super().__init__(*args, **settings)

    def _make_replay(self, *args: Any, **settings: Any) -> NStepReturns:
        make = NStepWithInfos if self.copy_info_dict else NStepStepwise
        return make(*args, n_steps=self.n_steps, gamma=self.gamma, **settings)

    def sample(self, *args: Any, **kwargs: Any) -> DictReplayBufferSamples:
        samples = super().sample(*args, **kwargs)
        return samples._replace(discounts=torch.as_tensor(self.newest.discounts, device=self.device)[:, None])
