"""The fifth exercise of chapter 1: the luck of somebody who never flips a bit twice, which can be counted."""

import math

from her_course.exercises import reference
from her_course.exercises.judging import is_array, maker, rounded, simulated

flips_case = maker(reference.fresh_flips_probability, is_array(1e-6, 1e-15))


def _seen(n: int, h: int) -> int:
    return min(h, n) + 1


FRESH_FLIPS = {
    "bits_flipped_again": (
        reference.random_success_probability,
        lambda n, h: reference.random_success_probability(n, min(h, n)),
    ),
    "start_not_counted": (lambda n, h: min(h, n) / 2**n, lambda n, h: h / 2**n),
    "never_runs_out": (lambda n, h: (h + 1) / 2**n, lambda n, h: min(1.0, (h + 1) / 2**n)),
    "only_at_the_end": lambda n, h: 1 / 2**n,
    "independent_guesses": (
        lambda n, h: 1 - (1 - 0.5**n) ** _seen(n, h),
        lambda n, h: 1 - (1 - 0.5**n) ** (h + 1),
    ),
    "within_reach_is_hit": lambda n, h: sum(math.comb(n, d) for d in range(min(h, n) + 1)) / 2**n,
    "order_matters": lambda n, h: sum(math.comb(n, d) / math.perm(n, d) for d in range(_seen(n, h))) / 2**n,
    "one_state_too_many": lambda n, h: (_seen(n, h) + 1) / 2**n,
    "patterns_visited": (lambda n, h: float(_seen(n, h)), lambda n, h: _seen(n, h) / (n + 1)),
    "failure_probability": lambda n, h: 1 - _seen(n, h) / 2**n,
    "rounded": rounded(reference.fresh_flips_probability),
    "estimated": simulated(reference.fresh_flips_probability),
}
