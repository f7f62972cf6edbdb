// What is asked for and takes its time: shown as it runs, not when it is over.

import { notes } from './dialog.svelte';
import { live } from './live.svelte';
import type { Key, Recovery } from './types';
import { address, said } from './words';

export interface Begun {
  message?: string;
  /** The recovery that it is. */
  uid?: string;
}

const newest = (): number => Math.max(0, ...live.recoveries.list.map((one) => one.id));

/** Asks for a recovery of `subject`, and returns what comes first: that it runs, or its end. A failure after that is told. */
export function begun(subject: Key, ask: () => Promise<Begun>): Promise<Begun> {
  const before = newest();
  const isIt = (one: Recovery): boolean => one.id > before && address(one.failed) === address(subject);
  return new Promise((resolve, reject) => {
    let runs = false;
    const look = setInterval(() => {
      const found = live.recoveries.list.find(isIt);
      if (!found) return;
      runs = true;
      clearInterval(look);
      resolve({ message: 'It has begun', uid: found.uid });
    }, 60);
    ask()
      .then(resolve)
      .catch((error: unknown) => {
        if (runs) notes.tell(said(error), 'bad');
        else reject(error);
      })
      .finally(() => clearInterval(look));
  });
}
