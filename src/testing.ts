// What `import { ... } from 'pcanel/testing'` gives: whole systems as test fixtures.
export * from './apps/api/testing.js';
