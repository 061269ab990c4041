/** The frame around fields that belong together. */

import { h, setText, uniqueId } from "./dom.js";
import { helpOf } from "./schema.js";

/**
 * @param {import("./schema.js").Schema} schema
 * @param {import("./fields.js").Place} place
 * @param {HTMLElement[]} content
 */
export function makeFrame(schema, place, content) {
  const id = uniqueId("group");
  const help = helpOf(schema);
  const error = h("p", { class: "field-error", id: `${id}-error` });
  const element = h(
    "fieldset",
    { class: "group", tabindex: "-1", "aria-describedby": help ? `${id}-help` : null },
    h("legend", {}, place.label),
    help && h("p", { class: "field-help", id: `${id}-help` }, help),
    error,
    ...content,
  );
  return {
    element,
    label: place.label,
    focus: () => element.focus(),
    showError(/** @type {string} */ text) {
      setText(error, text);
      element.setAttribute(
        "aria-describedby",
        [help && `${id}-help`, text && error.id].filter(Boolean).join(" "),
      );
    },
  };
}
