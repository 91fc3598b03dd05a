// What ipywidgets does not do by itself: keys that are the panel's own, live regions, what is pressed and what is open.
// It runs once a page; where scripts do not run, the panels work without it.
(() => {
  if (window.workbenchPanels) return;
  window.workbenchPanels = true;

  const set = (element, name, value) => {
    if (element.getAttribute(name) !== value) element.setAttribute(name, value);
  };

  const dress = (panel) => {
    set(panel, "data-lm-suppress-shortcuts", "true"); // Enter is for the button in focus, not for the notebook's cell
    panel.querySelectorAll(".wb-live").forEach((area) => {
      set(area, "role", "status");
      set(area, "aria-live", "polite");
    });
    panel.querySelectorAll(".wb-fold").forEach((fold) =>
      set(fold, "aria-expanded", String(fold.classList.contains("mod-active"))));
    panel.querySelectorAll(".widget-toggle-buttons button").forEach((button) =>
      set(button, "aria-pressed", String(button.classList.contains("mod-active"))));
  };

  let waiting = false;
  const look = () => {
    waiting = false;
    document.querySelectorAll(".wb-widget").forEach(dress);
  };
  new MutationObserver(() => {
    if (!waiting) { waiting = true; requestAnimationFrame(look); }
  }).observe(document.body, { childList: true, subtree: true, attributes: true, attributeFilter: ["class"] });
  look();
})();
