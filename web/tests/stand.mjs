// A stand-in for the service, for farms that no test machine can hold: the built files, and one stream of events.

import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const dist = resolve(dirname(fileURLToPath(import.meta.url)), '../dist');
const KINDS = { js: 'text/javascript', css: 'text/css', svg: 'image/svg+xml' };

export function instance(number, more = {}) {
  return {
    host: `db${number}.example.com`, port: 3306, alias: '', cluster: 'db0.example.com:3306', cluster_alias: 'large', source: null, depth: 0,
    role: 'replica', version: '8.4.5', flavor: 'MySQL', state: 'ok', failure: '', failing_since: null, writes: 'super_read_only', lag_secs: 0,
    delay_secs: 0, receiver: 'running', applier: 'running', receiver_error: '', applier_error: '', semi_sync_source: '', semi_sync_replica: '',
    gtid: 'ON', auto_position: true, errant: '', logs_updates: true, binlog_format: 'ROW', filters: false, data_center: ['ams', 'fra', 'lon'][number % 3],
    region: '', environment: '', promotion_rule: 'neutral', downtime: null, maintenance: null, tags: {}, problems: [], ...more,
  };
}

/** A primary, 24 intermediate sources, and the rest below them; a few are ill. */
export function large(count) {
  const key = (number) => ({ Hostname: `db${number}.example.com`, Port: 3306 });
  return Array.from({ length: count }, (_, number) => {
    if (number === 0) return instance(0, { role: 'primary', writes: 'writable', receiver: '', applier: '' });
    if (number <= 24) return instance(number, { role: 'intermediate', depth: 1, source: key(0) });
    const ill = number % 97 === 0;
    const late = number % 41 === 0;
    return instance(number, {
      depth: 2, source: key(1 + (number % 24)),
      ...(ill ? { receiver: 'stopped', problems: ['not_replicating'], lag_secs: null } : late ? { lag_secs: 75, problems: ['replication_lag'] } : {}),
    });
  });
}

export function card(members) {
  const problems = {};
  for (const one of members) for (const problem of one.problems) problems[problem] = (problems[problem] ?? 0) + 1;
  return {
    name: 'db0.example.com:3306', alias: 'large', domain: '', primary: members[0], instances: members.length, problems, lag_secs: 75, downtimed: 0,
    in_maintenance: 0, data_centers: { ams: 1, fra: 1, lon: 1 }, automatic: true,
    readiness: { verdict: 'nothing_lost', successor: { Hostname: 'db1.example.com', Port: 3306 }, because: 'each commit waited for 1 of 24 replicas', known_lost: 0 },
  };
}

/**
 * Serves `topics`: name to list of key and thing; and `answers`: pattern of a path below `/api/v2/`, and what gives its answer.
 * `mood`: `well`, `silent` (nothing is ever answered), or `ill` (every question fails).
 */
export async function stand(topics, answers = [], mood = 'well') {
  const event = (name, set) => `event: ${name}\ndata: ${JSON.stringify({ all: true, set, gone: [] })}\n\n`;
  const streams = new Set();
  const asked = [];
  const json = (answer, status, value) => {
    answer.writeHead(status, { 'content-type': 'application/json' });
    answer.end(JSON.stringify(value));
  };
  /** Of the first pattern that fits and has something to say. */
  const found = (path) => {
    for (const [pattern, give] of answers) {
      const match = pattern.exec(path);
      const value = match && give(...match.slice(1));
      if (value) return value;
    }
    return null;
  };
  const server = createServer((request, answer) => {
    const path = new URL(request.url, 'http://stand').pathname;
    const asset = /^\/web\/assets\/([\w.]+)$/.exec(path);
    const below = path.startsWith('/api/v2/') ? decodeURIComponent(path.slice('/api/v2/'.length)) : '';
    if (below) asked.push(request.url.slice('/api/v2/'.length));
    if (path === '/api/v2/events') {
      answer.writeHead(200, { 'content-type': 'text/event-stream' });
      if (mood === 'silent') return;
      for (const [name, set] of Object.entries(topics)) answer.write(event(name, set));
      streams.add(answer);
      const beat = setInterval(() => answer.write('event: beat\ndata: {}\n\n'), 2000);
      answer.on('close', () => clearInterval(beat));
    } else if (path === '/api/v2/session') {
      json(answer, 200, { user: 'ann', may_change: true, node: 'orch1.example.com', version: '0.9.0', raft: false, recoveries_enabled: true, trouble: null });
    } else if (below && mood === 'silent') {
      // Whoever asks waits.
    } else if (below && mood === 'ill') {
      json(answer, 500, { code: 'internal', message: 'the store cannot be read: disk I/O error' });
    } else if (below && found(below)) {
      json(answer, 200, found(below));
    } else if (asset) {
      answer.writeHead(200, { 'content-type': KINDS[asset[1].split('.').pop()] ?? 'text/plain' });
      answer.end(readFileSync(join(dist, 'assets', asset[1])));
    } else if (path.startsWith('/web/')) {
      const up = '../'.repeat(path.slice(5).split('/').length - 1) || './';
      answer.writeHead(200, { 'content-type': 'text/html' });
      answer.end(readFileSync(join(dist, 'index.html'), 'utf8').replaceAll('./assets/', `${up}assets/`));
    } else {
      json(answer, 404, { code: 'none', message: 'the stand has no such thing' });
    }
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    tell: (name, change) => streams.forEach((stream) => stream.write(`event: ${name}\ndata: ${JSON.stringify({ all: false, gone: [], ...change })}\n\n`)),
    /** What was asked for below `/api/v2/`, in that order. */
    asked,
    /** The connection of everybody breaks, and nobody gets another one. */
    fall: () => {
      server.close();
      server.closeAllConnections();
    },
    end: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
