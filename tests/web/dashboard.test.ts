// The dashboard in Chromium on a real server with two guests: life cycle, console, exit inspector, timeline, latency, keyboard,
// phone, colours.
import assert from 'node:assert/strict';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { Page } from 'playwright-core';
import { type Daemon, ensureImage, startDaemon } from '../../src/apps/testing.js';
import { linuxFiles, repository, rtosFile } from '../support/guests.js';
import { launchChromium } from './chromium.js';

const WAIT_MS = 180_000;
const [linux, rtos] = [await linuxFiles(), await rtosFile()];
const browser = linux.skip || rtos.skip || (await launchChromium());
const skip = typeof browser === 'string' ? browser : false;

const images = mkdtempSync(join(tmpdir(), 'pcanel-dashboard-'));
if (!skip) copyFileSync(`${repository}guests/rtos/build/rtos.elf`, join(images, 'rtos.elf'));
/** Why there is no GRUB to boot, or false. */
const noGrub = await Promise.all([ensureImage('seabios'), ensureImage('vgabios'), ensureImage('grub-cdrom')]).then(
  ([, , grub]) => {
    copyFileSync(grub.path, join(images, 'grub.iso'));
    return false as const;
  },
  (error: unknown) => (error instanceof Error ? error.message : String(error)),
);

let daemon: Daemon | null = null;
const complaints: string[] = [];
after(async () => {
  if (typeof browser !== 'string') await browser.close();
  await daemon?.close();
  rmSync(images, { recursive: true });
});

async function post(path: string, body: object): Promise<void> {
  const response = await fetch(`${daemon?.server.url}/api/v1${path}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  });
  assert.ok(response.ok, `${path}: ${response.status} ${await response.text()}`);
}

/** A page that notes every error and warning that the browser reports. */
async function openPage(viewport: { width: number; height: number }): Promise<Page> {
  if (typeof browser === 'string') throw new Error(browser);
  daemon ??= await startDaemon({
    port: 0,
    dataFolder: null,
    imagesFolder: images,
    rate: { perSecond: 1000, burst: 1000 },
  });
  const page = await browser.newPage({ viewport });
  page.setDefaultTimeout(WAIT_MS);
  page.on('console', (m) => {
    // reading a canvas back is what this test does, not the page
    if (/willReadFrequently/.test(m.text())) return;
    if (m.type() === 'error' || m.type() === 'warning') complaints.push(m.text());
  });
  page.on('pageerror', (e) => complaints.push(e.message));
  await page.goto(daemon.server.url);
  return page;
}

/** Waits until an expression is true in the page; the page's own policy allows no code made of text, so it is asked again. */
async function until(page: Page, expression: string): Promise<void> {
  const end = Date.now() + WAIT_MS;
  while (!(await page.evaluate(`Boolean(${expression})`))) {
    if (Date.now() > end) throw new Error(`did not become true in ${WAIT_MS} ms: ${expression}`);
    await page.waitForTimeout(150);
  }
}

/** Waits until the console of a guest shows `pattern`. */
const shows = (page: Page, guest: string, pattern: RegExp): Promise<void> =>
  until(
    page,
    `[...document.querySelectorAll('[data-console=${guest}] .xterm-rows > div')].map((r) => r.textContent).join('\\n').match(${pattern})`,
  );
const total = async (page: Page): Promise<number> =>
  (await page.locator('.reasons td.count').allTextContents()).reduce((n, t) => n + Number(t.replaceAll(',', '')), 0);

test('two guests are started, watched, typed into and stopped', { skip }, async (t) => {
  const page = await openPage({ width: 1440, height: 900 });
  await page.waitForSelector('.link.open');
  const common = { memory: '128M', cmdline: 'console=ttyS0 cryptomgr.notests quiet' };
  await post('/domains', { definition: { name: 'linux', image: 'linux-cloud-amd64', initrd: 'busybox', ...common } });
  const realtime = { priority: 50, periodUs: 1000, budgetUs: 800 };
  await post('/domains', { definition: { name: 'rtos', multiboot: 'rtos.elf', memory: '16M', realtime } });

  await t.test('cards start them', async () => {
    for (const name of ['linux', 'rtos']) {
      const card = page.locator('.card', { has: page.locator(`.name:text-is("${name}")`) });
      await card.getByRole('button', { name: 'Start' }).click();
      await card.locator('.state:text-is("running")').waitFor();
    }
    await shows(page, 'linux', /linux:.*# /);
    await shows(page, 'rtos', /rtos> /);
  });

  await t.test('the console answers `uname -a`', async () => {
    await page.click('.pick:has-text("linux")');
    await page.getByRole('tab', { name: 'Console' }).click();
    await shows(page, 'linux', /linux:.*# /);
    await page.click('.terminal .xterm-screen');
    await page.keyboard.type('uname -a\n');
    await shows(page, 'linux', /^Linux linux [56]\S+-amd64/m);
  });

  await t.test('the exit inspector counts, lists, filters and pauses', async () => {
    await page.getByRole('tab', { name: 'VM exits' }).click();
    await page.waitForSelector('.records tbody tr');
    const before = await total(page);
    assert.ok(before > 0);
    await until(
      page,
      `[...document.querySelectorAll('.reasons td.count')].reduce((n, e) => n + Number(e.textContent.replaceAll(',', '')), 0) > ${before}`,
    );
    const row = page.locator('.records tbody tr').first();
    assert.match((await row.locator('td').nth(4).textContent()) ?? '', /^0x[0-9a-f]+$/, 'guest RIP');
    // the idle guest halts: handling moves RIP behind the HLT
    await page.selectOption('.toolbar select', 'hlt');
    await until(
      page,
      "(() => { const r = [...document.querySelectorAll('.records tbody tr')]; return r.length > 2 && r.every((x) => x.querySelector('.reason').textContent === 'HLT'); })()",
    );
    assert.match((await page.locator('.delta').first().textContent()) ?? '', /GUEST_RIP 0x\w+ → 0x\w+/);
    await page.fill('.toolbar input', '0x3f8-oops');
    await page.waitForSelector('.toolbar .bad:has-text("expected a number or a range")');
    await page.fill('.toolbar input', '');
    await page.getByRole('button', { name: 'Pause' }).last().click();
    const pausedButton = page.locator('.toolbar button[aria-pressed="true"]');
    await pausedButton.waitFor();
    const frozen = await total(page);
    await page.waitForTimeout(1500);
    assert.equal(await total(page), frozen);
    await pausedButton.click();
    await until(
      page,
      `[...document.querySelectorAll('.reasons td.count')].reduce((n, e) => n + Number(e.textContent.replaceAll(',', '')), 0) > ${frozen}`,
    );
  });

  await t.test('the timeline draws who ran', async () => {
    await page.getByRole('tab', { name: 'Scheduler' }).click();
    await page.waitForSelector('canvas[aria-label*="rtos"]');
    await until(
      page,
      "(() => { const c = document.querySelector('.lanes canvas'); const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; return d.some((v, i) => i % 4 === 3 && v > 200); })()",
    );
    assert.match((await page.textContent('.view table')) ?? '', /priority 50: 800 µs in every 1000 µs/);
  });

  await t.test("the real-time kernel's histogram comes from its shell", async () => {
    await page.getByRole('tab', { name: 'Latency' }).click();
    await page.getByRole('button', { name: 'Ask the kernel now' }).click();
    await page.waitForSelector('.bars tbody tr');
    assert.match((await page.textContent('.figures')) ?? '', /p99\.9.*µs.*missed ticks0/);
  });

  await t.test('everything can be reached by keyboard', async () => {
    await page.focus('#tab-latency');
    await page.keyboard.press('ArrowLeft');
    assert.equal(await page.evaluate('document.activeElement.id'), 'tab-scheduler');
    await page.keyboard.press('Home');
    await page.waitForSelector('.view.overview');
    await page.reload();
    await page.waitForSelector('.link.open');
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate('document.activeElement.className'), 'skip');
    await page.keyboard.press('Enter');
    assert.equal(await page.evaluate('document.activeElement.id'), 'view');
    // a console keeps Tab for the guest and gives the focus back on Shift+Tab
    await page.getByRole('tab', { name: 'Console' }).click();
    await until(page, "document.activeElement.className === 'xterm-helper-textarea'");
    await page.keyboard.press('Shift+Tab');
    assert.notEqual(await page.evaluate('document.activeElement.className'), 'xterm-helper-textarea');
    const unnamed = await page.evaluate(
      "[...document.querySelectorAll('button, input, select, textarea')].filter((e) => !(e.textContent.trim() || e.getAttribute('aria-label') || e.labels?.length)).length",
    );
    assert.equal(unnamed, 0, 'controls without a name');
  });

  await t.test('colours follow the system and the switch', async () => {
    const ground = (): Promise<unknown> => page.evaluate('getComputedStyle(document.body).backgroundColor');
    await page.emulateMedia({ colorScheme: 'dark' });
    const dark = await ground();
    await page.emulateMedia({ colorScheme: 'light' });
    const light = await ground();
    assert.notEqual(dark, light);
    const button = page.locator('.top button.quiet');
    await button.click();
    await button.click();
    assert.match((await button.textContent()) ?? '', /dark/);
    assert.equal(await ground(), dark);
  });

  await t.test('cards stop them', async () => {
    for (const name of ['linux', 'rtos']) {
      const card = page.locator('.card', { has: page.locator(`.name:text-is("${name}")`) });
      await card.getByRole('button', { name: 'Stop' }).click();
      await card.locator('.state:text-is("stopped")').waitFor();
    }
  });
  assert.deepEqual(complaints, []);
  await page.close();
});

test('a new domain is made in the form, on a phone', { skip }, async () => {
  const page = await openPage({ width: 390, height: 844 });
  await page.getByRole('button', { name: 'New domain' }).click();
  await page.selectOption('dialog select', 'linux-cloud-amd64');
  await page.fill('dialog input[pattern]', 'phone');
  await page.fill('dialog .fields input', '96M');
  await page.getByRole('button', { name: 'Create and start' }).click();
  await shows(page, 'phone', /phone:.*# /);
  for (const tab of ['Overview', 'Console', 'Screen', 'VM exits', 'Scheduler', 'Latency', 'Details']) {
    await page.getByRole('tab', { name: tab }).click();
    await page.waitForTimeout(300);
    const width = await page.evaluate('document.documentElement.scrollWidth');
    assert.equal(width, 390, `${tab} scrolls sideways`);
  }
  const card = page.locator('.card', { has: page.locator('.name:text-is("phone")') });
  await card.getByRole('button', { name: 'Stop' }).click();
  page.on('dialog', (d) => void d.accept());
  await card.getByRole('button', { name: 'Remove' }).click();
  await card.waitFor({ state: 'detached' });
  assert.deepEqual(complaints, []);
  await page.close();
});

test('the screen shows what firmware and boot loader draw, and takes keys', { skip: skip || noGrub }, async () => {
  const page = await openPage({ width: 1280, height: 800 });
  await page.waitForSelector('.link.open');
  await post('/domains', { definition: { name: 'grub', cdrom: 'grub.iso', memory: '64M', cpu: 1 }, start: true });
  await page.click('.pick:has-text("grub")');
  await page.getByRole('tab', { name: 'Screen' }).click();
  const canvas = "document.querySelector('.screen canvas')";
  const lit = `(() => { const c = ${canvas}; const d = c?.getContext('2d').getImageData(0, 0, c.width, c.height).data ?? []; let n = 0; for (let i = 0; i < d.length; i += 4) if (d[i] > 100) n++; return n; })()`;
  // the menu has a bar on the entry that is chosen; its command line, behind the key c, has none
  await until(page, `${lit} > 15000`);
  await page.focus('.screen canvas');
  await page.keyboard.press('c', { delay: 100 });
  await until(page, `${lit} < 15000`);
  assert.deepEqual(complaints, []);
  await page.close();
});
