// What the copy buttons put on the clipboard. The conversation is given to Gradio as escaped HTML, and its buttons copy
// what they were given: here the words are turned back into what was written.
(() => {
  if (window.workbenchCopies) return; // the head of a page may be read twice
  window.workbenchCopies = true;
  const written = (said) => said.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");
  const clipboard = navigator.clipboard;
  if (clipboard) {
    const write = clipboard.writeText.bind(clipboard);
    clipboard.writeText = (said) => write(written(said));
  }
  // Without https there is no such clipboard elsewhere than on this machine; Gradio then copies a field out of sight.
  document.addEventListener("copy", (event) => {
    const field = event.target;
    if (field instanceof HTMLTextAreaElement && field.style.position === "absolute") {
      event.clipboardData.setData("text/plain", written(field.value));
      event.preventDefault();
    }
  });
})();
