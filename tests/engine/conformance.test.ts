// The engine conformance suite on the software engine, in virtual and in real time.
import { test } from 'node:test';
import { conformance, DIRTY_LOG } from '../../src/vmx/testing.js';
import { softwareEngine } from '../support/engine.js';

const engine = await softwareEngine();
const unsupported = { [DIRTY_LOG]: 'the software engine logs the writes of devices and loaders only' };
conformance(engine, test, { time: 'virtual', unsupported });
conformance(engine, test, { time: 'real', unsupported });
