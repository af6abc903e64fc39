// Equations and the lines of code that cite them light each other up: pointed at, focused or tapped.
(() => {
  const columns = document.querySelector(".page-columns");
  if (!columns) return;
  const equations = [...columns.querySelectorAll(".equation[data-number]")];
  const lines = [...columns.querySelectorAll(".line[data-cites]")];
  const numbersOf = (element) => (element.dataset.number || element.dataset.cites || "").split(" ").filter(Boolean);

  const light = (numbers) => {
    for (const element of [...equations, ...lines]) {
      element.classList.toggle("lit", numbersOf(element).some((number) => numbers.includes(number)));
    }
  };

  for (const element of [...equations, ...lines]) {
    element.addEventListener("pointerenter", (event) => event.pointerType !== "touch" && light(numbersOf(element)));
    element.addEventListener("pointerleave", (event) => event.pointerType !== "touch" && light([]));
    element.addEventListener("focus", () => light(numbersOf(element)));
    element.addEventListener("blur", () => light([]));
    element.addEventListener("click", () => {
      light(numbersOf(element));
      const narrow = getComputedStyle(columns).gridTemplateColumns.split(" ").length < 2;
      const partner = (equations.includes(element) ? lines : equations).find((other) => other.classList.contains("lit"));
      if (!narrow && partner) partner.scrollIntoView({ block: "nearest", behavior: "smooth" });
    });
  }
  // the shorter column stays in sight; one that is higher than the window stops when its end is seen
  const place = () => {
    for (const column of columns.children) {
      column.style.setProperty("--top", `${Math.min(16, innerHeight - column.offsetHeight - 16)}px`);
    }
  };
  new ResizeObserver(place).observe(columns);
  addEventListener("resize", place);

  // a link to an equation lights it, wherever it stands
  for (const link of document.querySelectorAll("a.to-equation")) {
    const number = decodeURIComponent(link.textContent).replace(/[()]/g, "");
    link.addEventListener("pointerenter", () => light([number]));
    link.addEventListener("pointerleave", () => light([]));
  }
})();

// A formula that is wider than its place is drawn smaller, down to 7/10; beyond that it scrolls.
(() => {
  const fit = () => {
    for (const formula of document.querySelectorAll(".equation .cell mjx-container, .example .cell mjx-container")) {
      formula.style.fontSize = "";
      const place = formula.closest(".equation, .example").clientWidth - 24; // beside padding and a comma
      const ratio = place / formula.getBoundingClientRect().width;
      if (ratio < 1) formula.style.fontSize = `${Math.max(0.7, ratio)}em`;
    }
  };
  addEventListener("load", () => window.MathJax?.startup?.promise?.then(fit));
  addEventListener("resize", fit);
})();
