// Writes the published results: bench/results/latest.{json,txt,svg,png} and README.md's section.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { launchChromium } from '../../tests/web/chromium.js';
import { sectionText } from '../output.js';
import { chartSvg } from './chart.js';
import { type Published, publishedSection, withSection } from './published.js';
import { reportText } from './report.js';

/** Numbers of committed files: five significant digits. */
const short = (_key: string, value: unknown): unknown =>
  typeof value === 'number' ? Number(value.toPrecision(5)) : value;

/** A PNG file of the picture, twice its size in pixels; a text: why there is none. */
export async function chartPng(svg: string): Promise<Buffer | string> {
  const browser = await launchChromium();
  if (typeof browser === 'string') return browser;
  try {
    const page = await browser.newPage({ deviceScaleFactor: 2 });
    await page.setContent(`<style>body { margin: 0 } svg { display: block }</style>${svg}`);
    return await page.locator('svg').screenshot();
  } finally {
    await browser.close();
  }
}

/** Writes all files below `repository`; gives a line of text for each, and for what could not be made. */
export async function publish(repository: string, measured: Published): Promise<string[]> {
  const json = `${JSON.stringify(measured, short)}\n`;
  // what is shown is what the file says
  const published = JSON.parse(json) as Published;
  const readme = join(repository, 'README.md');
  const text = withSection(readFileSync(readme, 'utf8'), publishedSection(published));
  const latest = (extension: string): string => join(repository, `bench/results/latest.${extension}`);
  const lines: string[] = [];
  const write = (file: string, data: string | Buffer): void => {
    writeFileSync(file, data);
    lines.push(`wrote ${file.slice(repository.length)}`);
  };
  write(latest('json'), json);
  const report = published.comparisons.map((c) => reportText(c, published.clock));
  write(latest('txt'), [...report, ...published.sections.map(sectionText)].join('\n'));
  const svg = chartSvg(published.comparisons, published.clock, 'groups');
  for (const extension of ['svg', 'png']) rmSync(latest(extension), { force: true });
  if (svg === null) lines.push('no chart: it compares with QEMU, which did not run');
  else {
    write(latest('svg'), svg);
    const png = await chartPng(svg);
    if (typeof png === 'string') lines.push(`no PNG chart: ${png}`);
    else write(latest('png'), png);
  }
  write(readme, text);
  return lines;
}
