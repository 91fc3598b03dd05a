// The mask lab: painting by mouse, touch and keys, the score, and a tip at the token. Listens on the document, so that
// labs drawn later work as well; what was painted is kept while only what belongs to the tokens is drawn anew.
(() => {
  if (window.workbenchLab) { window.workbenchLab(); return; }
  const painted = new Map(); // the tokens of a strip, as text -> what was painted
  const shown = new Map(); // of the first strip -> what of the lab is open
  const OPEN = ["wb-revealed", "wb-serving"];
  let stroke = null;
  let tip = null;

  const tokens = (lab) => [...lab.querySelectorAll(".wb-lab-tok")];
  const strips = (lab) => [...lab.querySelectorAll(".wb-lab-strip")];
  const name = (strip) => [...strip.querySelectorAll(".wb-piece")].map((piece) => piece.textContent).join("\u0000");
  const isOn = (token) => token.getAttribute("aria-pressed") === "true";
  const button = (lab, what) => lab.querySelector(`[data-do="${what}"]`);

  const remember = (lab) => strips(lab).forEach((strip) =>
    painted.set(name(strip), [...strip.querySelectorAll(".wb-lab-tok")].map(isOn)));

  const paint = (token, on) => {
    if (isOn(token) === on) return;
    token.setAttribute("aria-pressed", String(on));
    const lab = token.closest(".wb-lab");
    remember(lab);
    score(lab);
  };

  const score = (lab) => {
    const open = lab.classList.contains("wb-revealed");
    const all = [...lab.querySelectorAll(".wb-lab-strip")[0].querySelectorAll(".wb-lab-tok")];
    const count = (list) => list.reduce((sum, token) => sum + Number(token.dataset.count), 0);
    const right = all.filter((token) => isOn(token) === (token.dataset.on === "1"));
    const sentence = open ? lab.dataset.score : lab.dataset.painting;
    const values = { right: count(right), all: count(all), painted: count(all.filter(isOn)),
      trained: count(all.filter((token) => token.dataset.on === "1")) };
    const said = sentence.replace(/\{(\w+)\}/g, (_, key) => values[key]);
    const line = lab.querySelector(".wb-lab-score");
    if (line.textContent !== said) line.textContent = said;
    tokens(lab).forEach((token) => {
      const hit = isOn(token) === (token.dataset.on === "1");
      token.classList.toggle("wb-miss", open && !hit);
      token.setAttribute("aria-label", token.querySelector(".wb-piece").textContent + (open ? ` ${token.dataset.why}` : ""));
    });
  };

  const actions = {
    reveal: (lab) => { lab.classList.toggle("wb-revealed"); score(lab); },
    clear: (lab) => { lab.classList.remove("wb-revealed"); tokens(lab).forEach((token) => paint(token, false)); score(lab); },
    served: (lab) => lab.classList.toggle("wb-serving"),
    heights: (lab) => lab.classList.toggle("wb-heights"),
    legend: (lab) => { const legend = lab.querySelector(".wb-lab-legend"); legend.hidden = !legend.hidden; },
    screen: (lab) => {
      const stage = lab.closest(".wb-widget") || lab.closest(".wb") || lab;
      if (document.fullscreenElement) document.exitFullscreen(); else if (stage.requestFullscreen) stage.requestFullscreen();
    },
  };

  const states = (lab) => {
    const set = (what, on) => { const one = button(lab, what); if (one) one.setAttribute("aria-pressed", String(on)); };
    set("reveal", lab.classList.contains("wb-revealed"));
    set("served", lab.classList.contains("wb-serving"));
    set("heights", lab.classList.contains("wb-heights"));
    set("legend", !lab.querySelector(".wb-lab-legend").hidden);
    set("screen", Boolean(document.fullscreenElement));
  };

  // The tip stands at its token, under it where there is room, else above. It lies over everything: JupyterLab scrolls
  // its cells in a frame that would cut it off and shift it, and a full screen shows nothing from outside its stage.
  const point = (token) => {
    hide();
    const lab = token.closest(".wb-lab");
    tip = document.createElement("div");
    tip.className = "wb-tip";
    tip.setAttribute("role", "tooltip");
    if (tip.showPopover) tip.popover = "manual";
    const lines = [token.querySelector(".wb-piece").textContent];
    if (lab.classList.contains("wb-revealed")) lines.push(token.dataset.why);
    lines.push(...token.dataset.tip.split("\n"));
    lines.forEach((words, at) => {
      const line = document.createElement("p");
      if (!at) line.className = "wb-piece";
      line.textContent = words;
      tip.append(line);
    });
    lab.append(tip);
    if (tip.showPopover) tip.showPopover();
    const box = token.getBoundingClientRect();
    const room = document.documentElement;
    const left = Math.max(4, Math.min(box.left, room.clientWidth - tip.offsetWidth - 4));
    const below = box.bottom + 6 + tip.offsetHeight <= room.clientHeight;
    tip.style.left = `${left}px`;
    tip.style.top = `${below ? box.bottom + 6 : Math.max(4, box.top - tip.offsetHeight - 6)}px`;
  };
  const hide = () => { if (tip) tip.remove(); tip = null; };

  const across = (token, way) => {
    const from = token.getBoundingClientRect();
    let best = null, least = Infinity;
    for (const other of tokens(token.closest(".wb-lab"))) {
      const box = other.getBoundingClientRect();
      const rise = way * (box.top - from.top);
      if (rise < from.height / 2) continue;
      const far = rise * 1000 + Math.abs(box.left - from.left);
      if (far < least) { least = far; best = other; }
    }
    return best;
  };

  const next = (token, key) => {
    const all = tokens(token.closest(".wb-lab"));
    const at = all.indexOf(token);
    return { ArrowRight: all[at + 1], ArrowLeft: all[at - 1], ArrowDown: across(token, 1), ArrowUp: across(token, -1),
      Home: all[0], End: all[all.length - 1] }[key];
  };

  const enliven = (lab) => {
    if (lab.dataset.alive) return;
    lab.dataset.alive = "1";
    lab.classList.add(...(shown.get(name(strips(lab)[0])) || []));
    strips(lab).forEach((strip) => {
      const before = painted.get(name(strip)) || [];
      [...strip.querySelectorAll(".wb-lab-tok")].forEach((token, at) => {
        token.setAttribute("aria-pressed", String(Boolean(before[at])));
        token.dataset.lmSuppressShortcuts = "true"; // in JupyterLab an arrow would go to another cell
      });
    });
    const first = tokens(lab)[0];
    if (first) first.tabIndex = 0;
    score(lab);
    states(lab);
  };

  const token = (event) => event.target.closest && event.target.closest(".wb-lab-tok");
  document.addEventListener("pointerdown", (event) => {
    const one = token(event);
    if (!one || event.button) return;
    stroke = !isOn(one);
    paint(one, stroke);
    if (one.hasPointerCapture && event.pointerId !== undefined && one.hasPointerCapture(event.pointerId)) one.releasePointerCapture(event.pointerId);
  });
  document.addEventListener("pointerover", (event) => {
    const one = token(event);
    if (!one) { if (tip && !event.target.closest(".wb-tip")) hide(); return; }
    if (stroke !== null && event.buttons & 1) paint(one, stroke);
    point(one);
  });
  document.addEventListener("pointerup", () => { stroke = null; });
  document.addEventListener("focusin", (event) => {
    const one = token(event);
    if (!one) { hide(); return; }
    tokens(one.closest(".wb-lab")).forEach((other) => { other.tabIndex = other === one ? 0 : -1; });
    if (one.matches(":focus-visible")) point(one);
  });
  document.addEventListener("click", (event) => {
    const pressed = event.target.closest && event.target.closest(".wb-lab-bar button");
    if (!pressed) return;
    const lab = pressed.closest(".wb-lab");
    actions[pressed.dataset.do](lab);
    states(lab);
    shown.set(name(strips(lab)[0]), OPEN.filter((one) => lab.classList.contains(one)));
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const one = token(event);
    if (!one) return;
    if (event.key === "Escape") hide();
    const painting = event.key === " " || event.key === "Enter";
    const to = painting ? null : next(one, event.key);
    if (!painting && to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    if (painting) paint(one, !isOn(one)); else if (to) to.focus();
  }, true);
  document.addEventListener("fullscreenchange", () => document.querySelectorAll(".wb-lab").forEach(states));
  window.addEventListener("scroll", hide, true);
  window.workbenchLab = () => document.querySelectorAll(".wb-lab").forEach(enliven);
  new MutationObserver(window.workbenchLab).observe(document.body, { childList: true, subtree: true });
  window.workbenchLab();
})();
