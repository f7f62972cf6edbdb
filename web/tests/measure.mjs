// What the pages cost a browser, by its own tracing: `npm run measure`. First contentful paint of the clusters and of a topology of a
// thousand servers, and the frames while that is zoomed and panned. Prints the table of docs/benchmarks.md.

import { many } from './scenery.mjs';
import { browser, page, until } from './stage.mjs';
import { card, instance, stand } from './stand.mjs';

const RUNS = 5;
const SERVERS = 1000;

const middle = (list) => [...list].sort((one, two) => one - two)[Math.floor(list.length / 2)];
const percentile = (list, percent) => [...list].sort((one, two) => one - two)[Math.ceil((list.length * percent) / 100) - 1];

/** Two hundred clusters: more than most farms have. */
function clusters() {
  const scene = many(SERVERS);
  scene.topics.clusters = Array.from({ length: 200 }, (_, number) => {
    const name = `db${number}.example.com:3306`;
    return [name, { ...card(scene.members), name, alias: `cluster${number}`, primary: instance(number, { cluster: name, role: 'primary', writes: 'writable' }) }];
  });
  return scene;
}

/** Records what the browser itself tells while `act` happens. */
async function traced(session, act) {
  const events = [];
  const take = ({ value }) => events.push(...value);
  session.on('Tracing.dataCollected', take);
  const categories = ['loading', 'devtools.timeline', 'blink.user_timing', 'disabled-by-default-devtools.timeline.frame', 'disabled-by-default-devtools.timeline'];
  await session.send('Tracing.start', { transferMode: 'ReportEvents', traceConfig: { includedCategories: categories } });
  await act();
  const complete = new Promise((done) => session.once('Tracing.tracingComplete', done));
  await session.send('Tracing.end');
  await complete;
  session.off('Tracing.dataCollected', take);
  return events;
}

/** Milliseconds from the request to the first contentful paint, and to what `there` waits for. */
async function paint(chrome, url, there) {
  const open = await page(chrome);
  const session = await open.context().newCDPSession(open);
  let shown = 0;
  const events = await traced(session, async () => {
    const begun = Date.now();
    await open.goto(url);
    await there(open);
    shown = Date.now() - begun;
  });
  const start = Math.max(...events.filter((one) => one.name === 'navigationStart' && one.args.data?.documentLoaderURL?.startsWith('http')).map((one) => one.ts));
  const first = Math.min(...events.filter((one) => one.name === 'firstContentfulPaint').map((one) => one.ts));
  await open.context().close();
  return { first: (first - start) / 1000, shown };
}

/** Milliseconds between the frames that the browser drew while `act` happened. */
async function frames(session, act) {
  const events = await traced(session, act);
  const drawn = events.filter((one) => one.name === 'DrawFrame').map((one) => one.ts).sort((one, two) => one - two);
  return drawn.slice(1).map((at, index) => (at - drawn[index]) / 1000).filter((gap) => gap > 0.5);
}

/**
 * Sixty turns of the wheel, and a pull across the screen in sixty steps, one a frame; made within the page, so that no way to the
 * browser and back is part of a frame.
 */
const moved = (open) =>
  open.evaluate(async () => {
    const frame = document.querySelector('.frame');
    const next = () => new Promise((done) => requestAnimationFrame(done));
    const at = (x, y) => ({ clientX: x, clientY: y, view: window, bubbles: true, cancelable: true });
    for (let turn = 0; turn < 60; turn++) {
      frame.dispatchEvent(new WheelEvent('wheel', { ...at(700, 450), deltaY: turn < 30 ? 60 : -60 }));
      await next();
    }
    frame.dispatchEvent(new MouseEvent('mousedown', at(700, 450)));
    for (let step = 0; step < 60; step++) {
      const far = step < 30 ? step : 60 - step;
      window.dispatchEvent(new MouseEvent('mousemove', at(700 + far * 12, 450 + far * 6)));
      await next();
    }
    window.dispatchEvent(new MouseEvent('mouseup', at(700, 450)));
  });

const rows = [];
const say = (what, ...cells) => rows.push(`| ${what} | ${cells.map((cell) => (typeof cell === 'number' ? `${cell < 100 ? cell.toFixed(1) : Math.round(cell)} ms` : cell)).join(' | ')} |`);
const chrome = await browser();
const topology = many(SERVERS);
for (const [name, scene, path, there] of [
  ['clusters, 200 of them', clusters(), 'clusters', (open) => open.locator('article').nth(199).waitFor()],
  [`topology of ${SERVERS} servers`, topology, 'cluster/large?compact=false&view=tree', (open) => open.locator('[data-key]').nth(5).waitFor()],
]) {
  const served = await stand(scene.topics, scene.answers);
  const taken = [];
  for (let run = 0; run < RUNS; run++) taken.push(await paint(chrome, `${served.url}/web/${path}`, there));
  const [first, shown] = [taken.map((one) => one.first), taken.map((one) => one.shown)];
  say(`${name}: first contentful paint`, middle(first), Math.max(...first));
  say(`${name}: all of it there`, middle(shown), Math.max(...shown));
  served.end();
}

const served = await stand(topology.topics, topology.answers);
const open = await page(chrome);
const session = await open.context().newCDPSession(open);
await open.goto(`${served.url}/web/cluster/large?compact=false&view=tree`);
await open.locator('[data-key]').nth(5).waitFor();
for (const [name, before] of [
  ['near', async () => {}],
  ['from afar, all in sight', () => open.getByRole('button', { name: 'Show all of it' }).click()],
]) {
  await before();
  await until('a still picture', () => open.evaluate(() => new Promise((done) => requestIdleCallback(() => done(true), { timeout: 1000 }))));
  const gaps = await frames(session, () => moved(open));
  say(`${SERVERS} servers, zoomed and panned ${name}: frame, median and p95 of ${gaps.length}`, middle(gaps), percentile(gaps, 95));
}
served.end();
await chrome.close();
console.log(`Each page ${RUNS} times: median and worst. ${process.version}, ${new Date().toISOString().slice(0, 10)}.\n\n| what | median | worst, or p95 |\n|---|---:|---:|\n${rows.join('\n')}`);
