"""Settings that make smoke presets quick, by experiment."""

COSINE = {"examples": (20,), "epochs": 2.0, "model": ("mlp:widths=8",)}
PAIR = {"examples": 60, "epochs": 2.0, "model": ("mlp:widths=8",)}
COMPLEXITY = {
    "complexity.sinusoid": COSINE,
    "complexity.batch-size": COSINE | {"batch_size": (1, 8), "seeds": ("1",)},
    "complexity.corruption": PAIR,
    "complexity.architectures": {
        "data": "digits:classes=3,6,train_each=15,test_each=10", "epochs": 1.0, "eval_every": "10it",
        "model": ("mlp:widths=8", "mlp:widths=16"), "seeds": ("1",),
    },
    "complexity.regions": COSINE | {"model": ("mlp2:widths=8",), "examples": (120,), "grid": 40},
    "complexity.dropout": PAIR | {"seeds": ("1",)},
    "complexity.generalisation": COSINE | {"matched_loss": 0.15},
}  # fmt: skip
