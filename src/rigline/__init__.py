"""Rigline: raw humanoid meshes in, avatars that are ready to animate and to dress out."""

__version__ = "0.1.0"
