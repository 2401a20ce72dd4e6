"""NVIDIA's Triton as it comes in a wheel: its environment, and a running server."""
