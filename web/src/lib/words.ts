import type { Instance, Key } from './types';

export const address = (key: Key): string => `${bracketed(key.Hostname)}:${key.Port}`;
export const addressOf = (instance: { host: string; port: number }): string =>
  `${bracketed(instance.host)}:${instance.port}`;
const bracketed = (host: string): string => (host.includes(':') ? `[${host}]` : host);

/** A span in at most two units. */
export function span(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min${whole < 600 && whole % 60 ? ` ${whole % 60} s` : ''}`;
  if (whole < 86400) {
    const minutes = Math.floor((whole % 3600) / 60);
    return `${Math.floor(whole / 3600)} h${minutes ? ` ${minutes} min` : ''}`;
  }
  const hours = Math.floor((whole % 86400) / 3600);
  return `${Math.floor(whole / 86400)} d${hours ? ` ${hours} h` : ''}`;
}

export function millis(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : ms < 10000 ? `${(ms / 1000).toFixed(2)} s` : span(ms / 1000);
}

/** `2026-11-22 17:53:17`, in the time of whoever looks. */
export function moment(iso: string): string {
  const at = new Date(iso);
  if (Number.isNaN(at.getTime())) return iso;
  const two = (n: number): string => String(n).padStart(2, '0');
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

export function count(n: number, one: string, many = `${one}s`): string {
  return `${n.toLocaleString('en')} ${n === 1 ? one : many}`;
}

const PROBLEMS: Record<string, string> = {
  unreachable: 'unreachable',
  not_recently_checked: 'not checked lately',
  not_replicating: 'not replicating',
  replication_lag: 'lags',
  errant_gtid: 'errant GTID',
  group_member_offline: 'offline in its group',
};
/** A word for a problem. */
export const problem = (code: string): string => PROBLEMS[code] ?? code.replaceAll('_', ' ');

/** The gravest first. */
export const GRAVITY = ['unreachable', 'group_member_offline', 'not_replicating', 'not_recently_checked', 'replication_lag', 'errant_gtid'];

export type Tone = 'bad' | 'warn' | 'quiet' | 'good';

/** How an instance is: one tone, and one or two words that say the same. */
export function condition(instance: Instance): { tone: Tone; words: string } {
  const worst = GRAVITY.find((code) => instance.problems.includes(code));
  const words = worst === 'replication_lag' ? `lags ${span(instance.lag_secs ?? 0)}` : worst ? problem(worst) : '';
  if (instance.downtime) return { tone: 'quiet', words: words ? `downtime · ${words}` : 'downtime' };
  if (instance.maintenance) return { tone: 'quiet', words: words ? `maintenance · ${words}` : 'maintenance' };
  switch (worst) {
    case 'unreachable':
    case 'not_replicating':
    case 'group_member_offline':
      return { tone: 'bad', words };
    case undefined:
      return { tone: 'good', words: 'ok' };
    default:
      return { tone: 'warn', words };
  }
}

export function writes(instance: Instance): string {
  return { writable: 'writable', read_only: 'read-only', super_read_only: 'super read-only', '': '' }[instance.writes];
}

/** A reason without the long name of the recovery in it: a link or a button beside it leads there. */
export const brief = (reason: string): string =>
  reason.replaceAll(/\brecovery [0-9]+:[0-9a-f]{16,}/g, 'an earlier recovery').replace(/^an earlier/, 'An earlier');

const SAYS: Record<string, { now: string; done: string; undone: string; from: string; to: string }> = {
  Takeover: { now: 'Switching over', done: 'switched over', undone: 'taken back', from: 'Handed over', to: 'Took over' },
  Return: { now: 'Attaching again', done: 'attached again', undone: 'not attached', from: 'Came back', to: 'Replicates from' },
};
const REPAIRS = { now: 'Recovering', done: 'recovered', undone: 'failed', from: 'Failed', to: 'Took over' };
/** Words for a recovery, by its kind: not every one is about a failure. */
export const saying = (recovery: { kind: string }): typeof REPAIRS => SAYS[recovery.kind] ?? REPAIRS;

/** An error as a sentence. */
export const said = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** A long set of transactions, a source a line. */
export const lines = (set: string): string => set.replaceAll(/,\s*/g, ',\n');
