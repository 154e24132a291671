-- Time, instructions and calls of each function in each phase: a flat profile without sampling error.
-- needs: ledger
-- column run: Name of the run.
-- column phase: Window of the run.
-- column context: Execution context.
-- column module: `vmlinux`, `vdso`, or the path of the executable.
-- column symbol: Name of the function.
-- column ticks: Time in ticks of 1/64 cycle, summed over CPUs and tasks: exact.
-- column cycles: The same in core cycles.
-- column ns: The same in nanoseconds of the board's clock.
-- column instructions: Retired instructions.
-- column count: Executions of its blocks (user) or calls of it (kernel).
-- column cycles_per_instruction: Cycles for each retired instruction.
-- column share: Part of the phase's time, from 0 to 1.
CREATE VIEW ledger_by_symbol AS
WITH totals AS (
  SELECT run, phase, sum(ticks) AS phase_ticks FROM ledger GROUP BY run, phase
)
SELECT
  run,
  phase,
  context,
  module,
  symbol,
  sum(ticks)::BIGINT AS ticks,
  sum(cycles) AS cycles,
  sum(ns) AS ns,
  sum(instructions)::BIGINT AS instructions,
  sum(count)::BIGINT AS count,
  sum(cycles) / nullif(sum(instructions), 0) AS cycles_per_instruction,
  sum(ticks) / nullif(any_value(phase_ticks), 0) AS share
FROM ledger JOIN totals USING (run, phase)
GROUP BY run, phase, context, module, symbol
ORDER BY run, phase, ticks DESC, module, symbol
