// Takes the pictures of docs/screenshots from a running server with two guests, Linux under load.
//   npm run build && node scripts/screenshots.mjs [FOLDER]

import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
process.chdir(root);
const built = (path) => import(pathToFileURL(join(root, process.env.PCANEL_DIST ?? 'dist', path)).href);
const { ensureImage, startDaemon } = await built('src/apps/testing.js');
const { launchChromium } = await built('tests/web/chromium.js');
const folder = process.argv[2] ?? 'docs/screenshots';
mkdirSync(folder, { recursive: true });

const browser = await launchChromium();
if (typeof browser === 'string') {
  console.error(`screenshots: ${browser}`);
  process.exit(1);
}
const rate = { perSecond: 1000, burst: 1000 };
const imagesFolder = mkdtempSync(join(tmpdir(), 'pcanel-screenshots-'));
copyFileSync('guests/rtos/build/rtos.elf', join(imagesFolder, 'rtos.elf'));
copyFileSync((await ensureImage('grub-cdrom')).path, join(imagesFolder, 'grub.iso'));
const daemon = await startDaemon({ port: 0, dataFolder: null, imagesFolder, rate });
const api = `${daemon.server.url}/api/v1`;
const post = async (path, body) => {
  const init = { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) };
  const response = await fetch(api + path, init);
  if (!response.ok) throw new Error(`${path}: ${await response.text()}`);
};
const create = (definition) => post('/domains', { definition, start: true });
await create({ name: 'linux', image: 'linux-cloud-amd64', initrd: 'busybox', memory: '256M', weight: 100 });
const realtime = { priority: 50, periodUs: 1000, budgetUs: 800 };
await create({ name: 'rtos', multiboot: 'rtos.elf', memory: '16M', realtime });

const page = await browser.newPage({ viewport: { width: 1360, height: 850 }, colorScheme: 'dark' });
await page.goto(daemon.server.url);
const text = (name) => page.evaluate(`document.querySelector('[data-console=${name}]')?.textContent ?? ''`);
while (!/linux:.*# /.test(await text('linux'))) await page.waitForTimeout(300);
await post('/domains/linux/console', { text: 'uname -a\n' });
await page.waitForTimeout(1500);
await post('/domains/linux/console', { text: 'while :; do md5sum /bin/busybox; sleep 0.02; done > /tmp/sums &\n' });
await post('/domains/rtos/console', { text: 'i\n' });
await page.waitForTimeout(9000);
const open = async (tab, ms) => {
  await page.click(`#tab-${tab}`);
  await page.waitForTimeout(ms);
};
const shoot = (name, options = {}) => page.screenshot({ path: join(folder, `${name}.png`), ...options });
await shoot('overview');
await open('exits', 6000);
await shoot('exits');
await open('scheduler', 1500);
await page.selectOption('.toolbar select', '20');
await page.waitForTimeout(1500);
await shoot('scheduler', { clip: { x: 0, y: 0, width: 1360, height: 470 } });
await open('latency', 500);
await page.click('text=Ask the kernel now');
await page.waitForSelector('.bars tbody tr');
await page.waitForTimeout(1500);
await shoot('latency', { clip: { x: 0, y: 0, width: 1360, height: 470 } });
await create({ name: 'grub', cdrom: 'grub.iso', memory: '64M', cpu: 1 });
await page.click('.pick:has-text("grub")');
await open('screen', 14_000);
await shoot('screen', { clip: { x: 0, y: 0, width: 1360, height: 570 } });
await post('/domains/grub/actions/stop', {});
await page.click('.pick:has-text("linux")');
await page.emulateMedia({ colorScheme: 'light' });
await open('overview', 2500);
await shoot('overview-light');
await page.setViewportSize({ width: 390, height: 844 });
await page.waitForTimeout(1500);
await shoot('phone');
await browser.close();
await daemon.close();
rmSync(imagesFolder, { recursive: true });
process.exit(0);
