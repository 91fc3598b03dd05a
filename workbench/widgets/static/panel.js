// What ipywidgets does not do by itself: keys for the panel's controls, live regions, a height that does not jump.
// It runs once a page; where scripts do not run, the panels work without it.
(() => {
  const own = document.currentScript && document.currentScript.closest(".jp-OutputArea-child");
  if (own) own.style.display = "none"; // the output that holds nothing but this
  if (window.workbenchPanels) return;
  window.workbenchPanels = true;

  const dress = (panel) => {
    // Enter and Space are for the button in focus, not for the notebook's cell
    panel.setAttribute("data-lm-suppress-shortcuts", "true");
    panel.querySelectorAll(".wb-live").forEach((area) => {
      area.setAttribute("role", "status");
      area.setAttribute("aria-live", "polite");
    });
    panel.querySelectorAll(".wb-fold").forEach((fold) => {
      const button = fold.matches("button") ? fold : fold.querySelector("button");
      if (button) button.setAttribute("aria-expanded", String(button.classList.contains("mod-active")));
    });
    panel.querySelectorAll(".widget-toggle-buttons button, .widget-toggle-button").forEach((button) =>
      button.setAttribute("aria-pressed", String(button.classList.contains("mod-active"))));
  };

  // The notebook draws a panel anew when its saved picture is renewed; the page must not jump meanwhile.
  const heights = new WeakMap();
  const hold = (output) => {
    const height = heights.get(output);
    if (!height) return;
    output.style.minHeight = `${height}px`;
    setTimeout(() => { output.style.minHeight = ""; }, 1500);
  };

  let waiting = false;
  const look = () => {
    waiting = false;
    document.querySelectorAll(".wb-widget").forEach((panel) => {
      dress(panel);
      const output = panel.closest(".jp-OutputArea-child");
      if (output && panel.offsetHeight) heights.set(output, output.offsetHeight);
    });
  };
  new MutationObserver((records) => {
    for (const record of records) {
      for (const gone of record.removedNodes) {
        if (gone.nodeType === 1 && (gone.matches(".wb-widget") || gone.querySelector(".wb-widget"))) {
          const output = record.target.closest && record.target.closest(".jp-OutputArea-child");
          if (output) hold(output);
        }
      }
    }
    if (!waiting) { waiting = true; requestAnimationFrame(look); }
  }).observe(document.body, { childList: true, subtree: true, attributes: true, attributeFilter: ["class"] });
  look();
})();
