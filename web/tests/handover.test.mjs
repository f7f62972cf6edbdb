// Another server becomes the primary because somebody wants it so, and what was replaced comes back: one fleet, one browser.

import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { browser, fleet, manager, page, sql, startAgain, until } from './stage.mjs';

let servers, managed, chrome, open;
/** Who is the primary now. */
let head;

/** While it is there, the operator's program says no. */
const refusal = join(tmpdir(), `no-switch-${process.pid}`);
const settings = {
  DetectClusterAliasQuery: "select 'shop'",
  PreGracefulTakeoverProcesses: [`if [ -e ${refusal} ]; then echo not during the sale; exit 1; fi`],
};
const byName = (name) => servers.servers.find((server) => server.name === name);
const path = (server) => `v2/instances/${server.host}/${server.port}`;
const row = async (server) => (await managed.api(path(server))).row;

before(async () => {
  [servers, chrome] = await Promise.all([fleet(3), browser()]);
  managed = await manager({ ...servers, settings });
  [head] = servers.servers;
  await managed.api('v2/instances', 'POST', { host: head.host, port: head.port });
  await until('all servers', async () => (await managed.api('cluster/shop')).length === 4);
  // What a rebuild needs: our account may neither load the plugin nor use it.
  const clone = "install plugin clone soname 'mysql_clone.so'";
  await Promise.all(servers.servers.map((one) => sql(one, one === head ? clone : `set global super_read_only=0; ${clone}; set global super_read_only=1`)));
  await sql(head, "grant clone_admin, backup_admin on *.* to 'orchestrator'@'%'");
  await sql(head, 'create table app.orders (id int auto_increment primary key, what varchar(200))');
  open = await page(chrome);
});

after(async () => {
  await chrome?.close();
  await managed?.end();
  await servers?.end();
  rmSync(refusal, { force: true });
});

const faultless = () => assert.deepEqual(open.faults, []);
const candidate = (name) => open.getByRole('radiogroup', { name: 'Who takes over' }).getByText(name, { exact: true });
const outcome = () => open.getByRole('region', { name: 'Outcome' });

/** Says yes to the question, and returns what was asked. */
async function confirm(verb) {
  const dialog = open.getByRole('dialog').filter({ hasText: 'What this does' });
  const button = dialog.getByRole('button', { name: verb, exact: true });
  await until(`the button ${verb}`, () => button.isEnabled());
  const said = await dialog.textContent();
  await button.click();
  await dialog.waitFor({ state: 'hidden' });
  return said;
}

/** Writes to the primary as an application does that asks where it is, until it is told to stop. Returns the gaps in ms. */
function writer() {
  let stop = false;
  const gaps = [];
  const work = (async () => {
    let last = Date.now();
    while (!stop) {
      try {
        await sql(head, "insert into app.orders (what) values ('one')");
        gaps.push(Date.now() - last);
        last = Date.now();
      } catch {
        for (const server of servers.servers) {
          const writable = await sql(server, 'select not @@global.read_only').catch(() => '0');
          if (writable === '1') head = server;
        }
      }
    }
  })();
  return async () => {
    stop = true;
    await work;
    return gaps;
  };
}

describe('a switch over', () => {
  test('is refused with the reason, and planned as soon as that is gone', async () => {
    await managed.api(`${path(head)}/maintenance`, 'PUT', { reason: 'new memory', duration: '1h' });
    await open.goto(`${managed.url}/web/cluster/shop`);
    await open.getByRole('link', { name: 'Switch over…' }).click();
    await open.getByText(/Not possible now/).waitFor();
    await open.getByText(/is in maintenance by/).waitFor();
    assert.equal(await open.getByRole('button', { name: 'Switch over…' }).count(), 0);
    await managed.api(`${path(head)}/maintenance`, 'DELETE');
    await open.getByRole('list', { name: 'Plan' }).waitFor();
    faultless();
  });

  test('shows every candidate with the reason, and plans anew with another one', async () => {
    const [, , late, other] = servers.servers;
    await managed.api(`${path(late)}/promotion-rule`, 'PUT', { rule: 'must_not' });
    await open.getByRole('button', { name: 'Look again' }).click();
    await open.getByText('promotion rule must_not').waitFor();
    assert.ok(await open.getByRole('radio', { name: new RegExp(late.name) }).isDisabled());
    await open.getByText(/1 hook of PreGracefulTakeoverProcesses may refuse it/).waitFor();
    await candidate(other.name).click();
    await open.getByRole('list', { name: 'Plan' }).getByText(`promote ${other.name}`).waitFor();
    assert.match(open.url(), /candidate=/);
    faultless();
  });

  test('that a hook refuses is not done, and the page says why', async () => {
    writeFileSync(refusal, '');
    await open.getByRole('button', { name: 'Switch over…' }).click();
    await confirm('Switch over');
    await outcome().getByText(`Not done: ${head.name} is the primary as before`).waitFor();
    await outcome().getByText('not during the sale').waitFor();
    await outcome().getByText('No write waited for it').waitFor();
    rmSync(refusal);
    await outcome().getByRole('link', { name: 'Plan another' }).click();
    faultless();
  });

  test('asks once, runs before the eyes, and writes go on', async () => {
    const old = head;
    const other = servers.servers[3];
    await candidate(other.name).click();
    await open.getByRole('list', { name: 'Plan' }).getByText(`promote ${other.name}`).waitFor();
    const stop = writer();
    await open.getByRole('button', { name: 'Switch over…' }).click();
    const said = await confirm('Switch over');
    assert.ok(said.includes(old.name) && said.includes(other.name), said);
    await outcome().getByText(`${other.name} took over from ${old.name}`).waitFor({ timeout: 30_000 });
    const waited = Number(/Writes waited for (\d+) ms/.exec(await outcome().textContent())?.[1]);
    assert.ok(waited > 0 && waited < 5000, `${waited} ms`);
    const steps = open.getByRole('list', { name: 'Steps' }).getByRole('listitem');
    assert.ok((await steps.count()) >= 8);
    assert.equal(await steps.getByRole('img', { name: 'failed' }).count(), 0);
    await until('writes to go on', async () => head === other);
    const rows = Number(await sql(other, 'select count(*) from app.orders'));
    await until('more rows', async () => Number(await sql(other, 'select count(*) from app.orders')) > rows);
    await stop();
    await until('the old primary to replicate', async () => (await row(old)).applier === 'running');
    await open.reload();
    await outcome().getByText('took over').waitFor();
    await open.goto(`${managed.url}/web/clusters`);
    await open.locator('article').filter({ hasText: other.name }).getByText('writable').waitFor();
    faultless();
  });
});

test('the drawer says by which statements replication is restarted', async () => {
  const [replica] = servers.servers;
  await open.goto(`${managed.url}/web/cluster/shop?instance=${replica.name}`);
  await open.getByRole('button', { name: 'Restart replication…' }).click();
  const said = await confirm('Restart replication');
  assert.match(said, /stop replica[^;]*;\s*start replica/);
  await until('it to replicate', async () => (await row(replica)).receiver === 'running');
  faultless();
});

describe('a primary that failed', () => {
  test('is replaced by the candidate that somebody chooses', async () => {
    await managed.api('v2/automatic-recovery', 'PUT', { on: false });
    servers.kill(head);
    await open.goto(`${managed.url}/web/clusters-analysis`);
    await open.getByRole('link', { name: 'Recover now…' }).click();
    await open.getByText('Would lose no acknowledged transaction').waitFor();
    const chosen = servers.servers[1];
    await candidate(chosen.name).click();
    await open.getByRole('list', { name: 'Plan' }).getByText(`promote ${chosen.name}`).waitFor();
    await open.getByRole('button', { name: 'Recover…' }).click();
    const said = await confirm('Recover');
    assert.ok(said.includes(head.name) && said.includes(chosen.name), said);
    await outcome().getByText(`${chosen.name} took over from ${head.name}`).waitFor({ timeout: 30_000 });
    faultless();
  });

  test('comes back with transactions of its own: they are shown, and it is rebuilt', async () => {
    const old = head;
    head = servers.servers[1];
    await managed.kill();
    await startAgain(old);
    await sql(old, "set global super_read_only=0; set global read_only=0; insert into app.orders (what) values ('<b>only here</b> 🦭')");
    managed = await manager({ ...servers, settings, folder: managed.folder, port: managed.port });
    await open.goto(`${managed.url}/web/clusters-analysis`);
    const card = open.getByRole('article', { name: `Replaced primary ${old.name}` });
    await card.getByText(`Came back with transactions that ${head.name} has not`).waitFor({ timeout: 30_000 });
    await card.getByText('app.orders: 1 insert').waitFor();
    await card.getByText('What they changed').click();
    await card.getByText('<b>only here</b> 🦭').waitFor();
    await open.goto(`${managed.url}/web/cluster/shop?instance=${old.name}`);
    const drawer = open.getByRole('complementary');
    await drawer.getByText(/read-only/).first().waitFor();
    await drawer.getByRole('button', { name: 'Rebuild as a copy…' }).click();
    const said = await confirm('Rebuild as a copy');
    assert.ok(said.includes(`Replace all data of ${old.name}`), said);
    // Nobody supervises it: the clone plugin ends it when it has the data.
    await old.again.ended;
    await startAgain(old);
    await until('it to replicate', async () => (await row(old)).receiver === 'running', 60_000);
    await open.goto(`${managed.url}/web/clusters-analysis`);
    await open.getByRole('button', { name: 'Acknowledge…' }).last().click();
    const dialog = open.getByRole('dialog').filter({ hasText: 'What this does' });
    await dialog.getByLabel('What did you do about it?').fill('entered again by hand');
    await confirm('Acknowledge');
    await open.getByText('What they changed').waitFor({ state: 'hidden' });
    faultless();
  });
});
