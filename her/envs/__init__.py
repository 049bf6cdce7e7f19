"""Goal environments in plain numpy: `her/BitFlip-v0`, `her/Reach-v0` and `her/Push-v0`.

Importing this package registers them with Gymnasium, for `gymnasium.make` and, natively vectorised,
`gymnasium.make_vec`. Without an import of its own a program can say `gymnasium.make("her.envs:her/Push-v0")`.
"""

import gymnasium as gym

from her.envs.bit_flip import BitFlipEnv, BitFlipVectorEnv
from her.envs.push import PushEnv, PushVectorEnv
from her.envs.reach import ReachEnv, ReachVectorEnv

__all__ = ["BitFlipEnv", "BitFlipVectorEnv", "PushEnv", "PushVectorEnv", "ReachEnv", "ReachVectorEnv"]

for _name, _module in (("BitFlip", "bit_flip"), ("Reach", "reach"), ("Push", "push")):
    gym.register(
        id=f"her/{_name}-v0",
        entry_point=f"her.envs.{_module}:{_name}Env",
        vector_entry_point=f"her.envs.{_module}:{_name}VectorEnv",
    )
