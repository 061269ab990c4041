/** What the views have in common that ask for news as long as they are shown. */

import { h } from "./dom.js";
import { Poller } from "./poller.js";

/** A heading, which gets the focus when the view is opened, and a poller, which the view starts when it is drawn. */
export class PolledView {
  heading;
  poller;

  /**
   * @param {string} heading
   * @param {() => Promise<import("./poller.js").Outcome>} ask
   * @param {import("./poller.js").Pace} pace
   */
  constructor(heading, ask, pace) {
    this.heading = h("h2", { tabindex: "-1" }, heading);
    this.poller = new Poller(ask, pace);
  }

  stop() {
    this.poller.stop();
  }

  focus() {
    this.heading.focus({ preventScroll: true });
  }

  /** Ask as soon as allowed. */
  poke() {
    this.poller.poke();
  }
}
