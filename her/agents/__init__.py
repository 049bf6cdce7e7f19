"""Off-policy learners with one interface: act, learn from a batch, give and take back their state.

An agent sees observations [state, goal] joined, shape (n, state_dim + goal_dim), and knows nothing of hindsight: what
is relabelled is the buffer's business.
"""

from her.agents.ddpg import DDPG, DDPGConfig
from her.agents.dqn import DQN, DQNConfig
from her.agents.sac import SAC, SACConfig

__all__ = ["DDPG", "DQN", "SAC", "DDPGConfig", "DQNConfig", "SACConfig"]
