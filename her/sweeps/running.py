"""Running a sweep: resumable, and a run that fails or dies ends no other."""

import os
import traceback
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from joblib import Parallel, delayed, parallel_config

from her.sweeps.grid import Job
from her.sweeps.tables import RunRecord, read_progress, read_run, read_tables, write_tables
from her.training import use_one_thread
from her.training.config import differences
from her.training.runs import Run


def sweep(
    jobs: Sequence[Job],
    out: Path,
    results: Path,
    command: str,
    kept: Sequence[RunRecord] = (),
    n_jobs: int = -1,
    backend: str = "loky",
    scheduler: str | None = None,
) -> Iterator[RunRecord]:
    """Run all jobs but those of ``kept``, and write the tables anew with every run that ends.

    Runs that have ended are not run again, interrupted ones go on. A run that raises, or whose process dies, is told
    like any other. With dask runs are told when all have come; on a cluster ``out`` has to be shared by its machines.

    Args:
        jobs: the whole sweep, in the order of its tables.
        out, results: folders of the runs' folders, and of the tables.
        command: that makes them; they say so.
        kept: runs of the sweep that need not be run, see `in_tables`.
        n_jobs: runs at a time, -1 is one per core (or all the cluster's workers).
        backend: "loky", processes of this machine, or "dask".
        scheduler: address of dask's, such as "tcp://host:8786"; None starts workers on this machine.

    Yields:
        The runs, as they end; those that had ended before first.
    """
    records = {record.name: record for record in kept}
    todo = {job.name: job for job in jobs if job.name not in records}
    for record in _run_all(todo, out.resolve(), n_jobs, backend, scheduler):
        records[record.name] = record
        write_tables([records[job.name] for job in jobs if job.name in records], results, command)
        yield record


def in_tables(jobs: Iterable[Job], results: Path) -> list[RunRecord]:
    """Those of the jobs that `read_tables` finds in ``results``, ended and with the very settings asked for now."""
    there = {record.name: record for record in read_tables(results) if record.result}
    return [
        there[job.name] for job in jobs if job.name in there and not differences(job.config, there[job.name].config)
    ]


def has_ended(job: Job, out: Path) -> bool:
    """Whether a job's run, in its folder below ``out``, has come to its end."""
    return (out / job.name / "summary.json").exists()


def steps_done(job: Job, out: Path) -> int:
    """Environment steps of a run until its last evaluation, all of them once it has ended."""
    if has_ended(job, out):
        return job.config.max_steps
    steps = read_progress(out / job.name)["env_steps"].astype(int).max()
    return min(steps, job.config.max_steps) if steps > 0 else 0


def run_job(job: Job, out: Path, sweep: int) -> RunRecord:
    """Train one run to its end, or go on with it; what goes wrong is part of the record. ``sweep`` is its process."""
    use_one_thread()
    folder, error, parent = out / job.name, None, os.getppid()

    def stop_if_orphan(_: Any) -> None:  # the sweep that is begun again trains this run too
        if os.getpid() != sweep and os.getppid() != parent:
            os._exit(1)

    try:
        with Run(job.config, folder, resume=(folder / "config.json").exists()) as run:
            run.train(stop_if_orphan)
    except Exception:  # one run's failure, whatever it is, must not end the others; the table tells it
        error = traceback.format_exc()
    return read_run(folder, job.task, job.variant, job.config.to_dict(), error)


def _run_all(left: dict[str, Job], out: Path, n_jobs: int, backend: str, scheduler: str | None) -> Iterator[RunRecord]:
    """Run all jobs; the records of their runs as they end."""
    for job in [job for job in left.values() if has_ended(job, out)]:
        yield run_job(left.pop(job.name), out, os.getpid())
    with ExitStack() as opened:
        if backend == "dask":
            from dask.distributed import Client
            from dask.distributed import KilledWorker as Death

            client, return_as = opened.enter_context(Client(scheduler)), "list"  # only loky gives a generator
            opened.enter_context(parallel_config("dask", client=client, wait_for_workers_timeout=60))
        else:
            Death, return_as = BrokenProcessPool, "generator_unordered"
            opened.enter_context(parallel_config("loky"))

        def run(jobs: Iterable[Job]) -> Iterable[RunRecord]:
            return Parallel(n_jobs, batch_size=1, return_as=return_as)(
                delayed(run_job)(job, out, os.getpid()) for job in jobs
            )

        while left:
            try:
                for record in run(list(left.values())):
                    del left[record.name]
                    yield record
            except Death:  # of a worker, for memory perhaps: whose run it had is not told
                begun = [job for job in left.values() if (out / job.name / "config.json").exists()]
                for job in begun or list(left.values())[:1]:
                    del left[job.name]
                    try:
                        (record,) = run([job])  # with no other beside it, so that its process's death is its own
                    except Death as error:
                        died = f"its process died ({type(error).__name__})"
                        record = read_run(out / job.name, job.task, job.variant, job.config.to_dict(), died)
                    yield record
