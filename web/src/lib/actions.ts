// What can be done to a server, with what exactly that does, for the dialog that asks before.

import { instancePath, post, put, remove } from './api';
import type { Question } from './dialog.svelte';
import type { Instance, Recovery } from './types';
import { address, addressOf, count } from './words';

const DURATIONS = [
  ['10m', '10 minutes'],
  ['30m', '30 minutes'],
  ['1h', '1 hour'],
  ['4h', '4 hours'],
  ['1d', '1 day'],
  ['2d', '2 days'],
  ['1w', '1 week'],
].map(([value, label]) => ({ value: value ?? '', label: label ?? '' }));

const path = (instance: Instance): string => instancePath(instance.host, instance.port);

export function downtime(instance: Instance): Question {
  const subject = addressOf(instance);
  return {
    title: 'Begin downtime',
    subject,
    does: [
      'Its problems are expected: no automatic recovery begins because of this server until then.',
      'Nothing is changed on the server itself.',
    ],
    beware: instance.role === 'primary' ? ['It is the primary: if it dies in that time, nobody replaces it.'] : [],
    fields: [
      { name: 'reason', label: 'Reason', value: '', required: true, placeholder: 'kernel upgrade, ticket 4711' },
      { name: 'duration', label: 'For how long', value: '1h', options: DURATIONS },
    ],
    verb: 'Begin downtime',
    run: (values) => put(`${path(instance)}/downtime`, { reason: values.reason, duration: values.duration }),
  };
}

export function maintenance(instance: Instance): Question {
  return {
    title: 'Begin maintenance',
    subject: addressOf(instance),
    does: [
      'Locks the server: it is left out of all diagnoses until then.',
      'Nothing is changed on the server itself.',
    ],
    beware: instance.role === 'primary' ? ['It is the primary: its death would not be diagnosed.'] : [],
    fields: [
      { name: 'reason', label: 'Reason', value: '', required: true },
      { name: 'duration', label: 'For how long', value: '10m', options: DURATIONS },
    ],
    verb: 'Begin maintenance',
    run: (values) => put(`${path(instance)}/maintenance`, { reason: values.reason, duration: values.duration }),
  };
}

export function promotionRule(instance: Instance): Question {
  return {
    title: 'Promotion rule',
    subject: addressOf(instance),
    does: ['Decides how welcome it is as the next primary. Nothing is changed on the server itself.'],
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
    run: (values) => put(`${path(instance)}/promotion-rule`, { rule: values.rule }),
  };
}

export function readOnly(instance: Instance): Question {
  const isPrimary = instance.role === 'primary' || instance.role === 'co-primary';
  return {
    title: 'Make read-only',
    subject: addressOf(instance),
    does: ['SET GLOBAL read_only = 1   (super_read_only where the configuration says so)'],
    beware: isPrimary ? [`It is the ${instance.role} of ${instance.cluster_alias}: applications cannot write from then on.`] : [],
    danger: isPrimary,
    verb: 'Make read-only',
    run: () => put(`${path(instance)}/writable`, { on: false }),
  };
}

export function writable(instance: Instance): Question {
  const isReplica = instance.source !== null;
  return {
    title: 'Make writable',
    subject: addressOf(instance),
    does: ['SET GLOBAL super_read_only = 0; SET GLOBAL read_only = 0'],
    beware: isReplica
      ? [
          `It replicates from ${instance.source ? address(instance.source) : 'another server'}. What is written here exists nowhere else: the data of the two drift apart.`,
        ]
      : [],
    danger: isReplica,
    verb: 'Make writable',
    run: () => put(`${path(instance)}/writable`, { on: true }),
  };
}

export function stopReplication(instance: Instance): Question {
  return {
    title: 'Stop replication',
    subject: addressOf(instance),
    does: [
      'STOP REPLICA   (STOP SLAVE where the server knows no other word): receiver and applier end; what was received stays.',
    ],
    beware: [
      'It falls behind until somebody starts it again.',
      ...(instance.semi_sync_replica === 'active'
        ? ['It acknowledges commits (semi-sync): the primary may have to wait for another replica.']
        : []),
    ],
    danger: true,
    verb: 'Stop replication',
    run: () => put(`${path(instance)}/replication`, { on: false }),
  };
}

export function startReplication(instance: Instance): Question {
  return {
    title: 'Start replication',
    subject: addressOf(instance),
    does: [
      `START REPLICA: receiver and applier go on from where they stopped${instance.source ? `, from ${address(instance.source)}` : ''}.`,
    ],
    verb: 'Start replication',
    run: () => put(`${path(instance)}/replication`, { on: true }),
  };
}

export function forget(instance: Instance, replicas: number): Question {
  return {
    title: 'Forget',
    subject: addressOf(instance),
    does: [
      'The managers stop watching it, and what is known of it is deleted. Nothing is changed on the server itself.',
      'It is found again if a server that is watched still leads to it.',
    ],
    beware: replicas > 0 ? [`${count(replicas, 'replica')} of it stay without a known source.`] : [],
    danger: true,
    verb: 'Forget',
    run: () => remove(path(instance)),
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

export function recover(host: string, port: number, cluster: string): Question {
  return {
    title: 'Recover now',
    subject: `${host}:${port}`,
    does: [
      'Looks at the server once more, from every node. If it is dead, the best replica is promoted, the others are moved below it, and hooks run.',
      'A person asked: filters, downtime and cooldown do not hold it back. What would lose its footing (no candidate, no proof of death) still does.',
    ],
    beware: [`${cluster} gets a new primary. There is no undo.`],
    danger: true,
    verb: 'Recover',
    run: () => post(`${instancePath(host, port)}/recover`, {}),
  };
}

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
