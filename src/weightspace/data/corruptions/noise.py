"""Noise: of the sensor, of few photons, of broken pixels."""

import numpy as np

from weightspace.data.corruptions.common import Images


def gaussian_noise(x: Images, level: float, rng: np.random.Generator) -> Images:
    """X + σ z, z normal; `level` is σ."""
    return x + level * rng.standard_normal(x.shape, np.float32)


def shot_noise(x: Images, level: float, rng: np.random.Generator) -> Images:
    """Poisson(λ x) / λ: photons; `level` is λ, those of a white pixel."""
    return (rng.poisson(x * level) / level).astype(np.float32)


def impulse_noise(x: Images, level: float, rng: np.random.Generator) -> Images:
    """Each number is black or white with probability `level`, in equal parts."""
    draws = rng.random(x.shape, np.float32)
    return np.where(draws < level / 2, 0, np.where(draws < level, 1, x)).astype(np.float32)
