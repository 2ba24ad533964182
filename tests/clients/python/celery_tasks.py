"""Celery: a worker and the beat in processes of their own, with results, retries, chains, chords and schedules."""

import datetime
import subprocess
import sys
import tempfile

import celery
from celery.result import AsyncResult

import place
import work


class Tasks(place.Case):
    def setUp(self):
        super().setUp()
        # The worker: two processes, and the beat that sends what is scheduled.
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        words = ["-m", "celery", "-A", "work", "worker", "--beat", "--schedule", f"{self.folder.name}/beat",
                 "--concurrency", "2", "--loglevel", "WARNING"]
        self.worker = subprocess.Popen([sys.executable, *words])
        self.addCleanup(self.stop)

    def stop(self):
        self.worker.terminate()
        self.worker.wait(place.PATIENCE_S)

    def test_tasks_give_results_in_every_composition(self):
        def get(result):
            return result.get(timeout=place.PATIENCE_S)

        self.assertEqual(get(work.multiply.delay(6, 7)), 42)
        results = [work.multiply.delay(n, 2) for n in range(50)]
        self.assertEqual([get(result) for result in results], [2 * n for n in range(50)])
        refused = work.refuse.delay()
        with self.assertRaisesRegex(ValueError, "on purpose"):
            get(refused)
        self.assertEqual(AsyncResult(refused.id, app=work.app).state, "FAILURE")
        self.assertEqual(get(work.insist.delay("tried", 3)), 3)
        self.assertEqual(get(celery.chain(work.multiply.s(2, 3), work.multiply.s(4))()), 24)
        self.assertEqual(get(celery.group(work.multiply.s(n, n) for n in range(5))()), [0, 1, 4, 9, 16])
        self.assertEqual(get(celery.chord(work.multiply.s(n, n) for n in range(5))(work.total.s())), 30)
        sent = datetime.datetime.now()
        self.assertEqual(get(work.multiply.apply_async((5, 5), countdown=0.5)), 25)
        self.assertGreaterEqual((datetime.datetime.now() - sent).total_seconds(), 0.49)
        place.wait_until(lambda: int(self.r.get("ticks") or 0) >= 3, "the schedule")
        patient = {"timeout": place.PATIENCE_S, "limit": 1}
        self.assertEqual(list(work.app.control.ping(**patient)[0].values()), [{"ok": "pong"}])
        # The worker knows of it before the task is sent.
        self.assertTrue(work.app.control.revoke("unwanted", reply=True, **patient))
        revoked = work.count.apply_async(("revoked",), task_id="unwanted")
        with self.assertRaises(celery.exceptions.TaskRevokedError):
            get(revoked)
        self.assertIsNone(self.r.get("revoked"))
