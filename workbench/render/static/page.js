// Two buttons of a page of ours: larger type, and light or dark. Without scripts they are simply not there.
(() => {
  const main = document.querySelector("main.wb-page");
  const root = main && main.closest(".wb");
  if (!root) return;
  const bar = document.createElement("div");
  bar.className = "wb-tools";
  const button = (label, press) => {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = label;
    made.setAttribute("aria-pressed", "false");
    made.addEventListener("click", () => made.setAttribute("aria-pressed", String(press())));
    bar.append(made);
  };
  button(main.dataset.larger, () => root.classList.toggle("wb-large"));
  button(main.dataset.theme, () => {
    const dark = getComputedStyle(root).colorScheme === "dark";
    root.classList.toggle("wb-light", dark);
    root.classList.toggle("wb-dark", !dark);
    return !dark;
  });
  main.prepend(bar);
})();
