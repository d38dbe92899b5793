const rooms = require('./rooms.cjs');
const names = Object.keys(rooms);
const TEST = '\\.test\\.ts$';
module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } } },
    {
      name: 'browser-without-node',
      severity: 'error',
      comment: 'what runs in a web page may not import modules of Node.js',
      from: { path: '^(src/(host|domains|apps)/browser|web|examples/browser)/', pathNot: `${TEST}|serve\\.mjs$` },
      to: { dependencyTypes: ['core'] },
    },
    ...names.map((room) => ({
      name: `${room}-arrows`,
      severity: 'error',
      comment: `${room} may import only: ${rooms[room].join(', ') || 'nothing'}`,
      from: { path: `^src/${room}/`, pathNot: TEST },
      to: { path: `^src/(?!${[room, ...rooms[room]].join('/|')}/)` },
    })),
    ...names.map((room) => ({
      name: `${room}-door`,
      severity: 'error',
      comment: `enter ${room} by its index.ts only (tests may use testing.ts)`,
      from: { path: `^(src|tests|bench)/`, pathNot: `^src/${room}/` },
      to: { path: `^src/${room}/`, pathNot: `^src/${room}/(index|testing|node/index|browser/index|[a-z-]+/testing)\\.ts$` },
    })),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^src/processor/core/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node'] },
  },
};
