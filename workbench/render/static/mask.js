// The mask view's arrow keys and panel of details. Listens on the document, so that views drawn later work as well.
(() => {
  if (window.workbenchMask) {
    window.workbenchMask();
    return;
  }
  const views = new WeakMap();

  const line = (name, words) => {
    const made = document.createElement("p");
    if (name) made.className = name;
    made.textContent = words;
    return made;
  };

  // One stop for the tab key instead of one a token; the titles move into the panel.
  const enliven = (view) => {
    if (views.has(view)) return views.get(view);
    const tokens = [...view.querySelectorAll(".wb-rows .wb-tok")];
    const detail = view.querySelector(".wb-detail");
    tokens.forEach((token, index) => {
      token.tabIndex = index ? -1 : 0;
      token.dataset.tip = token.title;
      token.removeAttribute("title");
      token.dataset.lmSuppressShortcuts = "true"; // in JupyterLab an arrow would go to another cell
    });
    const tools = document.createElement("div");
    tools.className = "wb-mask-tools";
    const ids = document.createElement("button");
    ids.type = "button";
    ids.textContent = detail.dataset.ids;
    ids.setAttribute("aria-pressed", "false");
    ids.addEventListener("click", () =>
      ids.setAttribute("aria-pressed", String(view.classList.toggle("wb-show-ids"))));
    tools.append(ids);
    if (detail.dataset.hint) tools.append(detail.dataset.hint);
    const sides = view.closest(".wb-sides"), legend = sides && sides.parentElement.querySelector(".wb-legend[data-hint]");
    if (legend) { // of two sides together it is said once
      legend.append(" " + legend.dataset.hint);
      legend.removeAttribute("data-hint");
    }
    view.querySelector(".wb-rows").before(tools);
    const state = { tokens, detail, current: null };
    views.set(view, state);
    return state;
  };

  const show = (state, token) => {
    const [piece, ...rest] = token.dataset.tip.split("\n");
    const told = document.createElement("div");
    rest.forEach((words) => told.append(line("", words)));
    land(state.detail);
    state.detail.replaceChildren(line("wb-piece", piece), told);
    state.detail.hidden = false;
    if (!inSight(state.detail)) lift(state.detail, token);
  };

  // The card sticks to the window's lower edge. Where a frame lets it not, as JupyterLab's does, it may lie out of sight;
  // then it stands over everything, at its token: under it where there is room, else above.
  const inSight = (card) => {
    const box = card.getBoundingClientRect();
    return [box.top + 4, box.bottom - 4].every((y) => card.contains(document.elementFromPoint(box.left + box.width / 2, y)));
  };
  let lifted = [null, null];
  const place = () => {
    const [card, token] = lifted;
    if (!card) return;
    const box = token.getBoundingClientRect(), room = document.documentElement;
    const below = box.bottom + 6 + card.offsetHeight <= room.clientHeight;
    const left = Math.max(4, Math.min(box.left, room.clientWidth - card.offsetWidth - 4));
    card.style.left = `${left}px`;
    card.style.top = `${below ? box.bottom + 6 : Math.max(4, box.top - card.offsetHeight - 6)}px`;
  };
  const lift = (card, token) => {
    if (!card.showPopover) return;
    card.popover = "manual";
    card.showPopover();
    lifted = [card, token];
    place();
  };
  const land = (card) => {
    if (lifted[0] !== card) return;
    lifted = [null, null];
    card.removeAttribute("popover");
    card.removeAttribute("style");
  };

  const settle = (state, token) => {
    state.tokens.forEach((other) => {
      other.tabIndex = other === token ? 0 : -1;
      other.classList.toggle("wb-here", other === token);
      if (other === token) other.setAttribute("aria-selected", "true");
      else other.removeAttribute("aria-selected");
    });
    state.current = token;
    show(state, token);
    token.style.scrollMarginBottom = `${state.detail.offsetHeight + 16}px`; // never behind the panel
    token.scrollIntoView({ block: "nearest", inline: "nearest" });
  };

  // The token above or below: on the nearest line that way, the one whose middle is nearest.
  const across = (state, token, way) => {
    const from = token.getBoundingClientRect();
    const middle = from.left + from.width / 2;
    let best = null;
    let least = Infinity;
    for (const other of state.tokens) {
      const box = other.getBoundingClientRect();
      const rise = way * (box.top - from.top);
      if (rise < from.height / 2) continue;
      const far = rise * 1000 + Math.abs(box.left + box.width / 2 - middle);
      if (far < least) { least = far; best = other; }
    }
    return best;
  };

  const target = (state, token, key) => {
    const at = state.tokens.indexOf(token);
    switch (key) {
      case "ArrowRight": return state.tokens[at + 1];
      case "ArrowLeft": return state.tokens[at - 1];
      case "ArrowDown": return across(state, token, 1);
      case "ArrowUp": return across(state, token, -1);
      case "Home": return state.tokens[0];
      case "End": return state.tokens[state.tokens.length - 1];
      default: return undefined;
    }
  };

  const found = (event) => {
    const token = event.target.closest && event.target.closest(".wb-mask .wb-rows .wb-tok");
    return token ? [enliven(token.closest(".wb-mask")), token] : [null, null];
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const [state, token] = found(event);
    const next = state && target(state, token, event.key);
    if (next === undefined || !state) return;
    event.preventDefault();
    event.stopPropagation();
    if (next) next.focus();
  });
  let pointed = [null, null]; // the view and the token under the pointer
  document.addEventListener("focusin", (event) => {
    const [state, token] = found(event);
    if (state) settle(state, token);
    else if (lifted[0] && lifted[1] !== pointed[1]) land(lifted[0]); // what a pointer rests on stays told
  });
  document.addEventListener("scroll", place, true);
  // A pointer points by moving: where keys have moved the page under one that rests, it has pointed at nothing.
  let pointer = "";
  document.addEventListener("mousemove", (event) => {
    const place = `${event.screenX} ${event.screenY}`;
    if (place === pointer) return;
    pointer = place;
    const [state, token] = found(event);
    if (token === pointed[1]) return;
    const [left] = pointed;
    if (left && !token) land(left.detail);
    if (left && left !== state && left.current) show(left, left.current);
    if (state) show(state, token);
    pointed = [state, token];
  });
  window.workbenchMask = () => document.querySelectorAll(".wb-mask").forEach(enliven);
  window.workbenchMask();
})();
