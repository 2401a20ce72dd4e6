"""``python -m review_ui``: start the app."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

from review_ui.settings import UiSettings, load_ui_settings
from rigline.errors import RiglineError


def main() -> None:
    """Start the app on the address of the settings; ends with Ctrl+C."""
    parser = argparse.ArgumentParser(prog="python -m review_ui", description=__doc__)
    parser.add_argument("--port", type=int, help="RIGLINE_UI_PORT")
    parser.add_argument("--address", help="RIGLINE_UI_ADDRESS")
    parser.add_argument(
        "--login", choices=("oidc", "development"), help="RIGLINE_UI_LOGIN; oidc by default"
    )
    chosen = vars(parser.parse_args())
    try:
        ui = load_ui_settings(**chosen)
        serve(ui)
    except RiglineError as error:
        sys.exit(f"review_ui: {error}")


def serve(ui: UiSettings) -> None:
    """Run the app until it is stopped."""
    os.environ.setdefault("STREAMLIT_SERVER_COOKIE_SECRET", ui.secret.get_secret_value())
    from review_ui.office import open_office
    from review_ui.server import build_app

    office = open_office(ui)
    with office.ledger.reading():
        pass  # a ledger that is away, or without tables, is told before anybody opens a page
    office.previews.start()
    sys.argv = [str(sys.argv[0])]
    build_app(office).run(config=streamlit_options(ui))


def streamlit_options(ui: UiSettings) -> dict[str, Any]:
    """Options of Streamlit's server; its looks are in ``.streamlit/config.toml``."""
    return {
        "server.address": ui.address,
        "server.port": ui.port,
        "server.headless": True,
        "server.fileWatcherType": "none",
        "browser.gatherUsageStats": False,
        "client.toolbarMode": "minimal",
        "client.showErrorDetails": "none",
    }


if __name__ == "__main__":
    main()
