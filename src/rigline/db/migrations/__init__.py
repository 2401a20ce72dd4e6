"""Alembic's scripts. A revision that has been released is never edited; changes get a new one."""
