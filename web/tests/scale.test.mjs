// A thousand servers: how soon they are there, and whether the picture can be moved.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { browser, page, until } from './stage.mjs';
import { card, instance, large, stand } from './stand.mjs';

const address = (one) => `${one.host}:${one.port}`;

function topics(members) {
  return {
    clusters: [[members[0].cluster, card(members)]],
    findings: [],
    recoveries: [],
    settings: [['recoveries_enabled', true]],
    shown: [['cluster', members[0].cluster]],
    instances: members.map((one) => [address(one), one]),
  };
}

/** Frames while the wheel turns, in milliseconds each. */
async function framesWhileZooming(open) {
  await open.evaluate(() => {
    globalThis.frames_ms = [];
    let last = performance.now();
    const next = (now) => {
      globalThis.frames_ms.push(now - last);
      last = now;
      requestAnimationFrame(next);
    };
    requestAnimationFrame(next);
  });
  await open.mouse.move(700, 450);
  for (let turn = 0; turn < 60; turn++) await open.mouse.wheel(0, turn < 30 ? 60 : -60);
  await until('frames', () => open.evaluate(() => globalThis.frames_ms.length > 40));
  const frames = (await open.evaluate(() => globalThis.frames_ms)).slice(2).sort((one, two) => one - two);
  return frames[Math.floor(frames.length / 2)];
}

test('a thousand servers show in two seconds, move fluently, and change while one looks', async (t) => {
  const members = large(1000);
  const served = await stand(topics(members));
  const chrome = await browser();
  try {
    const open = await page(chrome);
    const begun = Date.now();
    await open.goto(`${served.url}/web/cluster/large?compact=false`);
    await open.locator('[data-key]').nth(5).waitFor();
    const shown = Date.now() - begun;
    const near = await framesWhileZooming(open);
    await open.getByRole('button', { name: 'Show all of it' }).click();
    const far = await framesWhileZooming(open);
    t.diagnostic(`1,000 servers: shown after ${shown} ms; median frame while zooming ${near.toFixed(1)} ms, from afar ${far.toFixed(1)} ms`);
    assert.ok(shown < 4000, `shown after ${shown} ms`);
    assert.ok(near < 50 && far < 100, `median frames of ${near} and ${far} ms`);

    await open.goto(`${served.url}/web/cluster/large`);
    await open.getByText('replicas alike').first().waitFor();
    await open.getByRole('button', { name: 'Show all of it' }).click();
    const last = members[999];
    served.tell('instances', { set: [[address(last), { ...last, state: 'unreachable', failure: 'connection refused', problems: ['unreachable'] }]] });
    await open.locator(`[data-key="${address(last)}"]`).filter({ hasText: 'unreachable' }).waitFor({ state: 'attached' });

    await open.goto(`${served.url}/web/cluster/large?view=list`);
    await open.getByRole('treeitem').first().waitFor();
    assert.ok((await open.getByRole('treeitem').count()) < 100, 'rows out of sight are not there');
    assert.deepEqual(open.faults, []);
  } finally {
    await chrome.close();
    served.end();
  }
});

test('co-primaries, a ring and servers without a known source have their place', async () => {
  const to = (number) => ({ Hostname: `db${number}.example.com`, Port: 3306 });
  const members = [
    instance(0, { role: 'co-primary', writes: 'writable', source: to(1) }),
    instance(1, { role: 'co-primary', source: to(0), depth: 1 }),
    instance(2, { source: to(1), depth: 2 }),
    instance(3, { source: to(77), depth: 0 }),
    instance(4, { state: 'unseen', version: '', role: 'primary', receiver: '', applier: '', writes: '', problems: ['unreachable'], data_center: '' }),
  ];
  const served = await stand(topics(members));
  const chrome = await browser();
  try {
    const open = await page(chrome);
    await open.goto(`${served.url}/web/cluster/large`);
    for (const one of members) await open.locator(`[data-key="${address(one)}"]`).waitFor();
    assert.deepEqual(open.faults, []);
  } finally {
    await chrome.close();
    served.end();
  }
});
