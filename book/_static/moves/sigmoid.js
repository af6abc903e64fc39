// Weight and bias of a neuron with one input.
Moves.start("sigmoid", (stage, say) => {
  const width = 480, height = 240, left = 30, bottom = 215, top = 15, most = 6;
  const svg = Moves.drawing(stage, width, height, say("curve"));
  const X = (x) => left + ((x + most) / (2 * most)) * (width - left - 10);
  const Y = (a) => bottom - a * (bottom - top);
  for (const a of [0, 0.5, 1]) {
    Moves.put(svg, "path", { d: `M${left} ${Y(a)}H${width - 10}`, stroke: Moves.GREY, "stroke-width": a === 0.5 ? 0.5 : 1 });
    Moves.put(svg, "text", { x: left - 6, y: Y(a) + 4, "text-anchor": "end" }, a === 0.5 ? "½" : String(a));
  }
  for (const x of [-6, -3, 0, 3, 6]) Moves.put(svg, "text", { x: X(x), y: height - 8, "text-anchor": "middle" }, String(x));
  const slope = Moves.put(svg, "path", { stroke: Moves.RED, "stroke-width": 1.5, "stroke-dasharray": "5 4" });
  const curve = Moves.put(svg, "path", { fill: "none", stroke: Moves.BLUE, "stroke-width": 2.5 });
  const point = Moves.put(svg, "circle", { r: 5, fill: Moves.RED });

  const controls = Moves.controls(stage);
  const w = Moves.slider(controls, say("w"), { min: -8, max: 8, step: 0.25, value: 1 }, draw);
  const b = Moves.slider(controls, say("b"), { min: -8, max: 8, step: 0.25, value: 0 }, draw);
  const result = Moves.result(stage);

  function draw() {
    const points = [];
    for (let x = -most; x <= most; x += 0.05) points.push([X(x), Y(1 / (1 + Math.exp(-(w() * x + b()))))]);
    curve.setAttribute("d", Moves.path(points));
    const crossing = -b() / w(), there = w() !== 0;
    const seen = there && Math.abs(crossing) <= most;
    for (const element of [slope, point]) element.setAttribute("visibility", seen ? "visible" : "hidden");
    if (seen) {
      const reach = Math.min(1, 2 / Math.abs(w())), rise = (w() / 4) * reach;
      slope.setAttribute("d", Moves.path([[X(crossing - reach), Y(0.5 - rise)], [X(crossing + reach), Y(0.5 + rise)]]));
      point.setAttribute("cx", X(crossing));
      point.setAttribute("cy", Y(0.5));
    }
    result.textContent = there
      ? `${say("crossing")} ${crossing.toFixed(2)}; ${say("slope")}: ${(w() / 4).toFixed(2)}`
      : say("nowhere");
  }
  draw();
});
