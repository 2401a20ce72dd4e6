"""The page of a ticket: the editor, and what its commands do."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final

import streamlit as st

from review_ui.editor_component import editor
from review_ui.identity import show_error
from review_ui.last_decision import last_decision, remember, take_back
from review_ui.office import now, office
from review_ui.presenters import ticket as present
from review_ui.presenters.ticket import Message
from rigline.desk.ticket_page import TicketPage, following_page, preview_job, ticket_page
from rigline.errors import InvalidInput, RiglineError
from rigline.review.decision import Corrections
from rigline.review.ticket import Ticket

KEY: Final = "editor"
ANSWER: Final = "editor-answer"
GO: Final = "editor-go"
WARMED: Final = "editor-warmed"
Pages = Mapping[str, Any]


def show(person: str, pages: Pages) -> None:
    """Draw the page."""
    _editor(person, pages)


@st.fragment
def _editor(person: str, pages: Pages) -> None:
    """Runs again by itself for every command, without the rest of the page."""
    go = st.session_state.pop(GO, None)
    if go is not None and go[0] != "ticket":
        st.switch_page(pages[go[0]], query_params=go[1])
    if go is not None:
        st.query_params.from_dict(go[1])
    ticket_id = st.query_params.get("id", "")
    try:
        data = _data(person, ticket_id)
        editor(data, KEY, partial(_hear, person, ticket_id))
    except RiglineError as error:
        show_error(error)
        if st.button("To the inbox", shortcut="I"):
            st.switch_page(pages["inbox"])


def _data(person: str, ticket_id: str) -> dict[str, Any]:
    moment = now()
    page = ticket_page(office().ledger, person, ticket_id, moment)
    answer = st.session_state.pop(ANSWER, None) or {}
    ahead = following_page(office().ledger, person, moment)
    if page.opened:
        _warm(page)
    return present.editor_data(
        page, person, _address(person, ticket_id), moment,
        following=(ahead, _address(person, ahead.ticket.id)) if ahead else None,
        decided=last_decision(person), preview=answer.get("preview"), reply=answer.get("reply"),
    )  # fmt: skip


def _warm(page: TicketPage) -> None:
    """Have a preview worker read the ticket's artifacts, once, before the first edit."""
    if st.session_state.get(WARMED) != page.ticket.id:
        st.session_state[WARMED] = page.ticket.id
        office().previews.warm(preview_job(page, office().services.store))


def _address(person: str, ticket_id: str) -> Callable[[str], str]:
    return lambda sha256: f"artifacts/{office().artifacts.sign(person, ticket_id, sha256)}"


def _hear(person: str, ticket_id: str) -> None:
    """Do what the editor asks, and keep the answer for the run that follows."""
    value = getattr(st.session_state.get(KEY), "command", None)
    if value is None:
        return
    try:
        message = present.message_of(value)
    except InvalidInput:
        return
    answer: dict[str, Any] = {}
    try:
        _COMMANDS.get(message.kind, _unknown)(person, message, answer)
        answer["reply"] = present.reply_to(message)
    except RiglineError as error:
        answer["reply"] = present.reply_to(message, error)
    st.session_state[ANSWER] = answer


def _preview(person: str, message: Message, answer: dict[str, Any]) -> None:
    page = _own(person, message)
    job = replace(preview_job(page, office().services.store), unseen=message.unseen)
    found = office().previews.preview(job, message.ops)
    for stage, data in found.outputs.items():
        office().artifacts.shelf.put(page.ticket.id, found.sha256s[stage], data)
    address = _address(person, page.ticket.id)
    answer["preview"] = {
        "seq": message.seq,
        "seconds": found.seconds,
        "artifacts": {
            stage: {"sha256": sha256, "url": address(sha256)}
            for stage, sha256 in found.sha256s.items()
            if stage in found.outputs
        },
    }


def _decide(person: str, message: Message, answer: dict[str, Any]) -> None:
    _finish(person, message, present.decision_of(message))


def _correct(person: str, message: Message, answer: dict[str, Any]) -> None:
    page = _own(person, message)
    job = replace(preview_job(page, office().services.store), unseen=present.HEAVY_STAGES)
    found = office().previews.preview(job, message.ops)
    _finish(person, message, Corrections(found.corrections, message.text("note")))


def _finish(person: str, message: Message, decision: Any) -> None:
    name = f"{message.ticket_id}-{message.token}-{message.seq}"
    decision_id = uuid.uuid5(uuid.NAMESPACE_URL, f"rigline:{person}:{name}").hex
    office().desk.decide(person, message.ticket_id, message.token, decision_id, decision)
    remember(message.ticket_id)
    _next(person)


def _hold(person: str, message: Message, answer: dict[str, Any]) -> None:
    time, reason = present.hold_time(message), message.text("reason")
    office().desk.hold(person, message.ticket_id, message.token, reason, time)
    _next(person)


def _skip(person: str, message: Message, answer: dict[str, Any]) -> None:
    office().desk.skip(person, message.ticket_id, message.token, message.text("reason"))
    _next(person)


def _escalate(person: str, message: Message, answer: dict[str, Any]) -> None:
    office().desk.escalate(person, message.ticket_id, message.token, message.text("reason"))
    _next(person)


def _claim(person: str, message: Message, answer: dict[str, Any]) -> None:
    office().desk.claim(person, message.ticket_id)


def _release(person: str, message: Message, answer: dict[str, Any]) -> None:
    office().desk.release(person, message.ticket_id, message.token)
    st.session_state[GO] = ("inbox", {})


def _heartbeat(person: str, message: Message, answer: dict[str, Any]) -> None:
    office().desk.heartbeat(person, message.ticket_id, message.token)


def _undo(person: str, message: Message, answer: dict[str, Any]) -> None:
    """Back to the ticket that was decided; the one at hand goes back to the queue."""
    at_hand = st.query_params.get("id", "")
    ticket = take_back(person, message.ticket_id, message.token)
    if at_hand != ticket.id:
        _let_go(person, at_hand)
    st.session_state[GO] = ("ticket", {"id": ticket.id})


def _let_go(person: str, ticket_id: str) -> None:
    try:
        page = ticket_page(office().ledger, person, ticket_id, now())
        if page.ticket.claimed_by == person:
            office().desk.release(person, ticket_id, page.ticket.fencing_token)
    except RiglineError:
        return


def _inbox(person: str, message: Message, answer: dict[str, Any]) -> None:
    st.session_state[GO] = ("inbox", {})


def _job(person: str, message: Message, answer: dict[str, Any]) -> None:
    page = ticket_page(office().ledger, person, message.ticket_id, now())
    st.session_state[GO] = ("job", {"id": page.job.id})


def _unknown(person: str, message: Message, answer: dict[str, Any]) -> None:
    raise InvalidInput(f"There is no command {message.kind!r}.", remedy="Load the page again.")


_COMMANDS: Final[Mapping[str, Callable[[str, Message, dict[str, Any]], None]]] = {
    "preview": _preview, "approve": _decide, "reject": _decide, "correct": _correct, "hold": _hold,
    "skip": _skip, "escalate": _escalate, "claim": _claim, "release": _release,
    "heartbeat": _heartbeat, "undo": _undo, "inbox": _inbox, "job": _job,
}  # fmt: skip


def _own(person: str, message: Message) -> TicketPage:
    """The page of the ticket, which has to be the person's own claim."""
    office().desk.heartbeat(person, message.ticket_id, message.token)
    return ticket_page(office().ledger, person, message.ticket_id, now())


def _next(person: str) -> None:
    """Claim the next ticket and go there; to the inbox when nothing waits."""
    ticket: Ticket | None = None
    try:
        ticket = office().desk.claim_next(person)
    except RiglineError:
        ticket = None
    st.session_state[GO] = ("ticket", {"id": ticket.id}) if ticket else ("inbox", {})
