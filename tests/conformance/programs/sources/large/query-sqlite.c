/* SQLite in memory: tables, an index, joins, aggregates, floating point, text functions. */
#include <sqlite3.h>
#include <stdio.h>

static int print_row(void *context, int columns, char **values, char **names) {
  (void)context, (void)names;
  for (int i = 0; i < columns; i++) printf("%s%s", values[i] ? values[i] : "NULL", i + 1 < columns ? "|" : "\n");
  return 0;
}

static const char *const statements[] = {
    "create table event(id integer primary key, cpu integer, cycles real, name text)",
    "with recursive n(i) as (select 1 union all select i + 1 from n where i < 2000) "
    "insert into event select i, i % 4, i * 1.5 / 7, 'event ' || (i % 50) from n",
    "create index by_name on event(name)",
    "select count(*), sum(cycles), min(name), max(name) from event",
    "select cpu, count(*), round(avg(cycles), 6) from event group by cpu order by cpu",
    "select a.name, count(*) from event a join event b on a.name = b.name and a.id < b.id "
    "where a.cpu = 1 group by a.name order by 2 desc, 1 limit 5",
    "update event set cycles = cycles * 2 where id % 10 = 0",
    "delete from event where cpu = 3",
    "select count(*), printf('%.3f', total(cycles)), upper(substr(name, 1, 3)) from event",
    "select hex('abc'), length('cycle'), replace('a-b', '-', '+'), 7 / 2, 7 / 2.0, 1e300 * 1e10",
    "select no_such_function(1)",
};

int main(void) {
  sqlite3 *database;
  if (sqlite3_open(":memory:", &database) != SQLITE_OK) return 1;
  for (unsigned i = 0; i < sizeof statements / sizeof statements[0]; i++) {
    char *error = 0;
    if (sqlite3_exec(database, statements[i], print_row, 0, &error) != SQLITE_OK) {
      printf("error: %s\n", error);
      sqlite3_free(error);
    }
  }
  return sqlite3_close(database) != SQLITE_OK;
}
