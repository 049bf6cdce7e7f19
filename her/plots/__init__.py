"""Learning curves, and the colours and dashes that they are drawn in. Needs matplotlib."""
