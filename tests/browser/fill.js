/* A person at a form: does what the steps say, with the widgets that are there. Knows nothing of schemas. */
(steps) => {
  const NOT_FIELDS = "legend, .field-help, .field-error";
  const inside = (group) => [...group.children].filter((child) => !child.matches(NOT_FIELDS));
  const button = (group, text) =>
    [...group.children].find((child) => child.matches("button") && child.textContent === text);
  const enter = (input, value) => {
    input.value = value;
    input.dispatchEvent(new Event("input", { bubbles: true }));
    input.dispatchEvent(new Event("change", { bubbles: true }));
  };
  const check = (box, on) => {
    if (box.checked !== on) box.click();
  };
  const widget = (field) => field.querySelector("input, select, textarea");
  const groupOf = (element) => (element.matches(".group") ? element : element.querySelector(".group"));

  function rows(element, entries, fillRow) {
    const group = groupOf(element);
    const list = group.querySelector(":scope > .rows");
    while (list.firstElementChild) list.lastElementChild.querySelector(":scope > .remove").click();
    for (const entry of entries) {
      button(group, "Add entry").click();
      fillRow(list.lastElementChild.firstElementChild, entry);
    }
  }

  const doing = {
    leave() {},
    type: (element, text) => enter(widget(element), text),
    tick: (element, on) => check(widget(element), on),
    pick(element, index) {
      const choices = element.querySelectorAll("input[type=radio]");
      if (choices.length) return choices[index].click();
      const select = element.querySelector("select");
      const options = [...select.options].filter((option) => option.value !== "");
      return enter(select, index === null ? "" : options[index].value);
    },
    fields(element, list) {
      inside(groupOf(element)).forEach((field, index) => act(field, list[index]));
    },
    rows: (element, entries) => rows(element, entries, act),
    entries: (element, entries) =>
      rows(element, entries, (entry, [key, step]) => {
        const [name, value] = entry.children;
        enter(widget(name), key);
        act(value, step);
      }),
    kind(element, index, step) {
      const group = groupOf(element);
      enter(group.querySelector(":scope > .field > select.kind"), String(index));
      act(
        inside(group).findLast((field) => !field.hidden),
        step,
      );
    },
    wanted(element, on, step) {
      check(element.querySelector(":scope > label > input"), on);
      if (on) act(element.lastElementChild, step);
    },
  };
  const act = (element, [what, ...how]) => doing[what](element, ...how);

  const form = document.querySelector(".fields");
  [...form.children].forEach((field, index) => act(field, steps[index]));
}
