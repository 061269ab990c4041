/** The page: puts its parts together. */

import { JobsList } from "./jobs-list.js";
import { QueuesBar } from "./queues-bar.js";
import { SubmitForm } from "./submit-form.js";
import { Tickets } from "./tickets.js";

/**
 * @param {string} id
 * @returns {HTMLElement}
 */
function part(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`index.html has no #${id}`);
  return element;
}

const queues = new QueuesBar(part("queues"), part("banner"), () => {
  tickets.poke();
  jobs.poke();
});

/** Something was submitted or has moved on: the overviews should show it. */
function refresh() {
  queues.poke();
  jobs.poke();
}

const titleOf = (/** @type {string} */ name) => form.titleOf(name);

const form = new SubmitForm(
  part("submit"),
  (job, retryAfter) => {
    tickets.open(job, retryAfter).show();
    refresh();
  },
  () => {
    tickets.rename();
    jobs.rename();
  },
);

const tickets = new Tickets(part("tickets"), {
  titleOf,
  onChange: refresh,
  onEdit: (job) => form.fill(job.task, job.arguments),
});

const jobs = new JobsList(part("jobs"), titleOf, async (id) => {
  const card = await tickets.openById(id);
  card.focus();
  card.show();
});

tickets.restore();
