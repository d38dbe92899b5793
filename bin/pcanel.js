#!/usr/bin/env node
// Starts the built command line program; says what to do when it has not been built.
import { existsSync } from 'node:fs';

const dist = process.env.PCANEL_DIST ?? 'dist';
const built = new URL(`../${dist}/program/apps/cli/start.js`, import.meta.url);
if (!existsSync(built)) {
  process.stderr.write("pcanel: NOT_BUILT: the program has not been built: run 'npm run build'\n");
  process.exit(3);
}
const { program } = await import(built.href);
await program();
