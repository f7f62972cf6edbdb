// Real servers, the real program, a real browser.

import { execFile, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { chromium } from 'playwright-core';

const top = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const built = resolve(top, process.env.CARGO_TARGET_DIR ?? 'target', process.env.BUILD ?? 'debug');
const program = process.env.ORCHESTRATOR_BIN ?? join(built, 'orchestrator');
const lab = process.env.LAB_BIN ?? join(built, 'lab');
const BROWSERS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** Waits until `look` gives something, and says `what` was waited for when it never does. */
export async function until(what, look, limit = 30_000) {
  const end = Date.now() + limit;
  let last;
  for (;;) {
    try {
      const found = await look();
      if (found) return found;
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end) throw new Error(`${what}: not within ${limit / 1000} s`, { cause: last });
    await new Promise((again) => setTimeout(again, 50));
  }
}

export function freePort() {
  return new Promise((found, failed) => {
    const listener = createServer();
    listener.once('error', failed);
    listener.listen(0, '127.0.0.1', () => {
      const { port } = listener.address();
      listener.close(() => found(port));
    });
  });
}

/** Everything that was started, so that it is ended whatever happens. */
const running = new Set();
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1));

export function start(command, words) {
  const child = spawn(command, words, { stdio: ['ignore', 'pipe', 'pipe'] });
  running.add(child);
  child.said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (child.said = (child.said + text).slice(-20_000)));
  child.ended = new Promise((done) => child.once('exit', done));
  void child.ended.then(() => running.delete(child));
  return child;
}

/** A primary with replicas. */
export async function fleet(replicas = 3) {
  const child = start(lab, ['fleet', '--replicas', String(replicas), '--semi-sync']);
  await until('servers', () => child.exitCode !== null || child.said.includes('Ctrl-C'), 300_000);
  if (child.exitCode !== null) throw new Error(`the lab ended: ${child.said}`);
  const servers = [...child.said.matchAll(/^(primary|replica) {2}(\S+):(\d+) {2}pid (\d+) {2}root: (\S+)/gm)].map(([, role, host, port, pid, socket]) => ({
    role, host, port: Number(port), pid: Number(pid), name: `${host}:${port}`, socket,
    // How it was started, so that it can be started again.
    words: readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1),
  }));
  const [, user, password] = /^account {2}(\S+) \/ (\S+) {2}\(manager\)/m.exec(child.said);
  return {
    servers,
    user,
    password,
    kill: (server) => process.kill(server.pid, 'SIGKILL'),
    end: async () => {
      await Promise.all(servers.map((server) => server.again).filter(Boolean).map((again) => (again.kill('SIGKILL'), again.ended)));
      child.kill('SIGTERM');
      await child.ended;
    },
  };
}

/** Starts a server that was killed, or ended, on its old data. */
export async function startAgain(server) {
  await server.again?.ended;
  // What a killed one left behind; its number may be another process's by now.
  rmSync(`${server.socket}.lock`, { force: true });
  server.again = start(server.words[0], server.words.slice(1));
  server.pid = server.again.pid;
  await until(`${server.name} to be up`, () => sql(server, 'select 1'));
}

/** Asks a server as its root. */
export async function sql(server, statement) {
  // The client that lies beside the server, run as that is.
  const words = server.words.slice(0, server.words.findIndex((word) => word.endsWith('mysqld')) + 1);
  const client = words.pop().replace(/sbin\/mysqld$/, 'bin/mysql');
  const [command, ...rest] = [...words, client, '-uroot', '-S', server.socket, '-BNe', statement];
  return (await promisify(execFile)(command, rest)).stdout.trim();
}

/** A manager; a second start on the same folder and port goes on with what it knew. */
export async function manager({ user = 'none', password = '', settings = {}, folder, port } = {}) {
  const home = folder ?? mkdtempSync(join(tmpdir(), 'orchestrator-web-'));
  const at = port ?? (await freePort());
  const config = {
    ListenAddress: `127.0.0.1:${at}`,
    SQLite3DataFile: join(home, 'orchestrator.sqlite3'),
    BackendDB: 'sqlite',
    MySQLTopologyUser: user,
    MySQLTopologyPassword: password,
    HostnameResolveMethod: 'none',
    MySQLHostnameResolveMethod: 'none',
    RecoverMasterClusterFilters: ['*'],
    AuditToBackendDB: true,
    ...(settings.RaftEnabled ? { RaftDataDir: join(home, 'raft'), HTTPAdvertise: `http://127.0.0.1:${at}` } : {}),
    ...settings,
  };
  const file = join(home, 'orchestrator.conf.json');
  writeFileSync(file, JSON.stringify(config));
  const child = start(program, ['--config', file, 'http']);
  const url = `http://127.0.0.1:${at}`;
  await until('the manager', async () => child.exitCode !== null || (await fetch(`${url}/api/lb-check`)).ok);
  if (child.exitCode !== null) throw new Error(`the manager ended: ${child.said}`);
  return {
    url,
    port: at,
    folder: home,
    child,
    log: () => child.said,
    api: async (path, method = 'GET', body) => {
      const init = { method };
      if (method !== 'GET') Object.assign(init, { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body ?? {}) });
      const answer = await fetch(`${url}/api/${path}`, init);
      return answer.json();
    },
    kill: async () => {
      child.kill('SIGKILL');
      await child.ended;
    },
    end: async () => {
      child.kill('SIGTERM');
      await child.ended;
      rmSync(home, { recursive: true, force: true });
    },
  };
}

export async function browser() {
  const executablePath = process.env.CHROMIUM ?? BROWSERS.find((path) => existsSync(path));
  if (!executablePath) throw new Error('no chromium: apt-get install chromium');
  return chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-dev-shm-usage'] });
}

/** A page that remembers what should never be: errors of scripts, refused files, words of other sites. */
export async function page(from, options = {}) {
  const context = await from.newContext({ viewport: { width: 1440, height: 900 }, reducedMotion: 'reduce', ...options });
  const opened = await context.newPage();
  opened.faults = [];
  opened.on('pageerror', (error) => opened.faults.push(String(error)));
  opened.on('console', (message) => {
    const text = message.text();
    // A manager that is down, and an answer that says no, are told by the page itself.
    if (message.type() === 'error' && !/Failed to load resource|ERR_CONNECTION|ERR_INCOMPLETE|ERR_EMPTY/.test(text)) opened.faults.push(text);
  });
  opened.setDefaultTimeout(15_000);
  return opened;
}
