// The names that a library gives to its own buttons, in the language of the page: what a reader of the screen says, and
// what stands at a button under the pointer. The words come from the page; nothing else of it is touched.
(() => {
  if (window.workbenchSpeak) return; // a page may be read twice
  const NAMES = ["aria-label", "title", "alt"];
  let table = new Map(), beginnings = [], waiting = false;
  const spoken = (word) => {
    const begins = beginnings.find(([native]) => word.startsWith(native));
    return table.get(word.trim()) ?? (begins && begins[1] + word.slice(begins[0].length));
  };
  const put = () => {
    waiting = false;
    for (const part of document.querySelectorAll(NAMES.map((name) => `[${name}]`).join()))
      for (const name of NAMES) {
        const word = part.getAttribute(name), better = word && spoken(word);
        if (better && better !== word) part.setAttribute(name, better);
      }
    // The link past the menus is text; the letters of an icon's font are no words.
    for (const link of document.querySelectorAll("a[href^='#']")) {
      const better = link.childElementCount === 0 && link.firstChild && table.get(link.textContent.trim());
      if (better && better !== link.textContent) link.firstChild.nodeValue = better;
    }
    // What is written on the buttons of a camera, and beside them: the library offers no words of ours for it.
    for (const part of document.querySelectorAll("[data-testid=stCameraInput] *"))
      for (const piece of part.childNodes) {
        const word = piece.nodeType === Node.TEXT_NODE ? piece.nodeValue.trim() : "", better = word && table.get(word);
        if (better && better !== word) piece.nodeValue = piece.nodeValue.replace(word, better);
      }
    for (const icon of document.querySelectorAll("[data-testid=stIconMaterial]:not([aria-hidden])"))
      icon.setAttribute("aria-hidden", "true");
  };
  const later = () => { if (!waiting) { waiting = true; requestAnimationFrame(put); } };
  window.workbenchSpeak = (lang, words, native) => {
    document.documentElement.lang = lang;
    table = new Map(native.map((word, index) => [word, words[index]]));
    beginnings = [...table].filter(([word]) => /(: ?| for|：|的说明：)$/.test(word)); // of names that go on with somebody's words
    later();
  };
  new MutationObserver(later).observe(document.documentElement, {
    subtree: true, childList: true, attributes: true, attributeFilter: NAMES,
  });
})();
