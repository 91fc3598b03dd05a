// Buttons of a page of ours: larger type, light or dark, print; and one at each command that takes it along. Without
// scripts they are simply not there.
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
  const print = document.createElement("button");
  print.type = "button";
  print.textContent = main.dataset.print;
  print.addEventListener("click", () => window.print());
  bar.append(print);
  main.prepend(bar);
  for (const command of main.querySelectorAll(".wb-next pre")) {
    const copy = document.createElement("button");
    copy.type = "button";
    copy.className = "wb-copy";
    copy.textContent = main.dataset.copy;
    copy.addEventListener("click", async () => {
      getSelection().selectAllChildren(command); // where a page may not write, a key does it
      try {
        await navigator.clipboard.writeText(command.textContent);
      } catch {
        if (!document.execCommand("copy")) return;
      }
      copy.textContent = main.dataset.copied;
      setTimeout(() => (copy.textContent = main.dataset.copy), 2000);
    });
    command.after(copy);
  }
  // What is wider than a phone is scrolled by keys too, where it takes the focus.
  const reach = () => {
    for (const one of document.querySelectorAll(".wb-scroll"))
      one.tabIndex = one.scrollWidth > one.clientWidth + 1 ? 0 : -1;
  };
  addEventListener("resize", reach);
  document.addEventListener("toggle", reach, true);
  reach();
})();
