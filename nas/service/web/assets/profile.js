// The search space of the form: how many sub-networks it holds and what they cost, before anything is submitted.
"use strict";

(() => {
  const button = document.getElementById("profile");
  if (!button) return;
  const result = document.getElementById("profiled");
  const text = document.getElementById("profiled-text");
  const table = document.getElementById("profiled-costs");
  const budgets = document.getElementById("profiled-budgets");
  const MOST_WRITTEN = 1e15;
  let isAsking = false, isChanged = false;

  function written(number) {
    if (!Number.isFinite(number)) return "more than 1e308";  // which is what such an integer is read as
    return number < MOST_WRITTEN ? Math.round(number).toLocaleString("en") : number.toExponential(1);
  }

  function line(of) {
    const item = document.createElement("li");
    item.textContent = of;
    return item;
  }

  function show({space, cardinality, costs, satisfiable, unknown}) {
    text.textContent = `The space ${space} holds ${written(cardinality)} sub-networks.`;
    table.querySelectorAll("[data-cost]").forEach((cell) => {
      cell.textContent = written(costs[cell.dataset.point][cell.dataset.cost]);
    });
    budgets.replaceChildren(
      ...Object.entries(satisfiable).map(([budget, share]) =>
        line(`${budget}: met by ${(100 * share).toFixed(1)} % of sub-networks drawn at random`)),
      ...unknown.map((budget) => line(`${budget}: only an evaluation can tell`)),
    );
    table.parentElement.hidden = false;
  }

  async function ask() {
    if (isAsking || !button.form.reportValidity()) return;
    isAsking = true;
    isChanged = false;
    button.setAttribute("aria-disabled", "true");  // not disabled, which would take the focus from it
    text.textContent = "Working it out…";
    table.parentElement.hidden = true;
    result.hidden = false;
    const profile = await nas.send("POST", button.dataset.ask, nas.bodyOf(button.form));
    isAsking = false;
    button.removeAttribute("aria-disabled");
    if (profile === null || isChanged) result.hidden = true;
    else show(profile);
  }

  button.addEventListener("click", ask);
  button.form.addEventListener("input", () => {  // what was told is of another space
    isChanged = true;
    if (!isAsking) result.hidden = true;
  });
})();
