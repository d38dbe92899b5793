// The dashboard: one page over the server's REST and WebSocket interface.

import { render } from 'preact';
import '@xterm/xterm/css/xterm.css';
import 'uplot/dist/uPlot.min.css';
import './style.css';
import { App } from './app.js';
import { start } from './store.js';
import { applyTheme } from './theme.js';

applyTheme();
const root = document.getElementById('app');
if (root !== null) render(<App />, root);
void start();
