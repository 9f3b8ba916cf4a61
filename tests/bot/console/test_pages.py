"""The console over real HTTP: who gets in, what each role may do, and that no form works without its token."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from bot.agent_tables import agents, corrections, notes
from bot.tables import LEFT_TO_AGENT, messages
from tests.bot.agents_for_tests import PASSWORD, Desk
from tests.bot.console.conftest import Browser, wait_for
from tests.bot.fake_rasa import FakeRasa, turn

SignIn = Callable[..., Browser]
PAGES = ("/", "/queue", "/team", "/canned", "/password", "/conversations/none", "/conversations/none/thread")
FORMS = (
    "/sign-out",
    "/available",
    "/password",
    "/conversations/{key}/claim",
    "/conversations/{key}/reply",
    "/conversations/{key}/note",
    "/conversations/{key}/intent",
    "/conversations/{key}/transfer",
    "/conversations/{key}/hand-back",
    "/conversations/{key}/put-back",
    "/conversations/{key}/close",
    "/team/add",
    "/team/disable",
    "/canned/add",
    "/canned/remove",
)


def test_whoever_is_not_signed_in_sees_the_sign_in_form_and_nothing_else(browser: Browser, desk: Desk) -> None:
    key = desk.conversation()
    for page in (*PAGES, f"/conversations/{key}", f"/conversations/{key}/orders"):
        shown = browser.get(page)
        assert shown.url.path == "/console/sign-in", page
        assert "hello" not in shown.text
    for form in FORMS:
        answer = browser.send(form.format(key=key), page="/sign-in")
        assert answer.url.path == "/console/sign-in", form
    assert desk.row(key).status == "queued"


def test_signing_in_gives_a_cookie_for_no_script_and_no_other_site(browser: Browser, desk: Desk) -> None:
    desk.agent("Anna")
    answer = browser.sign_in("Anna")
    assert answer.url.path == "/console/"
    cookie = next(each for each in answer.history[0].headers.get_list("set-cookie") if "polydesk_agent=" in each)
    assert {"httponly", "samesite=strict", "path=/console"} <= {part.strip().lower() for part in cookie.split(";")}
    assert "secure" not in cookie.lower(), "this is plain http on loopback"
    assert answer.headers["cache-control"] == "no-store"


def test_wrong_name_and_wrong_password_read_the_same(browser: Browser, desk: Desk) -> None:
    desk.agent("Anna")
    wrong_password = browser.sign_in("Anna", "not this one at all")
    wrong_name = browser.sign_in("Eve", "not this one at all")
    assert wrong_password.status_code == wrong_name.status_code == httpx.codes.UNAUTHORIZED
    assert wrong_password.text.replace('value="Anna"', "") == wrong_name.text.replace('value="Eve"', "")


@pytest.mark.usefixtures("endless_minute")
def test_guessing_passwords_is_stopped_after_ten_tries(browser: Browser, desk: Desk) -> None:
    desk.agent("Anna")
    answers = [browser.sign_in("Anna", f"wrong password {number}").status_code for number in range(10)]
    assert set(answers) == {httpx.codes.UNAUTHORIZED}
    assert browser.sign_in("Anna").status_code == httpx.codes.TOO_MANY_REQUESTS, "not even with the right one"
    desk.agent("Ben")
    assert browser.sign_in("Ben").status_code == httpx.codes.OK


def test_no_form_works_without_its_token(desk: Desk, signed_in: SignIn) -> None:
    ada, eve = signed_in("Ada", "admin"), signed_in("Eve")
    key = desk.conversation()
    for form in FORMS:
        for token in ("", "wrong", eve.token()):
            answer = ada.send(form.format(key=key), csrf=token, name="x", password=PASSWORD, role="admin", text="hi")
            assert answer.status_code == httpx.codes.FORBIDDEN, form
    assert desk.row(key).status == "queued"
    assert {row.name for row in desk.rows(agents)} == {"Ada", "Eve"}


def test_the_sign_in_form_has_a_token_as_well(browser: Browser, desk: Desk) -> None:
    desk.agent("Anna")
    browser.get("/sign-in")
    answer = browser.send("/sign-in", csrf="wrong", name="Anna", password=PASSWORD)
    assert answer.status_code == httpx.codes.FORBIDDEN


def test_each_role_may_do_what_is_its_own(signed_in: SignIn) -> None:
    allowed = {"agent": set(), "supervisor": {"/team", "/canned/add"}, "admin": {"/team", "/canned/add", "/team/add"}}
    for role, may in allowed.items():
        browser = signed_in(role.capitalize(), role)
        new = {"name": f"New of {role}", "password": PASSWORD, "role": "agent"}
        tried = {
            "/team": browser.get("/team"),
            "/canned/add": browser.send("/canned/add", language="de", title=f"By {role}", text="Hallo"),
            "/team/add": browser.send("/team/add", **new),
        }
        assert {path for path, answer in tried.items() if answer.status_code == httpx.codes.OK} == may


def test_an_agent_sees_what_waits_and_what_is_hers_a_supervisor_everything(desk: Desk, signed_in: SignIn) -> None:
    anna, ben, samir = signed_in("Anna"), signed_in("Ben"), signed_in("Samir", "supervisor")
    waiting, annas, bots = desk.conversation(), desk.conversation(), desk.conversation(queued=False)
    anna.send(f"/conversations/{annas}/claim")
    seen = {name: _seen(browser, waiting, annas, bots) for name, browser in (("a", anna), ("b", ben), ("s", samir))}
    assert seen == {"a": [200, 200, 404], "b": [200, 404, 404], "s": [200, 200, 200]}
    assert annas in samir.get("/?view=agent").text
    assert annas not in ben.get("/?view=agent").text
    for path in ("reply", "note", "close", "hand-back"):
        assert ben.send(f"/conversations/{annas}/{path}", text="hi").status_code == httpx.codes.NOT_FOUND
    assert desk.rows(notes) == []


def _seen(browser: Browser, *keys: str) -> list[int]:
    return [browser.get(f"/conversations/{key}").status_code for key in keys]


def test_the_queue_shows_the_angry_first_then_who_waits_longest(desk: Desk, signed_in: SignIn) -> None:
    first, second, angry = desk.conversation(), desk.conversation(), desk.conversation(reason="negative")
    with desk.engine.execution_options(writes=True).begin() as connection:
        this = messages.c.conversation_id == angry
        connection.execute(messages.update().where(this).values(sentiment="negative"))
    page = signed_in("Anna").get("/").text
    places = [page.index(f"/conversations/{key}") for key in (angry, first, second)]
    assert places == sorted(places)
    assert "Asked for a person" in page
    assert "Sounds very unhappy" in page


def test_the_queue_is_filtered_by_market_language_and_status(desk: Desk, signed_in: SignIn) -> None:
    german, japanese = desk.conversation(), desk.conversation(market="ja-JP")
    anna = signed_in("Anna")
    assert _listed(anna, "market=ja-JP", german, japanese) == [False, True]
    assert _listed(anna, "language=de", german, japanese) == [True, True], "both wrote German"
    assert _listed(anna, "language=fr", german, japanese) == [False, False]
    anna.send(f"/conversations/{german}/claim")
    assert _listed(anna, "view=mine", german, japanese) == [True, False]
    assert _listed(anna, "view=queued", german, japanese) == [False, True]


def _listed(browser: Browser, query: str, *keys: str) -> list[bool]:
    page = browser.get(f"/?{query}").text
    return [key in page for key in keys]


def test_a_part_that_has_not_changed_is_not_sent_again(desk: Desk, signed_in: SignIn) -> None:
    key = desk.unasked()
    anna = signed_in("Anna")
    page = anna.get(f"/conversations/{key}").text
    address = page.split('aria-label="Messages"')[1].split('hx-get="/console')[1].split('"')[0].replace("&amp;", "&")
    assert anna.get(address).status_code == httpx.codes.NO_CONTENT
    desk.customer_writes(key, "and one more")
    changed = anna.get(address)
    assert changed.status_code == httpx.codes.OK
    assert "and one more" in changed.text
    desk.handoff.claim(key, desk.agent("Ben", "supervisor"))
    assert anna.get(address).headers["hx-redirect"] == "/console/"


def test_an_agent_answers_notes_corrects_transfers_and_closes(desk: Desk, signed_in: SignIn) -> None:
    anna, ben = signed_in("Anna"), signed_in("Ben")
    bens_id = next(row.id for row in desk.rows(agents) if row.name == "Ben")
    key = desk.unasked()
    path = f"/conversations/{key}"
    anna.send(f"{path}/claim")
    shown = anna.send(f"{path}/reply", text="Guten Tag").text
    assert "Guten Tag" in shown
    assert "only for us" in anna.send(f"{path}/note", text="only for us").text
    (message,) = desk.rows(messages)
    anna.send(f"{path}/intent", message=str(message.id), intent="get_refund")
    (correction,) = desk.rows(corrections)
    assert (correction.message_id, correction.intent) == (message.id, "get_refund")
    assert anna.send(f"{path}/intent", message=str(message.id), intent="nonsense").status_code == 400
    assert anna.send(f"{path}/intent", message="999", intent="get_refund").status_code == 404
    anna.send(f"{path}/transfer", to=str(bens_id))
    assert desk.row(key).agent_id == bens_id
    assert anna.send(f"{path}/reply", text="still me").status_code == httpx.codes.NOT_FOUND
    ben.send(f"{path}/close")
    assert desk.row(key).status == "closed"
    assert desk.names_said(key) == [
        "utter_hello",
        "edge_handoff_joined",
        "agent_reply",
        "edge_handoff_transferred",
        "edge_handoff_closed",
    ]


def test_what_the_bot_does_not_answer_is_understood_for_the_agent(
    desk: Desk, signed_in: SignIn, rasa: FakeRasa
) -> None:
    anna = signed_in("Anna")
    key = desk.unasked()
    anna.send(f"/conversations/{key}/claim")
    told = "C'est inadmissible !"
    rasa.script[told] = {**turn(language="fr"), "sentiment": {"name": "negative", "confidence": 0.9}}
    message = desk.customer_writes(key, told)
    page = wait_for(lambda: anna.get(f"/conversations/{key}").text, lambda text: "Unhappy" in text)
    assert "French" in page
    assert told not in rasa.texts(), "the dialogue heard nothing of it"
    assert desk.rows(messages, messages.c.id == message.key)[0].state == LEFT_TO_AGENT


def test_who_comes_too_late_is_told_that_it_has_changed_hands(desk: Desk, signed_in: SignIn) -> None:
    anna, samir = signed_in("Anna"), signed_in("Samir", "supervisor")
    key = desk.conversation()
    samirs_token = samir.token()
    anna.send(f"/conversations/{key}/claim")
    samir.send(f"/conversations/{key}/claim", csrf=samirs_token)
    late = anna.send(f"/conversations/{key}/reply", text="hi")
    assert late.status_code == httpx.codes.NOT_FOUND
    refused = samir.send(f"/conversations/{key}/claim")
    assert "has changed hands" in refused.text


def test_canned_replies_are_offered_in_the_customers_language(desk: Desk, signed_in: SignIn) -> None:
    samir = signed_in("Samir", "supervisor")
    samir.send("/canned/add", page="/canned", language="de", title="Zoll", text="Ihr Paket ist beim Zoll.")
    samir.send("/canned/add", page="/canned", language="fr", title="Douane", text="Votre colis est à la douane.")
    key = desk.conversation()
    samir.send(f"/conversations/{key}/claim")
    page = samir.get(f"/conversations/{key}").text
    assert "Ihr Paket ist beim Zoll." in page
    assert "Votre colis" not in page
    assert "Zoll" not in samir.get("/canned?language=fr").text


def test_an_admin_adds_and_disables_accounts_but_not_her_own(desk: Desk, signed_in: SignIn) -> None:
    ada = signed_in("Ada", "admin")
    ada.send("/team/add", page="/team", name="New", password=PASSWORD, role="agent", email="new@shop.example")
    assert "new@shop.example" in ada.get("/team").text
    assert desk.accounts.check("New", PASSWORD)
    weak = ada.send("/team/add", page="/team", name="Weak", password="x", role="agent")
    assert (weak.status_code, "Weak" in ada.get("/team").text) == (httpx.codes.BAD_REQUEST, False)
    ada.send("/team/disable", page="/team", name="New")
    assert desk.accounts.check("New", PASSWORD) is None
    assert ada.send("/team/disable", page="/team", name="Ada").status_code == httpx.codes.BAD_REQUEST
    assert desk.accounts.check("Ada", PASSWORD)


def test_signing_out_ends_the_session_everywhere_in_the_browser(desk: Desk, signed_in: SignIn) -> None:
    anna = signed_in("Anna")
    kept = anna.http.cookies["polydesk_agent"]
    assert anna.send("/sign-out").url.path == "/console/sign-in"
    anna.http.cookies.set("polydesk_agent", kept, path="/console")
    assert anna.get("/").url.path == "/console/sign-in"


def test_a_form_with_what_no_database_keeps_is_refused(desk: Desk, signed_in: SignIn) -> None:
    anna = signed_in("Anna")
    key = desk.conversation()
    anna.send(f"/conversations/{key}/claim")
    assert anna.send(f"/conversations/{key}/reply", text="nul \0 here").status_code == httpx.codes.BAD_REQUEST
    assert "agent_reply" not in desk.names_said(key)
