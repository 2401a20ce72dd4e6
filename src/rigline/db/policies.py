"""Every version of every policy that has judged: added once, and never changed."""

from __future__ import annotations

from datetime import datetime

from pydantic import ValidationError
from sqlalchemy import Connection, select

from rigline.db.database import insert_once
from rigline.db.tables import POLICIES
from rigline.errors import ContractViolation, InvalidInput
from rigline.triage.policy import Policy

P = POLICIES.c


class Policies:
    """The policies of one unit of work."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, policy: Policy, now: datetime) -> None:
        """Keep a version of a policy. The same again changes nothing.

        Raises ``InvalidInput`` when that version says something else already.
        """
        document = policy.model_dump(mode="json")
        row = {
            "name": policy.name, "version": policy.version, "document": document,
            "created_at": now,
        }  # fmt: skip
        if insert_once(self._connection, POLICIES, row):
            return
        if self.get(policy.name, policy.version) != policy:
            raise InvalidInput(
                f"Version {policy.version} of the policy {policy.name!r} is in force and differs.",
                remedy="Give the changed policy a new version.",
                policy=policy.name,
                version=policy.version,
            )

    def get(self, name: str, version: int) -> Policy:
        """That version; ``InvalidInput`` when there is none."""
        document = self._document(name, version)
        if document is None:
            raise InvalidInput(
                f"There is no version {version} of a policy {name!r}.",
                remedy="rigline policy show lists those that there are.",
                policy=name,
                version=version,
            )
        try:
            return Policy.model_validate(document)
        except ValidationError as error:
            raise ContractViolation(
                f"Version {version} of the policy {name!r} cannot be read: {error}"
            ) from error

    def versions(self, name: str) -> tuple[int, ...]:
        """The versions of a policy, oldest first."""
        query = select(P.version).where(P.name == name).order_by(P.version)
        return tuple(self._connection.execute(query).scalars())

    def _document(self, name: str, version: int) -> object:
        query = select(P.document).where(P.name == name, P.version == version)
        return self._connection.execute(query).scalar()
