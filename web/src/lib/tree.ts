// Where each server stands in the picture.

import { hierarchy, tree } from 'd3-hierarchy';
import type { Instance } from './types';
import { GRAVITY, address, addressOf } from './words';

/** A box: one server, or several replicas alike that are shown as one. */
export interface Box {
  key: string;
  instance: Instance;
  /** The servers that it stands for, where they are several. */
  group: Instance[];
  parent: Box | null;
  children: Box[];
  x: number;
  y: number;
}

export interface Picture {
  boxes: Box[];
  roots: Box[];
  byKey: ReadonlyMap<string, Box>;
  width: number;
  height: number;
}

export const SIZE = { width: 292, height: 46, gapX: 70, gapY: 10 };

interface Draft {
  key: string;
  instance: Instance;
  group: Instance[];
  children: Draft[];
}

/** Replicas of one source in one data centre that are well and lead to nobody are shown as one, from this number on. */
const ALIKE = 3;

function isPlain(draft: Draft): boolean {
  const one = draft.instance;
  return !draft.children.length && !one.problems.length && !one.downtime && !one.maintenance;
}

function gathered(draft: Draft, keep: ReadonlySet<string>): Draft {
  const plain = new Map<string, Draft[]>();
  const rest: Draft[] = [];
  for (const child of draft.children) {
    if (isPlain(child) && !keep.has(child.key)) {
      const place = child.instance.data_center;
      plain.set(place, [...(plain.get(place) ?? []), child]);
    } else rest.push(gathered(child, keep));
  }
  for (const [place, alike] of plain) {
    const first = alike[0];
    if (!first) continue;
    if (alike.length < ALIKE) rest.push(...alike);
    else
      rest.push({
        key: `${draft.key} ${place} all`,
        instance: first.instance,
        group: alike.map((one) => one.instance),
        children: [],
      });
  }
  return { ...draft, children: rest };
}

const worst = (draft: Draft): number => {
  const own = GRAVITY.findIndex((code) => draft.instance.problems.includes(code));
  return Math.min(own < 0 ? 99 : own, ...draft.children.map(worst));
};

function order(one: Draft, two: Draft): number {
  const size = Number(two.children.length > 0) - Number(one.children.length > 0);
  const place = one.instance.data_center.localeCompare(two.instance.data_center);
  return worst(one) - worst(two) || size || place || one.key.localeCompare(two.key, 'en', { numeric: true });
}

/** Returns the trees of `instances`: of several heads, such as co-primaries, the one that others hang below first. */
function drafts(instances: readonly Instance[]): Draft[] {
  const all = new Map<string, Draft>(
    instances.map((instance) => [addressOf(instance), { key: addressOf(instance), instance, group: [], children: [] }]),
  );
  const heads: Draft[] = [];
  for (const draft of all.values()) {
    const source = draft.instance.source ? all.get(address(draft.instance.source)) : undefined;
    // Of two that replicate from each other neither hangs below: both are heads.
    const inRing = draft.instance.role === 'co-primary' || (draft.instance.role === 'primary' && draft.instance.depth === 0);
    if (source && source !== draft && !inRing) source.children.push(draft);
    else heads.push(draft);
  }
  const sort = (list: Draft[]): void => {
    list.sort(order);
    for (const draft of list) sort(draft.children);
  };
  sort(heads);
  // The primary first, then what was left behind.
  return heads.sort((one, two) => Number(one.instance.role === 'replaced') - Number(two.instance.role === 'replaced'));
}

export function picture(instances: readonly Instance[], compact: boolean, keep: ReadonlySet<string>): Picture {
  const boxes: Box[] = [];
  const roots: Box[] = [];
  let bottom = 0;
  let width = 0;
  for (const draft of drafts(instances)) {
    const root = hierarchy(compact ? gathered(draft, keep) : draft, (one) => one.children);
    const laid = tree<Draft>()
      .nodeSize([SIZE.height + SIZE.gapY, SIZE.width + SIZE.gapX])
      .separation((one, two) => (one.parent === two.parent ? 1 : 1.35))(root);
    let top = Infinity;
    laid.each((node) => (top = Math.min(top, node.x)));
    const made = new Map<unknown, Box>();
    laid.each((node) => {
      const parent = node.parent ? (made.get(node.parent) ?? null) : null;
      const box: Box = { ...node.data, parent, children: [], x: node.y, y: node.x - top + bottom };
      made.set(node, box);
      parent?.children.push(box);
      boxes.push(box);
      if (!parent) roots.push(box);
      width = Math.max(width, box.x + SIZE.width);
    });
    bottom = Math.max(...[...made.values()].map((box) => box.y)) + SIZE.height + 3 * SIZE.gapY;
  }
  return { boxes, roots, byKey: new Map(boxes.map((box) => [box.key, box])), width, height: bottom - 3 * SIZE.gapY };
}
