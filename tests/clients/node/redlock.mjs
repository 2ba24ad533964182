// Redlock of npm on ioredis; three databases stand for three masters.

import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import Redis from 'ioredis';
import Redlock from 'redlock';
import { port } from './place.mjs';

const masters = [0, 1, 2].map((db) => new Redis({ host: '127.0.0.1', port, db }));
const patient = new Redlock(masters, { retryCount: 3000, retryDelay: 10, retryJitter: 10 });
const hasty = new Redlock(masters, { retryCount: 0 });

before(() => [patient, hasty].forEach((locks) => locks.on('clientError', () => {})));
beforeEach(() => masters[0].flushall());
after(() => masters.forEach((master) => master.disconnect()));

test('one holder at a time', async () => {
  let inside = 0;
  let most = 0;
  await Promise.all(Array.from({ length: 15 }, async () => {
    const lock = await patient.lock(['printer', 'paper'], 100_000);
    inside += 1;
    most = Math.max(most, inside);
    await sleep(2);
    inside -= 1;
    await lock.unlock();
  }));
  assert.equal(most, 1);
});

test('a lock is extended, released and expires', async () => {
  const lock = await hasty.lock('printer', 100_000);
  await assert.rejects(hasty.lock('printer', 100_000), { name: 'LockError' });
  await lock.extend(200_000);
  assert.ok((await masters[1].pttl('printer')) > 100_000);
  await lock.unlock();
  // A lock that was long in coming is given back and asked for again.
  const short = await patient.lock('printer', 50);
  const next = await patient.lock('printer', 10_000);
  assert.ok(Date.now() >= short.expiration - 10, 'nobody is let in before');
  await assert.rejects(short.extend(1000), { name: 'LockError' });
  await next.unlock();
});

test('a minority that is held by another does not matter', async () => {
  await masters[2].set('printer', 'somebody else');
  const lock = await hasty.lock('printer', 10_000);
  await lock.unlock().catch(() => {});
  await masters[1].set('printer', 'somebody else');
  await assert.rejects(hasty.lock('printer', 10_000), { name: 'LockError' });
});
