"""What all pages share: ledger, desk, artifacts, previews. One of them a process."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from review_ui.settings import UiSettings
from rigline.bootstrap import Services, open_ledger, open_services
from rigline.db.ledger import Ledger
from rigline.desk.artifacts import Artifacts
from rigline.desk.preview_pool import PreviewPool
from rigline.desk.reviewing import Desk
from rigline.desk.signing import Signer
from rigline.settings import Settings, load_settings


@dataclass(frozen=True)
class Office:
    """The app's services."""

    ui: UiSettings
    services: Services
    ledger: Ledger
    desk: Desk
    signer: Signer
    artifacts: Artifacts
    previews: PreviewPool

    def close(self) -> None:
        """Stop the preview workers and let the connections go."""
        self.previews.close()
        self.ledger.close()


_office: Office | None = None


def now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


def open_office(ui: UiSettings, settings: Settings | None = None) -> Office:
    """Open the services that the settings name, for this process."""
    global _office
    settings = settings or load_settings()
    services, ledger = open_services(settings), open_ledger(settings)
    signer = Signer(ui.secret.get_secret_value().encode())
    artifacts = Artifacts(ledger, services.store, signer, now)
    _office = Office(
        ui, services, ledger, Desk(ledger, now), signer, artifacts,
        PreviewPool(settings, ui.preview_workers),
    )  # fmt: skip
    return _office


def office() -> Office:
    """The services of this process, which ``open_office`` has opened."""
    if _office is None:
        raise RuntimeError("The app is started by python -m review_ui.")
    return _office
