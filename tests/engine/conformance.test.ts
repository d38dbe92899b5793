// The engine conformance suite on the software engine, in virtual and in real time.
import { test } from 'node:test';
import { conformance } from '../../src/vmx/testing.js';
import { softwareEngine } from '../support/engine.js';

const engine = await softwareEngine();
conformance(engine, test, { time: 'virtual' });
conformance(engine, test, { time: 'real' });
