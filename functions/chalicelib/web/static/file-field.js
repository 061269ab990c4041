/** The widget for a file: dropped or chosen it is sent at once, and known by its id from then on. */

import { h, setText } from "./dom.js";
import { bytes, fault, typeOf } from "./files.js";
import { Upload } from "./upload.js";

/** A file that is dropped beside its field must not replace the page. */
for (const name of ["dragover", "drop"]) addEventListener(name, (event) => event.preventDefault());

/**
 * @param {import("./schema.js").Schema} schema
 * @param {import("./fields.js").Place} place
 * @param {string} id
 * @returns {import("./fields.js").Control & {problem: () => string, wait: () => Promise<void>|undefined}}
 */
export function fileControl(schema, place, id) {
  const types = schema["x-types"] ?? [];
  const input = h("input", { id, type: "file", accept: types.join(",") });
  const bar = h("progress", { max: 1, "aria-label": `Upload for ${place.label}` });
  const word = h("span");
  const away = h("button", { type: "button", class: "small" }, word, h("span", { class: "unseen" }, ` ${place.label}`));
  const note = h("p", { class: "drop-note", role: "status" });
  const element = h("div", { class: "drop" }, input, h("div", { class: "drop-state" }, note, bar, away));
  /** @type {import("./files.js").FileDocument|null} */
  let sent = place.initial ?? null;
  /** @type {{upload: Upload, done: Promise<void>}|null} */
  let going = null;
  let problem = "";

  function show() {
    bar.hidden = !going;
    away.hidden = !going && !sent;
    setText(word, going ? "Cancel" : "Remove");
    let text = problem || "or drop it here";
    if (going) text = `Uploading ${input.files[0]?.name ?? ""}`;
    else if (sent) text = `${sent.name}, ${bytes(sent.size)}`;
    setText(note, text);
    note.classList.toggle("field-error", Boolean(problem));
  }

  /** @param {string} [text] why there is none */
  function empty(text = "") {
    going?.upload.cancel();
    going = sent = null;
    problem = text;
    show();
  }

  function take() {
    const file = input.files[0];
    const type = file && typeOf(file, types);
    empty(file && fault(file.size, type, schema));
    if (!file || problem) return;
    const upload = new Upload(file, type, (fraction) => (bar.value = fraction));
    const mine = () => going?.upload === upload;
    bar.value = 0;
    going = {
      upload,
      done: upload.send().then(
        (file) => {
          if (!mine()) return;
          going = null;
          sent = file;
          show();
        },
        (error) => {
          if (mine()) empty(error.message);
        },
      ),
    };
    show();
  }

  input.addEventListener("change", take);
  away.addEventListener("click", () => {
    input.value = "";
    empty();
    input.focus();
  });
  element.addEventListener("dragover", () => element.classList.add("over"));
  for (const name of ["dragleave", "drop"])
    element.addEventListener(name, () => element.classList.remove("over"));
  element.addEventListener("drop", (/** @type {DragEvent} */ { dataTransfer }) => {
    if (!dataTransfer?.files.length) return;
    input.files = dataTransfer.files;
    take();
  });
  show();
  return {
    element,
    focusable: input,
    problem: () => problem,
    wait: () => going?.done,
    value: () => sent ? { $file: sent.$file } : undefined,
  };
}
