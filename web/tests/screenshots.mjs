// The pictures of docs/web.md, made anew from real servers: `npm run screenshots`.

import { mkdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { browser, fleet, manager, page, until } from './stage.mjs';

const folder = resolve(dirname(fileURLToPath(import.meta.url)), '../../docs/images');
mkdirSync(folder, { recursive: true });

const servers = await fleet(4);
const managed = await manager({
  ...servers,
  settings: {
    DetectClusterAliasQuery: "select 'shop'",
    DetectDataCenterQuery: "select if(@@server_id % 2, 'ams', 'fra')",
  },
});
const chrome = await browser();
const [primary, , late] = servers.servers;
const path = (server) => `v2/instances/${server.host}/${server.port}`;
await managed.api('v2/instances', 'POST', { host: primary.host, port: primary.port });
const members = async () => (await managed.api('cluster/shop')).length;
await until('all servers', async () => (await members()) === 5);

async function shoot(name, where, options = {}, before = async () => {}) {
  const { width = 1200, height = 640, scheme = 'light' } = options;
  const open = await page(chrome, { viewport: { width, height }, colorScheme: scheme });
  await open.goto(`${managed.url}/web/${where}`);
  await open.getByText('Live', { exact: true }).waitFor();
  await before(open);
  // What is asked for beside the stream is there when nothing is asked for any more.
  await open.waitForFunction(() => !document.querySelector('main [role=status]'));
  await open.waitForTimeout(400);
  await open.screenshot({ path: join(folder, `${name}.png`) });
  await open.context().close();
}

const seen = (text) => (open) => open.getByText(text).first().waitFor();

await managed.api(`${path(late)}/downtime`, 'PUT', { reason: 'new disk, ticket 4711', duration: '2h' });
await shoot('clusters', 'clusters', { height: 360 }, seen('shop'));
await shoot('topology', `cluster/shop?instance=${servers.servers[1].name}`, {}, seen('Position kept by'));
await shoot('topology-dark', 'cluster/shop', { scheme: 'dark', height: 520 }, seen('in sync'));
await managed.api('v2/automatic-recovery', 'PUT', { on: false });
servers.kill(primary);
await shoot('failures', 'clusters-analysis', { height: 520 }, seen('Nothing is done'));
await shoot('phone', 'cluster/shop', { width: 390, height: 844 }, seen('unreachable'));
const { successor } = await managed.api(`${path(primary)}/recover`, 'POST', {});
if (!successor) throw new Error(`nobody was promoted: ${managed.log()}`);
const { rows } = await managed.api('v2/recoveries');
await shoot('recovery', `audit-recovery/uid/${rows[0].uid}`, { height: 900 }, seen('Steps'));
await shoot('recovery-dark', `audit-recovery/uid/${rows[0].uid}`, { height: 900, scheme: 'dark' }, seen('Steps'));

await chrome.close();
await managed.end();
await servers.end();
