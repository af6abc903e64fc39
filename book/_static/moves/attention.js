// Attention over a sentence: the weights of the word that is pointed at.
Moves.start("attention", (stage, say, { words, weights }) => {
  const group = Moves.add(stage, "div", { class: "controls", role: "group", "aria-label": say("choose") });
  const buttons = words.map((word, i) => {
    const button = Moves.button(group, word, () => choose(i));
    button.addEventListener("pointerenter", () => choose(i));
    button.addEventListener("focus", () => choose(i));
    button.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      buttons[(i + step + words.length) % words.length].focus();
    });
    return button;
  });
  const row = 24, width = 420;
  const svg = Moves.drawing(stage, width, row * words.length + 8, say("stage"));
  const bars = words.map((word, i) => {
    const y = 4 + row * i;
    Moves.put(svg, "text", { x: 80, y: y + 16, "text-anchor": "end" }, word);
    const bar = Moves.put(svg, "rect", { x: 88, y: y + 3, height: row - 6, rx: 2, fill: Moves.BLUE });
    return [bar, Moves.put(svg, "text", { y: y + 16 })];
  });
  const result = Moves.result(stage);

  function choose(i) {
    buttons.forEach((button, j) => {
      button.setAttribute("aria-pressed", String(i === j));
      button.tabIndex = i === j ? 0 : -1;
    });
    weights[i].forEach((weight, j) => {
      const [bar, number] = bars[j];
      bar.setAttribute("width", Math.max(1, 280 * weight));
      bar.setAttribute("opacity", 0.35 + 0.65 * weight);
      number.setAttribute("x", 94 + Math.max(1, 280 * weight));
      number.textContent = weight.toFixed(2);
    });
    const best = weights[i].indexOf(Math.max(...weights[i]));
    result.textContent = `${words[i]} ${say("looks")} ${words[best]} (${weights[i][best].toFixed(2)})`;
  }
  choose(words.indexOf("it"));
});
