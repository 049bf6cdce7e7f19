"""The fifth exercise of chapter 2: how much succeeds, where an agent stops and all later places are one."""

from collections.abc import Callable

from her_course.exercises import reference
from her_course.exercises.judging import maker, rounded, simulated

still_case = maker(reference.share_when_it_stops)


def _share(moving: Callable = lambda n, m, t: 1 / (n - t), resting: Callable = lambda n, m, t: 1.0) -> Callable:
    """The mean over all positions, with these probabilities before the stop and from it on."""
    return lambda n, m: sum(moving(n, m, t) if t < m else resting(n, m, t) for t in range(n)) / n


_right = reference.share_when_it_stops

STANDING_STILL = {
    "never_stops": lambda n, m: reference.expected_success_share(n),
    "all_succeed": lambda n, m: 1.0,
    "only_at_rest": _share(moving=lambda n, m, t: 0.0),
    "only_on_the_way": _share(resting=lambda n, m, t: 0.0),
    "repeats_counted_once": _share(moving=lambda n, m, t: 1 / (m + 1 - t)),
    "rest_left_out_of_candidates": _share(moving=lambda n, m, t: 1 / (m - t)),
    "uniform_over_the_episode": _share(moving=lambda n, m, t: 1 / n, resting=lambda n, m, t: (n - m) / n),
    "rest_never_fails_to_be_drawn": _share(moving=lambda n, m, t: (n - m) / (n - t)),
    "stops_one_too_early": lambda n, m: _right(n, max(m - 1, 0)),
    "stops_one_too_late": lambda n, m: _right(n, min(m + 1, n)),
    "not_divided": lambda n, m: n * _right(n, m),
    "share_of_all": lambda n, m: 0.8 * _right(n, m),
    "rounded": rounded(_right),
    "estimated": simulated(_right),
}
