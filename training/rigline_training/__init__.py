"""Synthetic characters, networks, trainers and exporters behind the models of Rigline."""
