"""The diffusion of arXiv 2305.15956: schedule, noising and the reverse process that is held to a target image.

What velm does in C by src/detect/diffusion.c, here for training, for the pictures that training shows and for fitting the
feature extractor.
"""

import torch


class Schedule:
    """Linear noise from `first` to `last` over `steps`: abar[0] = 1, abar[t + 1] = product of 1 - beta up to step t."""

    def __init__(self, steps=1000, first=1e-4, last=0.02):
        self.steps, self.first, self.last = steps, first, last
        beta = torch.linspace(first, last, steps, dtype=torch.float64)
        self.exact = torch.cat([torch.ones(1, dtype=torch.float64), torch.cumprod(1 - beta, 0)])
        self.abar = self.exact.float()

    def at(self, step):
        """abar after step `step`, -1 for the clean image, shaped to multiply N x C x H x W."""
        return self.abar[step + 1].reshape(-1, 1, 1, 1)

    def noised(self, image, step, noise):
        abar = self.at(step).to(image.device)
        return abar.sqrt() * image + (1 - abar).sqrt() * noise


def trajectory(start, count):
    """`count` steps evenly from `start` - 1 down; the last of them leads to the clean image."""
    return [start * (count - i) // count - 1 for i in range(count)]


@torch.no_grad()
def reconstruct(model, schedule, target, start, count, guidance, eta, generator=None, draw=None):
    """The target as the denoiser would have it, N x C x H x W in -1 to 1. `draw`: gives the noise, where it is given."""
    steps = trajectory(start, count)

    def noise():
        if draw:
            return draw().to(target.device)
        return torch.randn(target.shape, generator=generator).to(target.device)

    def at(step):
        return schedule.at(torch.tensor([step])).to(target.device)

    x = schedule.noised(target, torch.tensor([steps[0]]), noise())
    for step, following in zip(steps, steps[1:] + [-1]):
        abar, after = at(step), at(following)
        predicted = model(x, torch.full((len(x),), float(step), device=x.device))
        noisy_target = abar.sqrt() * target + (1 - abar).sqrt() * predicted
        guided = predicted - guidance * (1 - abar).sqrt() * (noisy_target - x)
        clean = (x - (1 - abar).sqrt() * guided) / abar.sqrt()
        sigma = eta * ((1 - after) / (1 - abar) * (1 - abar / after)).sqrt()
        x = after.sqrt() * clean + (1 - after - sigma**2).clamp(min=0).sqrt() * guided
        if float(sigma) > 0:
            x = x + sigma * noise()
    return x
