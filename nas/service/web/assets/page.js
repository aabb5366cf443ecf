// What every page shares: forms become JSON requests, problems are shown, live parts are read anew.
"use strict";

const nas = (() => {
  const REFRESH_MS = 2000;
  const byId = (id) => document.getElementById(id);
  let isOfRefresh = false;  // whether the problem that is shown is of a part that was read anew

  function showProblem(title, detail) {
    const box = byId("problem");
    isOfRefresh = false;
    box.replaceChildren();
    if (!title) { box.hidden = true; return; }
    const strong = document.createElement("strong");
    strong.textContent = title;
    box.append(strong, ` ${detail || ""}`);
    box.hidden = false;
    box.scrollIntoView({block: "nearest"});
  }

  function say(text) {
    const status = byId("status");
    if (text && status.textContent !== text) status.textContent = text;
  }

  function problemOf(status, text) {
    try {
      const problem = JSON.parse(text);
      return {title: `${problem.title} (${status}):`, detail: problem.detail || ""};
    } catch {
      return {title: `The service answered ${status}.`, detail: ""};
    }
  }

  async function send(method, url, body, headers = {}) {
    showProblem("");
    let answer;
    try {
      answer = await fetch(url, {
        method, headers: {"Content-Type": "application/json", Accept: "application/json", ...headers},
        body: body === undefined ? undefined : JSON.stringify(body), credentials: "same-origin",
      });
    } catch {
      showProblem("The service cannot be reached.", "Is it still running? Try again in a moment.");
      return null;
    }
    const text = await answer.text();
    if (answer.status === 401) { location.reload(); return null; }
    if (!answer.ok) {
      const problem = problemOf(answer.status, text);
      showProblem(problem.title, problem.detail);
      return null;
    }
    return text ? JSON.parse(text) : {};
  }

  function valueOf(field) {
    const text = field.value.trim();
    switch (field.dataset.as) {
      case "number": return text === "" ? undefined : Number(text);
      case "json": return text === "" ? undefined : JSON.parse(text);
      case "lines": return text === "" ? undefined : text.split("\n").map((line) => line.trim()).filter(Boolean);
      default: return text === "" ? undefined : text;
    }
  }

  // Fields named `config.model.id` become nested objects; boxes of one name become a list; empty ones are left out.
  function bodyOf(form) {
    const body = {};
    for (const field of form.elements) {
      if (!field.name || (field.type === "checkbox" && !field.checked)) continue;
      const value = valueOf(field);
      if (value === undefined) continue;
      const path = field.name.split(".");
      const last = path.pop();
      const place = path.reduce((object, key) => (object[key] ??= {}), body);
      if (field.type === "checkbox") (place[last] ??= []).push(value);
      else place[last] = value;
    }
    return body;
  }

  function newKey() {
    return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  async function submit(form) {
    const buttons = form.querySelectorAll("button");
    buttons.forEach((button) => { button.disabled = true; });
    const headers = form.dataset.key ? {"Idempotency-Key": form.dataset.key} : {};
    const done = await send(form.dataset.method || "POST", form.dataset.send, bodyOf(form), headers);
    buttons.forEach((button) => { button.disabled = false; });
    if (done === null) return;
    if (form.dataset.follow) location.assign(form.dataset.follow + encodeURIComponent(done.id));
    else if (form.dataset.after) location.assign(form.dataset.after);
    else { say(form.dataset.done || "Done."); refresh(); }
  }

  function prepare(form) {
    const renew = () => { if ("idempotent" in form.dataset) form.dataset.key = newKey(); };
    renew();
    form.addEventListener("input", renew);  // another request, another key; the same one is never done twice
  }

  function refresh() {
    if (typeof htmx === "undefined") return;
    document.querySelectorAll("[data-live='true']").forEach((part) => {
      const asker = part.dataset.asker ? byId(part.dataset.asker) : part;
      if (asker && !asker.classList.contains("htmx-request")) htmx.trigger(asker, "refresh");
    });
  }

  // What a reader typed, ticked or opened stays so when the part around it is read anew; things are known by their id.
  let kept = [];

  function keep() {
    kept = [];
    document.querySelectorAll("main :is(input, textarea, details)[id]").forEach((one) => {
      if (one.matches("details")) kept.push([one.id, "open", one.open]);
      else if (one.type === "checkbox") { if (one.checked !== one.defaultChecked) kept.push([one.id, "checked", one.checked]); }
      else if (one.value !== one.defaultValue) kept.push([one.id, "value", one.value]);
    });
  }

  function giveBack() {
    kept.forEach(([id, name, value]) => {
      const one = byId(id);
      if (one && one[name] !== value) one[name] = value;
    });
    kept = [];
  }

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.dataset.send) { event.preventDefault(); submit(form); }
  });
  document.querySelectorAll("form[data-send]").forEach(prepare);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
  setInterval(() => { if (!document.hidden) refresh(); }, REFRESH_MS);

  // Only what a reader asks for takes a problem away, or a refresh that goes well after one that did not.
  const isUnasked = (event) => event.detail.requestConfig.triggeringEvent?.type === "refresh";
  document.addEventListener("htmx:beforeRequest", (event) => { if (!isUnasked(event)) showProblem(""); });
  document.addEventListener("htmx:afterRequest", (event) => {
    if (event.detail.successful && isOfRefresh) showProblem("");
  });
  document.addEventListener("htmx:sendError", (event) => {
    showProblem("The service cannot be reached.", "It is asked again.");
    isOfRefresh = isUnasked(event);
  });
  document.addEventListener("htmx:responseError", (event) => {
    const {status, responseText} = event.detail.xhr;
    if (status === 401) { location.reload(); return; }
    const problem = problemOf(status, responseText);
    showProblem(problem.title, problem.detail);
    isOfRefresh = isUnasked(event);
  });
  document.addEventListener("htmx:beforeSwap", (event) => {
    const {target} = event.detail;
    if (isUnasked(event) && target.matches(":active")) event.detail.shouldSwap = false;  // a press is under way in it
    else keep();
  });
  document.addEventListener("htmx:afterSwap", () => {
    giveBack();
    document.querySelectorAll("form[data-send]:not([data-key])").forEach(prepare);
    const teller = document.querySelector("[data-announce]");
    if (teller) say(teller.dataset.announce);
  });

  return {send, bodyOf, say, showProblem, refresh};
})();
