/** The page: puts its parts together, and shows the view that the address names. */

import { BatchPage } from "./batch-page.js";
import { Catalogue } from "./catalogue.js";
import { JobPage } from "./job-page.js";
import { JobsList } from "./jobs-list.js";
import { JobsPage } from "./jobs-page.js";
import { Queues } from "./queues.js";
import { QueuesBar } from "./queues-bar.js";
import { QueuesPage } from "./queues-page.js";
import { parseRoute, settleAddress } from "./route.js";
import { SchedulesPage } from "./schedules-page.js";
import { SubmitForm } from "./submit-form.js";
import { Tickets } from "./tickets.js";

/**
 * @typedef {object} App what views may ask of the page
 * @property {(name: string) => string} titleOf a task
 * @property {() => Iterable<string>} tasks their names
 * @property {() => string[]} queueNames
 * @property {() => void} refresh something was submitted or has moved on: overviews should show it
 * @property {(job: import("./job.js").Job) => void} edit its arguments, to run it again
 * @property {() => void} retitle the view's title is another one now
 *
 * @typedef {{title: string, stop(): void, focus(): void, poke(): void, rename(): void}} View
 */

/**
 * @param {string} id
 * @returns {HTMLElement}
 */
function part(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`index.html has no #${id}`);
  return element;
}

settleAddress();

const catalogue = new Catalogue();
const bar = new QueuesBar(part("queues"));
const queues = new Queues(part("banner"), onQueues, () => {
  tickets.poke();
  newest.poke();
  view?.poke();
});

/** @type {App} */
const app = {
  titleOf: (name) => catalogue.titleOf(name),
  tasks: () => catalogue.tasks.keys(),
  queueNames: () => (queues.known ?? []).map((queue) => queue.name),
  refresh() {
    queues.poke();
    newest.poke();
  },
  edit(job) {
    location.hash = "#/";
    show(); // now, not when the event comes: the form must be seen to be focused
    form.fill(job.task, job.arguments);
  },
  retitle() {
    document.title = view ? `${view.title} · Coatcheck` : "Coatcheck";
  },
};

const form = new SubmitForm(part("submit"), catalogue, (job, retryAfter) => {
  tickets.open(job, retryAfter).show();
  app.refresh();
});
const tickets = new Tickets(part("tickets"), app);
const newest = new JobsList(part("jobs"), app.titleOf);

/** @type {View|null} null: the desk */
let view = null;
/** @type {string|null} */
let shown = null;

function onQueues() {
  bar.show(queues);
  view?.rename();
}

/** @returns {View|null} */
function makeView() {
  const { view, id, params } = parseRoute(location.hash);
  if (view === "jobs" && id) return new JobPage(part("view"), id, app);
  if (view === "jobs") return new JobsPage(part("view"), params, app);
  if (view === "batches" && id) return new BatchPage(part("view"), id, app);
  if (view === "queues") return new QueuesPage(part("view"), app, queues);
  if (view === "schedules") return new SchedulesPage(part("view"), app);
  return null;
}

/** Show the view that the address names, unless it is there. */
function show() {
  if (shown === location.hash) return;
  const first = shown === null;
  shown = location.hash;
  view?.stop();
  view = makeView();
  part("counter").hidden = view !== null;
  part("view").hidden = view === null;
  if (view) newest.stop();
  else {
    part("view").replaceChildren();
    newest.start();
    form.choose(parseRoute(location.hash).params.get("task"));
  }
  const here = parseRoute(location.hash).view.replace("batches", "jobs"); // these are below them
  for (const link of document.querySelectorAll("#views a")) {
    const there = parseRoute(/** @type {HTMLAnchorElement} */ (link).hash).view;
    if (there === here) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  app.retitle();
  if (first) return;
  scrollTo(0, 0);
  if (view) view.focus();
  else part("submit-title").focus({ preventScroll: true });
}

catalogue.whenKnown(() => {
  tickets.rename();
  newest.rename();
  view?.rename();
});
addEventListener("hashchange", show);
part("skip").addEventListener("click", () => part("desk").focus());
show();
tickets.restore();
