// What people do with the pages, told in the order in which it happens: one fleet, one browser.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { browser, fleet, freePort, manager, page, until } from './stage.mjs';

/** An alias as somebody may set it who means harm, or has a sense of humour. */
const ODD = `<img src=x onerror="document.title='owned'"><script>alert(1)</script> "'&amp; 🦭 ${'long '.repeat(30)}`.slice(0, 200);

/** The cluster is called that. */
const settings = () => ({ DetectClusterAliasQuery: `SELECT '${ODD.replaceAll("'", "''")}'` });

let servers, managed, chrome, open;

before(async () => {
  [servers, chrome] = await Promise.all([fleet(3), browser()]);
  managed = await manager({ ...servers, settings: settings() });
  open = await page(chrome);
});

after(async () => {
  await chrome?.close();
  await managed?.end();
  await servers?.end();
});

const faultless = () => assert.deepEqual(open.faults, []);
const primary = () => servers.servers[0];
const byName = (name) => servers.servers.find((server) => server.name === name);

/** Where a table shows a server, wherever that is in the room. */
const box = (name) => open.locator(`[data-key="${name}"]`);

async function confirm(verb, fields = {}) {
  const dialog = open.getByRole('dialog').filter({ hasText: 'What this does' });
  for (const [label, value] of Object.entries(fields)) await dialog.getByLabel(label).fill(value);
  const button = dialog.getByRole('button', { name: verb, exact: true });
  // What it does is asked of the service.
  await until(`the button ${verb}`, () => button.isEnabled());
  const said = await dialog.textContent();
  await button.click();
  await dialog.waitFor({ state: 'hidden' });
  return said;
}

describe('the pages', () => {
  test('an empty farm leads to discovery, and a server that is not there is told', async () => {
    await open.goto(`${managed.url}/`);
    assert.equal(new URL(open.url()).pathname, '/web/clusters');
    await open.getByText('No cluster is known yet').waitFor();
    await open.getByRole('main').getByRole('link', { name: 'discover' }).click();
    await open.getByLabel('Host name or address').fill('127.77.250.250');
    await open.getByLabel('Port').fill('1');
    await open.getByRole('button', { name: 'Discover' }).click();
    await open.getByRole('alert').filter({ hasText: 'does mysqld run there' }).waitFor();
    faultless();
  });

  test('one server leads to all of them, and the page sees them come', async () => {
    await open.getByLabel('Host name or address').fill(primary().name);
    await open.getByRole('button', { name: 'Discover' }).click();
    await open.getByText('of which 4 servers are known by now').waitFor();
    await open.getByRole('link', { name: 'Clusters', exact: true }).click();
    await open.getByText('1 cluster, 4 servers').waitFor();
    await open.locator('article').getByText(/loses nothing|may lose|only when somebody asks|would not/).waitFor();
    faultless();
  });

  test('the tree shows every server, and the keyboard walks it', async () => {
    await open.getByRole('link', { name: primary().name }).first().click();
    for (const server of servers.servers) await box(server.name).waitFor();
    await box(primary().name).focus();
    await open.keyboard.press('ArrowRight');
    await open.keyboard.press('ArrowDown');
    await open.keyboard.press('Enter');
    await open.getByRole('complementary').getByText('Position kept by').waitFor();
    await open.keyboard.press('Escape');
    await open.getByRole('complementary').waitFor({ state: 'hidden' });
    faultless();
  });

  test('the search finds servers by a part of their name, by keyboard alone', async () => {
    const replica = servers.servers[2];
    await open.keyboard.press('/');
    await open.getByLabel('Search everything').fill(replica.host);
    await open.getByRole('option').filter({ hasText: replica.name }).waitFor();
    await open.keyboard.press('Enter');
    await open.getByRole('complementary', { name: `Server ${replica.name}` }).waitFor();
    faultless();
  });

  test('texts of harm show as text, in downtime and in the audit', async () => {
    const drawer = open.getByRole('complementary');
    await drawer.getByRole('button', { name: 'Downtime…' }).click();
    const said = await confirm('Begin downtime', { Reason: ODD });
    assert.ok(said.includes(servers.servers[2].name), 'the dialog names the server');
    await drawer.locator('.notice').getByText(ODD.trim().slice(0, 60)).waitFor();
    await open.goto(`${managed.url}/web/audit`);
    await open.getByText(ODD.trim().slice(0, 60)).first().waitFor();
    assert.match(await open.title(), /orchestrator$/);
    assert.equal(await open.locator('main img, main script').count(), 0);
    const overflow = await open.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(overflow <= 0, `the page is ${overflow} px too wide`);
    await managed.api(`v2/instances/${servers.servers[2].host}/${servers.servers[2].port}/downtime`, 'DELETE');
    faultless();
  });

  test('replication stops when it is said to, the tree turns red, and starts again', async () => {
    const replica = servers.servers[3];
    await open.goto(`${managed.url}/web/cluster/instance/${replica.host}/${replica.port}?instance=${replica.name}`);
    const drawer = open.getByRole('complementary');
    await drawer.getByRole('button', { name: 'Stop replication…' }).click();
    const said = await confirm('Stop replication');
    assert.ok(said.includes('stop replica') && said.includes(replica.name), said);
    await box(replica.name).filter({ hasText: 'not replicating' }).waitFor();
    await drawer.getByRole('button', { name: 'Start replication…' }).click();
    await confirm('Start replication');
    await box(replica.name).filter({ hasText: 'in sync' }).waitFor();
    faultless();
  });

  test('a killed primary is replaced before the eyes of who watches, also after a reload', async () => {
    await open.goto(`${managed.url}/web/cluster/instance/${primary().host}/${primary().port}`);
    await box(primary().name).filter({ hasText: 'writable' }).waitFor();
    servers.kill(primary());
    // The strip that leads to the recovery is there while it runs, and after.
    await open.locator('a.strip').first().waitFor();
    await open.reload();
    const strip = open.locator('a.strip').filter({ hasText: `took over from ${primary().name}` });
    await strip.waitFor({ timeout: 30_000 });
    const successor = /(\S+) took over/.exec(await strip.textContent())[1];
    assert.ok(byName(successor), successor);
    await box(successor).filter({ hasText: 'writable' }).waitFor();
    await strip.click();
    await open.getByRole('heading', { name: 'Steps' }).waitFor();
    await open.getByText(/acknowledged transaction is lost|may be lost/i).first().waitFor();
    const steps = open.getByRole('list', { name: 'Steps' }).getByRole('listitem');
    assert.ok((await steps.count()) >= 4);
    assert.equal(await steps.getByRole('img', { name: 'failed' }).count(), 0);
    faultless();
  });

  test('a recovery is acknowledged with a comment, and every page knows', async () => {
    await open.getByRole('button', { name: 'Acknowledge…' }).click();
    await confirm('Acknowledge', { 'What did you find, or do?': 'the power supply, 🔌' });
    await open.getByText(/Acknowledged by .*the power supply, 🔌/).waitFor();
    await open.goto(`${managed.url}/web/audit-recovery`);
    await open.getByRole('row').filter({ hasText: 'the power supply' }).waitFor();
    await open.goto(`${managed.url}/web/audit-failure-detection`);
    await open.getByRole('row').filter({ hasText: primary().name }).first().waitFor();
    faultless();
  });

  test('a lost connection shows, and heals by itself', async () => {
    await open.goto(`${managed.url}/web/clusters`);
    await open.getByText('Live', { exact: true }).waitFor();
    await managed.kill();
    await open.getByRole('alert').filter({ hasText: 'No connection to the manager' }).waitFor();
    assert.ok(await open.locator('article').count(), 'what was known stays');
    managed = await manager({ ...servers, settings: settings(), folder: managed.folder, port: managed.port });
    await open.getByText('Live', { exact: true }).waitFor({ timeout: 30_000 });
    await open.getByRole('alert').waitFor({ state: 'hidden' });
    faultless();
  });

  test('old addresses lead to the page, and unknown ones say so', async () => {
    for (const [path, text] of [
      ['clusters-analysis', 'Automatic recoveries are enabled'],
      [`cluster/instance/${servers.servers[1].host}/${servers.servers[1].port}`, '3 servers'],
      [`cluster?hint=${encodeURIComponent(ODD.trim())}`, '3 servers'],
      [`cluster/${encodeURIComponent(ODD.replaceAll('/', ''))}`, 'There is no such cluster'],
      [`search?s=${servers.servers[1].host}`, /^\d servers?$/],
      ['audit-recovery/0', 'recovered'],
      ['status', 'Configuration in effect'],
      ['agents', 'There is no such page'],
    ]) {
      await open.goto(`${managed.url}/web/${path}`);
      await open.getByRole('main').getByText(text).first().waitFor();
    }
    faultless();
  });

  test('no text, colour or name makes a page wider than the screen', async () => {
    for (const [width, height] of [[390, 844], [1024, 768]]) {
      await open.setViewportSize({ width, height });
      for (const path of ['clusters', 'clusters-analysis', 'audit-recovery', 'audit', 'discover', 'status', `cluster/instance/${servers.servers[1].host}/${servers.servers[1].port}`, `cluster/${servers.servers[1].name}/takeover`, `recover/${servers.servers[1].name}`]) {
        await open.goto(`${managed.url}/web/${path}`);
        await open.getByText('Live', { exact: true }).waitFor();
        await until('all of it', () => open.evaluate(() => !document.querySelector('main .panel[role=status]')));
        const over = await open.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(over <= 0, `${path} is ${over} px too wide at ${width}`);
      }
    }
    faultless();
  });
});

test('who may only look sees no button that would fail, and the service refuses it anyway', async () => {
  const closed = await manager({ settings: { ReadOnly: true } });
  const reader = await page(chrome);
  try {
    await reader.goto(`${closed.url}/web/discover`);
    await reader.getByText('You may look, and not change anything').waitFor();
    assert.equal(await reader.getByRole('button', { name: 'Discover' }).count(), 0);
    await reader.goto(`${closed.url}/web/clusters-analysis`);
    await reader.getByText('Nothing is wrong').waitFor();
    assert.equal(await reader.getByRole('button', { name: 'Disable…' }).count(), 0);
    const refused = await fetch(`${closed.url}/api/v2/automatic-recovery`, {
      method: 'PUT', headers: { 'content-type': 'application/json' }, body: '{"on":false}',
    });
    assert.equal(refused.status, 403);
    assert.deepEqual(reader.faults, []);
  } finally {
    await closed.end();
  }
});

test('the document lets nothing in but our own files', async () => {
  const answer = await fetch(`${managed.url}/web/cluster/alias/x`);
  const policy = answer.headers.get('content-security-policy');
  assert.match(policy, /default-src 'none'/);
  assert.doesNotMatch(policy, /unsafe/);
  assert.match(await answer.text(), /src="\.\.\/\.\.\/assets\/app\.js"/);
});

test('leadership among three managers moves by a button, and the page of another node sees it', async () => {
  const nodes = await Promise.all([1, 2, 3].map(async () => `127.0.0.1:${await freePort()}`));
  const settings = (node) => ({ RaftEnabled: true, RaftBind: node, RaftAdvertise: node, RaftNodes: nodes });
  const managers = await Promise.all(nodes.map((node) => manager({ settings: settings(node) })));
  const reader = await page(chrome);
  try {
    const leader = await until('a leader', async () => {
      const seen = await managers[0].api('v2/nodes');
      return seen.leader && seen.members.length === 3 && seen.members.every((member) => member.healthy) && seen.leader.address;
    });
    const other = nodes.find((node) => node !== leader);
    await reader.goto(`${managers[2].url}/web/status`);
    const rows = reader.getByRole('row');
    await rows.filter({ hasText: 'leads' }).waitFor();
    // Nodes on one host have one name: their addresses tell them apart.
    const index = (await managers[2].api('v2/nodes')).members.findIndex((member) => member.address === other);
    await rows.nth(index + 1).getByRole('button', { name: 'Let it lead…' }).click();
    const dialog = reader.getByRole('dialog').filter({ hasText: 'What this does' });
    assert.ok((await dialog.textContent()).includes(other));
    await dialog.getByRole('button', { name: 'Let it lead', exact: true }).click();
    await dialog.waitFor({ state: 'hidden' });
    await rows.nth(index + 1).filter({ hasText: 'leads' }).waitFor();
    assert.deepEqual(reader.faults, []);
  } finally {
    await Promise.all(managers.map((one) => one.end()));
  }
});
