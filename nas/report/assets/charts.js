"use strict";
// Expressions are interpreted (`ast`): the page's policy forbids to compile them.
const options = {
  renderer: "svg", ast: true, defaultStyle: true, tooltip: {theme: "light"},
  actions: {export: true, source: false, compiled: false, editor: false},
};
for (const place of document.querySelectorAll(".chart")) {
  const spec = JSON.parse(document.getElementById(`${place.id}-spec`).textContent);
  vegaEmbed(place, spec, options).then(
    () => place.setAttribute("data-drawn", "yes"),
    (error) => { place.textContent = `This chart can not be drawn: ${error.message}`; },
  );
}
