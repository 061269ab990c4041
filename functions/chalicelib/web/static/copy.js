/** Buttons that take something away: to the clipboard, or into a file. */

import { announce, h, setText } from "./dom.js";

/** Milliseconds that a button says what it has done. */
const SAID = 2000;

/**
 * @param {string} what for screen readers
 * @param {() => string} text
 * @returns {HTMLElement}
 */
export function copyButton(what, text) {
  const word = h("span", {}, "Copy");
  const button = h(
    "button",
    { type: "button", class: "small" },
    word,
    h("span", { class: "unseen" }, ` ${what}`),
  );
  button.addEventListener("click", async () => {
    const done = await copy(text());
    setText(word, done ? "Copied" : "Not copied");
    announce(done ? `The ${what} is in the clipboard.` : "The browser did not allow to copy.");
    setTimeout(() => setText(word, "Copy"), SAID);
  });
  return button;
}

/**
 * @param {string} what for screen readers
 * @param {string} name of the file
 * @param {string} type
 * @param {() => string|Promise<string>} text
 * @returns {HTMLElement}
 */
export function downloadButton(what, name, type, text) {
  return h(
    "button",
    { type: "button", class: "small", onclick: async () => download(name, type, await text()) },
    "Download",
    h("span", { class: "unseen" }, ` ${what}`),
  );
}

/**
 * Only a secure context has a clipboard; plain HTTP on a LAN gets the old way.
 * @param {string} text
 * @returns {Promise<boolean>}
 */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = h("textarea", { class: "unseen", "aria-hidden": "true" });
    const focused = document.activeElement;
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    if (focused instanceof HTMLElement) focused.focus();
    return done;
  }
}

/**
 * @param {string} name
 * @param {string} type
 * @param {string} text
 */
function download(name, type, text) {
  const link = h("a", { href: URL.createObjectURL(new Blob([text], { type })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
