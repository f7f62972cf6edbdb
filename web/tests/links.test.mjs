// Links of the interface that this one replaces: each leads to the page that has what was asked for.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { farm } from './scenery.mjs';
import { browser, page } from './stage.mjs';
import { stand } from './stand.mjs';

const scene = farm();
const [, known] = scene.recoveries;
/** What is on the screen then, and, for lists, what was asked of the service. */
const heading = (name) => ({ role: 'heading', name });
const shop = { ...heading('shop'), watched: true };
const LINKS = [
  ['', heading('Clusters')],
  ['clusters', heading('Clusters')],
  ['clusters-analysis', heading('Failures')],
  ['cluster/shop', { ...shop, asks: 'events?cluster=shop' }],
  ['cluster/shop-db0.ams.example.com:3306', { ...shop, asks: 'events?cluster=shop-db0.ams.example.com%3A3306' }],
  ['cluster/shop?compact=true', { ...shop, asks: 'events?cluster=shop' }],
  ['cluster/shop?orchestrator-msg=done&hostname=x&port=1&hint=refresh', { ...shop, asks: 'events?cluster=shop' }],
  ['cluster?hint=shop', { ...shop, asks: 'events?cluster=shop' }],
  ['cluster/alias/shop', { ...shop, asks: 'events?cluster=shop' }],
  ['cluster/instance/shop-db3.ams.example.com/3306', { ...shop, asks: 'events?cluster=shop-db3.ams.example.com%3A3306' }],
  ['cluster-pools/shop', { ...shop, asks: 'events?cluster=shop' }],
  ['search?s=db', { ...heading('Search: db'), asks: 'search?q=db' }],
  ['search/db', { ...heading('Search: db'), asks: 'search?q=db' }],
  ['discover', heading('Discover')],
  ['audit', { ...heading('Audit'), asks: 'audit?' }],
  ['audit/2', { ...heading('Audit'), asks: 'audit?page=2' }],
  ['audit/instance/db1/3306', { ...heading('Audit'), asks: 'audit?instance=db1%3A3306' }],
  ['audit/instance/db1/3306/1', { ...heading('Audit'), asks: 'audit?instance=db1%3A3306&page=1' }],
  ['audit-recovery', { ...heading('Recoveries'), asks: 'recoveries?' }],
  ['audit-recovery/3', { ...heading('Recoveries'), asks: 'recoveries?page=3' }],
  [`audit-recovery/id/${known.id}`, { ...heading('Steps'), asks: `recoveries?id=${known.id}`, leads: `audit-recovery/uid/${encodeURIComponent(known.uid)}` }],
  [`audit-recovery/uid/${known.uid}`, { ...heading('Steps'), asks: `recoveries/${encodeURIComponent(known.uid)}` }],
  [`audit-recovery-steps/${known.uid}`, { ...heading('Steps'), asks: `recoveries/${encodeURIComponent(known.uid)}` }],
  ['audit-recovery/cluster/db1:3306', { ...heading('Recoveries'), asks: 'recoveries?cluster=db1%3A3306' }],
  ['audit-recovery/cluster/db1:3306/2', { ...heading('Recoveries'), asks: 'recoveries?cluster=db1%3A3306&page=2' }],
  ['audit-recovery/alias/shop', { ...heading('Recoveries'), asks: 'recoveries?alias=shop' }],
  ['audit-recovery/alias/shop/1', { ...heading('Recoveries'), asks: 'recoveries?alias=shop&page=1' }],
  ['audit-failure-detection', { ...heading('Detections'), asks: 'detections?' }],
  ['audit-failure-detection/1', { ...heading('Detections'), asks: 'detections?page=1' }],
  ['audit-failure-detection/id/7', { ...heading('Detections'), asks: 'detections?id=7' }],
  ['audit-failure-detection/alias/shop', { ...heading('Detections'), asks: 'detections?alias=shop' }],
  ['audit-failure-detection/alias/shop/2', { ...heading('Detections'), asks: 'detections?alias=shop&page=2' }],
  ['status', heading('Status')],
  ['home', heading('Status')],
  ['about', heading('Status')],
  ['faq', heading('Status')],
  ['keep-calm', heading('Status')],
  ['agents', heading('There is no such page')],
  ['agent/db1', heading('There is no such page')],
  ['seeds', heading('There is no such page')],
  ['seed-details/1', heading('There is no such page')],
];

describe('links of before', () => {
  let chrome, served, open;
  before(async () => {
    chrome = await browser();
    const recoveries = (known) => () => ({ rows: known, page: 0, more: false });
    served = await stand(scene.topics, [[/^recoveries$/, recoveries([known])], ...scene.answers]);
    open = await page(chrome);
  });
  after(async () => {
    await chrome?.close();
    served?.end();
  });

  for (const [path, { role, name, asks, leads }] of LINKS) {
    test(`/web/${path}`, async () => {
      served.asked.length = 0;
      await open.goto(`${served.url}/web/${path}`);
      await open.getByRole(role, { name, exact: true }).first().waitFor();
      if (asks) assert.ok(served.asked.some((asked) => asked === asks || (asks.endsWith('?') && asked === asks)), `${asks} is not among ${served.asked.join(', ')}`);
      if (leads) await open.waitForURL(`${served.url}/web/${leads}`);
      // Every page has one place in the bar, or none where there is no such page.
      const places = await open.locator('header nav [aria-current=page]').count();
      assert.equal(places, /^(agent|seed|search)/.test(path) ? 0 : 1);
      assert.deepEqual(open.faults, []);
    });
  }
});
