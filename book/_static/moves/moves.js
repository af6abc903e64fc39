// What the things to move share. A figure with data-move="name" holds a picture; the script of that name puts something
// to move in its place: Moves.start("name", (stage, say, numbers) => …). Without JavaScript the picture stays.
// data-labels has the words in English and Chinese, data-numbers what was computed when the page was built.
(() => {
  "use strict";
  if (window.Moves) return;

  const style = document.createElement("style");
  style.textContent = `
    figure.picture { margin: 1.5em 0; }
    figure.picture .stage svg { width: 100%; height: auto; display: block; }
    figure.picture svg text { fill: currentColor; font: 13px sans-serif; }
    figure.picture .controls { display: flex; flex-wrap: wrap; gap: .4em 1.2em; align-items: center; margin: .5em 0; }
    figure.picture .controls label { display: flex; flex: 1 1 14em; align-items: center; gap: .6em; min-width: 0; }
    figure.picture .controls label span { flex: 0 0 auto; }
    figure.picture .controls input { flex: 1 1 6em; min-width: 4em; accent-color: #0072B2; }
    figure.picture .controls output { flex: 0 0 3.2em; font-variant-numeric: tabular-nums; text-align: right; }
    figure.picture button { font: inherit; padding: .25em .8em; border: 1px solid currentColor; border-radius: 4px;
      background: none; color: inherit; cursor: pointer; }
    figure.picture button[aria-pressed="true"] { background: #0072B2; color: white; }
    figure.picture .result { min-height: 1.5em; margin: .3em 0; }
    figure.picture :focus-visible { outline: 3px solid #D55E00; outline-offset: 2px; }`;
  document.head.append(style);

  const SVG = "http://www.w3.org/2000/svg";

  function put(parent, tag, attributes = {}, text = "") {
    const element = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.textContent = text;
    parent.append(element);
    return element;
  }

  function add(parent, tag, attributes = {}, text = "") {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.textContent = text;
    parent.append(element);
    return element;
  }

  window.Moves = {
    BLUE: "#0072B2", RED: "#D55E00", GREEN: "#009E73", GREY: "#8a8a8a",
    put, add,

    start(name, build) {
      for (const figure of document.querySelectorAll(`figure[data-move="${name}"]`)) {
        if (figure.dataset.moving) continue;
        figure.dataset.moving = "yes";
        const labels = JSON.parse(figure.dataset.labels);
        const words = document.documentElement.lang.startsWith("zh") ? labels.zh : labels.en;
        const stage = figure.querySelector(".stage");
        stage.replaceChildren();
        build(stage, (key) => words[key], JSON.parse(figure.dataset.numbers));
      }
    },

    // A drawing of so many units in size, which says what it shows.
    drawing(stage, width, height, words) {
      return put(stage, "svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": words });
    },

    controls(stage) {
      return add(stage, "div", { class: "controls" });
    },

    // What changes with the controls, said in words.
    result(stage) {
      return add(stage, "p", { class: "result", role: "status" });
    },

    slider(parent, words, { min, max, step, value }, changed) {
      const label = add(parent, "label");
      add(label, "span", {}, words);
      const input = add(label, "input", { type: "range", min, max, step, value, "aria-label": words });
      const output = add(label, "output", {}, String(value));
      input.addEventListener("input", () => {
        output.textContent = input.value;
        changed();
      });
      return () => Number(input.value);
    },

    button(parent, words, pressed) {
      const button = add(parent, "button", { type: "button" }, words);
      button.addEventListener("click", pressed);
      return button;
    },

    path: (points) => points.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(2)} ${y.toFixed(2)}`).join(" "),
  };
})();
