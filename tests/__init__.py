"""Tests of Rigline; they mirror `src/`."""
