// What can be done to a server. What exactly that does the service tells, for the dialog that asks before.

import { get, instancePath, post, put, remove } from './api';
import { begun } from './begun';
import type { Question } from './dialog.svelte';
import type { Divergence, Instance, Key, Preview, Recovery } from './types';
import { address, addressOf } from './words';

const DURATIONS = [
  ['10m', '10 minutes'],
  ['30m', '30 minutes'],
  ['1h', '1 hour'],
  ['4h', '4 hours'],
  ['1d', '1 day'],
  ['2d', '2 days'],
  ['1w', '1 week'],
].map(([value, label]) => ({ value: value ?? '', label: label ?? '' }));

const pathOf = (instance: Instance | Key): string =>
  'Hostname' in instance ? instancePath(instance.Hostname, instance.Port) : instancePath(instance.host, instance.port);

const told = (instance: Instance | Key, action: string) => () => get<Preview>(`${pathOf(instance)}/preview/${action}`);

export function downtime(instance: Instance): Question {
  return {
    title: 'Begin downtime',
    subject: addressOf(instance),
    preview: told(instance, 'downtime'),
    fields: [
      { name: 'reason', label: 'Reason', value: '', required: true, placeholder: 'kernel upgrade, ticket 4711' },
      { name: 'duration', label: 'For how long', value: '1h', options: DURATIONS },
    ],
    verb: 'Begin downtime',
    run: (values) => put(`${pathOf(instance)}/downtime`, { reason: values.reason, duration: values.duration }),
  };
}

export function maintenance(instance: Instance): Question {
  return {
    title: 'Begin maintenance',
    subject: addressOf(instance),
    preview: told(instance, 'maintenance'),
    fields: [
      { name: 'reason', label: 'Reason', value: '', required: true },
      { name: 'duration', label: 'For how long', value: '10m', options: DURATIONS },
    ],
    verb: 'Begin maintenance',
    run: (values) => put(`${pathOf(instance)}/maintenance`, { reason: values.reason, duration: values.duration }),
  };
}

export function promotionRule(instance: Instance): Question {
  return {
    title: 'Promotion rule',
    subject: addressOf(instance),
    preview: told(instance, 'promotion-rule'),
    fields: [
      {
        name: 'rule',
        label: 'When a primary is chosen',
        value: instance.promotion_rule === 'must' ? 'prefer' : instance.promotion_rule,
        options: [
          { value: 'prefer', label: 'prefer it' },
          { value: 'neutral', label: 'no opinion' },
          { value: 'prefer_not', label: 'only if there is no other' },
          { value: 'must_not', label: 'never' },
        ],
      },
    ],
    verb: 'Set the rule',
    run: (values) => put(`${pathOf(instance)}/promotion-rule`, { rule: values.rule }),
  };
}

/** An action that needs nothing but a yes. */
function plain(instance: Instance | Key, title: string, action: string, run: () => Promise<{ message?: string }>): Question {
  const subject = 'Hostname' in instance ? address(instance) : addressOf(instance);
  return { title, subject, preview: told(instance, action), verb: title, run };
}

export const readOnly = (instance: Instance): Question =>
  plain(instance, 'Make read-only', 'read-only', () => put(`${pathOf(instance)}/writable`, { on: false }));
export const writable = (instance: Instance): Question =>
  plain(instance, 'Make writable', 'writable', () => put(`${pathOf(instance)}/writable`, { on: true }));
export const stopReplication = (instance: Instance): Question =>
  plain(instance, 'Stop replication', 'stop-replication', () => put(`${pathOf(instance)}/replication`, { on: false }));
export const startReplication = (instance: Instance): Question =>
  plain(instance, 'Start replication', 'start-replication', () => put(`${pathOf(instance)}/replication`, { on: true }));
export const restartReplication = (instance: Instance): Question =>
  plain(instance, 'Restart replication', 'restart-replication', () => post(`${pathOf(instance)}/replication/restart`));
export const forget = (instance: Instance | Key): Question => plain(instance, 'Forget', 'forget', () => remove(pathOf(instance)));

/** Attaches a replaced primary below the present one; rebuilt as a copy of another server where it does not fit. */
export function rejoin(key: Key, rebuild: boolean): Question {
  const where = `${pathOf(key)}/rejoin${rebuild ? '?clone=true' : ''}`;
  const asked = (): Promise<{ message: string }> =>
    post<{ Message: string }>(where).then(({ Message }) => ({ message: Message }));
  const title = rebuild ? 'Rebuild as a copy' : 'Attach again';
  return plain(key, title, rebuild ? 'rebuild' : 'rejoin', () => begun(key, asked, false));
}

export function acknowledgeDivergence(divergence: Divergence): Question {
  return {
    title: 'Acknowledge',
    subject: `what ${address(divergence.instance)} has and ${address(divergence.primary)} has not`,
    does: ['Says that you took note of it. It is listed no more; its record and its file stay.'],
    fields: [{ name: 'comment', label: 'What did you do about it?', value: '', required: true, placeholder: 'order 4711 entered again by hand' }],
    verb: 'Acknowledge',
    run: (values) =>
      post<{ Message: string }>(`divergences/${divergence.id}/acknowledge?comment=${encodeURIComponent(values.comment ?? '')}`).then(() => ({
        message: 'acknowledged',
      })),
  };
}

/** Reasons to do nothing that do not hold when a person asks. */
export const LIFTED: ReadonlySet<string> = new Set([
  'not_automated',
  'disabled',
  'downtimed',
  'restart_grace',
  'too_few_witnesses',
  'cooldown',
  'failed_repeatedly',
  'may_lose',
  'recovery_failed',
  'refused_by_hook',
]);

export function acknowledge(recovery: Pick<Recovery, 'uid' | 'failed' | 'cluster_alias'>, why?: string): Question {
  return {
    title: 'Acknowledge',
    subject: `recovery of ${address(recovery.failed)}, ${recovery.cluster_alias}`,
    does: ['Says that you took note of it. It does not hold back the next recovery of this cluster any more.'],
    beware: why ? [why] : [],
    fields: [{ name: 'comment', label: 'What did you find, or do?', value: '', required: true }],
    verb: 'Acknowledge',
    run: (values) => put(`recoveries/${encodeURIComponent(recovery.uid)}/acknowledgement`, { comment: values.comment }),
  };
}

export function automaticRecovery(on: boolean): Question {
  return {
    title: on ? 'Enable automatic recoveries' : 'Disable automatic recoveries',
    subject: 'all clusters',
    does: [on ? 'Dead primaries are replaced without asking again, as the filters say.' : 'Nothing is recovered, anywhere, unless somebody asks for it.'],
    beware: on ? ['What is broken now may be recovered at once.'] : [],
    danger: !on,
    verb: on ? 'Enable' : 'Disable',
    run: () => put('automatic-recovery', { on }),
  };
}

export function transfer(node: string): Question {
  return {
    title: 'Transfer leadership',
    subject: node,
    does: ['The present leader stops, and this node is elected. Recoveries that run go on there from their journal.'],
    verb: 'Let it lead',
    run: () => post('leadership', { node }),
  };
}
