-- User page faults by task and kind of access.
-- needs: page_fault_user
-- column run: Name of the run.
-- column tid: Thread that faulted.
-- column access: `fetch`, `write` or `read`, from the error code.
-- column present: True where the page was mapped and the access not allowed (copy on write ...).
-- column faults: Number of faults.
-- column pages: Number of different pages.
-- column first_ts: Time of the first one, in nanoseconds.
-- column last_ts: Time of the last one, in nanoseconds.
CREATE VIEW page_fault_summary AS
SELECT
  run,
  tid,
  CASE
    WHEN error_code & 16 <> 0 THEN 'fetch'
    WHEN error_code & 2 <> 0 THEN 'write'
    ELSE 'read'
  END AS access,
  error_code & 1 <> 0 AS present,
  count(*) AS faults,
  count(DISTINCT address // 4096) AS pages,
  min(ts) AS first_ts,
  max(ts) AS last_ts
FROM page_fault_user
GROUP BY run, tid, access, present
ORDER BY run, tid, faults DESC, access, present
