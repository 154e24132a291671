-- Where the cycles of each phase go, as a CPI stack: one row for each context and cause.
-- needs: ledger
-- column run: Name of the run.
-- column phase: Window of the run: `startup`, a phase of the workload, `between` or `teardown`.
-- column context: Execution context: user, kernel, hardirq, softirq or idle.
-- column cause: Why the time was spent.
-- column ticks: Time in ticks of 1/64 cycle, summed over CPUs: exact.
-- column cycles: The same in core cycles.
-- column cycles_per_instruction: Cycles divided by all instructions of the phase, so that the rows of a phase add up to its CPI.
-- column share: Part of the phase's time, from 0 to 1.
CREATE VIEW cpi_stack AS
WITH totals AS (
  SELECT run, phase, sum(ticks) AS phase_ticks, sum(instructions) AS phase_instructions
  FROM ledger
  GROUP BY run, phase
)
SELECT
  run,
  phase,
  context,
  cause,
  sum(ticks)::BIGINT AS ticks,
  sum(ticks) / 64 AS cycles,
  sum(ticks) / 64 / nullif(any_value(phase_instructions), 0) AS cycles_per_instruction,
  sum(ticks) / nullif(any_value(phase_ticks), 0) AS share
FROM ledger JOIN totals USING (run, phase)
GROUP BY run, phase, context, cause
ORDER BY run, phase, ticks DESC, context, cause
