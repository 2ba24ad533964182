// BullMQ: jobs with results, delays, repetitions, retries, flows, workers side by side, limits.

import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { FlowProducer, Queue, QueueEvents, UnrecoverableError, Worker } from 'bullmq';
import Redis from 'ioredis';
import { createClient } from 'redis';
import { field, killServer, port, waitUntil } from './place.mjs';

const connection = { host: '127.0.0.1', port, maxRetriesPerRequest: null };
const PATIENCE_MS = 30_000;

describe('jobs', () => {
  let r;
  let queue;
  let events;
  let opened;
  const keep = (thing) => {
    thing.on('error', () => {});
    opened.push(thing);
    return thing;
  };
  const worker = (carryOut, options = {}) => keep(new Worker('jobs', carryOut, { connection, ...options }));

  beforeEach(async () => {
    r = new Redis(connection);
    r.on('error', () => {});
    await r.flushall();
    opened = [];
    queue = keep(new Queue('jobs', { connection }));
    // From the first event on, however late the reader begins.
    events = keep(new QueueEvents('jobs', { connection, lastEventId: '0-0' }));
  });

  afterEach(async () => {
    for (const thing of opened.reverse()) await thing.close();
    r.disconnect();
  });

  test('results, failures and progress are told', async () => {
    const progress = [];
    events.on('progress', ({ data }) => progress.push(data));
    worker(async (job) => {
      if (job.name === 'bad') throw new UnrecoverableError('on purpose');
      await job.updateProgress(50);
      await job.log('half');
      return job.data.n * 2;
    });
    const jobs = await queue.addBulk(Array.from({ length: 50 }, (_, n) => ({ name: 'twice', data: { n } })));
    const results = await Promise.all(jobs.map((job) => job.waitUntilFinished(events, PATIENCE_MS)));
    assert.deepEqual(results, jobs.map((_, n) => 2 * n));
    const bad = await queue.add('bad', {}, { attempts: 5 });
    await assert.rejects(bad.waitUntilFinished(events, PATIENCE_MS), /on purpose/);
    assert.deepEqual(await queue.getJobCounts('completed', 'failed', 'wait', 'active'), { completed: 50, failed: 1, wait: 0, active: 0 });
    await waitUntil(() => progress.length === 50, 'progress of all jobs');
    assert.deepEqual((await queue.getJobLogs(jobs[0].id)).logs, ['half']);
    assert.equal((await queue.clean(0, 1000, 'completed')).length, 50);
    await queue.obliterate({ force: true });
    assert.equal((await r.keys('bull:jobs:*')).filter((key) => !/events|stalled-check|meta/.test(key)).length, 0);
  });

  test('what fails is tried again, later each time', async () => {
    const attempts = [];
    worker(async (job) => {
      attempts.push(Date.now());
      if (job.attemptsMade < 2) throw new Error(`attempt ${job.attemptsMade}`);
      return 'done';
    });
    const job = await queue.add('hard', {}, { attempts: 3, backoff: { type: 'exponential', delay: 100 } });
    assert.equal(await job.waitUntilFinished(events, PATIENCE_MS), 'done');
    assert.equal(attempts.length, 3);
    assert.ok(attempts[1] - attempts[0] >= 95 && attempts[2] - attempts[1] >= 195, String(attempts));
  });

  test('delayed, urgent and repeated jobs run in their order', async () => {
    const order = [];
    const late = await queue.add('late', {}, { delay: 3_600_000 });
    await queue.add('usual', {}, { priority: 10 });
    await queue.add('urgent', {}, { priority: 1 });
    await queue.add('first', {});
    assert.deepEqual(await queue.getJobCounts('delayed', 'prioritized', 'wait'), { delayed: 1, prioritized: 2, wait: 1 });
    worker(async (job) => order.push(job.name));
    await waitUntil(async () => (await queue.getCompletedCount()) === 3, 'all jobs that are due');
    assert.equal(await queue.getDelayedCount(), 1);
    await late.changeDelay(50);
    await waitUntil(() => order.length === 4, 'the late job');
    assert.deepEqual(order, ['first', 'urgent', 'usual', 'late']);
    await queue.upsertJobScheduler('tick', { every: 100 }, { name: 'tick' });
    await waitUntil(() => order.filter((name) => name === 'tick').length >= 4, 'repetitions');
    assert.equal((await queue.getJobSchedulers()).length, 1);
    await queue.removeJobScheduler('tick');
    assert.equal(await queue.getDelayedCount(), 0);
  });

  test('parents of a flow wait for their children', async () => {
    const order = [];
    worker(async (job) => {
      order.push(job.name);
      if (job.name !== 'book') return job.name.length;
      return Object.values(await job.getChildrenValues()).sort((a, b) => a - b);
    });
    const flow = keep(new FlowProducer({ connection }));
    const chapter = (name, children = []) => ({ name, queueName: 'jobs', children });
    const tree = await flow.add(chapter('book', [chapter('one', [chapter('draft')]), chapter('three')]));
    assert.deepEqual(await tree.job.waitUntilFinished(events, PATIENCE_MS), [3, 5]);
    assert.equal(order.at(-1), 'book');
    assert.ok(order.indexOf('draft') < order.indexOf('one'));
    assert.equal(order.length, 4);
  });

  test('each job is carried out once by workers side by side', async () => {
    const done = [];
    const busy = [0, 0, 0, 0];
    const most = [0, 0, 0, 0];
    busy.forEach((_, at) => worker(async (job) => {
      busy[at] += 1;
      most[at] = Math.max(most[at], busy[at]);
      await sleep(1);
      busy[at] -= 1;
      done.push(job.data.n);
    }, { concurrency: 5 }));
    await queue.addBulk(Array.from({ length: 400 }, (_, n) => ({ name: 'count', data: { n } })));
    await waitUntil(() => done.length >= 400, 'all jobs');
    assert.deepEqual(done.sort((a, b) => a - b), Array.from({ length: 400 }, (_, n) => n));
    assert.ok(Math.max(...most) <= 5 && Math.max(...most) > 1, String(most));
    await waitUntil(async () => (await queue.getCompletedCount()) === 400, 'all jobs are counted');
  });

  test('a limiter holds jobs back', async () => {
    const times = [];
    const started = Date.now();
    worker(async () => times.push(Date.now()), { limiter: { max: 5, duration: 300 }, concurrency: 10 });
    await queue.addBulk(Array.from({ length: 15 }, () => ({ name: 'limited', data: {} })));
    await waitUntil(() => times.length === 15, 'all jobs');
    assert.ok(times[14] - started >= 550, `${times[14] - started} ms`);
  });

  test('paused queues wait, doubles are dropped', async () => {
    const done = [];
    await queue.pause();
    worker(async (job) => done.push(job.id));
    await queue.add('a', {}, { jobId: 'same' });
    await queue.add('b', {}, { jobId: 'same' });
    await queue.add('c', {}, { deduplication: { id: 'one' } });
    await queue.add('d', {}, { deduplication: { id: 'one' } });
    await sleep(100);
    assert.deepEqual(done, []);
    await queue.resume();
    await waitUntil(() => done.length === 2, 'both jobs');
    await waitUntil(async () => (await queue.getCompletedCount()) === 2, 'both are counted');
  });

  test('jobs survive a server that is killed', async () => {
    const done = new Set();
    let isKilled = false;
    const jobs = Array.from({ length: 200 }, (_, n) => ({ name: 'count', data: { n }, opts: { attempts: 3 } }));
    await queue.addBulk(jobs);
    const before = await r.info('server');
    worker(async (job) => {
      // Once: the job that kills is itself carried out again.
      if (job.data.n === 50 && !isKilled) {
        isKilled = true;
        killServer(before);
      }
      done.add(job.data.n);
    }, { concurrency: 2, lockDuration: 2000, stalledInterval: 500, maxStalledCount: 100 });
    await waitUntil(() => done.size === 200, 'all jobs');
    await waitUntil(async () => (await queue.getCompletedCount()) === 200, 'all jobs are counted');
    assert.notEqual(field(await r.info('server'), 'run_id'), field(before, 'run_id'));
  });

  test('node-redis carries jobs as well', async () => {
    const clients = [createClient({ RESP: 3, socket: { port } }), createClient({ RESP: 3, socket: { port } })];
    await Promise.all(clients.map((client) => client.connect()));
    const own = keep(new Queue('own', { connection: clients[0] }));
    const done = [];
    keep(new Worker('own', async (job) => done.push(job.data.n), { connection: clients[1] }));
    await own.addBulk([1, 2, 3].map((n) => ({ name: 'n', data: { n } })));
    await waitUntil(() => done.length === 3, 'all jobs');
    assert.deepEqual(done, [1, 2, 3]);
    for (const thing of opened.splice(-2).reverse()) await thing.close();
    clients.forEach((client) => client.isOpen && client.destroy());
  });
});
