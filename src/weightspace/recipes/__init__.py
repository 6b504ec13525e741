"""Recipes: optimisers, schedules, losses and lengths."""
