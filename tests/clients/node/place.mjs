// Where the server is, and what every suite begins with.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

export const port = Number(process.env.CLIENTS_PORT);
export const tlsPort = Number(process.env.CLIENTS_TLS_PORT);
export const file = (name) => readFileSync(`${process.env.CLIENTS_CERTIFICATES}/${name}`);
// Longer than anything that is waited for takes.
const PATIENCE_MS = 30_000;

/** Waits for a condition that another connection brings about. */
export async function waitUntil(holds, what) {
  const end = Date.now() + PATIENCE_MS;
  while (!(await holds())) {
    assert.ok(Date.now() < end, `it did not happen: ${what}`);
    await sleep(10);
  }
}

/** The value of a field of INFO. */
export const field = (info, name) => info.match(new RegExp(`^${name}:(.*)\r$`, 'm'))[1];

/** Kills the server; the driver starts it again. */
export const killServer = (info) => process.kill(Number(field(info, 'process_id')), 'SIGKILL');

/** The next `count` events of an emitter, as arrays of their arguments. */
export function events(emitter, name, count) {
  return new Promise((resolve) => {
    const seen = [];
    emitter.on(name, function take(...args) {
      seen.push(args.map(String));
      if (seen.length === count) {
        emitter.off(name, take);
        resolve(seen);
      }
    });
  });
}
