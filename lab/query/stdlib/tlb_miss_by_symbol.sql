-- First-level TLB misses by function.
-- needs: tlb_miss
-- column run: Name of the run.
-- column context: `user` or `kernel`.
-- column module: `vmlinux`, `vdso`, or the path of the executable.
-- column symbol: Function that missed.
-- column misses: Number of misses, of data and of instructions.
-- column walks: Those that the second-level TLB missed too.
-- column pages: Number of different 4 KiB pages.
-- column mean_latency_cycles: Mean time until the translation was there, in core cycles.
CREATE VIEW tlb_miss_by_symbol AS
SELECT
  events.run,
  events.context,
  symbols.module,
  symbols.name AS symbol,
  count(*) AS misses,
  count(*) FILTER (served_by = 'walk') AS walks,
  count(DISTINCT events.address // 4096) AS pages,
  avg(latency_cycles) AS mean_latency_cycles
FROM tlb_miss AS events
ASOF LEFT JOIN symbols ON events.run = symbols.run AND events.ip >= symbols.address
GROUP BY events.run, events.context, symbols.module, symbols.name
ORDER BY events.run, misses DESC, events.context, symbol
