-- What CPU vulnerability mitigations cost, by phase and mitigation.
-- needs: ledger
-- column run: Name of the run.
-- column phase: Window of the run.
-- column mitigation: Name of the mitigation.
-- column ticks: Time booked to it, in ticks of 1/64 cycle.
-- column cycles: The same in core cycles.
-- column share: Part of the phase's time, from 0 to 1.
CREATE VIEW mitigation_summary AS
WITH totals AS (
  SELECT run, phase, sum(ticks) AS phase_ticks FROM ledger GROUP BY run, phase
)
SELECT
  run,
  phase,
  replace(cause::VARCHAR, 'mitigation:', '') AS mitigation,
  sum(ticks)::BIGINT AS ticks,
  sum(cycles) AS cycles,
  sum(ticks) / nullif(any_value(phase_ticks), 0) AS share
FROM ledger JOIN totals USING (run, phase)
WHERE starts_with(cause::VARCHAR, 'mitigation:')
GROUP BY run, phase, mitigation
ORDER BY run, phase, ticks DESC, mitigation
