// Every page in every state, width and theme, into a folder: `npm run states -- FOLDER [part of a name …]`. An index.html beside the
// pictures shows them together. The farm is made up (scenery.mjs), so that nothing but the built pages is needed.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { farm, nothing, pages } from './scenery.mjs';
import { browser, page } from './stage.mjs';
import { stand } from './stand.mjs';

const [folder, ...wanted] = process.argv.slice(2);
if (!folder) throw new Error('into which folder?');
const into = resolve(folder);
mkdirSync(into, { recursive: true });

const SIZES = [[1440, 900], [1024, 768], [390, 844]];
const THEMES = ['light', 'dark'];
const full = farm();
const STATES = {
  full: { scene: full },
  hostile: { scene: farm(true) },
  empty: { scene: nothing() },
  loading: { scene: nothing(), mood: 'silent' },
  error: { scene: nothing(), mood: 'ill' },
  lost: { scene: full },
};

/** Nothing moves any more: what was asked for is there, and the stream told all. */
async function settled(open, state) {
  if (state !== 'loading') await open.getByText('Live', { exact: true }).waitFor({ timeout: 5000 });
  const still = () => !document.querySelector('main [role=status]');
  if (!['loading', 'error'].includes(state)) await open.waitForFunction(still, null, { timeout: 3000 }).catch(() => {});
  await open.waitForTimeout(150);
}

const chrome = await browser();
const made = [];
for (const [state, { scene, mood }] of Object.entries(STATES)) {
  for (const theme of THEMES) {
    for (const [width, height] of SIZES) {
      const names = Object.entries(pages(state === 'hostile' ? scene : full)).map(([name, path]) => [`${name}-${state}-${width}-${theme}`, path]);
      const asked = names.filter(([name]) => !wanted.length || wanted.every((part) => name.includes(part)));
      if (!asked.length) continue;
      for (const [name, path] of asked) {
        const served = await stand(scene.topics, scene.answers, mood);
        const open = await page(chrome, { viewport: { width, height }, colorScheme: theme });
        await open.goto(`${served.url}/web/${path}`);
        await settled(open, state);
        if (state === 'lost') {
          served.fall();
          await open.getByRole('alert').filter({ hasText: 'No connection' }).waitFor();
        }
        await open.screenshot({ path: join(into, `${name}.png`), fullPage: true });
        if (open.faults.length) console.log(`${name}: ${open.faults.join('; ')}`);
        made.push(name);
        await open.context().close();
        served.end();
      }
    }
  }
}
await chrome.close();

const shown = made.map((name) => `<figure><a href="${name}.png"><img src="${name}.png" loading="lazy" alt=""></a><figcaption>${name}</figcaption></figure>`);
writeFileSync(join(into, 'index.html'), `<!doctype html><title>Pages</title><style>body{font:13px sans-serif;display:flex;flex-wrap:wrap;gap:12px;align-items:start}figure{margin:0}img{height:420px;border:1px solid #888}</style>${shown.join('\n')}`);
console.log(`${made.length} pictures in ${into}`);
