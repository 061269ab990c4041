/**
 * Where the jobs of a graph are drawn: in layers, each job right of all that it waits for, and within a layer
 * so that few edges cross and each job is near those that it belongs to.
 */

/**
 * @typedef {{id: string, after?: string[]}} Vertex
 *
 * @typedef {object} Slot a job, or a place that an edge takes in a layer which it passes
 * @property {Vertex|null} job
 * @property {number} row from 0 on, may be a fraction
 * @property {Slot[]} before in the layer to the left
 * @property {Slot[]} next in the layer to the right
 *
 * @typedef {{layers: Slot[][], edges: {slots: Slot[], from: Vertex, to: Vertex}[], rows: number}} Layout
 */

/** Sweeps over all layers that order them, and more that only straighten. */
const SWEEPS = 8;
const STRAIGHTENING = 4;
/** Rows that a passing edge is away from its neighbours. */
const NARROW = 0.5;

/**
 * Each job behind those that it waits for.
 * @template {Vertex} V
 * @param {V[]} jobs
 * @returns {V[]}
 */
export function inOrder(jobs) {
  const depths = depthsOf(jobs);
  return [...jobs].sort((a, b) => depthOf(depths, a) - depthOf(depths, b));
}

/**
 * The jobs that belong together, however far: each group is a graph of its own.
 * @template {Vertex} V
 * @param {V[]} jobs
 * @returns {V[][]}
 */
export function groups(jobs) {
  /** @type {Map<string, V[]>} */
  const groupOf = new Map(jobs.map((job) => [job.id, [job]]));
  for (const { id, after = [] } of jobs)
    for (const other of after) {
      const [mine, theirs] = [groupOf.get(id), groupOf.get(other)];
      if (!mine || !theirs || mine === theirs) continue;
      theirs.push(...mine);
      for (const job of mine) groupOf.set(job.id, theirs);
    }
  return [...new Set(groupOf.values())];
}

/**
 * @param {Vertex[]} jobs one group
 * @returns {Layout}
 */
export function layout(jobs) {
  const depths = depthsOf(jobs);
  /** @type {Slot[][]} */
  const layers = [];
  const slotAt = (/** @type {number} */ layer, /** @type {Vertex|null} */ job = null) => {
    const row = (layers[layer] ??= []).length;
    /** @type {Slot} */
    const slot = { job, row, before: [], next: [] };
    layers[layer].push(slot);
    return slot;
  };
  /** @type {Map<string, Slot>} */
  const slots = new Map();
  for (const job of jobs) slots.set(job.id, slotAt(depthOf(depths, job), job));
  const edges = [];
  for (const to of jobs)
    for (const id of new Set(to.after)) {
      const [first, last] = [slots.get(id), slots.get(to.id)];
      if (!first?.job || !last || first === last) continue;
      const path = [first];
      for (let layer = depthOf(depths, first.job) + 1; layer < depthOf(depths, to); layer++)
        path.push(slotAt(layer));
      path.push(last);
      for (let index = 1; index < path.length; index++) {
        path[index].before.push(path[index - 1]);
        path[index - 1].next.push(path[index]);
      }
      edges.push({ slots: path, from: first.job, to });
    }
  for (let sweep = 0; sweep < SWEEPS + STRAIGHTENING; sweep++) {
    const forward = sweep % 2 === 0;
    for (const layer of forward ? layers : [...layers].reverse()) {
      const wishes = new Map(layer.map((slot) => [slot, wish(slot, sweep < SWEEPS ? forward : null)]));
      if (sweep < SWEEPS) layer.sort((a, b) => (wishes.get(a) ?? 0) - (wishes.get(b) ?? 0));
      settle(layer, wishes);
    }
  }
  const all = layers.flat();
  const top = Math.min(...all.map((slot) => slot.row));
  for (const slot of all) slot.row -= top;
  return { layers, edges, rows: Math.max(...all.map((slot) => slot.row)) + 1 };
}

/**
 * @param {Map<string, number>} depths
 * @param {Vertex} job
 */
const depthOf = (depths, { id }) => depths.get(id) ?? 0;

/**
 * The length of the longest path to each job.
 * @param {Vertex[]} jobs
 */
function depthsOf(jobs) {
  const known = new Map(jobs.map((job) => [job.id, job]));
  /** @type {Map<string, number>} */
  const depths = new Map();
  const visit = (/** @type {Vertex} */ { id, after = [] }) => {
    if (depths.has(id)) return;
    depths.set(id, 0); // the API refuses cycles; one would end here
    const before = after.flatMap((other) => known.get(other) ?? []);
    before.forEach(visit);
    depths.set(id, Math.max(0, ...before.map((other) => depthOf(depths, other) + 1)));
  };
  jobs.forEach(visit);
  return depths;
}

/**
 * The row in the middle of its neighbours.
 * @param {Slot} slot
 * @param {boolean|null} forward only those to the left, or to the right; null: all
 */
function wish({ row, before, next }, forward) {
  const others = forward === null ? [...before, ...next] : forward ? before : next;
  return others.length ? others.reduce((sum, other) => sum + other.row, 0) / others.length : row;
}

/**
 * Put the slots of a layer as near to their wishes as can be, in their order and with room for each:
 * those that would overlap stand together around the middle of their wishes.
 * @param {Slot[]} layer
 * @param {Map<Slot, number>} wishes
 */
function settle(layer, wishes) {
  /** @type {{sum: number, slots: [Slot, number][]}[]} */
  const blocks = [];
  let offset = 0;
  layer.forEach((slot, index) => {
    if (index) offset += slot.job && layer[index - 1].job ? 1 : NARROW;
    blocks.push({ sum: (wishes.get(slot) ?? 0) - offset, slots: [[slot, offset]] });
    for (;;) {
      const [above, below] = blocks.slice(-2);
      if (!below || above.sum / above.slots.length <= below.sum / below.slots.length) break;
      blocks.splice(-2, 2, { sum: above.sum + below.sum, slots: [...above.slots, ...below.slots] });
    }
  });
  for (const { sum, slots } of blocks) for (const [slot, offset] of slots) slot.row = sum / slots.length + offset;
}
