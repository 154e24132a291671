-- Mispredicted branches by function, most costly first.
-- needs: branch_miss
-- column run: Name of the run.
-- column module: `vdso`, or the path of the executable.
-- column symbol: Function that the branch is in.
-- column kind: `conditional`, `indirect` or `return`.
-- column misses: Number of mispredictions.
-- column branches: Number of different branches.
-- column lost_cycles: What they cost, in core cycles.
CREATE VIEW branch_miss_by_symbol AS
SELECT
  events.run,
  symbols.module,
  symbols.name AS symbol,
  events.kind,
  count(*) AS misses,
  count(DISTINCT events.ip) AS branches,
  sum(latency_cycles) AS lost_cycles
FROM branch_miss AS events
ASOF LEFT JOIN symbols ON events.run = symbols.run AND events.ip >= symbols.address
GROUP BY events.run, symbols.module, symbols.name, events.kind
ORDER BY events.run, lost_cycles DESC, symbol, kind
