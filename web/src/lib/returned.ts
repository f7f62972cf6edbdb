// What became of a replaced primary, in words.

import type { Returned } from './types';
import { type Tone, address } from './words';

export interface Back {
  tone: Tone;
  words: string;
  /** Why it stays as it is, where the words do not say so. */
  why: string;
  /** What a person can have done. */
  can: 'rejoin' | 'rebuild' | null;
  /** It did not come back, or is well: nobody has to do anything. */
  quiet: boolean;
}

export function back(returned: Returned): Back {
  const next = address(returned.replaced_by);
  const said = { why: returned.why ? `${returned.why[0]?.toUpperCase()}${returned.why.slice(1)}.` : '', quiet: false, can: null };
  if (returned.state === 'settled') return { ...said, tone: 'good', words: 'Has found its place', quiet: true };
  if (returned.state === 'attaching') return { ...said, tone: 'warn', words: 'Is being attached again' };
  switch (returned.kind) {
    case 'unreadable':
      return { ...said, tone: 'quiet', words: 'Is away. If it comes back, it is closed to writes at once', why: '', quiet: true };
    case 'writable':
      return { ...said, tone: 'bad', words: 'Came back and takes writes: it is being closed', why: '' };
    case 'divergent':
      return { ...said, tone: 'bad', words: `Came back with transactions that ${next} has not`, why: '', can: 'rebuild' };
    case 'purged':
      return { ...said, tone: 'bad', words: `Came back, and lacks what ${next} has purged`, why: '', can: 'rebuild' };
    case 'policy_off':
    case 'not_automated':
    case 'disabled':
    case 'downtimed':
      return { ...said, tone: 'warn', words: 'Came back with nothing of its own: it can be attached again', can: 'rejoin' };
    case 'stopped':
      return { ...said, tone: 'warn', words: 'Came back, and does not replicate', can: 'rejoin' };
    default:
      return { ...said, tone: 'warn', words: 'Came back, and stays as it is' };
  }
}
