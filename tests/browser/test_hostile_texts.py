"""Texts that users and logs can fill never become markup."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from nas.evaluation import Target
from storage import Proposal

pytestmark = [pytest.mark.slow, pytest.mark.alone]

PAYLOADS = (
    "<script>window.broken=1</script>",
    "<img src=x onerror=window.broken=1>",
    "<svg onload=window.broken=1>",
    '"><svg><animate onbegin=window.broken=1 attributeName=x dur=1s>',
    "' onmouseover='window.broken=1",
    "javascript:window.broken=1",
    "{{ 7 * 7 }}{% raw %}",
    "</textarea></title></style><iframe srcdoc='<script>parent.broken=1</script>'>",
    "<a href=javascript:window.broken=1 autofocus onfocus=window.broken=1>x",
    "<div hx-get=/logout hx-trigger=load hx-on::load=window.broken=1>",
    "\u202eexe.\u2028<b>\ufffe\U0001f600",
    "<!--<script>",
)
#: Names of elements and attributes that could run something, but for the page's own scripts.
MARKUP = """() => {
    const isHandler = (one) => /^(on|hx-on)/i.test(one.name);
    const isAddress = (one) => ['href', 'src', 'action', 'formaction'].includes(one.name);
    const isCode = (one) => isAddress(one) && /^\\s*javascript:/i.test(one.value);
    const isForeign = (node) => node.localName === 'script'
        ? !/^\\/assets\\//.test(node.getAttribute('src') || '')
        : ['iframe', 'object', 'embed', 'animate', 'base'].includes(node.localName);
    return [...document.querySelectorAll('*')].flatMap((node) => [
        ...[...node.attributes].filter((one) => isHandler(one) || isCode(one)).map((one) => one.name),
        ...(isForeign(node) ? [node.localName] : []),
    ]);
}"""


@pytest.fixture(scope="module")
def hostile(served: Any) -> list[str]:
    """Addresses of pages of a study, a trial, a job and a target whose every text is a payload."""
    ledger, text = served.ledger, " ".join(PAYLOADS)
    tiny = ledger.study("tiny")
    trial = ledger.trials(tiny.id)[0]
    name = "<img src=x onerror=window.broken=1>"
    supernet = {**tiny.spec["supernet"], "task": text, "provenance": {"source": text}}
    target = Target(name=text, sequence_length=16).describe()
    spec = {**tiny.spec, "supernet": supernet, "target": dict(target)}
    study = ledger.create_study(name, spec=spec, fingerprint={}, seed=0)
    lease = ledger.acquire(name, owner="test", seconds=600)
    for number, payload in enumerate(PAYLOADS):
        proposal = Proposal(
            key=f"{number:032x}",
            config=trial.config,
            parameters=trial.parameters,
            sampler_attributes={},
            costs=trial.costs,
            origin="baseline:" + payload,
        )
        ledger.propose(lease, [proposal])
        ledger.dispatch(lease, number)
        ledger.fail(lease, number, reason=payload, message=payload)
    ledger.set_study_state(lease, study.state, text)
    log = Path(served.folder) / "hostile.log"
    log.write_text(text + "\n", encoding="utf-8")
    job = ledger.create_job(name, config={"name": text, "model": {"id": text}}, log=str(log))
    quoted = "%3Cimg%20src%3Dx%20onerror%3Dwindow.broken%3D1%3E"
    return ["/", f"/studies/{quoted}", f"/studies/{quoted}/trials/0", f"/jobs/{job.id}", "/jobs", "/targets"]


def test_no_text_becomes_a_script_or_a_handler(signed_in: Any, served: Any, hostile: list[str]) -> None:
    for path in hostile:
        signed_in.goto(served.url + path)
        if path.startswith("/jobs/"):
            expect(signed_in.locator("#log")).to_contain_text("onerror")
        else:
            signed_in.wait_for_load_state("networkidle")
        assert signed_in.evaluate(MARKUP) == [], path
        assert signed_in.evaluate("window.broken") is None, path
        assert "onerror" in signed_in.content(), path


def test_a_payload_in_the_address_is_text_in_the_answer(signed_in: Any, served: Any, console: Any) -> None:
    console.allowed += ["status of 404", "status of 422"]
    for path in (
        "/studies/%3Csvg%20onload=window.broken=1%3E",
        "/studies/tiny?sort=%3Csvg%20onload=window.broken=1%3E",
    ):
        signed_in.goto(served.url + path)
        assert signed_in.evaluate(MARKUP) == []
        assert signed_in.evaluate("window.broken") is None


def test_a_form_of_a_foreign_page_changes_nothing(signed_in: Any, served: Any, console: Any) -> None:
    console.allowed.append("Failed to load")
    before = len(served.ledger.jobs())
    answer = signed_in.request.post(
        f"{served.url}/api/v1/jobs", headers={"Origin": "http://evil.example"}, data={"yaml": "name: x"}
    )
    plain = signed_in.request.post(
        f"{served.url}/api/v1/jobs", headers={"Origin": served.url}, form={"yaml": "name: x"}
    )
    assert (answer.status, plain.status) == (403, 415)
    assert len(served.ledger.jobs()) == before
