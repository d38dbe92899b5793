// A domain's VGA screen on a canvas, with keyboard and mouse. Contract: src/apps/rest/messages.ts (screen).

import { useEffect, useRef, useState } from 'preact/hooks';
import { KEY_NAMES } from '../../src/domains/keyboard.js';
import { hangUp, socketUrl } from './api.js';
import { domains } from './store.js';

/** 'PCSF', and the header in front of the dots. */
const MAGIC = 0x46534350;
const HEADER_BYTES = 16;
const GONE = 4010;
const RETRY_MS = 1500;
const KEYS: ReadonlySet<string> = new Set(KEY_NAMES);
const clamp = (n: number): number => Math.max(-255, Math.min(255, Math.round(n)));

async function inflate(data: Uint8Array<ArrayBuffer>): Promise<Uint8ClampedArray<ArrayBuffer>> {
  const stream = new Blob([data]).stream().pipeThrough(new DecompressionStream('deflate'));
  return new Uint8ClampedArray(await new Response(stream).arrayBuffer());
}

async function show(canvas: HTMLCanvasElement, frame: ArrayBuffer): Promise<string | null> {
  const view = new DataView(frame);
  if (view.byteLength < HEADER_BYTES || view.getUint32(0, true) !== MAGIC) return 'a frame that is none';
  const width = view.getUint16(4, true);
  const height = view.getUint16(6, true);
  const dots = await inflate(new Uint8Array(frame, HEADER_BYTES));
  if (dots.length !== width * height * 4) return `a frame of ${dots.length} bytes, expected ${width * height * 4}`;
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  canvas.getContext('2d')?.putImageData(new ImageData(dots, width, height), 0, 0);
  return null;
}

export function Screen({ name }: { readonly name: string }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const socket = useRef<WebSocket | null>(null);
  const [state, setState] = useState('connecting');
  const [size, setSize] = useState('');
  const [captured, setCaptured] = useState(false);
  const display = domains.value.find((d) => d.name === name)?.display === true;
  useEffect(() => {
    if (!display) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let queue = Promise.resolve();
    const open = (): void => {
      const s = new WebSocket(socketUrl(`/domains/${encodeURIComponent(name)}/screen`));
      socket.current = s;
      s.binaryType = 'arraybuffer';
      s.onopen = () => setState('live');
      s.onmessage = ({ data }: MessageEvent<ArrayBuffer | string>) => {
        if (typeof data === 'string') return;
        queue = queue.then(async () => {
          const c = canvas.current;
          if (c === null) return;
          const wrong = await show(c, data);
          if (wrong !== null) setState(`got ${wrong}`);
          setSize(`${c.width} × ${c.height}`);
        });
      };
      s.onclose = ({ code }) => {
        setState('not connected');
        if (code !== GONE) timer = setTimeout(open, RETRY_MS);
      };
    };
    open();
    return () => {
      clearTimeout(timer);
      hangUp(socket.current);
      socket.current = null;
    };
  }, [name, display]);
  useEffect(() => {
    const watch = (): void => setCaptured(document.pointerLockElement === canvas.current && canvas.current !== null);
    document.addEventListener('pointerlockchange', watch);
    return () => document.removeEventListener('pointerlockchange', watch);
  }, []);
  if (!display) return <p class="empty">‘{name}’ has no display: give it “display: vga”, or boot firmware.</p>;
  const send = (message: object): void => {
    if (socket.current?.readyState === WebSocket.OPEN) socket.current.send(JSON.stringify(message));
  };
  const key = (event: KeyboardEvent, down: boolean): void => {
    // Ctrl+Alt+Shift leaves the screen; a key that the guest does not have stays with the page
    if (event.ctrlKey && event.altKey && event.shiftKey) {
      document.exitPointerLock();
      canvas.current?.blur();
      return;
    }
    if (!KEYS.has(event.code) || (down && event.repeat)) return;
    event.preventDefault();
    send({ type: 'keyboard', input: { keys: [{ code: event.code, down }] } });
  };
  const mouse = (event: MouseEvent): void => {
    if (!captured) return;
    const buttons = event.buttons & 7;
    send({ type: 'mouse', input: { dx: clamp(event.movementX), dy: clamp(-event.movementY), buttons } });
  };
  return (
    <section class="panel screen">
      <header>
        <p class="note" role="status">
          {state} {size !== '' && `· ${size}`} · keys go to the guest while the screen has the focus; Ctrl+Alt+Shift
          leaves it
        </p>
        <button type="button" onClick={() => canvas.current?.requestPointerLock()}>
          Capture the mouse
        </button>
        <button
          type="button"
          onClick={() =>
            ['ControlLeft', 'AltLeft', 'Delete'].forEach((code, i, all) => {
              send({ type: 'keyboard', input: { keys: [{ code, down: true }] } });
              if (i === all.length - 1)
                send({ type: 'keyboard', input: { keys: all.toReversed().map((c) => ({ code: c, down: false })) } });
            })
          }
        >
          Ctrl+Alt+Del
        </button>
      </header>
      <canvas
        ref={canvas}
        width={720}
        height={400}
        tabIndex={0}
        role="application"
        aria-label={`Screen of ${name}`}
        onKeyDown={(e) => key(e, true)}
        onKeyUp={(e) => key(e, false)}
        onMouseMove={mouse}
        onMouseDown={mouse}
        onMouseUp={mouse}
        onContextMenu={(e) => captured && e.preventDefault()}
      />
    </section>
  );
}
