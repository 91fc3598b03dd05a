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
  // Without https there is no such clipboard elsewhere than on this machine; Gradio then copies a field out of sight.
  document.addEventListener("copy", (event) => {
    const field = event.target;
    if (field instanceof HTMLTextAreaElement && field.style.position === "absolute") {
      event.clipboardData.setData("text/plain", written(field.value));
      event.preventDefault();
    }
  });
})();
