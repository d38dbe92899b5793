// A domain's serial console: xterm.js on the console WebSocket.

import { FitAddon } from '@xterm/addon-fit';
import { type ITheme, Terminal } from '@xterm/xterm';
import { useEffect, useRef, useState } from 'preact/hooks';
import { hangUp, socketUrl } from './api.js';
import { domains } from './store.js';

const THEME: ITheme = {
  background: '#0a0e10',
  foreground: '#d3dcdd',
  cursor: '#45c8bb',
  selectionBackground: '#2a4a4d',
};
const RETRY_MS = 1000;
/** Close code: the domain has been removed. */
const GONE = 4010;

/** `fontSize` in CSS pixels; `focus`: takes the keyboard at once. */
export function ConsoleView({
  name,
  fontSize = 13,
  focus = true,
}: {
  name: string;
  fontSize?: number;
  focus?: boolean;
}) {
  const place = useRef<HTMLDivElement>(null);
  const [connected, setConnected] = useState(false);
  const loaded = domains.value.find((d) => d.name === name)?.state !== 'loading';
  useEffect(() => {
    const box = place.current;
    if (box === null || !loaded) return;
    const terminal = new Terminal({
      fontSize,
      fontFamily: 'ui-monospace, "SF Mono", "Cascadia Mono", "DejaVu Sans Mono", monospace',
      scrollback: 5000,
      theme: THEME,
    });
    const fit = new FitAddon();
    terminal.loadAddon(fit);
    terminal.open(box);
    terminal.textarea?.setAttribute('aria-label', `Console of ${name}; Shift+Tab leaves it`);
    // Tab belongs to the guest; Shift+Tab is the way out for who has no mouse
    terminal.attachCustomKeyEventHandler((e) => !(e.key === 'Tab' && e.shiftKey));
    const resize = new ResizeObserver(() => fit.fit());
    resize.observe(box);
    if (focus) terminal.focus();
    const keys = new TextEncoder();
    let socket: WebSocket | null = null;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const open = (): void => {
      const s = new WebSocket(socketUrl(`/domains/${encodeURIComponent(name)}/console`));
      socket = s;
      s.binaryType = 'arraybuffer';
      s.onopen = () => {
        terminal.reset(); // the server sends what was before
        setConnected(true);
      };
      s.onmessage = ({ data }: MessageEvent<ArrayBuffer | string>) => {
        if (typeof data !== 'string') terminal.write(new Uint8Array(data));
      };
      s.onclose = ({ code }) => {
        setConnected(false);
        if (code !== GONE) timer = setTimeout(open, RETRY_MS);
      };
    };
    open();
    const typed = terminal.onData((text) => {
      if (socket?.readyState === WebSocket.OPEN) socket.send(keys.encode(text));
    });
    return () => {
      clearTimeout(timer);
      hangUp(socket);
      socket = null;
      typed.dispose();
      resize.disconnect();
      terminal.dispose();
    };
  }, [name, loaded, fontSize, focus]);
  return <div ref={place} class={`terminal ${connected ? '' : 'dim'}`} data-console={name} />;
}
