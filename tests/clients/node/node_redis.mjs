// node-redis by its ordinary use, in both protocols.

import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { createClient, createClientPool, defineScript, WatchError } from 'redis';
import { field, file, killServer, port, tlsPort, waitUntil } from './place.mjs';

for (const RESP of [2, 3]) {
  describe(`RESP${RESP}`, () => {
    let r;
    let opened;
    const open = async (options = {}) => {
      const client = createClient({ RESP, socket: { host: '127.0.0.1', port }, ...options });
      client.on('error', () => {});
      opened.push(client);
      return client.connect();
    };

    beforeEach(async () => {
      opened = [];
      r = await open();
      await r.flushAll();
      await r.functionFlush();
    });

    afterEach(() => opened.forEach((client) => client.isOpen && client.destroy()));

    test('values of every type come back', async () => {
      assert.equal(await r.set('s', 'v', { EX: 100, NX: true }), 'OK');
      assert.equal(await r.set('s', 'w', { NX: true }), null);
      assert.equal(await r.hSet('h', { x: '1', y: 'z' }), 2);
      assert.deepEqual({ ...(await r.hGetAll('h')) }, { x: '1', y: 'z' });
      await r.zAdd('z', [{ score: 1, value: 'a' }, { score: Infinity, value: 'b' }]);
      const ranked = await r.zRangeWithScores('z', 0, -1);
      assert.deepEqual(ranked.map(({ value, score }) => [value, score]), [['a', 1], ['b', Infinity]]);
      assert.equal(await r.zScore('z', 'b'), Infinity);
      assert.deepEqual(await r.sAdd('set', ['a', 'b']), 2);
      assert.deepEqual([...(await r.sMembers('set'))].sort(), ['a', 'b']);
      assert.deepEqual(await r.geoAdd('g', { longitude: 13.361389, latitude: 38.115556, member: 'Palermo' }), 1);
      assert.deepEqual(await r.geoSearch('g', { longitude: 13, latitude: 38 }, { radius: 100, unit: 'km' }), ['Palermo']);
      assert.equal(await r.type('z'), 'zset');
      await assert.rejects(r.lPush('s', '1'), /WRONGTYPE/);
    });

    test('a pool carries out what is asked at once', async () => {
      const pool = await createClientPool({ RESP, socket: { host: '127.0.0.1', port } }, { minimum: 1, maximum: 4 }).connect();
      await Promise.all(Array.from({ length: 400 }, () => pool.incr('n')));
      assert.equal(await r.get('n'), '400');
      const taken = await pool.execute(async (client) => {
        await client.watch('n');
        return client.multi().incr('n').exec();
      });
      assert.deepEqual(taken, [401]);
      pool.destroy();
    });

    test('transactions fail when what they watch changes', async () => {
      assert.deepEqual(await r.multi().set('a', '1').incr('a').get('a').exec(), ['OK', 2, '2']);
      const other = await open();
      await r.watch('a');
      await other.set('a', 'changed');
      await assert.rejects(r.multi().set('a', 'mine').exec(), WatchError);
      assert.equal(await r.get('a'), 'changed');
    });

    test('messages reach channels, patterns and shards', async () => {
      const subscriber = await open();
      const seen = [];
      await subscriber.subscribe('news', (message, channel) => seen.push(`plain ${channel} ${message}`));
      await subscriber.pSubscribe('n*', (message, channel) => seen.push(`matched ${channel} ${message}`));
      await subscriber.sSubscribe('shard', (message, channel) => seen.push(`sharded ${channel} ${message}`));
      assert.equal(await r.publish('news', 'hello'), 2);
      assert.equal(await r.sPublish('shard', 'x'), 1);
      await waitUntil(() => seen.length === 3, 'three messages');
      assert.deepEqual(seen.sort(), ['matched news hello', 'plain news hello', 'sharded shard x']);
      if (RESP === 3) assert.equal(await subscriber.dbSize(), 0);
      await subscriber.unsubscribe();
      await subscriber.pUnsubscribe();
      await subscriber.sUnsubscribe();
      assert.equal(await r.publish('news', 'again'), 0);
      assert.equal(String(await subscriber.ping()), 'PONG');
    });

    test('scripts and functions become methods', async () => {
      const script = defineScript({
        NUMBER_OF_KEYS: 1,
        SCRIPT: "return redis.call('INCRBY', KEYS[1], ARGV[1])",
        parseCommand: (parser, key, by) => (parser.pushKey(key), parser.push(by)),
        transformReply: (reply) => Number(reply),
      });
      const client = await open({ scripts: { add: script } });
      assert.equal(await client.add('n', '5'), 5);
      await client.scriptFlush();
      assert.equal(await client.add('n', '5'), 10);
      const code = "#!lua name=own\nredis.register_function('twice', function(k, a) return a[1] * 2 end)";
      assert.equal(await r.functionLoad(code), 'own');
      assert.equal(await r.fCall('twice', { keys: [], arguments: ['21'] }), 42);
      const [library] = await r.functionList();
      assert.equal(library.library_name, 'own');
    });

    test('who waits is served, and streams are shared', async () => {
      const waiter = await open();
      const waiting = waiter.blPop('l', 20);
      await waitUntil(async () => field(await r.info('clients'), 'blocked_clients') === '1', 'a client waits');
      await r.rPush('l', 'x');
      assert.deepEqual({ ...(await waiting) }, { key: 'l', element: 'x' });
      await r.xGroupCreate('s', 'g', '$', { MKSTREAM: true });
      const id = await r.xAdd('s', '*', { a: 'b' });
      const [{ name, messages }] = await r.xReadGroup('g', 'one', { key: 's', id: '>' });
      assert.equal(name, 's');
      assert.equal(messages[0].id, id);
      assert.deepEqual({ ...messages[0].message }, { a: 'b' });
      assert.equal((await r.xPending('s', 'g')).pending, 1);
      assert.equal(await r.xAck('s', 'g', id), 1);
    });

    test('iterators see every key', async () => {
      await r.mSet(Array.from({ length: 1000 }, (_, n) => [`key:${n}`, `${n}`]));
      const seen = new Set();
      for await (const keys of r.scanIterator({ MATCH: 'key:*', COUNT: 50 })) keys.forEach((key) => seen.add(key));
      assert.equal(seen.size, 1000);
    });

    test('users may do what their rules say, over TLS too', async () => {
      await r.aclSetUser('worker', ['on', '>secret', '~job:*', '+get', '+hello', '+client', '+ping']);
      const tls = { host: 'localhost', port: tlsPort, tls: true, ca: file('ca.crt'), cert: file('client.crt'), key: file('client.key') };
      const user = await open({ username: 'worker', password: 'secret', socket: tls });
      assert.equal(await user.get('job:1'), null);
      await assert.rejects(user.get('other'), /NOPERM/);
      const wrong = open({ username: 'worker', password: 'wrong', socket: { ...tls, reconnectStrategy: false } });
      await assert.rejects(wrong, /WRONGPASS/);
      await r.aclDelUser('worker');
    });

    test('clients come back after the server was killed', async () => {
      const client = await open({ socket: { host: '127.0.0.1', port, reconnectStrategy: 50 } });
      await client.mSet(Array.from({ length: 500 }, (_, n) => [`key:${n}`, `${n}`]));
      const before = await r.info('server');
      killServer(before);
      await waitUntil(() => !client.isReady, 'the connection is lost');
      // The client hands on that the server is still loading.
      await waitUntil(() => client.ping().then(() => true, (error) => assert.match(error.message, /LOADING/)), 'it serves');
      assert.equal(await client.dbSize(), 500);
      assert.notEqual(field(await client.info('server'), 'run_id'), field(before, 'run_id'));
    });
  });
}

test('cached values are given up when they change', async () => {
  const options = { RESP: 3, socket: { host: '127.0.0.1', port } };
  const cached = await createClient({ ...options, clientSideCache: { ttl: 0, maxEntries: 100, evictPolicy: 'LRU' } }).connect();
  const other = await createClient(options).connect();
  await other.flushAll();
  await other.set('k', '1');
  const calls = async () => (await other.info('commandstats')).match(/cmdstat_get:calls=(\d+)/)[1];
  assert.equal(await cached.get('k'), '1');
  const before = await calls();
  for (let n = 0; n < 10; n += 1) assert.equal(await cached.get('k'), '1');
  assert.equal(await calls(), before);
  await other.set('k', '2');
  await waitUntil(async () => (await cached.get('k')) === '2', 'the change is seen');
  cached.destroy();
  other.destroy();
});
