// What the copy buttons put on the clipboard. The conversation is given to Gradio as escaped HTML, and its buttons copy
// what they were given: here the words are turned back into what was written.
(() => {
  if (window.workbenchCopies) return; // the head of a page may be read twice
  window.workbenchCopies = true;
  const written = (said) => said.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");
  window.workbenchSave = (name, text) => {
    if (!text) return;
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "application/jsonl" }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  };
  const clipboard = navigator.clipboard;
  if (clipboard) {
    const write = clipboard.writeText.bind(clipboard);
    clipboard.writeText = (said) => write(written(said));
  }
  // What Gradio's own parts keep from readers of the screen: the title of a folded call is a button with a second one,
  // nameless, inside; a message that is a picture bears a name that says "component" in the place of what it is.
  const mend = () => {
    for (const arrow of document.querySelectorAll(".wb-chat [role=button] button:not([inert])")) arrow.inert = true;
    for (const shown of document.querySelectorAll(".wb-chat [aria-label]:has(> * > .wb-shown)"))
      shown.removeAttribute("aria-label");
  };
  new MutationObserver(mend).observe(document.documentElement, { subtree: true, childList: true });
  // Without https there is no such clipboard elsewhere than on this machine; Gradio then copies a field out of sight.
  document.addEventListener("copy", (event) => {
    const field = event.target;
    if (field instanceof HTMLTextAreaElement && field.style.position === "absolute") {
      event.clipboardData.setData("text/plain", written(field.value));
      event.preventDefault();
    }
  });
})();
