// What every page must keep to, on farms that are made up: contrast, accessibility, texts that mean harm, and what is remembered.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, describe, test } from 'node:test';
import { HOSTILE, farm, nothing, pages } from './scenery.mjs';
import { browser, page } from './stage.mjs';
import { stand } from './stand.mjs';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const tokens = readFileSync(new URL('../src/design/tokens.css', import.meta.url), 'utf8');

let chrome;
before(async () => (chrome = await browser()));
after(() => chrome?.close());

/** Opens a page of `scene` and waits until all is there. */
async function opened(served, path, options) {
  const open = await page(chrome, options);
  await open.goto(`${served.url}/web/${path}`);
  await open.getByText('Live', { exact: true }).waitFor();
  await open.waitForFunction(() => !document.querySelector('main [role=status]'));
  return open;
}

describe('colours', () => {
  const pairs = Object.fromEntries([...tokens.matchAll(/--([\w-]+): light-dark\((#\w+), (#\w+)\)/g)].map(([, name, ...both]) => [name, both]));
  const light = (colour) => {
    const [r, g, b] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16) / 255).map((part) => (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (one, two) => {
    const [dark, bright] = [light(one), light(two)].sort((a, b) => a - b);
    return (bright + 0.05) / (dark + 0.05);
  };
  const grounds = ['ground', 'surface', 'raised'];
  const texts = [
    ...['text', 'muted', 'accent', 'bad', 'warn', 'good', 'quiet'].flatMap((name) => grounds.map((ground) => [name, ground])),
    ...['bad', 'warn', 'good', 'quiet', 'accent'].map((name) => [name, `${name}-soft`]),
    ...['bad-soft', 'warn-soft', 'quiet-soft', 'good-soft', 'accent-soft', 'sunken'].map((ground) => ['text', ground]),
    ...['bad-soft', 'warn-soft', 'quiet-soft', 'accent-soft'].map((ground) => ['muted', ground]),
    ['on-accent', 'accent'], ['on-accent', 'bad'],
  ];
  // Edges of what can be pressed or filled in, and signs without which something is not understood.
  const signs = [...grounds.map((ground) => ['line-strong', ground]), ...Array.from({ length: 8 }, (_, index) => [`place-${index}`, 'surface'])];

  for (const [theme, side] of [['light', 0], ['dark', 1]]) {
    test(`${theme}: what is read has a contrast of 4.5, what is a sign one of 3`, () => {
      for (const [list, least] of [[texts, 4.5], [signs, 3]]) {
        for (const [name, ground] of list) {
          const found = contrast(pairs[name][side], pairs[ground][side]);
          assert.ok(found >= least, `${name} on ${ground}: ${found.toFixed(2)}`);
        }
      }
    });
  }
});

describe('every page', () => {
  const scenes = { full: farm(), empty: nothing() };
  for (const [name, path] of Object.entries(pages(scenes.full))) {
    test(`${name}: axe finds nothing wrong`, async () => {
      for (const [scene, { topics, answers }] of Object.entries(scenes)) {
        const served = await stand(topics, answers);
        for (const [colorScheme, width] of [['light', 1440], ['dark', 390]]) {
          const open = await opened(served, path, { colorScheme, viewport: { width, height: 844 } });
          // The policy forbids scripts of others within the page, so that it is put in from outside.
          await open.evaluate(axe);
          const { violations } = await open.evaluate(() => globalThis.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice'] }));
          const told = violations.map((one) => `${one.id}: ${one.help}: ${one.nodes.slice(0, 3).map((node) => node.html.slice(0, 200)).join(' | ')}`);
          assert.deepEqual(told, [], `${scene}, ${colorScheme}, ${width} px`);
          assert.deepEqual(open.faults, []);
          await open.context().close();
        }
        served.end();
      }
    });
  }
});

describe('texts that mean harm', () => {
  const scene = farm(true);
  for (const [name, path] of Object.entries(pages(scene))) {
    test(`${name}: they show as text, and make nothing wider than the screen`, async () => {
      const served = await stand(scene.topics, scene.answers);
      for (const width of [390, 1024, 1440]) {
        const open = await opened(served, path, { viewport: { width, height: 844 } });
        const over = await open.evaluate(() => {
          const wide = [...document.querySelectorAll('main *')].filter((one) => !one.closest('.frame, .scroll') && one.getBoundingClientRect().right > innerWidth + 1);
          return { page: document.documentElement.scrollWidth - innerWidth, wide: wide.slice(0, 3).map((one) => one.outerHTML.slice(0, 160)) };
        });
        assert.deepEqual([over.page <= 0, over.wide], [true, []], `${width} px: ${JSON.stringify(over)}`);
        assert.equal(await open.locator('main img, main script, main iframe').count(), 0);
        assert.doesNotMatch(await open.title(), /^owned/);
        assert.deepEqual(open.faults, []);
        await open.context().close();
      }
      served.end();
    });
  }

  test('what is asked before something is changed shows them whole, and stays on the screen', async () => {
    const served = await stand(scene.topics, scene.answers);
    for (const width of [390, 1440]) {
      const open = await opened(served, 'clusters-analysis', { viewport: { width, height: 844 } });
      await open.getByRole('button', { name: 'Acknowledge…' }).first().click();
      const dialog = open.getByRole('dialog').filter({ hasText: 'What this does' });
      const place = await dialog.boundingBox();
      assert.ok(place.x >= 0 && place.x + place.width <= width && place.y >= 0 && place.y + place.height <= 844, JSON.stringify(place));
      const search = await opened(served, 'clusters', { viewport: { width, height: 844 } });
      await search.keyboard.press('/');
      await search.getByLabel('Search everything').fill('img');
      await search.getByRole('option').filter({ hasText: HOSTILE.slice(0, 40) }).first().waitFor();
      assert.ok((await search.evaluate(() => document.documentElement.scrollWidth - innerWidth)) <= 0);
      assert.deepEqual([...open.faults, ...search.faults], []);
    }
    served.end();
  });
});

test('the colours are those of the system until somebody chooses, and then theirs, also after a reload', async () => {
  const served = await stand(nothing().topics);
  const open = await opened(served, 'clusters', { colorScheme: 'dark' });
  const ground = () => open.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const dark = await ground();
  await open.getByRole('button', { name: 'Colours: as the system has them' }).click();
  const light = await ground();
  assert.notEqual(light, dark);
  await open.reload();
  await open.getByRole('button', { name: 'Colours: light' }).waitFor();
  assert.equal(await ground(), light);
  await open.getByRole('button', { name: 'Colours: light' }).click();
  assert.equal(await ground(), dark);
  await open.getByRole('button', { name: 'Colours: dark' }).click();
  await open.emulateMedia({ colorScheme: 'light' });
  assert.equal(await ground(), light);
  assert.deepEqual(open.faults, []);
  served.end();
});

test('a chart tells its values in words, by pointing and by keyboard', async () => {
  const scene = farm();
  const served = await stand(scene.topics, scene.answers);
  const open = await opened(served, 'status');
  const chart = open.getByRole('figure').filter({ hasText: 'Failed probes' });
  await chart.getByText(/^\d+ of 18,000$/).waitFor();
  const slider = chart.getByRole('slider', { name: 'Failed probes, moment' });
  await slider.focus();
  await open.keyboard.press('Home');
  assert.match(await slider.getAttribute('aria-valuetext'), /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d: failed 1$/);
  await open.keyboard.press('ArrowRight');
  assert.match(await slider.getAttribute('aria-valuetext'), /failed 0$/);
  await slider.hover({ position: { x: 1, y: 30 } });
  await chart.getByText('failed 1').waitFor();
  const latency = open.getByRole('slider', { name: 'Latency, moment' });
  assert.match(await latency.getAttribute('aria-valuetext'), /95 % [\d.]+ ms, median [\d.]+ ms$/);
  assert.deepEqual(open.faults, []);
  served.end();
});
