/** Text as a terminal would show it: colours (ECMA-48 SGR), and lines that are written over. */

import { h } from "./dom.js";

/** An escape sequence, a control character, or the text between two of them. */
const TOKEN =
  /\x1b\[([0-9;:<=>?]*)[ -/]*([@-~])|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[ -/]*[0-Z\\^-~]|\r|[^\x1b\r]+|\x1b/g;
/** The beginning of a sequence whose end comes with the next piece. */
const UNFINISHED = /\x1b(?:\[[0-9;:<=>?]*[ -/]*|\][^\x07\x1b]*\x1b?|[ -/]*)$/;
/** Longer than this it is no sequence, just an escape character that somebody printed. */
const LONGEST = 2000;

/** @typedef {{fg: string, bg: string, classes: Set<string>}} Style colours as `1` (of the 16) or `rgb(…)` */

const FLAGS = new Map([
  [1, "bold"],
  [2, "dim"],
  [3, "italic"],
  [4, "underline"],
  [7, "inverse"],
  [9, "strike"],
]);
/** What a code takes back, where it is not its own number less 20. */
const BACK = new Map([
  [21, ["bold"]],
  [22, ["bold", "dim"]],
]);

export class AnsiWriter {
  #box;
  #rest = "";
  #returned = false;
  /** @type {Style} */
  #style = plain();

  /** @param {HTMLElement} box */
  constructor(box) {
    this.#box = box;
  }

  /**
   * Append a piece. Returns by how many characters the box has grown.
   * @param {string} piece
   */
  write(piece) {
    let text = this.#rest + piece;
    const unfinished = UNFINISHED.exec(text);
    this.#rest = unfinished && unfinished[0].length < LONGEST ? unfinished[0] : "";
    text = text.slice(0, text.length - this.#rest.length);
    let grown = 0;
    for (const [token, parameters, end] of text.matchAll(TOKEN)) {
      if (token === "\r") this.#returned = true;
      else if (token[0] !== "\x1b") grown += this.#print(token);
      else if (end === "m") this.#style = restyled(this.#style, parameters);
      else if (end === "K" && parameters === "2") grown -= this.#eraseLine();
    }
    return grown;
  }

  /** @param {string} text */
  #print(text) {
    let grown = text.length;
    if (this.#returned && text[0] !== "\n") grown -= this.#eraseLine();
    this.#returned = false;
    this.#box.append(styled(this.#style, text));
    return grown;
  }

  /** Take back what stands after the last line break. Returns how many characters that was. */
  #eraseLine() {
    let erased = 0;
    for (let last = this.#box.lastChild; last; last = this.#box.lastChild) {
      const text = last.textContent ?? "";
      const kept = text.lastIndexOf("\n") + 1;
      erased += text.length - kept;
      if (!kept) {
        last.remove();
        continue;
      }
      if (kept < text.length) last.textContent = text.slice(0, kept);
      break;
    }
    return erased;
  }
}

/** @returns {Style} */
const plain = () => ({ fg: "", bg: "", classes: new Set() });

/**
 * @param {Style} style
 * @param {string} text
 * @returns {Node}
 */
function styled({ fg, bg, classes }, text) {
  if (!fg && !bg && !classes.size) return document.createTextNode(text);
  const names = [...classes].map((name) => `ansi-${name}`);
  if (fg && !fg.startsWith("rgb")) names.push(`ansi-fg-${fg}`);
  if (bg && !bg.startsWith("rgb")) names.push(`ansi-bg-${bg}`);
  const span = h("span", { class: names.join(" ") }, text);
  if (fg.startsWith("rgb")) span.style.color = fg;
  if (bg.startsWith("rgb")) span.style.backgroundColor = bg;
  return span;
}

/**
 * @param {Style} before
 * @param {string} parameters such as `1;31`
 * @returns {Style}
 */
function restyled(before, parameters) {
  const codes = parameters.split(/[;:]/).map(Number);
  let style = { ...before, classes: new Set(before.classes) };
  for (let at = 0; at < codes.length; at++) {
    const code = codes[at];
    const flag = FLAGS.get(code);
    if (code === 0) style = plain();
    else if (flag) style.classes.add(flag);
    else if (code > 20 && code < 30)
      for (const name of BACK.get(code) ?? [FLAGS.get(code - 20) ?? ""]) style.classes.delete(name);
    else if (code >= 30 && code <= 37) style.fg = `${code - 30}`;
    else if (code >= 90 && code <= 97) style.fg = `${code - 90 + 8}`;
    else if (code >= 40 && code <= 47) style.bg = `${code - 40}`;
    else if (code >= 100 && code <= 107) style.bg = `${code - 100 + 8}`;
    else if (code === 39) style.fg = "";
    else if (code === 49) style.bg = "";
    else if (code === 38 || code === 48) {
      const { colour, used } = extended(codes.slice(at + 1));
      style[code === 38 ? "fg" : "bg"] = colour;
      at += used;
    }
  }
  return style;
}

/**
 * A colour of the 256, or of all.
 * @param {number[]} codes what follows 38 or 48
 * @returns {{colour: string, used: number}}
 */
function extended([kind, ...values]) {
  if (kind === 2) {
    const [red = 0, green = 0, blue = 0] = values;
    return { colour: `rgb(${red}, ${green}, ${blue})`, used: 4 };
  }
  const [index = 0] = values;
  if (kind !== 5) return { colour: "", used: 1 };
  if (index < 16) return { colour: `${index}`, used: 2 };
  if (index >= 232) {
    const grey = 8 + 10 * (index - 232);
    return { colour: `rgb(${grey}, ${grey}, ${grey})`, used: 2 };
  }
  const cube = [36, 6, 1].map((step) => Math.floor((index - 16) / step) % 6);
  const [red, green, blue] = cube.map((level) => (level ? 55 + 40 * level : 0));
  return { colour: `rgb(${red}, ${green}, ${blue})`, used: 2 };
}
