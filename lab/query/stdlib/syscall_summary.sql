-- System calls by name: how many, how many failed, how long they took.
-- needs: syscalls
-- column run: Name of the run.
-- column name: Name of the system call.
-- column calls: Number of calls.
-- column errors: Calls that returned an error number.
-- column total_cycles: Time from entry to return, summed, in core cycles.
-- column mean_cycles: Mean time of a call in core cycles.
-- column p50_cycles: Median time of a call in core cycles.
-- column p99_cycles: 99th percentile of the time in core cycles.
-- column max_cycles: Longest call in core cycles.
CREATE VIEW syscall_summary AS
SELECT
  run,
  name,
  count(*) AS calls,
  count(*) FILTER (ret BETWEEN -4095 AND -1) AS errors,
  sum(dur_cycles) AS total_cycles,
  avg(dur_cycles) AS mean_cycles,
  quantile_disc(dur_cycles, 0.5) AS p50_cycles,
  quantile_disc(dur_cycles, 0.99) AS p99_cycles,
  max(dur_cycles) AS max_cycles
FROM syscalls
GROUP BY run, name
ORDER BY run, total_cycles DESC, name
