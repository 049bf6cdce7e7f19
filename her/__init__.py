"""Hindsight Experience Replay: a course that runs, and a replay buffer to keep."""

from her import envs as envs  # known to Gymnasium from here on
from her.batch import Batch
from her.curriculum import CurriculumHER
from her.episodes import Episode, Transition
from her.goals import GoalSelectionStrategy
from her.hindsight import HERConfig, HindsightExperienceReplay
from her.prioritized import PrioritizedHER
from her.replay import GoalConditionedReplayBuffer
from her.rewards import sparse_reward

__all__ = [
    "Batch",
    "CurriculumHER",
    "Episode",
    "GoalConditionedReplayBuffer",
    "GoalSelectionStrategy",
    "HERConfig",
    "HindsightExperienceReplay",
    "PrioritizedHER",
    "Transition",
    "sparse_reward",
]
__version__ = "0.1.0"
