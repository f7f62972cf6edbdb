import { skew } from './api';

/** The service's time, a second at a time. */
class Clock {
  now = $state(Date.now());

  start(): void {
    setInterval(() => (this.now = Date.now() + skew.ms), 1000);
  }
}

export const clock = new Clock();
