// What is asked for and takes its time: shown as it runs, not when it is over.

import { Refused } from './api';
import { notes } from './dialog.svelte';
import { live } from './live.svelte';
import type { Key, Recovery } from './types';
import { address, said } from './words';

export interface Begun {
  message?: string;
  /** The recovery that it is. */
  uid?: string;
}

/** How long the stream may take to tell of what ended at once. */
const TELLS_WITHIN_MS = 1500;

const newest = (): number => Math.max(0, ...live.recoveries.list.map((one) => one.id));

/**
 * Asks for a recovery of `subject`, and returns what comes first: that it runs, or its end. In a room of its own its end shows
 * there, also when that is a failure; elsewhere a failure is told.
 */
export function begun(subject: Key, ask: () => Promise<Begun>, room: boolean): Promise<Begun> {
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
    }, 50);
    const fail = (error: unknown): void => {
      clearInterval(look);
      reject(error);
    };
    ask()
      .then((answer) => {
        clearInterval(look);
        resolve(answer);
      })
      .catch((error: unknown) => {
        if (runs && !room) notes.tell(said(error), 'bad');
        // It was begun, and ended so soon that nobody was told of it yet.
        else if (room && error instanceof Refused && error.code === 'not_done') setTimeout(() => fail(error), TELLS_WITHIN_MS);
        else fail(error);
      });
  });
}
