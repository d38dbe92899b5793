// What the random comparisons have compared: a line in the test's output, and in the file PCANEL_TALLY, which
// scripts/test.mjs prints when everything has run.
import { appendFileSync } from 'node:fs';
import type { TestContext } from 'node:test';

export function tally(t: TestContext, states: number, forms: number, oracle: string): void {
  const line = `${t.name}: ${states} states of ${forms} forms compared with ${oracle}`;
  t.diagnostic(line);
  const file = process.env.PCANEL_TALLY;
  if (file !== undefined) appendFileSync(file, `${line}\n`);
}
