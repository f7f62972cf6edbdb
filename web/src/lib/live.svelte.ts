// What the service tells as it changes. One connection for the whole page; when it is lost, what was known stays on the
// screen, the page says so, and it connects again and begins with all.

import { at } from './api';
import type { Cluster, Divergence, Finding, Instance, Nodes, Recovery, Returned } from './types';

/** Without a sign for this long the connection is lost, whatever the browser believes; a beat comes every 3 s. */
const SILENCE_MS = 9000;
const RETRY_MS = 1000;

class Topic<T> {
  things = $state.raw<ReadonlyMap<string, T>>(new Map());
  /** All of it was told once. */
  ready = $state(false);

  take(change: { all: boolean; set: [string, T][]; gone: string[] }): void {
    const next = new Map(change.all ? [] : this.things);
    for (const [key, thing] of change.set) next.set(key, thing);
    for (const key of change.gone) next.delete(key);
    this.things = next;
    this.ready = true;
  }

  clear(): void {
    this.things = new Map();
    this.ready = false;
  }

  get list(): T[] {
    return [...this.things.values()];
  }
}

class Live {
  state = $state<'connecting' | 'live' | 'lost'>('connecting');
  /** Since when it is lost. */
  lostAt = $state(0);
  readonly clusters = new Topic<Cluster>();
  readonly findings = new Topic<Finding>();
  readonly recoveries = new Topic<Recovery>();
  readonly returned = new Topic<Returned>();
  readonly divergences = new Topic<Divergence>();
  readonly instances = new Topic<Instance>();
  /** The cluster that is watched, by its name now. */
  readonly shown = new Topic<string>();
  readonly nodes = new Topic<Nodes>();
  readonly settings = new Topic<boolean>();
  #cluster = '';
  #source: EventSource | null = null;
  #heard = 0;
  #retry: ReturnType<typeof setTimeout> | undefined;

  start(): void {
    this.#connect();
    setInterval(() => {
      if (this.state === 'live' && Date.now() - this.#heard > SILENCE_MS) this.#lose();
    }, 1000);
    addEventListener('online', () => this.#connectNow());
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'visible' && this.state === 'lost') this.#connectNow();
    });
    // A page that is left keeps no connection; one that is come back to, from the browser's own store, needs one.
    addEventListener('pagehide', () => this.#source?.close());
    addEventListener('pageshow', (event) => {
      if (event.persisted) this.#connectNow();
    });
  }

  /** Asks for the members of a cluster too; of none with an empty text. */
  watch(cluster: string): void {
    if (cluster === this.#cluster) return;
    this.#cluster = cluster;
    this.instances.clear();
    this.shown.clear();
    this.#connectNow();
  }

  #connectNow(): void {
    clearTimeout(this.#retry);
    this.#source?.close();
    this.#connect();
  }

  #connect(): void {
    const url = at('events');
    if (this.#cluster) url.searchParams.set('cluster', this.#cluster);
    const source = new EventSource(url);
    this.#source = source;
    this.#heard = Date.now();
    const topics = {
      clusters: this.clusters,
      findings: this.findings,
      recoveries: this.recoveries,
      returned: this.returned,
      divergences: this.divergences,
      shown: this.shown,
      instances: this.instances,
      nodes: this.nodes,
      settings: this.settings,
    } as const;
    for (const [name, topic] of Object.entries(topics)) {
      source.addEventListener(name, (event: MessageEvent<string>) => {
        if (source !== this.#source) return;
        this.#hear();
        topic.take(JSON.parse(event.data));
      });
    }
    source.addEventListener('beat', () => this.#hear());
    source.onerror = () => {
      if (source === this.#source) this.#lose();
    };
  }

  #hear(): void {
    this.#heard = Date.now();
    this.state = 'live';
  }

  #lose(): void {
    this.#source?.close();
    if (this.state !== 'lost') this.lostAt = Date.now();
    this.state = 'lost';
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.#connect(), RETRY_MS);
  }
}

export const live = new Live();
