-- First-level cache misses by function and by what served them.
-- needs: cache_miss
-- column run: Name of the run.
-- column context: `user` or `kernel`.
-- column module: `vmlinux`, `vdso`, or the path of the executable.
-- column symbol: Function that missed.
-- column served_by: `l2`, `llc`, `dram`, `other_cpu`, `other_cpu_clean` or `none`.
-- column misses: Number of misses, of data and of instructions.
-- column lines: Number of different lines.
-- column mean_latency_cycles: Mean time until the line was there, in core cycles.
CREATE VIEW cache_miss_by_symbol AS
SELECT
  events.run,
  events.context,
  symbols.module,
  symbols.name AS symbol,
  events.served_by,
  count(*) AS misses,
  count(DISTINCT events.physical) AS lines,
  avg(latency_cycles) AS mean_latency_cycles
FROM cache_miss AS events
ASOF LEFT JOIN symbols ON events.run = symbols.run AND events.ip >= symbols.address
GROUP BY events.run, events.context, symbols.module, symbols.name, events.served_by
ORDER BY events.run, misses DESC, events.context, symbol, served_by
