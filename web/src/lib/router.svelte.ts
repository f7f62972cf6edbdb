import { root } from './api';

/** Where we are, and how to get elsewhere. Addresses are Orchestrator's where it has the page. */
class Router {
  path = $state('');
  query = $state.raw(new URLSearchParams());

  start(): void {
    this.#read();
    addEventListener('popstate', () => this.#read());
    document.addEventListener('click', (event) => this.#click(event));
  }

  /** Goes to a page below the root, such as `cluster/main`. */
  go(to: string, replace = false): void {
    const url = new URL(to, new URL(root, location.origin));
    if (url.href === location.href) return;
    const elsewhere = url.pathname !== location.pathname;
    history[replace ? 'replaceState' : 'pushState'](null, '', url);
    this.#read();
    if (elsewhere) scrollTo(0, 0);
  }

  /** Sets or removes parts of the query of this page. */
  ask(changes: Record<string, string | null>): void {
    const query = new URLSearchParams(this.query);
    for (const [name, value] of Object.entries(changes)) {
      if (value === null || value === '') query.delete(name);
      else query.set(name, value);
    }
    const text = query.toString();
    this.go(`${location.pathname}${text ? `?${text}` : ''}`, true);
  }

  /** This page without what was asked for in its address. */
  get page(): string {
    return to(this.path.split('/')[0] ?? '');
  }

  #read(): void {
    const path = location.pathname.startsWith(root) ? location.pathname.slice(root.length) : '';
    this.path = path.replace(/\/+$/, '') || 'clusters';
    this.query = new URLSearchParams(location.search);
  }

  #click(event: MouseEvent): void {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey)
      return;
    const link = (event.target as Element | null)?.closest('a');
    if (!link || link.target || link.origin !== location.origin || !link.pathname.startsWith(root)) return;
    if (link.pathname.startsWith(`${root}assets/`)) return;
    event.preventDefault();
    this.go(link.href);
  }
}

export const router = new Router();

/** An address below the root, each part escaped. */
export const to = (...parts: (string | number)[]): string =>
  root + parts.map((part) => encodeURIComponent(String(part))).join('/');

// A slash or dots in a name would not come through as a part of a path, however they are escaped.
const isPart = (name: string): boolean => !name.includes('/') && !/^\.{0,2}$/.test(name);
const cluster = (name: string, query: Record<string, string>): string => {
  const asked = new URLSearchParams(isPart(name) ? query : { hint: name, ...query }).toString();
  return (isPart(name) ? to('cluster', name) : to('cluster')) + (asked ? `?${asked}` : '');
};

export const toCluster = (name: string): string => cluster(name, {});
export const toInstance = (name: string, instance: string): string => cluster(name, { instance });
export const toTakeover = (name: string, candidate = ''): string =>
  to('cluster', name, 'takeover') + (candidate ? `?candidate=${encodeURIComponent(candidate)}` : '');
export const toRecover = (instance: string): string => to('recover', instance);
export const toRecovery = (uid: string): string => to('audit-recovery', 'uid', uid);
