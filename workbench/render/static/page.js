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
  // What is wider than a phone is scrolled by keys too, where it takes the focus.
  const reach = () => {
    for (const one of document.querySelectorAll(".wb-scroll"))
      one.tabIndex = one.scrollWidth > one.clientWidth + 1 ? 0 : -1;
  };
  addEventListener("resize", reach);
  document.addEventListener("toggle", reach, true);
  reach();
})();
