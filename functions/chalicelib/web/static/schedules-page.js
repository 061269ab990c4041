/** The periodic tasks: when they run next, how the last run went; pause, resume, run now. */

import { ApiError, getSchedules, tellSchedule } from "./api.js";
import { h, setText, uniqueId } from "./dom.js";
import { ticketNumber } from "./job.js";
import { PolledView } from "./polled-view.js";
import { jobAddress, listAddress } from "./route.js";
import { ticketLink } from "./ticket-links.js";
import { ago, calendarTime, until } from "./time.js";
import { tree } from "./tree.js";

/**
 * @typedef {object} Schedule
 * @property {string} task
 * @property {string} words
 * @property {string|null} cron
 * @property {number|null} every seconds
 * @property {string} timezone
 * @property {Record<string, any>} arguments
 * @property {"skip"|"queue"} overlap
 * @property {"last"|"all"|"none"} catch_up
 * @property {boolean} paused
 * @property {string[]} coming
 * @property {string|null} last
 * @property {string|null} last_job
 * @property {number} skipped
 * @property {Record<"pause"|"resume"|"run", string|null>} links null: the caller's scopes don't allow it
 */

const EXAMPLE = `@task(cron="0 3 * * *", timezone="Europe/Berlin")
def clean_up() -> None: ...`;

const RULES = {
  skip: "Skips a run while the one before goes on.",
  queue: "Runs even while the one before goes on.",
  last: "Makes up for the last of missed runs.",
  all: "Makes up for all missed runs.",
  none: "Makes up for no missed run.",
};

export class SchedulesPage extends PolledView {
  title = "Schedules";
  #app;
  #list = h("div", { class: "queue-list" }, h("p", { class: "loading" }, "Fetching the schedules…"));
  /** @type {Map<string, Card>} by task */
  #cards = new Map();
  #shown = "";
  #clock = setInterval(() => this.rename(), 1000);

  /**
   * @param {HTMLElement} parent
   * @param {import("./app.js").App} app
   */
  constructor(parent, app) {
    super("Schedules", () => this.#ask(), { first: 2000, slowest: 5000, hidden: 60_000 });
    this.#app = app;
    parent.replaceChildren(h("div", { class: "view" }, this.heading, this.#list));
    this.poller.start();
  }

  stop() {
    clearInterval(this.#clock);
    super.stop();
  }

  /** The tasks got their titles, or time has passed. */
  rename() {
    for (const card of this.#cards.values()) card.render();
  }

  async #ask() {
    const { data, retryAfter } = await getSchedules();
    /** @type {Schedule[]} */
    const schedules = data.schedules;
    const cards = schedules.map((schedule) => {
      const card = this.#cards.get(schedule.task) ?? new Card(schedule, this.#app, () => this.poke());
      card.show(schedule);
      return /** @type {[string, Card]} */ ([schedule.task, card]);
    });
    if (cards.map(([task]) => task).join() !== [...this.#cards.keys()].join() || !cards.length)
      this.#list.replaceChildren(...(cards.length ? cards.map(([, card]) => card.element) : [nothing()]));
    this.#cards = new Map(cards);
    const state = JSON.stringify(schedules);
    const changed = state !== this.#shown;
    this.#shown = state;
    return { changed, retryAfter };
  }
}

const nothing = () =>
  h(
    "div",
    { class: "empty" },
    h("p", {}, "No task runs by itself yet. Give one a schedule, and start again:"),
    h("pre", { class: "result-text" }, EXAMPLE),
  );

class Card {
  /** @type {Schedule} */
  #schedule;
  #app;
  #onNews;
  #busy = false;
  #title = h("h3", {});
  #stamp = h("span", { class: "stamp" }, "paused");
  #wait = h("dd", { class: "wait" });
  #coming = h("ol", { class: "coming" });
  #last = h("dd", { class: "wait" });
  #lastJob = h("a", { class: "crumb-number" });
  #lastTime = h("span", {});
  #skipped = h("dd", { class: "wait" });
  #note = h("p", { class: "bulk-note", role: "status" });
  #runNow = this.#button("Run now", () => this.#run());
  #pause = this.#button("Pause", async () => {
    this.show((await tellSchedule(this.#schedule.task, this.#schedule.paused ? "resume" : "pause")).data);
  });
  element;

  /**
   * @param {Schedule} schedule
   * @param {import("./app.js").App} app
   * @param {() => void} onNews
   */
  constructor(schedule, app, onNews) {
    this.#schedule = schedule;
    this.#app = app;
    this.#onNews = onNews;
    const { task, words, cron, timezone, overlap, catch_up, arguments: args } = schedule;
    this.#title.id = uniqueId("schedule");
    this.element = h(
      "section",
      { class: "queue-card", "aria-labelledby": this.#title.id },
      h(
        "div",
        { class: "view-head" },
        h("div", { class: "job-title-line" }, this.#title, this.#stamp),
        h("div", { class: "toolbar" }, this.#runNow, this.#pause),
      ),
      h(
        "p",
        { class: "facts" },
        h("span", {}, task),
        h("strong", {}, words),
        h("span", {}, cron && timezone),
        words !== cron && cron && h("code", {}, cron),
        h("a", { href: listAddress({ task }) }, "Its jobs"),
      ),
      this.#note,
      h(
        "dl",
        { class: "times" },
        h("div", {}, h("dt", {}, "Next run"), this.#wait, h("dd", {}, this.#coming)),
        h("div", {}, h("dt", {}, "Last run"), this.#last, h("dd", {}, this.#lastJob, this.#lastTime)),
        h(
          "div",
          {},
          h("dt", {}, "Skipped"),
          this.#skipped,
          h("dd", { class: "soft" }, RULES[overlap]),
          h("dd", { class: "soft" }, RULES[catch_up]),
        ),
      ),
      Object.keys(args).length > 0 &&
        h("details", { class: "fold" }, h("summary", {}, "Arguments"), tree(args)),
    );
  }

  /** @param {Schedule} schedule */
  show(schedule) {
    this.#schedule = schedule;
    const { cron, every, timezone, coming, last, last_job } = schedule;
    const told = (/** @type {string} */ time, /** @type {string|undefined} */ zone = undefined) =>
      calendarTime(time, Boolean(every && every % 60), zone);
    const city = timezone.replace(/.*\//, "").replaceAll("_", " ");
    this.#coming.replaceChildren(
      ...coming.map((tick) => {
        const [here, there] = [told(tick), cron && told(tick, timezone)];
        return h(
          "li",
          {},
          h("time", { datetime: tick }, here),
          there && there !== here && h("span", { class: "soft" }, `${there} in ${city}`),
        );
      }),
    );
    this.#lastJob.hidden = !last_job;
    if (last_job) {
      this.#lastJob.href = jobAddress(last_job); // in place: it may have the focus
      setText(this.#lastJob, ticketNumber(last_job));
    }
    setText(this.#lastTime, last ? `\u2002${told(last)}` : "");
    this.render();
  }

  /** Show what changes with time, and the task's title. */
  render() {
    const { task, paused, coming, last, skipped, links } = this.#schedule;
    setText(this.#title, this.#app.titleOf(task));
    this.#stamp.hidden = !paused;
    setText(this.#pause, paused ? "Resume" : "Pause");
    this.#pause.hidden = links.pause === null;
    this.#runNow.hidden = links.run === null;
    setText(this.#wait, coming.length ? until(coming[0]) : "none");
    setText(this.#last, last ? ago(last) : "not yet");
    setText(this.#skipped, skipped.toLocaleString());
  }

  async #run() {
    const { data } = await tellSchedule(this.#schedule.task, "run");
    this.#note.replaceChildren("Handed in: ticket ", ticketLink(data.id));
    this.#app.refresh();
  }

  /**
   * @param {string} text
   * @param {() => Promise<void>} act
   */
  #button(text, act) {
    const onclick = async () => {
      if (this.#busy) return;
      this.#busy = true;
      this.#note.replaceChildren();
      try {
        await act();
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        setText(this.#note, error.message);
      }
      this.#busy = false;
      this.#onNews();
    };
    return h("button", { type: "button", class: "quiet", onclick }, text);
  }
}
