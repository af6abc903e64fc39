// A gradient on its way back through time, step by step.
Moves.start("time", (stage, say, numbers) => {
  const names = Object.keys(numbers), colours = [Moves.RED, Moves.BLUE, Moves.GREEN];
  const steps = numbers[names[0]].length, width = 480, height = 250, left = 62, right = 10, top = 12, bottom = 222;
  const least = -12, most = 1.5; // powers of ten
  const X = (t) => left + ((t - 0.5) / steps) * (width - left - right);
  const Y = (value) => top + ((most - Math.max(Math.log10(value), least)) / (most - least)) * (bottom - top);
  const svg = Moves.drawing(stage, width, height, say("stage"));
  for (const power of [0, -4, -8, -12]) {
    const y = Y(10 ** power);
    Moves.put(svg, "path", { d: `M${left} ${y}H${width - right}`, stroke: Moves.GREY, "stroke-width": 0.5 });
    const text = Moves.put(svg, "text", { x: left - 6, y: y + 4, "text-anchor": "end" }, power ? "10" : "1");
    if (power) Moves.put(text, "tspan", { dy: -5, "font-size": 10 }, `−${-power}`);
  }
  for (const t of [1, 10, 20, 30, 40]) Moves.put(svg, "text", { x: X(t), y: height - 8, "text-anchor": "middle" }, String(t));
  const now = Moves.put(svg, "rect", { y: top, height: bottom - top, width: (width - left - right) / steps, opacity: 0.2, fill: Moves.GREY });
  const marks = Moves.put(svg, "g");

  const legend = Moves.controls(stage);
  names.forEach((name, i) => Moves.add(legend, "span", { style: `color: ${colours[i]}; font-weight: bold` }, `● ${name}`));
  const controls = Moves.controls(stage);
  let at = steps, timer = null;
  const play = Moves.button(controls, say("play"), () => (timer ? pause() : run()));
  Moves.button(controls, say("back"), () => { pause(); go(at - 1); });
  Moves.button(controls, say("start"), () => { pause(); go(steps); });
  const result = Moves.result(stage);

  function run() {
    if (at === 1) go(steps);
    play.textContent = say("pause");
    timer = setInterval(() => (at > 1 ? go(at - 1) : pause()), 250);
  }
  function pause() {
    clearInterval(timer);
    timer = null;
    play.textContent = say("play");
  }
  function go(t) {
    at = Math.max(1, Math.min(steps, t));
    now.setAttribute("x", X(at) - (width - left - right) / steps / 2);
    marks.replaceChildren();
    names.forEach((name, i) => {
      for (let t = at; t <= steps; t++) {
        const value = numbers[name][t - 1];
        Moves.put(marks, "circle", { cx: X(t), cy: Y(value), r: t === at ? 5 : 3, fill: colours[i] });
      }
    });
    const values = names.map((name) => `${name} ${numbers[name][at - 1].toPrecision(2)}`).join(", ");
    result.textContent = `${say("step")} ${at}${at === steps ? ` (${say("loss")})` : ""}: ${say("norm")} ${values}`;
  }
  go(steps);
});
