"""Judgement: from what stages measured to whether a person should look."""
