// Which cluster needs somebody, and how much.

import { back } from './returned';
import type { Cluster, Finding, Recovery, Returned } from './types';
import { GRAVITY, address } from './words';

/** A primary that was replaced, and what was left with it. */
export const BEHIND = 70;

export interface Attention {
  /** Smaller is more urgent; from `CALM` on nobody is needed. */
  rank: number;
  tone: 'bad' | 'warn' | 'good' | 'quiet';
  /** Why, in a few words. */
  why: string;
}

export const CALM = 50;
/** Everything in it is in downtime. */
export const ASIDE = 60;

/** Somebody should take note of it. Who asked for a switch, or that a server be attached, and got it, knows. */
export const isOpen = (recovery: Recovery): boolean =>
  Boolean(recovery.ended) && !recovery.acknowledged && !(recovery.successful && ['Takeover', 'Return'].includes(recovery.kind));

export function attention(cluster: Cluster, findings: Finding[], recoveries: Recovery[], returned: Returned[] = []): Attention {
  if (cluster.replaced_by) return { rank: BEHIND, tone: 'quiet', why: `replaced by ${address(cluster.replaced_by)}` };
  const own = findings.filter((finding) => finding.cluster === cluster.name && !finding.downtimed);
  const past = recoveries.filter((one) => one.cluster_alias === cluster.alias || one.cluster === cluster.name);
  const running = past.find((one) => !one.ended);
  if (running) return { rank: 0, tone: 'bad', why: running.kind === 'Takeover' ? 'switching over' : 'recovery running' };
  if (cluster.instances > 0 && cluster.downtimed === cluster.instances) return { rank: ASIDE, tone: 'quiet', why: 'in downtime' };
  const failures = own.filter((finding) => finding.severity === 'failure');
  const atTop = failures.find((finding) => finding.is_primary);
  if (atTop) return { rank: 1, tone: 'bad', why: atTop.title };
  if (failures[0]) return { rank: 2, tone: 'bad', why: failures[0].title };
  const failed = past.find((one) => isOpen(one) && !one.successful);
  if (failed) return { rank: 3, tone: 'bad', why: 'a recovery failed and is not acknowledged' };
  const waiting = returned.find((one) => one.cluster_alias === cluster.alias && back(one).tone === 'bad');
  if (waiting) return { rank: 4, tone: 'bad', why: 'a replaced primary is back, and does not fit' };
  const warning = own.find((finding) => finding.severity === 'warning');
  if (warning) return { rank: 4, tone: 'warn', why: warning.title };
  const worst = GRAVITY.findIndex((problem) => cluster.problems[problem]);
  if (worst >= 0 && Object.keys(cluster.problems).length) {
    const count = Object.values(cluster.problems).reduce((sum, n) => sum + n, 0);
    if (count > cluster.downtimed) return { rank: 5 + worst, tone: worst < 3 ? 'bad' : 'warn', why: 'servers with problems' };
  }
  if (past.some(isOpen)) return { rank: 20, tone: 'warn', why: 'recovered; not acknowledged yet' };
  const remark = own.find((finding) => finding.remarks.length);
  if (remark) return { rank: 30, tone: 'warn', why: remark.remarks[0] ?? '' };
  return { rank: CALM, tone: 'good', why: 'well' };
}
