"""The script that Streamlit runs for every page.

Streamlit makes it the main module, which worker processes load under another name: they find
nothing to do here.
"""

from __future__ import annotations

if __name__ == "__main__":
    from review_ui.pages import draw

    draw()
