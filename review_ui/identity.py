"""Who is at the browser. What they may do is another question, asked at every action."""

from __future__ import annotations

import time

import streamlit as st

from review_ui.development_login import COOKIE, PATH, person_of
from review_ui.office import office
from review_ui.presenters.identity import verified_address
from review_ui.presenters.wording import plain
from rigline.errors import RiglineError
from rigline.review.access import Permission, PersonRole, permits


def require_person() -> tuple[str, frozenset[PersonRole]]:
    """Who is signed in, with their roles now; a page that says what to do, and no further, for
    whoever is not, or has no role."""
    person = _signed_in()
    if person is None:
        _sign_in_page()
        st.stop()
    try:
        roles = office().desk.roles(person)
    except RiglineError as error:
        show_error(error)
        st.stop()
    if not permits(roles, Permission.SEE):
        _no_role_page(person)
        st.stop()
    return person, roles


def show_error(error: RiglineError) -> None:
    """An error as a sentence, and what to do about it."""
    st.error(plain(error.message) + (f"\n\n{plain(error.remedy)}" if error.remedy else ""))


def _signed_in() -> str | None:
    ui = office().ui
    if ui.login == "development":
        return person_of(office().signer, st.context.cookies.get(COOKIE))
    if not st.user.is_logged_in:
        return None
    claims = st.user.to_dict()
    issued = claims.get("iat")
    if isinstance(issued, int | float) and issued + 3600 * ui.session_hours < time.time():
        return None  # Streamlit itself never looks at the age of its cookie
    return verified_address(claims)


def _sign_in_page() -> None:
    with st.container(width=420):
        st.title("Rigline review")
        if office().ui.login == "oidc" and st.user.is_logged_in:
            st.warning(
                "Your e-mail address is not verified, or it is too long since you signed in."
            )
        if office().ui.login == "development":
            st.write("You are not signed in.")
            st.markdown(f"[Sign in]({PATH})")
            return
        st.write("Look at the avatars that Rigline is unsure of, mend them, and decide.")
        st.button("Sign in", type="primary", on_click=st.login, shortcut="Enter")


def _no_role_page(person: str) -> None:
    with st.container(width=560):
        st.title("No role yet")
        st.write("Nobody may enter without a role, and there is none, or none any more, for")
        st.text(person)
        st.write("Ask an operator to run")
        st.code(f"rigline people grant {person} reviewer", language="sh")
        if office().ui.login == "oidc":
            st.button("Sign out", on_click=st.logout)
