// What viewers cost: `npm run viewers`. A manager of a thousand servers (crates/server/examples/thousand.rs), and people who
// look at its topology: CPU of the manager, and bytes for each of them, without and with them.

import { readFileSync } from 'node:fs';
import { get } from 'node:http';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort, start, until } from './stage.mjs';

const top = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const built = resolve(top, process.env.CARGO_TARGET_DIR ?? 'target', process.env.BUILD ?? 'debug');
const [servers = '1000', viewers = '20', seconds = '20'] = process.argv.slice(2);
const wait = (ms) => new Promise((done) => setTimeout(done, ms));

/** Seconds of CPU that a process took so far. */
function cpu(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** One who looks: how many bytes came, and which topics. */
function viewer(url) {
  const own = { bytes: 0, events: {}, end: () => request.destroy() };
  const request = get(url, (answer) => {
    answer.setEncoding('utf8').on('data', (text) => {
      own.bytes += Buffer.byteLength(text);
      for (const [, topic] of text.matchAll(/^event: (\w+)/gm)) own.events[topic] = (own.events[topic] ?? 0) + 1;
    });
  });
  request.on('error', () => {});
  return own;
}

async function measured(pid, watching) {
  const [before, from] = [cpu(pid), watching.map((one) => one.bytes)];
  for (const one of watching) one.events = {};
  await wait(seconds * 1000);
  const bytes = watching.map((one, index) => (one.bytes - from[index]) / seconds);
  return { cpu: ((cpu(pid) - before) / seconds) * 100, bytes: bytes.reduce((sum, n) => sum + n, 0) / (bytes.length || 1) };
}

const port = await freePort();
const child = start(process.env.THOUSAND_BIN ?? join(built, 'examples/thousand'), [`127.0.0.1:${port}`, servers]);
const api = `http://127.0.0.1:${port}/api/v2`;
await until('the manager', async () => child.exitCode !== null || (await fetch(`${api}/session`)).ok);
await until('all servers', async () => {
  const [cluster] = await (await fetch(`${api}/clusters`)).json();
  return cluster?.instances.valid >= Number(servers);
}, 120_000);

const row = (name, { cpu, bytes }) => console.log(`| ${name} | ${cpu.toFixed(1)} % | ${bytes ? `${(bytes / 1000).toFixed(1)} kB` : ''} |`);
console.log(`${servers} servers, ${seconds} s each; CPU of one core\n\n| | CPU | a second for each viewer |\n|---|---:|---:|`);
row('nobody looks', await measured(child.pid, []));
for (const [name, query] of [['the clusters', ''], ['the topology', '?cluster=thousand']]) {
  const watching = Array.from({ length: Number(viewers) }, () => viewer(`${api}/events${query}`));
  await until('the first of it', () => watching.every((one) => one.bytes > 1000));
  await wait(2000);
  const first = watching[0].bytes;
  row(`${viewers} look at ${name}`, await measured(child.pid, watching));
  console.log(`<!-- at first ${(first / 1000).toFixed(0)} kB; events in ${seconds} s: ${JSON.stringify(watching[0].events)} -->`);
  for (const one of watching) one.end();
}
child.kill('SIGTERM');
