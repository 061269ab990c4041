/** The server's clock, and times in words. */

/** Milliseconds to add to this machine's clock to get the server's. */
let offset = 0;

/**
 * Learn from an answer's `Date` header. It has whole seconds, so small differences mean nothing.
 * @param {string|null} header
 */
export function noteServerTime(header) {
  const difference = Date.parse(header ?? "") - Date.now();
  if (!Number.isNaN(difference)) offset = Math.abs(difference) < 3000 ? 0 : difference;
}

/** The server's time now, in milliseconds. */
export const serverNow = () => Date.now() + offset;

/**
 * Seconds from one time to another, never negative.
 * @param {string} from RFC 3339
 * @param {string|null} [to] RFC 3339; none: now
 */
export function secondsBetween(from, to) {
  const end = to ? Date.parse(to) : serverNow();
  return Math.max(0, (end - Date.parse(from)) / 1000);
}

/**
 * A duration in words: `0.42 s`, `12 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`.
 * @param {number} seconds
 * @param {boolean} [exact] with fractions of a second where it is short
 */
export function duration(seconds, exact = false) {
  if (seconds < 10 && exact) return `${seconds.toFixed(2)} s`;
  const whole = Math.floor(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  if (whole < 86_400) return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
  return `${Math.floor(whole / 86_400)} d ${Math.floor((whole % 86_400) / 3600)} h`;
}

/**
 * How long ago, roughly: `just now`, `25 s ago`, `4 min ago`.
 * @param {string} time RFC 3339
 */
export function ago(time) {
  const seconds = secondsBetween(time);
  if (seconds < 5) return "just now";
  return `${duration(seconds).split(" ").slice(0, 2).join(" ")} ago`;
}

/**
 * A time in the reader's own language and time zone.
 * @param {string} time RFC 3339
 */
export const localTime = (time) =>
  new Date(time).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });

/**
 * The time of day, to the second, and the date too where it is not today's.
 * @param {string} time RFC 3339
 */
export function timeOfDay(time) {
  const date = new Date(time);
  const today = date.toDateString() === new Date(serverNow()).toDateString();
  return today ? date.toLocaleTimeString() : localTime(time);
}

/**
 * How long it is until a time: `in 12 s`, `in 3 h 20 min`.
 * @param {string} time RFC 3339
 */
export function until(time) {
  const seconds = (Date.parse(time) - serverNow()) / 1000;
  return seconds < 1 ? "now" : `in ${duration(seconds)}`;
}

/**
 * A day and a time, short: `Thu, Nov 26, 03:00 AM`.
 * @param {string} time RFC 3339
 * @param {boolean} seconds whether to show them
 * @param {string} [timeZone] a name of the IANA's; none: the reader's own
 */
export function calendarTime(time, seconds, timeZone) {
  try {
    return new Date(time).toLocaleString(undefined, {
      weekday: "short",
      day: "numeric",
      month: "short",
      hour: "2-digit",
      minute: "2-digit",
      second: seconds ? "2-digit" : undefined,
      timeZone,
    });
  } catch {
    return ""; // this browser does not know the zone
  }
}
