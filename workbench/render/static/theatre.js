// The theatre: dragging moves the line, the numbers and the answers; the sliders choose the run of the grid.
(() => {
  if (window.workbenchTheatre) { window.workbenchTheatre(); return; }

  const latest = (pairs, step) => { let last = null; for (const [at, value] of pairs) if (at <= step) last = value; return last; };

  const chosen = (theatre) => {
    const knobs = JSON.parse(theatre.dataset.knobs);
    const wanted = [...theatre.querySelectorAll(".wb-knob input")].map((input, at) => knobs[at][Number(input.value)]);
    const settings = JSON.parse(theatre.dataset.settings);
    const far = (values) => values.reduce((sum, value, at) => sum + (value === wanted[at] ? 0 : 1), 0);
    let best = 0;
    settings.forEach((values, at) => { if (far(values) < far(settings[best])) best = at; });
    return theatre.querySelector(`[data-run="${best}"]`);
  };

  const draw = (theatre) => {
    const run = chosen(theatre);
    theatre.querySelectorAll(".wb-theatre-run").forEach((one) => { one.hidden = one !== run; });
    const scrub = theatre.querySelector("[data-scrub]");
    const last = Number(run.dataset.steps);
    if (Number(scrub.max) !== last) {
      const share = Number(scrub.value) / Number(scrub.max);
      scrub.max = last;
      scrub.value = Math.round(share * last);
    }
    const step = Number(scrub.value);
    scrub.parentElement.querySelector("output").textContent = `${step} / ${last}`;
    theatre.querySelectorAll(".wb-knob").forEach((knob) => {
      const input = knob.querySelector("input");
      const shown = JSON.parse(input.dataset.shown)[Number(input.value)];
      knob.querySelector("output").textContent = shown;
      input.setAttribute("aria-valuetext", shown);
    });
    run.querySelectorAll(".wb-theatre-plot").forEach((plot) => {
      const left = Number(plot.dataset.left), right = Number(plot.dataset.right);
      const line = plot.querySelector(".wb-cursor");
      const place = left + (right - left) * step / last;
      line.setAttribute("x1", place);
      line.setAttribute("x2", place);
    });
    run.querySelectorAll(".wb-theatre-card").forEach((card) => {
      const answer = latest(JSON.parse(card.dataset.answers), step);
      const words = card.querySelector("p bdi") || card.querySelector("p");
      const said = answer === null ? "–" : answer;
      if (words.textContent !== said) words.textContent = said;
    });
    const names = JSON.parse(run.dataset.names);
    const series = JSON.parse(run.dataset.series);
    const parts = Object.entries(series).map(([name, points]) => {
      const value = latest(points, step);
      const share = name !== "train" && name !== "held_out";
      return value === null ? null : `${names[name]} ${share ? `${Math.round(100 * value)}%` : value.toFixed(3)}`;
    }).filter(Boolean);
    const verdict = latest(Object.entries(JSON.parse(run.dataset.verdicts)).map(([at, word]) => [Number(at), word]), step);
    const spoken = JSON.parse(theatre.dataset.verdicts);
    if (verdict) parts.push(`${theatre.dataset.verdict}${spoken[verdict] || verdict}`);
    const line = run.querySelector(".wb-theatre-says");
    const said = parts.join(" · ");
    if (line.textContent !== said) line.textContent = said;
    scrub.setAttribute("aria-valuetext", `${step}: ${said}`);
  };

  const enliven = (theatre) => { if (!theatre.dataset.alive) { theatre.dataset.alive = "1"; draw(theatre); } };

  // A click on the curve goes to that step, as dragging there does.
  const jump = (event) => {
    const plot = event.target.closest && event.target.closest(".wb-theatre-plot");
    if (!plot || !(event.buttons & 1)) return;
    const theatre = plot.closest(".wb-theatre");
    const box = plot.getBoundingClientRect();
    const across = (event.clientX - box.left) / box.width * plot.viewBox.baseVal.width;
    const left = Number(plot.dataset.left), right = Number(plot.dataset.right);
    const scrub = theatre.querySelector("[data-scrub]");
    scrub.value = Math.round(Math.min(1, Math.max(0, (across - left) / (right - left))) * Number(scrub.max));
    draw(theatre);
  };

  document.addEventListener("input", (event) => {
    const theatre = event.target.closest && event.target.closest(".wb-theatre");
    if (theatre) draw(theatre);
  });
  document.addEventListener("keydown", (event) => {
    const range = event.target.closest && event.target.closest(".wb-theatre input[type=range]");
    if (range) event.stopPropagation(); // the arrow keys are the slider's, not the notebook's
  }, true);
  document.addEventListener("pointerdown", jump);
  document.addEventListener("pointermove", jump);
  window.workbenchTheatre = () => document.querySelectorAll(".wb-theatre").forEach(enliven);
  new MutationObserver(window.workbenchTheatre).observe(document.body, { childList: true, subtree: true });
  window.workbenchTheatre();
})();
