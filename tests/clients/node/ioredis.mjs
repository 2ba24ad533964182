// ioredis by its ordinary use, in both protocols.

import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import Redis from 'ioredis';
import { events, field, file, killServer, port, tlsPort, waitUntil } from './place.mjs';

for (const protocol of [2, 3]) {
  describe(`RESP${protocol}`, () => {
    let r;
    let opened;
    const open = (options = {}) => {
      const client = new Redis({ host: '127.0.0.1', port, protocol, ...options });
      opened.push(client);
      return client;
    };

    beforeEach(async () => {
      opened = [];
      r = open();
      await r.flushall();
    });

    afterEach(() => opened.forEach((client) => client.disconnect()));

    test('values of every type come back', async () => {
      assert.equal(await r.set('s', 'v', 'EX', 100, 'NX'), 'OK');
      assert.equal(await r.set('s', 'w', 'NX'), null);
      assert.equal(await r.get('s'), 'v');
      await r.mset({ a: 1, b: 'two' });
      assert.deepEqual(await r.mget('a', 'none', 'b'), ['1', null, 'two']);
      assert.equal(await r.hset('h', { x: 1, y: 'z' }), 2);
      assert.deepEqual({ ...(await r.hgetall('h')) }, { x: '1', y: 'z' });
      await r.rpush('l', 1, 2, 3);
      assert.deepEqual(await r.lrange('l', 0, -1), ['1', '2', '3']);
      await r.sadd('set', 'a', 'b');
      assert.deepEqual((await r.smembers('set')).sort(), ['a', 'b']);
      await r.zadd('z', 1, 'a', 2.5, 'b');
      assert.deepEqual(await r.zrange('z', 0, -1), ['a', 'b']);
      assert.equal(Number(await r.zscore('z', 'b')), 2.5);
      const binary = Buffer.from(Array.from({ length: 256 }, (_, n) => n));
      await r.set('binary', binary);
      assert.deepEqual(await r.getBuffer('binary'), binary);
      await assert.rejects(r.lpush('s', 1), /WRONGTYPE/);
      await assert.rejects(r.call('NOSUCHCOMMAND'), /unknown command/);
    });

    test('pipelines keep order and report errors in place', async () => {
      const pipeline = r.pipeline();
      for (let n = 0; n < 5000; n += 1) pipeline.incr('n');
      pipeline.lpush('n', 1).get('n');
      const replies = await pipeline.exec();
      assert.deepEqual(replies.slice(0, 5000).map(([, value]) => value), Array.from({ length: 5000 }, (_, n) => n + 1));
      assert.match(replies[5000][0].message, /WRONGTYPE/);
      assert.deepEqual(replies[5001], [null, '5000']);
      const automatic = open({ enableAutoPipelining: true });
      const values = await Promise.all(Array.from({ length: 1000 }, (_, n) => automatic.incrby('m', n)));
      assert.equal(values.at(-1), 499_500);
    });

    test('transactions fail when what they watch changes', async () => {
      assert.deepEqual(await r.multi().set('a', 1).incr('a').get('a').exec(), [[null, 'OK'], [null, 2], [null, '2']]);
      const other = open();
      await r.watch('a');
      await other.set('a', 'changed');
      assert.equal(await r.multi().set('a', 'mine').exec(), null);
      assert.equal(await r.get('a'), 'changed');
      await assert.rejects(r.multi().set('b', 1).call('SET', 'only').exec(), /EXECABORT/);
      assert.equal(await r.exists('b'), 0);
    });

    test('messages reach channels, patterns and shards', async () => {
      const subscriber = open();
      assert.equal(await subscriber.subscribe('news', 'other'), 2);
      assert.equal(await subscriber.psubscribe('n*'), 3);
      assert.equal(await subscriber.ssubscribe('shard'), 1);
      const plain = events(subscriber, 'message', 1);
      const matched = events(subscriber, 'pmessage', 1);
      const sharded = events(subscriber, 'smessage', 1);
      assert.equal(await r.publish('news', 'hello'), 2);
      assert.equal(await r.spublish('shard', 'x'), 1);
      assert.deepEqual(await plain, [['news', 'hello']]);
      assert.deepEqual(await matched, [['n*', 'news', 'hello']]);
      assert.deepEqual(await sharded, [['shard', 'x']]);
      assert.equal(await subscriber.unsubscribe('news'), 2);
      assert.equal(await r.publish('news', 'again'), 1);
    });

    test('scripts become commands', async () => {
      r.defineCommand('take', {
        numberOfKeys: 1,
        lua: `local n = tonumber(redis.call('GET', KEYS[1]) or '10')
          if n < tonumber(ARGV[1]) then return redis.error_reply('EMPTY nothing is left') end
          redis.call('SET', KEYS[1], n - ARGV[1]) return {n - ARGV[1], ARGV[1]}`,
      });
      assert.deepEqual(await r.take('k', 3), [7, '3']);
      await r.script('FLUSH');
      assert.deepEqual(await r.take('k', 3), [4, '3']);
      await assert.rejects(r.take('k', 5), /EMPTY nothing is left/);
      const replies = await r.pipeline().take('k', 1).take('k', 1).exec();
      assert.deepEqual(replies, [[null, [3, '1']], [null, [2, '1']]]);
      await r.function('LOAD', 'REPLACE', "#!lua name=own\nredis.register_function('echo', function(k, a) return a[1] end)");
      assert.equal(await r.fcall('echo', 0, 'x'), 'x');
    });

    test('who waits is served', async () => {
      const waiting = open().blpop('l', 20);
      const reader = open().xread('BLOCK', 20_000, 'STREAMS', 's', '$');
      await waitUntil(async () => field(await r.info('clients'), 'blocked_clients') === '2', 'two clients wait');
      await r.rpush('l', 'x');
      const id = await r.xadd('s', '*', 'a', 'b');
      assert.deepEqual(await waiting, ['l', 'x']);
      const reply = await reader;
      const entries = Array.isArray(reply) && Array.isArray(reply[0]) ? reply[0][1] : reply[1];
      assert.deepEqual(entries, [[id, ['a', 'b']]]);
      assert.equal(await r.blpop('none', 0.05), null);
    });

    test('groups of a stream share its entries', async () => {
      await r.xgroup('CREATE', 's', 'g', '$', 'MKSTREAM');
      for (let n = 0; n < 20; n += 1) await r.xadd('s', '*', 'n', n);
      await r.xreadgroup('GROUP', 'g', 'one', 'COUNT', 12, 'STREAMS', 's', '>');
      await r.xreadgroup('GROUP', 'g', 'two', 'COUNT', 12, 'STREAMS', 's', '>');
      const [count, , , consumers] = await r.xpending('s', 'g');
      assert.equal(count, 20);
      assert.deepEqual(consumers, [['one', '12'], ['two', '8']]);
      const [next, claimed] = await r.xautoclaim('s', 'g', 'two', 0, '0', 'COUNT', 20);
      assert.equal(next, '0-0');
      assert.equal(await r.xack('s', 'g', ...claimed.map(([id]) => id)), 20);
    });

    test('streams of SCAN see every key', async () => {
      await r.mset(Object.fromEntries(Array.from({ length: 1000 }, (_, n) => [`key:${n}`, n])));
      const seen = new Set();
      for await (const keys of r.scanStream({ match: 'key:*', count: 50 })) keys.forEach((key) => seen.add(key));
      assert.equal(seen.size, 1000);
      await r.hset('h', Object.fromEntries(Array.from({ length: 1000 }, (_, n) => [`f${n}`, n])));
      let fields = 0;
      for await (const pairs of r.hscanStream('h')) fields += pairs.length / 2;
      assert.equal(fields, 1000);
    });

    test('monitors see commands, users only what they may', async () => {
      const monitor = await open().monitor();
      const seen = events(monitor, 'monitor', 1);
      await r.set('watched', 'x');
      assert.deepEqual((await seen)[0][1], 'set,watched,x');
      monitor.disconnect();
      await r.acl('SETUSER', 'worker', 'on', '>secret', '~job:*', '+get', '+info', '+client', '+select');
      const user = open({ username: 'worker', password: 'secret' });
      assert.equal(await user.get('job:1'), null);
      await assert.rejects(user.get('other'), /NOPERM/);
      await r.acl('DELUSER', 'worker');
      await waitUntil(() => user.status !== 'ready', 'a user who is deleted is cut off');
    });

    test('a session over TLS', async () => {
      const certificates = { ca: file('ca.crt'), cert: file('client.crt'), key: file('client.key') };
      const secure = open({ host: 'localhost', port: tlsPort, tls: certificates });
      const large = 'x'.repeat(3_000_000);
      await secure.set('large', large);
      assert.equal(await secure.get('large'), large);
      const trusting = { ca: file('ca.crt') };
      const refused = open({ host: 'localhost', port: tlsPort, tls: trusting, retryStrategy: null, lazyConnect: true });
      refused.on('error', () => {});
      await assert.rejects(refused.connect().then(() => refused.ping()));
    });

    test('clients come back after the server was killed', async () => {
      const client = open({ retryStrategy: () => 50, maxRetriesPerRequest: null });
      const subscriber = open({ retryStrategy: () => 50, maxRetriesPerRequest: null });
      [r, client, subscriber].forEach((one) => one.on('error', () => {}));
      await subscriber.subscribe('news');
      await client.mset(Object.fromEntries(Array.from({ length: 500 }, (_, n) => [`key:${n}`, n])));
      const before = await r.info('server');
      killServer(before);
      await waitUntil(() => client.status !== 'ready', 'the connection is lost');
      assert.equal(await client.dbsize(), 500);
      assert.equal(await client.get('key:499'), '499');
      assert.notEqual(field(await client.info('server'), 'run_id'), field(before, 'run_id'));
      const message = events(subscriber, 'message', 1);
      await waitUntil(async () => (await client.publish('news', 'still')) === 1, 'the subscription is made again');
      assert.deepEqual(await message, [['news', 'still']]);
    });
  });
}
