// Step size and momentum in a ravine: (x² + 20 y²) / 2.
Moves.start("ravine", (stage, say) => {
  const width = 480, height = 250, curvature = 20, steps = 200, low = 1e-3;
  const X = (x) => ((x + 2.4) / 3.8) * width;
  const Y = (y) => height / 2 - (y / 1) * (height / 2);
  const svg = Moves.drawing(stage, width, height, say("stage"));
  for (let level = 0.02; level < 12; level *= 2) {
    const rx = Math.sqrt(2 * level), ry = Math.sqrt((2 * level) / curvature);
    Moves.put(svg, "ellipse", {
      cx: X(0), cy: Y(0), rx: X(rx) - X(0), ry: Y(0) - Y(ry), fill: "none", stroke: Moves.GREY, "stroke-width": 0.6,
    });
  }
  Moves.put(svg, "circle", { cx: X(0), cy: Y(0), r: 4, fill: Moves.GREEN });
  const line = Moves.put(svg, "path", { fill: "none", stroke: Moves.BLUE, "stroke-width": 1.5 });
  const dots = Moves.put(svg, "g", { fill: Moves.BLUE });
  Moves.put(svg, "circle", { cx: X(-2), cy: Y(0.7), r: 5, fill: Moves.RED });

  const controls = Moves.controls(stage);
  const rate = Moves.slider(controls, say("rate"), { min: 0.005, max: 0.2, step: 0.005, value: 0.09 }, draw);
  const momentum = Moves.slider(controls, say("momentum"), { min: 0, max: 0.98, step: 0.02, value: 0 }, draw);
  const result = Moves.result(stage);

  function draw() {
    let [x, y, u, v, last] = [-2, 0.7, 0, 0, 0];
    const points = [[x, y]];
    for (let step = 1; step <= steps && Math.abs(x) + Math.abs(y) < 1e3; step++) {
      [u, v] = [momentum() * u + x, momentum() * v + curvature * y];
      [x, y] = [x - rate() * u, y - rate() * v];
      if ((x * x + curvature * y * y) / 2 > low) last = step;
      points.push([x, y]);
    }
    const shown = points.slice(0, 80).map(([a, b]) => [X(a), Y(b)]).filter(([a, b]) => Math.abs(a) + Math.abs(b) < 1e5);
    line.setAttribute("d", Moves.path(shown));
    dots.replaceChildren();
    for (const [cx, cy] of shown) Moves.put(dots, "circle", { cx, cy, r: 2 });
    result.textContent = last >= points.length - 1 ? say("diverges") : `${say("steps")} ${last + 1}`;
  }
  draw();
});
