// What `import { ... } from 'pcanel'` gives. Reference: npm run docs:api; guide: docs/api.md.
export * from './apps/index.js';
