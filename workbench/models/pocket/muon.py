"""The Muon optimizer for matrices.

Written from its description: K. Jordan et al., "Muon: An optimizer for hidden layers in neural
networks" (2024): momentum, then an update whose singular values are all brought near one by
five Newton-Schulz steps. Knows parameters only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic iteration; they raise small singular values fastest (same source)."""


def orthogonalised(matrices: torch.Tensor, steps: int = 5) -> torch.Tensor:
    """Bring the singular values of matrices ``(N, R, C)`` near one, in float32 or bfloat16."""
    import torch

    a, b, c = COEFFICIENTS
    wide = matrices.size(1) <= matrices.size(2)
    x: torch.Tensor = matrices if wide else matrices.transpose(1, 2)
    x = (x / (x.float().flatten(1).norm(dim=1)[:, None, None] + 1e-7)).to(matrices.dtype)
    for _ in range(steps):
        square = x @ x.transpose(1, 2)
        factor = torch.baddbmm(square, square, square, beta=b, alpha=c)
        x = torch.baddbmm(x, factor, x, beta=a)
    return x if wide else x.transpose(1, 2)


class Muon:
    """Nesterov momentum with orthogonalised updates, matrices of one shape done together.

    Args:
        dtype: in what the updates are orthogonalised; the moments stay in float32.
    """

    def __init__(
        self, parameters: Iterable[torch.nn.Parameter], momentum: float = 0.95, dtype: torch.dtype | None = None
    ) -> None:
        import torch

        groups: defaultdict[torch.Size, list[torch.nn.Parameter]] = defaultdict(list)
        for parameter in parameters:
            groups[parameter.shape].append(parameter)
        self.groups = list(groups.values())
        self.momentum, self.dtype = momentum, dtype
        self.moments = [torch.zeros(len(g), *g[0].shape) for g in self.groups]

    def step(self, learning_rate: float) -> None:
        """Moves every matrix by ``learning_rate`` times its orthogonalised momentum."""
        import torch

        with torch.no_grad():
            for group, moment in zip(self.groups, self.moments, strict=True):
                gradients = torch.stack([p.grad for p in group if p.grad is not None])
                moment.lerp_(gradients, 1 - self.momentum)
                update = orthogonalised(gradients.lerp(moment, self.momentum).to(self.dtype)).float()
                scale = max(1.0, update.size(1) / update.size(2)) ** 0.5
                for parameter, move in zip(group, update, strict=True):
                    parameter.add_(move, alpha=-learning_rate * scale)
