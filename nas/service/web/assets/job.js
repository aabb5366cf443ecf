// A job's page: its events as the server sends them, and its log, both from where they were left.
"use strict";

(() => {
  const place = document.getElementById("follow");
  if (!place) return;
  const api = place.dataset.api;
  const events = document.getElementById("events");
  const log = document.getElementById("log");
  const KEPT = 200;
  let last = "", offset = 0, isOver = false;

  const pause = (ms) => new Promise((done) => { setTimeout(done, ms); });

  // `{"at": …, "payload": {"number": 3}}` as `14:40:45 number 3`; what is no such thing as it is.
  function written(data) {
    try {
      const {at, payload} = JSON.parse(data);
      const facts = Object.entries(payload).filter(([, value]) => value !== null)
        .map(([key, value]) => `${key} ${typeof value === "object" ? JSON.stringify(value) : value}`);
      return `${at.slice(11, 19)} ${facts.join(", ")}`;
    } catch {
      return data;
    }
  }

  function add(kind, data) {
    const line = document.createElement("li");
    const name = document.createElement("strong");
    name.textContent = kind.replaceAll("_", " ");
    line.append(name, ` ${written(data)}`);
    events.prepend(line);
    while (events.children.length > KEPT) events.lastChild.remove();
  }

  function take(block) {
    let kind = "message", data = "", id = null;
    for (const line of block.split("\n")) {
      const [, field, value] = /^([a-z]*): ?(.*)$/.exec(line) || [];
      if (field === "event") kind = value;
      if (field === "data") data += value;
      if (field === "id") id = value;
    }
    if (id !== null) last = id;
    if (data) { add(kind, data); nas.refresh(); readLog(); }
  }

  async function stream() {
    const headers = {Accept: "text/event-stream", ...(last ? {"Last-Event-ID": last} : {})};
    const answer = await fetch(`${api}/events`, {headers, credentials: "same-origin"});
    if (!answer.ok) throw new Error(String(answer.status));
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (;;) {
      const {value, done} = await reader.read();
      if (done) return;
      const blocks = (text + value.replaceAll("\r\n", "\n")).split("\n\n");
      text = blocks.pop();
      blocks.forEach(take);
    }
  }

  let isReading = false;
  async function readLog() {
    if (isReading) return;
    isReading = true;
    try {
      for (;;) {
        const answer = await fetch(`${api}/logs?offset=${offset}`, {credentials: "same-origin"});
        if (!answer.ok) return;
        const part = await answer.json();
        const isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
        log.append(part.text);
        if (isAtEnd) log.scrollTop = log.scrollHeight;
        const isStill = part.next_offset === offset;
        offset = part.next_offset;
        if (isStill || !part.text) return;
      }
    } catch {
      // the stream tells when the service is away
    } finally {
      isReading = false;
    }
  }

  async function follow() {
    while (!isOver) {
      try {
        await stream();
        isOver = document.querySelector("#job [data-over='true']") !== null;
        if (!isOver) await pause(1000);
      } catch {
        await pause(3000);
      }
      nas.refresh();
      await readLog();
      isOver ||= document.querySelector("#job [data-over='true']") !== null;
    }
  }

  readLog();
  setInterval(() => { if (!document.hidden && !isOver) readLog(); }, 2000);
  window.addEventListener("pagehide", () => { isOver = true; });
  follow();
})();
