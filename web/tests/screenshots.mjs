// The pictures of docs/web.md, made anew from real servers: `npm run screenshots`.

import { mkdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { browser, fleet, manager, page, sql, startAgain, until } from './stage.mjs';

const folder = resolve(dirname(fileURLToPath(import.meta.url)), '../../docs/images');
mkdirSync(folder, { recursive: true });

const servers = await fleet(4);
const settings = {
  DetectClusterAliasQuery: "select 'shop'",
  DetectDataCenterQuery: "select if(@@server_id % 2, 'ams', 'fra')",
};
let managed = await manager({ ...servers, settings });
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
await sql(primary, 'create table app.orders (number int primary key, what varchar(200))');
await shoot('takeover', 'cluster/shop/takeover', { height: 860 }, seen('What will be done'));
await managed.api('v2/automatic-recovery', 'PUT', { on: false });
servers.kill(primary);
await shoot('failures', 'clusters-analysis', { height: 520 }, seen('Nothing is done'));
await shoot('phone', 'cluster/shop', { width: 390, height: 844 }, seen('unreachable'));
const { successor } = await managed.api(`${path(primary)}/recover`, 'POST', {});
if (!successor) throw new Error(`nobody was promoted: ${managed.log()}`);
const { rows } = await managed.api('v2/recoveries');
await shoot('recovery', `audit-recovery/uid/${rows[0].uid}`, { height: 900 }, seen('Steps'));
await shoot('recovery-dark', `audit-recovery/uid/${rows[0].uid}`, { height: 900, scheme: 'dark' }, seen('Steps'));

// Nobody watches: it comes back as it died, and somebody writes to it.
await managed.kill();
await startAgain(primary);
await sql(primary, "set global super_read_only=0; set global read_only=0; insert into app.orders values (4711, 'three lamps')");
managed = await manager({ ...servers, settings, folder: managed.folder, port: managed.port });
await managed.api('v2/automatic-recovery', 'PUT', { on: true });
await shoot('returned', 'clusters-analysis', { height: 496 }, async (open) => {
  await open.getByText('What they changed').click();
  await open.getByText('three lamps').waitFor();
});

await chrome.close();
await managed.end();
await servers.end();
