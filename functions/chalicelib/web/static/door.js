/** Who calls: asks for the token when the API wants one, and keeps it for this tab only. */

import { h, setText } from "./dom.js";

const STORED = "coatcheck.token";
const WRONG = "This token lets nobody in: it is malformed or unknown, has been revoked or has expired.";

let kept = stored();
/** @type {Promise<string>|null} all calls that were refused wait for the same answer */
let asked = null;

/** The token of this tab; empty if none was asked for yet. */
export const token = () => kept;

/**
 * Ask for another token than the one that was refused. Resolves once there is one to try.
 * @param {string} refused empty: there was none
 * @returns {Promise<string>}
 */
export function another(refused) {
  if (kept !== refused) return Promise.resolve(kept);
  asked ??= ask(refused ? WRONG : "").finally(() => {
    asked = null;
  });
  return asked;
}

/**
 * @param {string} complaint
 * @returns {Promise<string>}
 */
function ask(complaint) {
  const input = h("input", {
    id: "token",
    type: "password",
    autocomplete: "off",
    autocapitalize: "off",
    spellcheck: "false",
    "aria-describedby": "token-help token-error",
    "aria-invalid": complaint ? "true" : false,
  });
  const error = h("p", { id: "token-error", class: "field-error", role: "alert" }, complaint);
  const form = h(
    "form",
    { class: "door", novalidate: true, "aria-labelledby": "door-title" },
    h("h2", { id: "door-title" }, "Who calls?"),
    h(
      "p",
      { id: "token-help", class: "door-help" },
      "This desk asks for a token. It is kept for this tab only, and gone when you close it.",
    ),
    h("div", { class: "field" }, h("label", { class: "field-label", for: "token" }, "Token"), input, error),
    h("button", { type: "submit", class: "run" }, "Come in"),
  );
  const door = place("door");
  const desk = place("desk");
  door.replaceChildren(form);
  leave.hidden = true;
  door.hidden = false;
  desk.hidden = true;
  input.focus();
  return new Promise((resolve) => {
    form.addEventListener("submit", (/** @type {Event} */ event) => {
      event.preventDefault();
      const text = input.value.trim();
      if (!/^[\x21-\x7e]+$/.test(text)) {
        setText(error, text ? WRONG : "Paste your token here.");
        input.setAttribute("aria-invalid", "true");
        input.focus();
        return;
      }
      keep(text);
      door.replaceChildren();
      door.hidden = true;
      desk.hidden = false;
      resolve(text);
    });
  });
}

/** @param {string} id */
function place(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`index.html has no #${id}`);
  return element;
}

/** The button with which the tab forgets its token. */
const leave = place("leave");
leave.hidden = !kept;
leave.addEventListener("click", () => {
  keep("");
  location.reload();
});

function stored() {
  try {
    return sessionStorage.getItem(STORED) ?? "";
  } catch {
    return "";
  }
}

/** @param {string} text */
function keep(text) {
  kept = text;
  leave.hidden = !text;
  try {
    if (text) sessionStorage.setItem(STORED, text);
    else sessionStorage.removeItem(STORED);
  } catch {
    // no storage: the token lasts until the reload
  }
}
