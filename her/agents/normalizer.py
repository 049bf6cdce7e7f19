"""Inputs brought to mean 0 and deviation 1, and clipped."""

import torch


class Normalizer:
    """Standardises observations by the mean and deviation of all it has been shown, and clips to ±``clip``.

    Andrychowicz et al. 2017, Appendix A: inputs are standardised and clipped to [-5, 5]. It is shown what the networks
    are fed, [state, goal] with substitute goals in place: fitted on desired goals alone, it would squash achieved ones.

    Args:
        size: of an observation.
        clip: in deviations.
        smallest: no feature's deviation is taken to be smaller, so that a constant one is not blown up.
    """

    def __init__(self, size: int, clip: float = 5.0, smallest: float = 1e-2):
        self.clip, self.smallest = clip, smallest
        self.count = torch.zeros((), dtype=torch.float64)
        self.sum = torch.zeros(size, dtype=torch.float64)
        self.sum_of_squares = torch.zeros(size, dtype=torch.float64)

    def update(self, observations: torch.Tensor) -> None:
        """Show (n, size) more observations."""
        rows = observations.double()
        self.count += len(rows)
        self.sum += rows.sum(0)
        self.sum_of_squares += rows.square().sum(0)

    def __call__(self, observations: torch.Tensor) -> torch.Tensor:
        """(n, size) standardised and clipped; as they are as long as nothing has been shown."""
        mean, deviation = self.moments()
        offset, scale = (-mean / deviation).float(), (1 / deviation).float()
        return torch.addcmul(offset, observations, scale).clamp_(-self.clip, self.clip)

    def state(self) -> dict[str, torch.Tensor]:
        return {"count": self.count, "sum": self.sum, "sum_of_squares": self.sum_of_squares}

    def load(self, state: dict[str, torch.Tensor]) -> None:
        for name, ours in self.state().items():
            ours.copy_(state[name])

    def moments(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and deviation, (size,) float64 each, as observations are standardised by them now."""
        if self.count == 0:
            return self.sum, torch.ones_like(self.sum)
        mean = self.sum / self.count
        return mean, (self.sum_of_squares / self.count - mean.square()).clamp(min=self.smallest**2).sqrt()
