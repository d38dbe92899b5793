// examples/browser in Chromium: two guests to their shells, with threads and without, on a screen and on a phone.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import type { Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import type { Page } from 'playwright-core';
import { linuxFiles, repository, rtosFile } from '../support/guests.js';
import { launchChromium } from './chromium.js';

const BOOT_MS = 180_000;
const folder = mkdtempSync(join(tmpdir(), 'pcanel-browser-example-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const [linux, rtos] = [await linuxFiles(), await rtosFile()];
const browser = linux.skip || rtos.skip || (await launchChromium());
const skip = typeof browser === 'string' ? browser : false;
if (typeof browser !== 'string') after(() => browser.close());
if (skip === false) {
  const built = spawnSync(process.execPath, ['scripts/build-browser-example.mjs', folder], {
    cwd: repository,
    encoding: 'utf8',
  });
  assert.equal(built.status, 0, built.stderr);
}

interface ServeModule {
  serve(folder: string, options: { isolated: boolean }): Promise<{ server: Server; url: string }>;
}

/** Opens the example; everything that the page complains about is gathered. */
async function open(
  isolated: boolean,
  viewport: { width: number; height: number },
): Promise<{ page: Page; complaints: string[]; requested: string[]; close: () => Promise<void> }> {
  if (typeof browser === 'string') throw new Error(browser);
  const module = (await import(pathToFileURL(`${repository}examples/browser/serve.mjs`).href)) as ServeModule;
  const { server, url } = await module.serve(folder, { isolated });
  const requested: string[] = [];
  server.on('request', (request) => requested.push(request.url ?? ''));
  const page = await browser.newPage({ viewport });
  const complaints: string[] = [];
  page.on('console', (m) => {
    if (m.type() === 'error' || m.type() === 'warning') complaints.push(m.text());
  });
  page.on('pageerror', (e) => complaints.push(e.message));
  await page.goto(url);
  return {
    page,
    complaints,
    requested,
    close: async () => {
      await page.close();
      server.close();
      server.closeAllConnections();
    },
  };
}

/** Waits until the console of a guest shows `pattern`. */
const shows = (page: Page, guest: string, pattern: RegExp): Promise<unknown> =>
  page.waitForFunction(
    `[...document.querySelectorAll('#${guest} .xterm-rows > div')].map((r) => r.textContent).join('\\n').match(${pattern})`,
    undefined,
    { timeout: BOOT_MS },
  );

test('with threads: Linux and the real-time kernel boot side by side and answer', { skip }, async () => {
  const { page, complaints, requested, close } = await open(true, { width: 1400, height: 800 });
  await shows(page, 'linux', /linux:.*# /);
  assert.match((await page.textContent('#mode')) ?? '', /^Threads: .*cross-origin isolated/);
  await page.click('#linux .xterm-screen');
  await page.keyboard.type('uname -a\n');
  await shows(page, 'linux', /^Linux linux [56]\S+-amd64/m);
  await shows(page, 'rtos', /rtos> /);
  await page.click('#rtos .xterm-screen');
  await page.keyboard.type('lat\n');
  await shows(page, 'rtos', /missed ticks \d+/);
  await page.click('#linux button:has-text("Pause")');
  await page.waitForSelector('#linux .state:text("paused")');
  assert.ok(requested.includes('/translator-worker.js'), 'code is translated beside the guests');
  assert.deepEqual(complaints, []);
  await close();
});

test('without SharedArrayBuffer, on a phone: it says so and boots all the same', { skip }, async () => {
  const { page, complaints, requested, close } = await open(false, { width: 390, height: 844 });
  assert.equal(await page.evaluate('typeof SharedArrayBuffer'), 'undefined');
  await shows(page, 'linux', /linux:.*# /);
  assert.match((await page.textContent('#mode')) ?? '', /^Single-threaded: .*SharedArrayBuffer is not available/);
  await page.click('#linux .xterm-screen');
  await page.keyboard.type('echo $((6*7))\n');
  await shows(page, 'linux', /^42$/m);
  await shows(page, 'rtos', /rtos> /);
  assert.ok(((await page.evaluate('document.documentElement.scrollWidth')) as number) <= 390, 'no sideways scrolling');
  assert.ok(!requested.includes('/translator-worker.js'));
  assert.deepEqual(complaints, []);
  await close();
});
