"""The models, wherever they run."""
