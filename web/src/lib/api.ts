// The way to the service. Everything is below the place where this script came from, so that a prefix or a proxy that
// cuts one off needs no setting here.

/** Where the pages are, such as `/web/`. */
export const root = import.meta.env.DEV ? '/web/' : new URL(/* @vite-ignore */ '..', import.meta.url).pathname;

const api = new URL('../api/v2/', new URL(root, location.origin));

/** An answer that is none. */
export class Refused extends Error {
  constructor(
    message: string,
    readonly status: number,
    readonly code: string,
  ) {
    super(message);
  }
}

export function at(path: string): URL {
  return new URL(path, api);
}

/** The path of an instance below `/api/v2/`. */
export function instancePath(host: string, port: number): string {
  return `instances/${encodeURIComponent(host)}/${port}`;
}

/** How far the service's clock is ahead of this one's, in milliseconds. */
export const skew = { ms: 0 };

async function ask<T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  const init: RequestInit = { method, cache: 'no-store', credentials: 'same-origin' };
  if (signal) init.signal = signal;
  if (method !== 'GET') {
    init.headers = { 'content-type': 'application/json' };
    init.body = JSON.stringify(body ?? {});
  }
  let answer: Response;
  try {
    answer = await fetch(at(path), init);
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Refused('The manager does not answer.', 0, 'unreachable');
  }
  noteClock(answer.headers.get('date'));
  const text = await answer.text();
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Refused(text.trim().slice(0, 300) || `Status ${answer.status}`, answer.status, 'unreadable');
  }
  if (!answer.ok) throw refusal(value, answer.status);
  return value as T;
}

function refusal(value: unknown, status: number): Refused {
  const said = value as { message?: string; Message?: string; code?: string };
  return new Refused(said.message ?? said.Message ?? `Status ${status}`, status, said.code ?? '');
}

function noteClock(date: string | null): void {
  const theirs = date ? Date.parse(date) : NaN;
  if (Number.isNaN(theirs)) return;
  const ahead = theirs - Date.now();
  // The header has whole seconds: less than two is no difference.
  skew.ms = Math.abs(ahead) > 2000 ? ahead : 0;
}

export const get = <T>(path: string, signal?: AbortSignal): Promise<T> => ask<T>('GET', path, undefined, signal);
export const post = <T = { message: string }>(path: string, body?: unknown): Promise<T> => ask<T>('POST', path, body);
export const put = <T = { message: string }>(path: string, body?: unknown): Promise<T> => ask<T>('PUT', path, body);
export const remove = <T = { message: string }>(path: string): Promise<T> => ask<T>('DELETE', path);
