// The gallery: a row lights its run up in all plots; its box takes the run away from them.
(() => {
  if (window.workbenchGallery) return;
  window.workbenchGallery = true;

  const box = (target) => {
    const row = target.closest && target.closest(".wb-gallery-table tbody tr");
    return row && row.querySelector("input[data-run]");
  };

  const light = (gallery, run) => {
    gallery.classList.toggle("wb-lighting", run !== null);
    gallery.querySelectorAll(".wb-gallery-plots [data-run]").forEach((part) => part.classList.toggle("wb-lit", part.dataset.run === run));
    gallery.querySelectorAll(".wb-gallery-table tbody tr").forEach((row) => {
      const input = row.querySelector("input[data-run]");
      row.classList.toggle("wb-lit", input !== null && input.dataset.run === run);
    });
  };

  const see = (event) => {
    const gallery = event.target.closest && event.target.closest(".wb-runs");
    if (!gallery) return;
    const input = box(event.target);
    const line = event.target.closest(".wb-gallery-plots [data-run]");
    const run = line ? line.dataset.run : input && input.checked ? input.dataset.run : null;
    light(gallery, run);
  };

  document.addEventListener("pointerover", see);
  document.addEventListener("focusin", see);
  document.addEventListener("change", (event) => {
    const input = event.target.closest && event.target.closest(".wb-gallery-table input[data-run]");
    if (!input) return;
    const gallery = input.closest(".wb-runs");
    gallery.querySelectorAll(`.wb-gallery-plots [data-run="${input.dataset.run}"]`).forEach((part) => part.classList.toggle("wb-off", !input.checked));
    light(gallery, input.checked ? input.dataset.run : null);
  });
})();
