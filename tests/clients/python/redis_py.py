"""redis-py by its ordinary use, in both protocols."""

import asyncio
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

import redis
import redis.asyncio
from redis.backoff import ConstantBackoff
from redis.cache import CacheConfig
from redis.retry import Retry

import place


def next_message(subscription):
    """The next message that is no confirmation."""
    end = time.monotonic() + place.PATIENCE_S
    while time.monotonic() < end:
        message = subscription.get_message(ignore_subscribe_messages=True, timeout=0.1)
        if message:
            return message["type"], message["channel"], message["data"]
    raise AssertionError("no message")


class Both:
    """What is the same in RESP2 and RESP3."""

    def test_values_of_every_type_come_back(self):
        r = self.r
        self.assertTrue(r.set("s", "v", ex=100, nx=True))
        self.assertIsNone(r.set("s", "w", nx=True))
        self.assertEqual(r.set("s", "x", get=True, keepttl=True), "v")
        self.assertLessEqual(r.ttl("s"), 100)
        self.assertEqual(r.getex("s", persist=True), "x")
        self.assertEqual(r.ttl("s"), -1)
        self.assertEqual(r.incrbyfloat("f", "0.1"), 0.1)
        self.assertEqual(r.mset({"a": 1, "b": 2}), True)
        self.assertEqual(r.mget("a", "none", "b"), ["1", None, "2"])
        self.assertEqual(r.hset("h", mapping={"x": 1, "y": "2", "z": 0.5}), 3)
        self.assertEqual(r.hgetall("h"), {"x": "1", "y": "2", "z": "0.5"})
        self.assertEqual(r.rpush("l", *range(5)), 5)
        self.assertEqual(r.lrange("l", 1, -2), ["1", "2", "3"])
        self.assertEqual(r.lmove("l", "m", "LEFT", "RIGHT"), "0")
        self.assertEqual(r.lpos("l", "3"), 2)
        self.assertEqual(r.sadd("set", "a", "b"), 2)
        self.assertEqual(r.smembers("set"), {"a", "b"})
        self.assertEqual(r.smismember("set", ["a", "c"]), [1, 0])
        self.assertEqual(r.zadd("z", {"a": 1, "b": 2.5, "c": float("inf")}), 3)
        self.assertEqual(r.zscore("z", "c"), float("inf"))
        pairs = [tuple(pair) for pair in r.zrange("z", 0, 1, withscores=True)]
        self.assertEqual(pairs, [("a", 1.0), ("b", 2.5)])
        self.assertEqual(r.geoadd("g", (13.361389, 38.115556, "Palermo", 15.087269, 37.502669, "Catania")), 2)
        self.assertEqual(r.geodist("g", "Palermo", "Catania", "km"), 166.2742)
        self.assertEqual(r.geosearch("g", longitude=15, latitude=37, radius=100, unit="km"), ["Catania"])
        self.assertEqual(r.pfadd("p", *range(100)), 1)
        self.assertEqual(r.pfcount("p"), 100)
        self.assertEqual(r.setbit("bits", 7, 1), 0)
        self.assertEqual(r.bitcount("bits"), 1)
        self.assertEqual(r.bitfield("bits").get("u8", 0).incrby("i5", 3, 1).execute(), [1, 2])
        self.assertEqual(r.sort("l", desc=True), ["4", "3", "2", "1"])
        self.assertEqual(sorted(r.keys("[shl]")), ["h", "l", "s"])
        self.assertEqual(r.type("z"), "zset")
        self.assertEqual(r.sadd("numbers", 1, 2), 2)
        self.assertEqual(r.object("encoding", "numbers"), "intset")
        blob = place.client(protocol=self.protocol, decode_responses=False)
        binary = bytes(range(256))
        blob.set("binary", binary)
        self.assertEqual(blob.get("binary"), binary)
        dumped = blob.dump("z")
        blob.restore("z2", 0, dumped)
        self.assertEqual(r.zcard("z2"), 3)
        self.assertEqual(r.copy("z", "z3"), True)
        self.assertEqual(r.unlink("z", "z2", "z3"), 3)

    def test_errors_are_the_clients_own_exceptions(self):
        self.r.set("s", "v")
        with self.assertRaisesRegex(redis.ResponseError, "WRONGTYPE"):
            self.r.lpush("s", 1)
        with self.assertRaises(redis.exceptions.NoScriptError):
            self.r.evalsha("0" * 40, 0)
        with self.assertRaisesRegex(redis.ResponseError, "unknown command"):
            self.r.execute_command("NOSUCHCOMMAND")
        with self.assertRaisesRegex(redis.ResponseError, "not an integer"):
            self.r.incr("s")

    def test_fields_of_hashes_expire(self):
        if not self.is_at_least(7, 4):
            self.skipTest("the server is older")
        self.r.hset("h", mapping={"a": 1, "b": 2})
        self.assertEqual(self.r.hexpire("h", 100, "a", "none"), [1, -2])
        self.assertEqual(self.r.hpexpire("h", 1, "b"), [1])
        place.wait_until(lambda: self.r.hgetall("h") == {"a": "1"}, "a field expires")
        self.assertEqual(self.r.hpersist("h", "a"), [1])

    def test_a_pool_is_shared_by_threads(self):
        pool = redis.BlockingConnectionPool(host="127.0.0.1", port=place.PORT, max_connections=4, timeout=20,
                                            protocol=self.protocol, decode_responses=True, client_name="pooled")
        self.addCleanup(pool.disconnect)

        def work(thread):
            r = redis.Redis(connection_pool=pool)
            for step in range(100):
                r.set(f"{thread}:{step}", thread)
                r.incr("count")
                assert r.get(f"{thread}:{step}") == str(thread)

        with ThreadPoolExecutor(8) as threads:
            list(threads.map(work, range(8)))
        self.assertEqual(self.r.get("count"), "800")
        self.assertEqual(self.r.dbsize(), 801)
        self.assertLessEqual(sum(one["name"] == "pooled" for one in self.r.client_list()), 4)

    def test_pipelines_keep_order_and_report_errors_in_place(self):
        with self.r.pipeline(transaction=False) as pipe:
            for step in range(10_000):
                pipe.incr("n")
            self.assertEqual(pipe.execute(), list(range(1, 10_001)))
        with self.r.pipeline(transaction=False) as pipe:
            replies = pipe.set("s", "v").lpush("s", 1).get("s").execute(raise_on_error=False)
        self.assertEqual((replies[0], replies[2]), (True, "v"))
        self.assertIsInstance(replies[1], redis.ResponseError)

    def test_transactions_are_atomic_under_contention(self):
        def work(_):
            r = place.client(protocol=self.protocol)
            for _ in range(20):
                r.transaction(lambda pipe: (lambda old: (pipe.multi(), pipe.set("n", old + 1)))(int(pipe.get("n") or 0)),
                              "n")
            r.close()

        with ThreadPoolExecutor(4) as threads:
            list(threads.map(work, range(4)))
        self.assertEqual(self.r.get("n"), "80")
        with self.r.pipeline() as pipe:
            pipe.watch("n")
            self.r.set("n", "other")
            pipe.multi()
            pipe.set("n", "mine")
            with self.assertRaises(redis.WatchError):
                pipe.execute()
        self.assertEqual(self.r.get("n"), "other")
        with self.r.pipeline() as pipe, self.assertRaises(redis.ResponseError):
            pipe.set("a", 1).execute_command("SET", "only").execute()
        self.assertEqual(self.r.exists("a"), 0)

    def test_messages_reach_channels_patterns_and_shards(self):
        with self.r.pubsub() as subscription:
            subscription.subscribe("news")
            subscription.psubscribe("n*", "[a-c]?")
            subscription.ssubscribe("shard")
            confirmed = [subscription.get_message(timeout=place.PATIENCE_S)["type"] for _ in range(4)]
            self.assertEqual(confirmed, ["subscribe", "psubscribe", "psubscribe", "ssubscribe"])
            self.assertEqual(self.r.publish("news", "hello"), 2)
            self.assertEqual(next_message(subscription), ("message", "news", "hello"))
            self.assertEqual(next_message(subscription), ("pmessage", "news", "hello"))
            self.assertEqual(self.r.publish("b1", "x"), 1)
            self.assertEqual(next_message(subscription), ("pmessage", "b1", "x"))
            self.assertEqual(self.r.spublish("shard", "y"), 1)
            self.assertEqual(next_message(subscription), ("smessage", "shard", "y"))
            self.assertEqual(self.r.pubsub_channels(), ["news"])
            self.assertEqual(self.r.pubsub_numpat(), 2)
            self.assertEqual([tuple(pair) for pair in self.r.pubsub_shardnumsub("shard")], [("shard", 1)])
            if self.protocol == 2:
                subscription.ping()
                place.wait_until(lambda: (subscription.get_message(timeout=0.1) or {}).get("type") == "pong", "a pong")
            subscription.unsubscribe("news")
            place.wait_until(lambda: self.r.publish("news", "again") == 1, "the end of a subscription")

    def test_changes_of_keys_are_told(self):
        self.r.config_set("notify-keyspace-events", "KEA")
        self.addCleanup(self.r.config_set, "notify-keyspace-events", "")
        with self.r.pubsub() as subscription:
            subscription.psubscribe("__keyevent@0__:*")
            subscription.get_message(timeout=place.PATIENCE_S)
            self.r.set("k", "v", px=30)
            events = [next_message(subscription)[1:] for _ in range(3)]
        names = ["set", "expire", "expired"]
        self.assertEqual(events, [(f"__keyevent@0__:{name}", "k") for name in names])

    def test_scripts_are_cached_and_typed(self):
        script = self.r.register_script("local v = redis.call('INCRBY', KEYS[1], ARGV[1]) return {v, KEYS[1], ARGV[1]}")
        self.assertEqual(script(keys=["n"], args=[5]), [5, "n", "5"])
        self.r.script_flush()
        self.assertEqual(script(keys=["n"], args=[5]), [10, "n", "5"])
        self.assertEqual(self.r.script_exists(script.sha, "0" * 40), [True, False])
        self.assertEqual(self.r.eval("return {1, 2.9, 'a', false, {true, {}}}", 0), [1, 2, "a", None, [1, []]])
        with self.assertRaisesRegex(redis.ResponseError, "mine"):
            self.r.eval("return redis.error_reply('mine')", 0)
        with self.assertRaisesRegex(redis.ResponseError, "Write commands"):
            self.r.eval_ro("return redis.call('SET', KEYS[1], 1)", 1, "k")
        with self.r.pipeline() as pipe:
            script(keys=["n"], args=[1], client=pipe)
            pipe.get("n")
            self.assertEqual(pipe.execute(), [[11, "n", "1"], "11"])

    def test_functions_are_called_and_listed(self):
        code = """#!lua name=bank
            redis.register_function('move', function(keys, args)
                redis.call('DECRBY', keys[1], args[1])
                return redis.call('INCRBY', keys[2], args[1])
            end)
            redis.register_function{function_name='sum', flags={'no-writes'}, callback=function(keys)
                local sum = 0
                for _, key in ipairs(keys) do sum = sum + redis.call('GET', key) end
                return sum
            end}"""
        self.assertEqual(self.r.function_load(code), "bank")
        self.assertEqual(self.r.function_load(code, replace=True), "bank")
        self.assertEqual(self.r.fcall("move", 2, "a", "b", 5), 5)
        self.assertEqual(self.r.fcall_ro("sum", 2, "a", "b"), 0)
        with self.assertRaises(redis.ResponseError):
            self.r.fcall_ro("move", 2, "a", "b", 5)
        self.assertIn("bank", str(self.r.function_list(withcode=True)))
        dumped = place.client(decode_responses=False).function_dump()
        self.r.function_delete("bank")
        self.r.function_restore(dumped)
        self.assertEqual(self.r.fcall("move", 2, "a", "b", 5), 10)

    def test_locks_exclude_extend_and_expire(self):
        inside, most = [0], [0]

        def work(_):
            with self.r.lock("lock", timeout=100, sleep=0.01):
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                time.sleep(0.002)
                inside[0] -= 1

        with ThreadPoolExecutor(5) as threads:
            list(threads.map(work, range(25)))
        self.assertEqual(most[0], 1)
        lock = self.r.lock("lock", timeout=100)
        self.assertTrue(lock.acquire())
        self.assertTrue(lock.extend(200) and self.r.ttl("lock") > 200)
        self.assertTrue(lock.reacquire() and lock.owned())
        self.assertFalse(self.r.lock("lock", blocking_timeout=0.05).acquire())
        lock.release()
        with self.assertRaises(redis.exceptions.LockError):
            lock.release()
        short = self.r.lock("lock", timeout=0.02)
        self.assertTrue(short.acquire())
        place.wait_until(lambda: not short.owned(), "a lock expires")
        with self.assertRaises(redis.exceptions.LockNotOwnedError):
            short.release()

    def test_who_waits_is_served_in_order(self):
        def waits(r):
            return sum("b" in one["flags"] for one in r.client_list())

        with ThreadPoolExecutor(3) as threads:
            served = []
            for at in range(3):
                served.append(threads.submit(lambda: place.client(protocol=self.protocol).blpop(["x", "y"], timeout=20)))
                place.wait_until(lambda: waits(self.r) == at + 1, "a client waits")
            self.r.rpush("y", "one", "two")
            self.r.rpush("x", "three")
            self.assertEqual([tuple(one.result()) for one in served], [("y", "one"), ("y", "two"), ("x", "three")])
            moved = threads.submit(lambda: place.client().blmove("from", "to", 20, "LEFT", "RIGHT"))
            least = threads.submit(lambda: place.client().bzpopmin("z", timeout=20))
            place.wait_until(lambda: waits(self.r) == 2, "two clients wait")
            self.r.transaction(lambda pipe: (pipe.rpush("from", 1), pipe.zadd("z", {"a": 3, "b": 2})))
            self.assertEqual(moved.result(), "1")
            self.assertEqual(list(least.result()), ["z", "b", 2.0])
        started = time.monotonic()
        self.assertIsNone(self.r.blpop("none", timeout=0.1))
        # The server's clock has whole milliseconds.
        self.assertGreaterEqual(time.monotonic() - started, 0.095)

    def test_groups_share_a_stream_and_take_over(self):
        r = self.r
        r.xgroup_create("s", "g", id="$", mkstream=True)
        ids = [r.xadd("s", {"n": n}, maxlen=1000, approximate=True) for n in range(100)]
        seen = []

        def work(name):
            own = place.client(protocol=self.protocol)
            while entries := own.xreadgroup("g", name, {"s": ">"}, count=7):
                entries = entries["s"][0] if isinstance(entries, dict) else entries[0][1]
                for key, fields in entries:
                    seen.append((key, fields))
                    if int(fields["n"]) % 10:
                        own.xack("s", "g", key)

        with ThreadPoolExecutor(3) as threads:
            list(threads.map(work, ["one", "two", "three"]))
        self.assertEqual(sorted(seen, key=lambda one: int(one[1]["n"])), [(key, {"n": str(n)}) for n, key in enumerate(ids)])
        pending = r.xpending("s", "g")
        self.assertEqual((pending["pending"], pending["min"], pending["max"]), (10, ids[0], ids[90]))
        claimed = r.xautoclaim("s", "g", "heir", min_idle_time=0, count=4)
        self.assertEqual([key for key, _ in claimed[1]], ids[0:40:10])
        self.assertEqual(r.xack("s", "g", *ids[0:40:10]), 4)
        self.assertEqual(len(r.xpending_range("s", "g", "-", "+", 100)), 6)
        self.assertEqual([one["name"] for one in r.xinfo_consumers("s", "g") if one["name"] == "heir"], ["heir"])
        self.assertEqual(r.xinfo_groups("s")[0]["entries-read"], 100)
        self.assertEqual(r.xtrim("s", maxlen=10, approximate=False), 90)
        self.assertEqual([key for key, _ in r.xrevrange("s", count=2)], [ids[99], ids[98]])

    def test_a_reader_waits_for_entries_of_a_stream(self):
        with ThreadPoolExecutor(1) as threads:
            reply = threads.submit(lambda: place.client(protocol=self.protocol).xread({"s": "$"}, block=20_000))
            place.wait_until(lambda: any("b" in one["flags"] for one in self.r.client_list()), "a reader waits")
            key = self.r.xadd("s", {"a": "b"})
            entries = reply.result()
        entries = entries["s"][0] if isinstance(entries, dict) else entries[0][1]
        self.assertEqual([tuple(entry) for entry in entries], [(key, {"a": "b"})])

    def test_iterators_see_everything_once(self):
        r = self.r
        with r.pipeline(transaction=False) as pipe:
            for n in range(3000):
                pipe.set(f"key:{n}", n)
                pipe.hset("h", f"f{n}", n)
                pipe.sadd("s", f"m{n}")
                pipe.zadd("z", {f"m{n}": n})
            pipe.execute()
        self.assertEqual(set(r.scan_iter(match="key:*", count=100)), {f"key:{n}" for n in range(3000)})
        self.assertEqual(set(r.scan_iter(_type="HASH")), {"h"})
        self.assertEqual(dict(r.hscan_iter("h")), {f"f{n}": str(n) for n in range(3000)})
        self.assertEqual(set(r.sscan_iter("s")), {f"m{n}" for n in range(3000)})
        self.assertEqual(dict(map(tuple, r.zscan_iter("z"))), {f"m{n}": float(n) for n in range(3000)})

    def test_users_may_do_what_their_rules_say(self):
        self.addCleanup(self.r.acl_deluser, "worker")
        self.r.acl_setuser("worker", enabled=True, passwords=["+secret"], keys=["job:*"], channels=["jobs"],
                           commands=["+get", "+set", "+publish", "+client", "+multi", "+exec"])
        self.assertIn("worker", self.r.acl_users())
        user = place.client(username="worker", password="secret", protocol=self.protocol)
        self.assertTrue(user.set("job:1", "x"))
        self.assertEqual(user.get("job:1"), "x")
        for forbidden in [lambda: user.get("other"), lambda: user.delete("job:1"), lambda: user.publish("news", "x")]:
            self.assertRaises(redis.exceptions.NoPermissionError, forbidden)
        wrong = place.client(username="worker", password="wrong", protocol=self.protocol)
        self.assertRaises(redis.AuthenticationError, wrong.ping)
        reasons = [entry["reason"] for entry in self.r.acl_log()]
        self.assertEqual(reasons[:4], ["auth", "channel", "command", "key"])
        self.assertEqual(self.r.acl_dryrun("worker", "get", "job:1"), "OK")

    def test_a_session_over_tls(self):
        options = {"host": "localhost", "port": place.TLS_PORT, "ssl": True, "protocol": self.protocol,
                   "ssl_ca_certs": str(place.CERTIFICATES / "ca.crt")}
        shown = {"ssl_certfile": str(place.CERTIFICATES / "client.crt"),
                 "ssl_keyfile": str(place.CERTIFICATES / "client.key")}
        r = place.client(**options, **shown)
        large = "x" * 3_000_000
        self.assertTrue(r.set("large", large))
        self.assertEqual(r.get("large"), large)
        with r.pipeline() as pipe:
            for n in range(1000):
                pipe.rpush("l", n)
            self.assertEqual(pipe.execute()[-1], 1000)
        # Without a certificate of its own a client is refused.
        self.assertRaises(redis.ConnectionError, place.client(**options, retry=Retry(ConstantBackoff(0), 0)).ping)

    def test_clients_come_back_after_the_server_was_killed(self):
        r = place.client(protocol=self.protocol, retry=Retry(ConstantBackoff(0.05), 600),
                         retry_on_error=[redis.ConnectionError, redis.TimeoutError])
        for n in range(500):
            r.set(f"key:{n}", n)
        r.rpush("l", *range(1000))
        before = self.r.info("server")["run_id"]
        place.kill_server(self.r)
        self.assertEqual(r.mget([f"key:{n}" for n in range(500)]), [str(n) for n in range(500)])
        self.assertEqual(r.llen("l"), 1000)
        self.assertNotEqual(r.info("server")["run_id"], before)
        self.assertTrue(r.set("after", 1))


class Resp2(Both, place.Case):
    protocol = 2


class Resp3(Both, place.Case):
    protocol = 3

    def test_cached_values_are_given_up_when_they_change(self):
        if not self.is_at_least(7, 4):
            self.skipTest("the client wants a newer server")
        r = place.client(protocol=3, cache_config=CacheConfig())
        self.r.set("k", 1)
        self.r.hset("h", "f", 1)
        self.assertEqual((r.get("k"), r.hget("h", "f")), ("1", "1"))
        cache = r.get_cache()
        self.assertEqual(cache.size, 2)
        before = self.r.info("commandstats")["cmdstat_get"]["calls"]
        self.assertEqual([r.get("k") for _ in range(10)], ["1"] * 10)
        self.assertEqual(self.r.info("commandstats")["cmdstat_get"]["calls"], before)
        self.r.set("k", 2)
        place.wait_until(lambda: r.get("k") == "2", "the change is seen")
        self.assertEqual(r.hget("h", "f"), "1")
        self.r.flushall()
        place.wait_until(lambda: r.get("k") is None and r.hget("h", "f") is None, "the end of all keys is seen")


class Asynchronous(place.Case):
    """The client for asyncio."""

    def test_many_tasks_share_a_pool(self):
        async def work():
            pool = redis.asyncio.BlockingConnectionPool(host="127.0.0.1", port=place.PORT, decode_responses=True,
                                                        protocol=3, max_connections=10, timeout=20)
            r = redis.asyncio.Redis.from_pool(pool)
            await asyncio.gather(*(r.incr("n") for _ in range(500)))
            self.assertEqual(await r.get("n"), "500")
            async with r.pipeline(transaction=True) as pipe:
                self.assertEqual(await pipe.incr("n").get("n").execute(), [501, "501"])
            async with r.lock("lock", timeout=100):
                self.assertEqual(await r.exists("lock"), 1)
            async with r.pubsub() as subscription:
                await subscription.subscribe("c")
                await subscription.get_message(timeout=place.PATIENCE_S)
                await r.publish("c", "hello")
                message = await subscription.get_message(timeout=place.PATIENCE_S)
                self.assertEqual(message["data"], "hello")
            waiter = asyncio.create_task(r.blpop("l", timeout=20))
            await asyncio.sleep(0.02)
            await r.rpush("l", "x")
            self.assertEqual(list(await waiter), ["l", "x"])
            self.assertEqual(len([key async for key in r.scan_iter()]), 1)
            await r.aclose()

        asyncio.run(work())


if __name__ == "__main__":
    unittest.main()
