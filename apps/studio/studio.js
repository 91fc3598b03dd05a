// What the page does by itself, before any server answers: which step is shown, in which view, and that a click was
// heard. The server tells which steps are done and open (the list of steps), and what is being done (the lines of work).
(() => {
  if (window.workbenchStudio) return; // the head of a page may be read twice
  const root = document.documentElement;
  const STEPS = ["data", "template", "train", "export", "chat"];
  const stored = (name) => { try { return localStorage.getItem(name); } catch { return null; } };
  const store = (name, value) => { try { localStorage.setItem(name, value); } catch { /* a frame without storage */ } };
  // Said aloud by readers of the screen; seen where nothing else on the page says it.
  const tell = (words, seen = true) => {
    const line = document.querySelector("#stepper .wb-told");
    if (!line) return;
    line.classList.toggle("wb-hidden", !seen);
    line.textContent = words;
  };

  const entry = (step) => document.querySelector(`#stepper [data-go="${step}"]`);
  const mark = () => {
    const list = document.querySelector("#stepper nav");
    if (!list) return;
    const open = entry(root.dataset.wbStep);
    if (!root.dataset.wbStep || !open || open.getAttribute("aria-disabled")) {
      const wanted = location.hash.slice(1);
      const allowed = STEPS.includes(wanted) && !entry(wanted)?.getAttribute("aria-disabled");
      root.dataset.wbStep = allowed ? wanted : list.dataset.next;
      try { history.replaceState(null, "", `#${root.dataset.wbStep}`); } catch { /* a sandboxed frame */ }
    }
    for (const button of list.querySelectorAll("[data-go]"))
      button.dataset.go === root.dataset.wbStep
        ? button.setAttribute("aria-current", "step") : button.removeAttribute("aria-current");
    for (const button of document.querySelectorAll("[data-view]"))
      button.setAttribute("aria-pressed", String(button.dataset.view === root.dataset.wbView));
    document.title = list.dataset.title;
    root.lang = list.dataset.lang;
  };
  const go = (step) => {
    root.dataset.wbStep = step;
    try { history.pushState(null, "", `#${step}`); } catch { /* a sandboxed frame */ }
    tell("");
    mark();
    scrollTo({ top: 0 });
    document.querySelector(`#step-${step} h2`)?.focus({ preventScroll: true });
    dispatchEvent(new Event("resize")); // what was drawn out of sight measures itself anew
  };
  const begin = (id) => {
    const button = document.getElementById(id);
    if (!button || button.getAttribute("aria-busy") === "true") return;
    button.setAttribute("aria-busy", "true");
    const line = document.querySelector(`.wb-doing[data-for="${id}"]`);
    if (line) { line.hidden = false; tell(line.textContent, false); }
  };
  const rest = (id) => {
    document.getElementById(id)?.removeAttribute("aria-busy");
    const line = document.querySelector(`.wb-doing[data-for="${id}"]`);
    if (line) { line.hidden = true; tell(""); }
  };
  window.workbenchStudio = { begin, rest, go };

  document.addEventListener("click", (event) => {
    const target = event.target instanceof Element ? event.target : null;
    const step = target?.closest("[data-go]");
    if (step) {
      if (step.getAttribute("aria-disabled")) tell(step.dataset.why);
      else go(step.dataset.go);
      return;
    }
    const view = target?.closest("[data-view]");
    if (view) { root.dataset.wbView = view.dataset.view; store("workbench-view", view.dataset.view); mark(); return; }
    if (target?.closest("button.wb-sample")) { begin("ask-button"); return; }
    const act = target?.closest("button.wb-act");
    if (!act) return;
    if (act.getAttribute("aria-busy") === "true") { event.stopImmediatePropagation(); event.preventDefault(); }
    else begin(act.id);
  }, true);
  // What else than a click begins such work: Enter in the question's box, a file that was chosen.
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing && event.target.closest?.("#ask")) begin("ask-button");
  }, true);
  document.addEventListener("change", (event) => {
    if (event.target.matches?.("input[type=file]:not(#chat-image *)") && event.target.files.length) begin("upload");
  }, true);
  addEventListener("popstate", () => { root.dataset.wbStep = ""; mark(); });

  // A mask that has just been drawn gets its keys and its button at once, before a pointer is over it.
  // A table that is wider than a phone is scrolled by keys too, where it takes the focus.
  const reach = () => {
    for (const one of document.querySelectorAll(".wb-scroll"))
      one.tabIndex = one.scrollWidth > one.clientWidth + 1 ? 0 : -1;
    window.workbenchMask?.();
    // Of two empty conversations the library makes two landmarks without a name.
    for (const one of document.querySelectorAll(".wb-chat .placeholder-content[role]")) one.removeAttribute("role");
  };
  // Where the button that was pressed has gone, as Start when it became Stop, its successor takes the focus.
  let pressed = null;
  document.addEventListener("focusin", (event) => { pressed = event.target.closest?.("button.wb-act"); });
  const follow = () => {
    if (!pressed || pressed.offsetParent || document.activeElement !== document.body) return;
    const next = [...document.querySelectorAll(`#step-${root.dataset.wbStep} .wb-form button.wb-act`)].find((one) => one.offsetParent);
    if (next) next.focus({ preventScroll: true });
  };
  let looking = 0;
  const later = () => { cancelAnimationFrame(looking); looking = requestAnimationFrame(() => { reach(); follow(); }); };
  // The whole page is watched: Gradio may put another element in the place of the list of steps.
  new MutationObserver(() => {
    if (document.querySelector("#stepper nav:not(:has([aria-current]))")) mark();
    later();
  }).observe(root, { childList: true, subtree: true });
  addEventListener("resize", later);

  root.dataset.wbView = stored("workbench-view") === "expert" ? "expert" : "simple";
  mark();
})();
