// A token from the address's fragment, which no server sees, or typed in, becomes a session.
"use strict";

(() => {
  const problem = document.getElementById("problem");

  async function login(token) {
    problem.hidden = true;
    let answer;
    try {
      answer = await fetch("/login", {
        method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify({token}),
        credentials: "same-origin",
      });
    } catch {
      problem.textContent = "The service cannot be reached.";
      problem.hidden = false;
      return;
    }
    if (answer.ok) { location.reload(); return; }
    problem.textContent = answer.status === 429
      ? "Too many wrong tokens came from here; wait a minute."
      : "This token is not valid: it is mistyped, over or revoked.";
    problem.hidden = false;
  }

  document.getElementById("login").addEventListener("submit", (event) => {
    event.preventDefault();
    login(document.getElementById("token").value.trim());
  });

  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) {
    history.replaceState(null, "", location.pathname + location.search);  // out of the history, too
    login(given);
  }
})();
