/** One job, followed while it lives: the parts that a ticket and a job's page are made of. */

import { address, ApiError, getJob, jobPath, retryJob, stopJob } from "./api.js";
import { announce, h, setText, uniqueId } from "./dom.js";
import { token } from "./door.js";
import { Attempts } from "./history.js";
import { canRetry, canStop, hasEnded, isWaiting, mayChange, ticketNumber } from "./job.js";
import { LogView } from "./log-view.js";
import { Outcome } from "./outcome.js";
import { Poller } from "./poller.js";
import { duration, localTime, secondsBetween } from "./time.js";

/** @typedef {import("./job.js").Job} Job */

/**
 * @typedef {object} JobEvents
 * @property {(name: string) => string} titleOf
 * @property {(job: Job) => void} onChange the job's status is another one now
 * @property {(job: Job) => void} [onUpdate] the document says something new
 * @property {(job: Job) => Promise<void>} onRunAgain throws ApiError
 * @property {(job: Job) => void} onEdit
 */

/** How often the log is asked for after the job's end, until it is complete. */
const LAST_LOOKS = 5;

export class LiveJob {
  title;
  stamp = h("span", { class: "stamp" });
  elapsed = h("span", { class: "elapsed" });
  attempt = h("span", { class: "attempt" });
  progress;
  note = h("p", { class: "note", role: "status" });
  attempts = new Attempts();
  log;
  outcome;
  actions;
  #job;
  #events;
  #poller;
  #looks = 0;
  #clock = 0;
  #bar = h("progress", { max: "1" });
  #barText = h("span", { class: "progress-text" });
  #percent = h("span", { class: "progress-percent" });
  #buttons;
  #root;

  /**
   * @param {Job} job
   * @param {JobEvents} events
   * @param {HTMLElement} root gets the status, as `data-status`
   * @param {number} level of the title's heading
   */
  constructor(job, events, root, level) {
    this.#job = job;
    this.#events = events;
    this.#root = root;
    this.title = h(`h${level}`, { id: uniqueId("job"), tabindex: "-1" });
    this.progress = h("div", { class: "progress" }, this.#bar, this.#barText, this.#percent);
    this.log = new LogView(job.id, `ticket ${ticketNumber(job.id)}`);
    this.outcome = new Outcome(level + 1);
    this.#poller = new Poller(() => this.#ask(), { first: 600, slowest: 4000, hidden: 20_000 });
    this.#buttons = {
      stop: this.#button("Stop", () => this.#act(stopJob)),
      retry: this.#button("Retry", () => this.#retry()),
      again: this.#button("Run again", () => events.onRunAgain(this.#job)),
      edit: this.#button("Edit and run", async () => events.onEdit(this.#job)),
    };
    this.actions = h("footer", { class: "actions" }, ...Object.values(this.#buttons), this.#rawLink());
    this.attempts.note(job);
    this.#render();
  }

  get job() {
    return this.#job;
  }

  /** @param {number} [retryAfter] seconds until the first question */
  start(retryAfter = 0) {
    clearInterval(this.#clock);
    this.#clock = setInterval(() => this.#tick(), 1000);
    this.#poller.start(retryAfter);
  }

  stop() {
    clearInterval(this.#clock);
    this.#poller.stop();
  }

  /** Ask as soon as allowed. */
  poke() {
    this.#poller.poke();
  }

  /** The tasks got their titles. */
  rename() {
    setText(this.title, this.#events.titleOf(this.#job.task));
  }

  #rawLink() {
    const { id } = this.#job;
    return h(
      "a",
      {
        class: "raw",
        href: address(jobPath(id)),
        target: "_blank",
        rel: "noopener",
        onclick: (/** @type {Event} */ event) => this.#openCopy(event),
      },
      "JSON",
      h("span", { class: "unseen" }, ` of ticket ${ticketNumber(id)}, in a new tab`),
    );
  }

  /**
   * A link carries no token: with one, show the document that is here.
   * @param {Event} event
   */
  #openCopy(event) {
    if (!token()) return;
    event.preventDefault();
    const text = JSON.stringify(this.#job, null, 2);
    const copy = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    window.open(copy, "_blank", "noopener");
    setTimeout(() => URL.revokeObjectURL(copy), 60_000);
  }

  /**
   * @param {string} text
   * @param {() => Promise<void>} action
   */
  #button(text, action) {
    const button = h("button", { type: "button", class: "quiet" }, text);
    button.addEventListener("click", async () => {
      setText(this.note, "");
      try {
        await action();
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        setText(this.note, error.message);
        this.poke();
      }
    });
    return button;
  }

  /** @param {(id: string) => Promise<import("./api.js").Answer>} call */
  async #act(call) {
    const { data } = await call(this.#job.id);
    this.#update(data);
    this.poke();
  }

  async #retry() {
    const { data, retryAfter } = await retryJob(this.#job.id);
    this.log.resume();
    this.#looks = 0;
    this.#update(data);
    this.start(retryAfter);
  }

  /** @returns {Promise<import("./poller.js").Outcome>} */
  async #ask() {
    try {
      const [{ data, retryAfter }, printed] = await Promise.all([getJob(this.#job.id), this.#followLog()]);
      const moved = this.#update(data);
      const over = hasEnded(data);
      while (over && (await this.#followLog())); // the rest of the log, a piece at a time
      const done = over && (this.log.complete || ++this.#looks >= LAST_LOOKS);
      if (done) clearInterval(this.#clock);
      return { done, changed: moved || printed, retryAfter: over ? 0 : retryAfter };
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 404) throw error;
      setText(this.note, "This job is gone: its time to live is over.");
      this.log.complete = true;
      clearInterval(this.#clock);
      return { done: true };
    }
  }

  #followLog() {
    const worthIt = !isWaiting(this.#job) && !this.log.complete;
    return worthIt ? this.log.follow() : Promise.resolve(false);
  }

  /**
   * Take a newer document. Returns whether it says something new.
   * @param {Job} job
   */
  #update(job) {
    const before = this.#job;
    if (JSON.stringify(job) === JSON.stringify(before)) return false;
    this.#job = job;
    this.attempts.note(job);
    this.#render();
    this.#events.onUpdate?.(job);
    if (job.status !== before.status) {
      if (hasEnded(job)) announce(`${this.title.textContent}, ticket ${ticketNumber(job.id)}: ${job.status}`);
      this.#events.onChange(job);
    }
    return true;
  }

  #render() {
    const job = this.#job;
    this.rename();
    this.#root.dataset.status = job.status;
    setText(this.stamp, job.stop_requested && !hasEnded(job) ? "stopping" : job.status);
    setText(this.attempt, job.attempt > 1 ? `attempt ${job.attempt}` : "");
    this.#tick();
    this.#renderProgress();
    this.outcome.show(job);
    this.#renderButtons();
  }

  #tick() {
    const { status, enqueued_at, created_at, scheduled_for, started_at, ended_at } = this.#job;
    let text = `waiting for ${duration(secondsBetween(enqueued_at ?? created_at))}`;
    if (status === "scheduled" && scheduled_for) text = `not before ${localTime(scheduled_for)}`;
    else if (started_at && ended_at) text = `took ${duration(secondsBetween(started_at, ended_at), true)}`;
    else if (ended_at) text = "never started";
    else if (started_at && status === "started") text = `running for ${duration(secondsBetween(started_at))}`;
    setText(this.elapsed, text);
  }

  #renderProgress() {
    const { progress, status } = this.#job;
    this.progress.hidden =
      status !== "started" && !(progress && hasEnded(this.#job) && status !== "finished");
    this.#bar.setAttribute("aria-label", `Progress of ${this.title.textContent}`);
    if (progress) this.#bar.value = progress.fraction;
    else this.#bar.removeAttribute("value");
    setText(this.#barText, progress?.message ?? "");
    setText(this.#percent, progress ? `${Math.round(progress.fraction * 100)} %` : "");
  }

  #renderButtons() {
    const { stop, retry, again, edit } = this.#buttons;
    const job = this.#job;
    const focused = document.activeElement;
    stop.hidden = !canStop(job);
    setText(stop, isWaiting(job) ? "Cancel" : "Stop");
    stop.setAttribute("aria-disabled", String(job.stop_requested));
    retry.hidden = !canRetry(job);
    again.hidden = !mayChange(job) || job.status !== "finished";
    edit.hidden = !mayChange(job) || !hasEnded(job) || !Object.keys(job.arguments).length;
    if (focused instanceof HTMLElement && focused.hidden && this.#root.contains(focused))
      Object.values(this.#buttons)
        .find((button) => !button.hidden)
        ?.focus();
  }
}
