"""RQ: jobs with results, failures, retries, dependencies and schedules, carried out by its own workers."""

import datetime
import subprocess
import sys
import unittest

import rq
from rq.job import JobStatus
from rq.registry import FailedJobRegistry, FinishedJobRegistry, ScheduledJobRegistry

import place
import work


class Jobs(place.Case):
    def setUp(self):
        super().setUp()
        # RQ keeps pickled bytes.
        self.connection = place.client(decode_responses=False)
        self.addCleanup(self.connection.close)
        self.queue = rq.Queue("jobs", connection=self.connection)

    def burst(self, *queues, **options):
        """Works until nothing is left."""
        worker = rq.SimpleWorker(list(queues) or [self.queue], connection=self.connection)
        self.assertTrue(worker.work(burst=True, logging_level="ERROR", **options))

    def test_results_and_failures_are_kept(self):
        jobs = [self.queue.enqueue(work.add, n, n) for n in range(20)]
        bad = self.queue.enqueue(work.fail)
        self.assertEqual(self.queue.count, 21)
        self.burst()
        self.assertEqual([job.return_value() for job in jobs], [2 * n for n in range(20)])
        self.assertEqual(bad.get_status(), JobStatus.FAILED)
        self.assertIn("on purpose", bad.latest_result().exc_string)
        self.assertEqual(len(FinishedJobRegistry(queue=self.queue)), 20)
        self.assertEqual(FailedJobRegistry(queue=self.queue).get_job_ids(), [bad.id])
        self.assertEqual(self.queue.count, 0)

    def test_what_fails_is_tried_again(self):
        job = self.queue.enqueue(work.succeed_at, "tried", 3, retry=rq.Retry(max=4))
        self.burst()
        self.assertEqual((job.return_value(), self.r.get("tried")), (3, "3"))

    def test_jobs_wait_for_those_they_depend_on(self):
        first = self.queue.enqueue(work.note, "order", "first")
        other = self.queue.enqueue(work.note, "order", "second", depends_on=first)
        last = self.queue.enqueue(work.note, "order", "third", depends_on=[first, other])
        self.assertEqual(last.get_status(), JobStatus.DEFERRED)
        self.burst()
        self.assertEqual(self.r.lrange("order", 0, -1), ["first", "second", "third"])

    def test_urgent_queues_come_first(self):
        urgent = rq.Queue("urgent", connection=self.connection)
        self.queue.enqueue(work.note, "order", "usual")
        self.queue.enqueue(work.note, "order", "front", at_front=True)
        urgent.enqueue(work.note, "order", "urgent")
        self.burst(urgent, self.queue)
        self.assertEqual(self.r.lrange("order", 0, -1), ["urgent", "front", "usual"])

    def test_workers_share_the_queue_and_carry_out_what_is_due(self):
        worker = [sys.executable, "-m", "rq.cli", "worker", "--url", place.URL, "--with-scheduler", "--path", ".", "jobs"]
        workers = [subprocess.Popen(worker) for _ in range(2)]
        try:
            soon = self.queue.enqueue_in(datetime.timedelta(seconds=1), work.add, 40, 2)
            later = self.queue.enqueue_in(datetime.timedelta(hours=1), work.add, 1, 1)
            jobs = [self.queue.enqueue(work.note, "notes", n) for n in range(30)]
            place.wait_until(lambda: all(job.is_finished for job in jobs), "all jobs are done")
            self.assertEqual(sorted(map(int, self.r.lrange("notes", 0, -1))), list(range(30)))
            place.wait_until(lambda: soon.is_finished, "a job is due")
            self.assertEqual(soon.return_value(), 42)
            self.assertEqual(ScheduledJobRegistry(queue=self.queue).get_job_ids(), [later.id])
            # One may have done everything before the other began.
            place.wait_until(lambda: len(rq.Worker.all(connection=self.connection)) == 2, "both workers are there")
        finally:
            for one in workers:
                one.terminate()
            for one in workers:
                one.wait(place.PATIENCE_S)
        self.assertEqual(rq.Worker.all(connection=self.connection), [])


if __name__ == "__main__":
    unittest.main()
