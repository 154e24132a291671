-- The books against the clocks: for each window and CPU, what the clock advanced and what was posted.
-- needs: ledger windows
-- column run: Name of the run.
-- column window_id: Number of the window.
-- column phase: Name of the window.
-- column cpu: CPU.
-- column clock_ticks: How far the CPU's clock went.
-- column posted_ticks: Sum of all postings to the CPU.
-- column residual_ticks: Clock minus postings: 0 in every row of every run.
CREATE VIEW ledger_balance AS
WITH posted AS (
  SELECT run, window_id, cpu, sum(ticks) AS ticks FROM ledger GROUP BY run, window_id, cpu
)
SELECT
  w.run,
  w.window_id,
  w.phase,
  w.cpu,
  w.dur_ticks AS clock_ticks,
  coalesce(p.ticks, 0)::BIGINT AS posted_ticks,
  (w.dur_ticks - coalesce(p.ticks, 0))::BIGINT AS residual_ticks
FROM windows w LEFT JOIN posted p USING (run, window_id, cpu)
ORDER BY w.run, w.window_id, w.cpu
