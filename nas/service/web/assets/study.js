// The study's page: sliders and their numbers, and the marks of the plot by keyboard.
"use strict";

(() => {
  const form = document.getElementById("view");
  if (!form) return;
  const SUFFIXES = [[1e9, "G"], [1e6, "M"], [1e3, "K"]];

  const numberOf = (slider) => form.elements[slider.dataset.number];
  const isFree = (slider) => Number(slider.value) === Number(slider.dataset.free);

  function written(value) {
    for (const [size, suffix] of SUFFIXES) {
      if (value >= size * 10) return `${Number((value / size).toPrecision(4))}${suffix}`;
    }
    return String(Number(value.toPrecision(5)));
  }

  function tell(slider) {
    const number = numberOf(slider);
    slider.setAttribute("aria-valuetext", number.value === "" ? "no budget" : written(Number(number.value)));
  }

  // Marks over an axis's budget fade at once; the server's answer, a moment later, is the one that counts.
  function fade() {
    const plot = document.getElementById("pareto");
    if (!plot) return;
    const limits = [];
    form.querySelectorAll("input[data-number]").forEach((slider) => {
      const text = numberOf(slider).value;
      if (text === "") return;
      const sign = slider.dataset.bound === "max" ? 1 : -1;
      if (slider.dataset.metric === plot.dataset.x) limits.push(["x", sign, Number(text)]);
      if (slider.dataset.metric === plot.dataset.y) limits.push(["y", sign, Number(text)]);
    });
    plot.querySelectorAll("[data-x].m").forEach((mark) => {
      const isOut = limits.some(([axis, sign, limit]) => sign * Number(mark.dataset[axis]) > sign * limit);
      mark.classList.toggle("out", isOut);
    });
  }

  function firstPage() {
    const offset = form.elements.offset;
    if (offset) offset.value = "0";
  }

  form.querySelectorAll("input[data-number]").forEach((slider) => {
    const number = numberOf(slider);
    slider.addEventListener("input", () => {
      number.value = isFree(slider) ? "" : slider.value;
      tell(slider);
      fade();
    });
    number.addEventListener("input", () => {
      slider.value = number.value === "" ? slider.dataset.free : number.value;
      tell(slider);
      fade();
    });
    tell(slider);
  });
  form.addEventListener("input", firstPage);
  document.getElementById("filters").addEventListener("input", firstPage);
  document.getElementById("reset").addEventListener("click", () => {
    form.querySelectorAll("input[data-number]").forEach((slider) => {
      numberOf(slider).value = "";
      slider.value = slider.dataset.free;
      tell(slider);
    });
    firstPage();
    htmx.trigger(form, "refresh");
  });

  // One stop of the Tab key for the whole plot; the arrows go from mark to mark along the horizontal axis.
  const marksOf = (plot) => [...plot.querySelectorAll("a.m")].sort((a, b) => a.dataset.at - b.dataset.at);

  function oneStop() {
    const plot = document.getElementById("pareto");
    if (!plot) return;
    const marks = marksOf(plot);
    const chosen = marks.find((mark) => mark === document.activeElement) || plot.querySelector("a.m.best") || marks[0];
    marks.forEach((mark) => mark.setAttribute("tabindex", mark === chosen ? "0" : "-1"));
  }

  function read(event) {
    const mark = event.target.closest?.("#pareto .m");
    const readout = document.getElementById("readout");
    if (mark && readout) readout.textContent = mark.querySelector("title").textContent;
  }

  document.addEventListener("keydown", (event) => {
    const mark = event.target.closest?.("#pareto a.m");
    const steps = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1};
    if (!mark || !(event.key in steps || event.key === "Home" || event.key === "End")) return;
    event.preventDefault();
    const marks = marksOf(mark.ownerSVGElement);
    const place = event.key === "Home" ? 0 : event.key === "End" ? marks.length - 1 : marks.indexOf(mark) + steps[event.key];
    const next = marks[Math.min(Math.max(place, 0), marks.length - 1)];
    marks.forEach((one) => one.setAttribute("tabindex", one === next ? "0" : "-1"));
    next.focus();
  });
  document.addEventListener("focusin", read);
  document.addEventListener("mouseover", read);

  document.addEventListener("htmx:afterSettle", () => {
    oneStop();
    fade();
  });
  oneStop();
})();
