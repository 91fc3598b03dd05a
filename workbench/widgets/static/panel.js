// What ipywidgets does not do by itself: keys that are the panel's own, live regions, what is pressed and what is open.
// It runs once a page; where scripts do not run, the panels work without it.
(() => {
  if (window.workbenchPanels) return;
  window.workbenchPanels = true;

  const set = (element, name, value) => {
    if (element.getAttribute(name) !== value) element.setAttribute(name, value);
  };

  // A cell that is run hands the view on to the next one; a panel that comes then, and its buttons, may lie out of sight,
  // above or below. So the view is moved to it, its head first, unless somebody moves on meanwhile.
  const BRINGING = 3000; // ms; a panel is drawn, and the view handed on, some time after it has come
  const MOVES = ["wheel", "pointerdown", "keydown", "touchmove"];
  const frameOf = (panel) => {
    let frame = panel.parentElement;
    while (frame && !(frame.scrollHeight > frame.clientHeight && /auto|scroll/.test(getComputedStyle(frame).overflowY)))
      frame = frame.parentElement;
    return frame;
  };
  const outOfSight = (panel, frame) => { // px by which the frame is to be scrolled
    const box = panel.getBoundingClientRect(), edge = frame.getBoundingClientRect();
    if (box.top < edge.top || box.height > edge.height) return Math.round(box.top - edge.top - 4);
    return Math.max(0, Math.round(box.bottom - edge.bottom + 4));
  };
  const bring = (panel) => {
    const cell = panel.closest(".jp-CodeCell"), until = performance.now() + BRINGING;
    if (!cell || panel.parentElement.closest(".wb-widget")) return;
    let moved = false;
    const move = () => { moved = true; };
    MOVES.forEach((name) => addEventListener(name, move, { capture: true, passive: true }));
    const step = () => {
      if (moved || !panel.isConnected || performance.now() > until) {
        MOVES.forEach((name) => removeEventListener(name, move, { capture: true }));
        return;
      }
      const frame = frameOf(panel), next = cell.nextElementSibling;
      if (frame && next && next.classList.contains("jp-mod-active")) frame.scrollTop += outOfSight(panel, frame);
      requestAnimationFrame(step);
    };
    step();
  };

  // The first curve of a training that somebody has started may appear under the window's edge; it is to be seen.
  let awaiting = null;
  document.addEventListener("click", (event) => {
    const press = event.target instanceof Element && event.target.closest(".wb-widget button.mod-primary");
    const panel = press && press.closest(".wb-widget");
    awaiting = panel && !panel.querySelector(".wb-plot") ? panel : null;
  }, true);
  MOVES.forEach((name) =>
    addEventListener(name, () => { awaiting = null; }, { capture: true, passive: true }));
  const reach = () => {
    const plot = awaiting && awaiting.querySelector(".wb-plot");
    if (!plot) return;
    awaiting = null;
    plot.scrollIntoView({ block: "nearest" });
  };

  // A key is for the control in focus, not for the notebook's cell, which JupyterLab would move, delete or double; it asks
  // the very element that has the focus. Saving is the notebook's own also from within a panel.
  addEventListener("keydown", (event) => {
    if (!(event.target instanceof Element && event.target.closest(".wb-widget"))) return;
    const saves = (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "s";
    if (saves) event.target.removeAttribute("data-lm-suppress-shortcuts");
    else set(event.target, "data-lm-suppress-shortcuts", "true");
  }, true);

  const seen = new WeakSet();
  const dress = (panel) => {
    if (!seen.has(panel)) {
      seen.add(panel);
      bring(panel);
    }
    panel.querySelectorAll(".wb-live").forEach((area) => {
      set(area, "role", "status");
      set(area, "aria-live", "polite");
    });
    panel.querySelectorAll(".noUi-handle").forEach((handle) => {
      const label = handle.closest(".widget-slider") && handle.closest(".widget-slider").querySelector(".widget-label");
      if (label) set(handle, "aria-label", label.textContent);
    });
    panel.querySelectorAll(".widget-readout[contenteditable]").forEach((readout) => {
      const label = readout.parentElement.querySelector(".widget-label");
      set(readout, "role", "textbox");
      if (label) set(readout, "aria-label", label.textContent);
    });
    panel.querySelectorAll(".wb-radio .widget-radio-box").forEach((box) => {
      set(box, "role", "radiogroup");
      set(box, "aria-label", box.parentElement.querySelector(".widget-label").textContent);
    });
    panel.querySelectorAll("button.wb-takes-files").forEach((button) => { // the library counts what is on its way: 0
      const words = button.lastChild;
      if (words && / \(\d+\)$/.test(words.data)) words.data = words.data.replace(/ \(\d+\)$/, "");
    });
    panel.querySelectorAll(".wb-fold").forEach((fold) =>
      set(fold, "aria-expanded", String(fold.classList.contains("mod-active"))));
    panel.querySelectorAll(".widget-toggle-buttons button").forEach((button) =>
      set(button, "aria-pressed", String(button.classList.contains("mod-active"))));
  };

  // A picture that is dropped on such a button, or pasted while it is in focus, goes the way of a chosen one. The
  // button's own field is in no page; it is met where the button would open it.
  const fieldOf = (button) => {
    const open = HTMLInputElement.prototype.click;
    let field = null;
    HTMLInputElement.prototype.click = function () { field = this; };
    try { button.click(); } finally { HTMLInputElement.prototype.click = open; }
    return field;
  };
  const take = (event, files) => {
    const button = event.target instanceof Element && event.target.closest("button.wb-takes-files");
    if (!button || button.disabled || !files || !files.length) return;
    event.preventDefault();
    const field = fieldOf(button);
    if (!field) return;
    field.files = files;
    field.dispatchEvent(new Event("change"));
  };
  document.addEventListener("dragover", (event) => {
    if (event.target instanceof Element && event.target.closest("button.wb-takes-files")) event.preventDefault();
  });
  document.addEventListener("drop", (event) => take(event, event.dataTransfer && event.dataTransfer.files));
  document.addEventListener("paste", (event) => take(event, event.clipboardData && event.clipboardData.files));

  let waiting = false;
  const look = () => {
    waiting = false;
    document.querySelectorAll(".wb-widget").forEach(dress);
    reach();
  };
  new MutationObserver(() => {
    if (!waiting) { waiting = true; requestAnimationFrame(look); }
  }).observe(document.body, { childList: true, subtree: true, attributes: true, attributeFilter: ["class"] });
  look();
})();
