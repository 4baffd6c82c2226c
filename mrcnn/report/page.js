for (const button of document.querySelectorAll("button[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const source = document.getElementById(button.dataset.copy);
    const status = button.nextElementSibling;
    let done = false;
    try {
      await navigator.clipboard.writeText(source.textContent);
      done = true;
    } catch (error) { // a page of a file may not use the clipboard: select the text instead
      const range = document.createRange();
      range.selectNodeContents(source);
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      try {
        done = document.execCommand("copy");
      } catch (refused) {
        done = false;
      }
    }
    status.textContent = done ? "Copied." : "Selected: copy it with Ctrl+C.";
  });
}
