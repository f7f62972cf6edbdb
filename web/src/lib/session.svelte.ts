import { get } from './api';
import type { Session } from './types';

/** Who looks at the page, and what they may do. Until that is known nobody may do anything. */
class Who {
  session = $state<Session | null>(null);

  get mayChange(): boolean {
    return this.session?.may_change ?? false;
  }

  async load(): Promise<void> {
    try {
      this.session = await get<Session>('session');
    } catch {
      setTimeout(() => void this.load(), 3000);
    }
  }
}

export const who = new Who();
