// Keeps the room table of ARCHITECTURE.md true: rooms.cjs says who may import whom, a room's index.ts says what it is.
//   node scripts/architecture.mjs [--write]    without --write: exit 1 when the table is out of date
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const rooms = createRequire(import.meta.url)('../rooms.cjs');
const firstComment = (file) => {
  const text = readFileSync(file, 'utf8').match(/^\/\/ (.*(?:\n\/\/ .*)*)/)?.[1] ?? '';
  return text.replaceAll('\n// ', ' ').replace(/^Room `[a-z]+`: /, '');
};
const rows = Object.entries(rooms).map(([room, imports]) => {
  const folder = `src/${room}`;
  const entries = existsSync(folder) ? readdirSync(folder) : [];
  const door = ['index.ts', 'cli/index.ts', 'README.md'].find(
    (f) => f !== 'README.md' && (entries.includes(f) || (f.includes('/') && entries.includes('cli'))),
  );
  const what = door === undefined ? 'to come' : firstComment(`${folder}/${door}`);
  return `| \`${room}\` | ${what} | ${imports.join(' ') || '–'} |`;
});
const table = ['| Room | What it is | May import |', '| --- | --- | --- |', ...rows].join('\n');
const file = 'ARCHITECTURE.md';
const text = readFileSync(file, 'utf8');
const begin = '<!-- rooms:begin (scripts/architecture.mjs) -->';
const end = '<!-- rooms:end -->';
const next = `${text.slice(0, text.indexOf(begin) + begin.length)}\n${table}\n${text.slice(text.indexOf(end))}`;
if (process.argv.includes('--write')) writeFileSync(file, next);
else if (next !== text) {
  console.error(`${file}: the room table is out of date: run 'node scripts/architecture.mjs --write'`);
  process.exit(1);
}
