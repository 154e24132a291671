/* Lua 5.4 with its standard library over one script: closures, tables, strings, coroutines. */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>

static const char script[] =
    "local function fib(n) if n < 2 then return n end return fib(n - 1) + fib(n - 2) end\n"
    "print('fib', fib(20))\n"
    "local list = {}\n"
    "for i = 1, 500 do list[i] = (i * 7919) % 1009 end\n"
    "table.sort(list)\n"
    "print('sorted', list[1], list[250], list[500])\n"
    "local words = {}\n"
    "for word in ('the cycle of a page walk'):gmatch('%a+') do words[#words + 1] = word:upper() end\n"
    "print(table.concat(words, '-'), ('x'):rep(10), ('%5.2f|%d|%q'):format(math.pi, 42, 'a\\nb'))\n"
    "local numbers = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i * i) end end)\n"
    "print(numbers(), numbers(), numbers())\n"
    "local point = setmetatable({x = 1, y = 2}, {__add = function(a, b) return a.x + b.y end})\n"
    "print(point + point, pcall(error, 'thrown'))\n"
    "print(2^53, 7 // 2, -7 // 2, 7 % -3, 1 << 40, 0xff ~ 0x0f, 10 / 4, 3 | 4)\n"
    "print(string.format('%.14g %.3e %a', 0.1, 12345.678, 1.5), tostring(1e100), math.maxinteger)\n"
    "local s = 0 for i = 1, 20000 do s = s + (i % 3 == 0 and i or -1) end print(s)\n";

int main(void) {
  lua_State *state = luaL_newstate();
  luaL_openlibs(state);
  int failed = luaL_dostring(state, script);
  if (failed) printf("FAILED %s\n", lua_tostring(state, -1));
  printf("bytes in use are counted: %d\n", lua_gc(state, LUA_GCCOUNT) > 0);
  lua_close(state);
  return failed;
}
