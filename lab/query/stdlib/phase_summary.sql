-- One row for each phase: its time, instructions and how the time divides between user and kernel.
-- needs: ledger
-- column run: Name of the run.
-- column phase: Window of the run.
-- column ticks: Time in ticks of 1/64 cycle, summed over CPUs.
-- column cycles: The same in core cycles.
-- column ns: The same in nanoseconds of the board's clock.
-- column instructions: Retired instructions, user and kernel.
-- column instructions_per_cycle: Instructions for each cycle that was not idle.
-- column user_share: Part of the time in user mode, from 0 to 1.
-- column kernel_share: Part of the time in the kernel, interrupts included, from 0 to 1.
-- column idle_share: Part of the time idle, from 0 to 1.
CREATE VIEW phase_summary AS
SELECT
  run,
  phase,
  sum(ticks)::BIGINT AS ticks,
  sum(cycles) AS cycles,
  sum(ns) AS ns,
  sum(instructions)::BIGINT AS instructions,
  sum(instructions) / nullif(sum(cycles) FILTER (context <> 'idle'), 0) AS instructions_per_cycle,
  coalesce(sum(ticks) FILTER (context = 'user'), 0) / nullif(sum(ticks), 0) AS user_share,
  coalesce(sum(ticks) FILTER (context IN ('kernel', 'hardirq', 'softirq')), 0)
    / nullif(sum(ticks), 0) AS kernel_share,
  coalesce(sum(ticks) FILTER (context = 'idle'), 0) / nullif(sum(ticks), 0) AS idle_share
FROM ledger
GROUP BY run, phase
ORDER BY run, min(window_id)
