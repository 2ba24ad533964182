"""Redlock and containers of Pottery; three databases stand for three masters."""

import time
from concurrent.futures import ThreadPoolExecutor

import pottery
from pottery import RedisDeque, RedisDict, RedisSet

import place


class Redlocks(place.Case):
    def setUp(self):
        super().setUp()
        self.masters = {place.client(db=db) for db in range(3)}

    def lock(self, **options):
        return pottery.Redlock(key="printer", masters=self.masters, auto_release_time=20, **options)

    def test_one_holder_at_a_time(self):
        inside, most = [0], [0]

        def work(_):
            with self.lock():
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                time.sleep(0.005)
                inside[0] -= 1

        with ThreadPoolExecutor(4) as threads:
            list(threads.map(work, range(12)))
        self.assertEqual(most[0], 1)

    def test_a_lock_is_extended_released_and_expires(self):
        lock = self.lock()
        self.assertTrue(lock.acquire())
        self.assertFalse(self.lock().acquire(blocking=False))
        self.assertTrue(0 < lock.locked() <= 20)
        lock.extend()
        lock.release()
        self.assertRaises(pottery.ReleaseUnlockedLock, lock.release)
        short = pottery.Redlock(key="printer", masters=self.masters, auto_release_time=0.1)
        self.assertTrue(short.acquire())
        # Its holder gives it up a little before the keys expire, in case clocks differ.
        place.wait_until(lambda: not short.locked(), "the holder no longer trusts the lock")
        place.wait_until(lambda: self.lock().acquire(blocking=False), "the lock expires")

    def test_a_minority_that_is_away_does_not_matter(self):
        away = place.client(port=1, socket_connect_timeout=1)
        self.masters = {*list(self.masters)[:2], away}
        lock = self.lock()
        self.assertTrue(lock.acquire())
        self.assertFalse(self.lock().acquire(blocking=False))
        lock.release()

    def test_identifiers_never_repeat(self):
        one, other = (pottery.NextID(key="tickets", masters=self.masters) for _ in range(2))
        drawn = [next(source) for source in [one, other, other, one] * 5]
        self.assertEqual(drawn, list(range(1, 21)))

    def test_containers_are_those_of_python(self):
        r = self.r
        self.assertEqual(dict(RedisDict({"a": 1, "b": [2]}, redis=r, key="dict")), {"a": 1, "b": [2]})
        self.assertEqual(set(RedisSet(range(10), redis=r, key="set")), set(range(10)))
        deque = RedisDeque(range(5), redis=r, key="deque", maxlen=5)
        deque.append(5)
        self.assertEqual(list(deque), [1, 2, 3, 4, 5])
