/* System calls, files, clocks, signals and timers. */
#include "measure.h"
#include <elf.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/utsname.h>
#include <ucontext.h>

static const char *shm_file = "/dev/shm/ht_file";
static char *buffer;
static int zero_fd, null_fd, file_fd, pipe_fds[2], sockets[2];

OPERATION(getppid_raw, RAW(SYS_getppid, 0, 0, 0, 0))
OPERATION(getpid_raw, RAW(SYS_getpid, 0, 0, 0, 0))
OPERATION(gettid_raw, RAW(SYS_gettid, 0, 0, 0, 0))
OPERATION(getuid_raw, RAW(SYS_getuid, 0, 0, 0, 0))
OPERATION(no_such_call, RAW(999, 0, 0, 0, 0))
OPERATION(yield, RAW(SYS_sched_yield, 0, 0, 0, 0))
OPERATION(read_zero, RAW(SYS_read, zero_fd, buffer, argument, 0))
OPERATION(write_null, RAW(SYS_write, null_fd, buffer, 1, 0))
OPERATION(pread_file, RAW(SYS_pread64, file_fd, buffer, argument, 0))
static struct stat status;
OPERATION(stat_path, RAW(SYS_stat, argument, &status, 0, 0))
OPERATION(fstat_file, RAW(SYS_fstat, file_fd, &status, 0, 0))
OPERATION(open_close, RAW(SYS_close, RAW(SYS_open, argument, O_RDONLY, 0, 0), 0, 0, 0))
OPERATION(seek, RAW(SYS_lseek, file_fd, 0, SEEK_SET, 0))
OPERATION(get_flags, RAW(SYS_fcntl, file_fd, F_GETFL, 0, 0))
OPERATION(pipe_pair, RAW(SYS_write, pipe_fds[1], buffer, argument, 0);
          RAW(SYS_read, pipe_fds[0], buffer, argument, 0))
OPERATION(socket_pair, RAW(SYS_write, sockets[0], buffer, argument, 0);
          RAW(SYS_read, sockets[1], buffer, argument, 0))
static int available;
OPERATION(pending_bytes, RAW(SYS_ioctl, pipe_fds[0], FIONREAD, &available, 0))
OPERATION(get_random, RAW(SYS_getrandom, buffer, 16, 0, 0))
static struct utsname names;
OPERATION(get_names, RAW(SYS_uname, &names, 0, 0, 0))
static u64 blocked;
OPERATION(get_mask, RAW(SYS_rt_sigprocmask, SIG_BLOCK, 0, &blocked, 8))
OPERATION(set_umask, RAW(SYS_umask, 022, 0, 0, 0))
static int word;
OPERATION(wake_nobody, RAW(SYS_futex, &word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, 0))
OPERATION(wait_mismatch, RAW(SYS_futex, &word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 1, 0))
static cpu_set_t affinity;
OPERATION(get_affinity, RAW(SYS_sched_getaffinity, 0, sizeof affinity, &affinity, 0))
OPERATION(get_priority, RAW(SYS_getpriority, PRIO_PROCESS, 0, 0, 0))
OPERATION(break_pair, char *end = (char *)RAW(SYS_brk, 0, 0, 0, 0);
          RAW(SYS_brk, end + 4096, 0, 0, 0); RAW(SYS_brk, end, 0, 0, 0))

static char *map_page(void) {
  return mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}
OPERATION(map_unmap, munmap(map_page(), 4096))
OPERATION(map_touch_unmap, char *page = map_page(); *(volatile char *)page = 1; munmap(page, 4096))

void calls_section(void) {
  buffer = aligned_alloc(4096, 1 << 17);
  memset(buffer, 1, 1 << 17);
  bench("syscall_getppid", "raw", getppid_raw, 0);
  bench("syscall_getpid", "raw", getpid_raw, 0);
  bench("syscall_gettid", "raw", gettid_raw, 0);
  bench("syscall_getuid", "raw", getuid_raw, 0);
  bench("syscall_enosys", "nr=999", no_such_call, 0);
  bench("uname", "", get_names, 0);
  bench("rt_sigprocmask", "", get_mask, 0);
  bench_if(RAW(SYS_umask, 022, 0, 0, 0), "umask", "", set_umask, 0);
  bench_if(RAW(SYS_getrandom, buffer, 16, 0, 0), "getrandom_syscall", "16B", get_random, 0);
  bench_if(RAW(SYS_futex, &word, FUTEX_WAKE, 1, 0), "futex_wake_nobody", "", wake_nobody, 0);
  long mismatch = RAW(SYS_futex, &word, FUTEX_WAIT, 1, 0);
  bench_if(mismatch == -EAGAIN ? 0 : mismatch, "futex_wait_mismatch", "EAGAIN", wait_mismatch, 0);
  bench_if(RAW(SYS_sched_getaffinity, 0, sizeof affinity, &affinity, 0), "sched_getaffinity", "",
           get_affinity, 0);
  bench_if(RAW(SYS_getpriority, PRIO_PROCESS, 0, 0, 0), "getpriority", "", get_priority, 0);
  bench_if(RAW(SYS_sched_yield, 0, 0, 0, 0), "sched_yield", "alone on CPU", yield, 0);
  bench("mmap_munmap", "4K untouched", map_unmap, 0);
  bench("mmap_touch_munmap", "4K touched", map_touch_unmap, 0);
  bench("brk_grow_shrink", "3 brk calls", break_pair, 0);
}

static void bench_path(const char *name, const char *params, operation run, const char *path) {
  int fd = open(path, O_RDONLY);
  int error = errno;
  if (fd >= 0) close(fd);
  bench_if(fd >= 0 ? 0 : -error, name, params, run, (void *)path);
}

static void descriptor_rows(void) {
  static const long sizes[] = {1, 64, 512, 4096, 16384, 65536};
  zero_fd = open("/dev/zero", O_RDONLY);
  null_fd = open("/dev/null", O_WRONLY);
  bench_if(zero_fd, "read_devzero", "1B", read_zero, (void *)1);
  bench_if(zero_fd, "read_devzero", "4096B", read_zero, (void *)4096);
  bench_if(zero_fd, "read_devzero", "65536B", read_zero, (void *)65536);
  bench_if(null_fd, "write_devnull", "1B", write_null, 0);
  file_fd = open(shm_file, O_CREAT | O_RDWR, 0600);
  int ready = file_fd;
  if (ready >= 0 && write(file_fd, buffer, 65536) != 65536) ready = -1;
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    char params[32];
    snprintf(params, sizeof params, "%ldB", sizes[i]);
    bench_if(ready, "pread_tmpfs", params, pread_file, (void *)sizes[i]);
  }
  bench_if(file_fd, "fstat", "", fstat_file, 0);
  bench_if(file_fd, "lseek", "", seek, 0);
  bench_if(file_fd, "fcntl_getfl", "", get_flags, 0);
}

void files_section(void) {
  buffer = aligned_alloc(4096, 1 << 17);
  memset(buffer, 1, 1 << 17);
  descriptor_rows();
  int made = pipe(pipe_fds);
  if (made == 0) fcntl(pipe_fds[1], F_SETPIPE_SZ, 1 << 17);
  bench_if(made, "pipe_write_read_same_thread", "1B", pipe_pair, (void *)1);
  bench_if(made, "pipe_write_read_same_thread", "4096B", pipe_pair, (void *)4096);
  bench_if(made, "pipe_write_read_same_thread", "65536B", pipe_pair, (void *)65536);
  if (made == 0) made = ioctl(pipe_fds[0], FIONREAD, &available);
  bench_if(made, "ioctl_fionread", "pipe", pending_bytes, 0);
  bench_path("open_close", "tmpfs /dev/shm/ht_file", open_close, shm_file);
  bench_path("open_close", "/dev/null", open_close, "/dev/null");
  bench_path("stat", "/tmp (1 component)", stat_path, "/tmp");
  bench_path("stat", "tmpfs /dev/shm/ht_file", stat_path, shm_file);
  bench("stat", "ENOENT /tmp/nope_xyz", stat_path, "/tmp/nope_xyz");
  made = socketpair(AF_UNIX, SOCK_STREAM, 0, sockets);
  bench_if(made, "unix_stream_write_read_same_thread", "1B", socket_pair, (void *)1);
  bench_if(made, "unix_stream_write_read_same_thread", "4096B", socket_pair, (void *)4096);
}

static struct timespec moment;
static struct timeval old_moment;
static time_t seconds;
static unsigned cpu_number, node_number;
static int (*vdso_clock)(long, struct timespec *);
static int (*vdso_day)(struct timeval *, void *);
static long (*vdso_time)(time_t *);
static int (*vdso_cpu)(unsigned *, unsigned *, void *);
OPERATION(clock_vdso, vdso_clock((long)argument, &moment))
OPERATION(clock_call, RAW(SYS_clock_gettime, argument, &moment, 0, 0))
OPERATION(clock_libc, clock_gettime((long)argument, &moment))
OPERATION(day_vdso, vdso_day(&old_moment, 0))
OPERATION(day_call, RAW(SYS_gettimeofday, &old_moment, 0, 0, 0))
OPERATION(time_vdso, vdso_time(&seconds))
OPERATION(time_call, RAW(SYS_time, &seconds, 0, 0, 0))
OPERATION(cpu_vdso, vdso_cpu(&cpu_number, &node_number, 0))
OPERATION(cpu_call, RAW(SYS_getcpu, &cpu_number, &node_number, 0, 0))
OPERATION(cpu_libc, sched_getcpu())

/* The symbols of the vDSO, whose hash table gives their number. */
static void *vdso_symbol(const char *name) {
  char *base = (char *)getauxval(AT_SYSINFO_EHDR), *names_at = 0;
  if (base == NULL) return NULL;
  Elf64_Ehdr *header = (void *)base;
  Elf64_Phdr *segments = (void *)(base + header->e_phoff);
  Elf64_Dyn *dynamic = NULL;
  for (int i = 0; i < header->e_phnum; i++)
    if (segments[i].p_type == PT_DYNAMIC) dynamic = (void *)(base + segments[i].p_offset);
  Elf64_Sym *symbols = NULL;
  u32 *hash = NULL;
  for (; dynamic != NULL && dynamic->d_tag != DT_NULL; dynamic++) {
    if (dynamic->d_tag == DT_SYMTAB) symbols = (void *)(base + dynamic->d_un.d_ptr);
    if (dynamic->d_tag == DT_STRTAB) names_at = base + dynamic->d_un.d_ptr;
    if (dynamic->d_tag == DT_HASH) hash = (void *)(base + dynamic->d_un.d_ptr);
  }
  for (u32 i = 0; hash != NULL && i < hash[1]; i++)
    if (strcmp(names_at + symbols[i].st_name, name) == 0) return base + symbols[i].st_value;
  return NULL;
}

void clocks_section(void) {
  static const struct {
    long id;
    const char *name;
  } clocks[] = {{1, "MONOTONIC"},        {0, "REALTIME"},           {6, "MONOTONIC_COARSE"},
                {5, "REALTIME_COARSE"},  {7, "BOOTTIME"},           {4, "MONOTONIC_RAW"},
                {11, "TAI"},             {2, "PROCESS_CPUTIME_ID"}, {3, "THREAD_CPUTIME_ID"}};
  *(void **)&vdso_clock = vdso_symbol("__vdso_clock_gettime");
  *(void **)&vdso_day = vdso_symbol("__vdso_gettimeofday");
  *(void **)&vdso_time = vdso_symbol("__vdso_time");
  *(void **)&vdso_cpu = vdso_symbol("__vdso_getcpu");
  for (size_t i = 0; i < sizeof clocks / sizeof *clocks; i++) {
    void *id = (void *)clocks[i].id;
    if (vdso_clock != NULL) bench("clock_gettime_vdso", clocks[i].name, clock_vdso, id);
    bench_if(RAW(SYS_clock_gettime, id, &moment, 0, 0), "clock_gettime_syscall", clocks[i].name,
             clock_call, id);
    bench_if(RAW(SYS_clock_gettime, id, &moment, 0, 0), "clock_gettime_libc", clocks[i].name,
             clock_libc, id);
  }
  if (vdso_day != NULL) bench("gettimeofday", "vdso", day_vdso, 0);
  bench("gettimeofday", "syscall", day_call, 0);
  if (vdso_time != NULL) bench("time", "vdso", time_vdso, 0);
  bench("time", "syscall", time_call, 0);
  if (vdso_cpu != NULL) bench("getcpu", "vdso", cpu_vdso, 0);
  bench_if(RAW(SYS_getcpu, &cpu_number, 0, 0, 0), "getcpu", "syscall", cpu_call, 0);
  bench_if(sched_getcpu(), "sched_getcpu", "libc (rseq)", cpu_libc, 0);
}

static volatile int signals;
static void count_signal(int number) { signals += number != 0; }
static void skip_ud2(int number, siginfo_t *info, void *context) {
  (void)number, (void)info;
  ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] += 2;
}
static struct sigaction installed;
static int process;
static char *page;
OPERATION(install, sigaction(SIGUSR2, &installed, 0))
OPERATION(kill_self, RAW(SYS_kill, process, SIGUSR1, 0, 0))
OPERATION(kill_nothing, RAW(SYS_kill, process, 0, 0, 0))
OPERATION(raise_ud, asm volatile("ud2"))
OPERATION(flip_page, mprotect(page, 4096, PROT_NONE); mprotect(page, 4096, PROT_READ | PROT_WRITE))

void signals_section(void) {
  process = getpid();
  /* The page lies below another one that it merges with, as in the native program: each flip splits
   * the mapping and merges it again. */
  map_page()[0] = 1;
  page = map_page();
  page[0] = 1;
  bench("mprotect_flip_pair", "4K NONE then RW (no touch)", flip_page, 0);
  installed.sa_handler = count_signal;
  bench_if(sigaction(SIGUSR1, &installed, 0), "sigaction", "install", install, 0);
  bench_if(RAW(SYS_kill, process, 0, 0, 0), "kill_sig0", "", kill_nothing, 0);
  long sent = RAW(SYS_kill, process, SIGUSR1, 0, 0);
  if (sent == 0 && signals == 0) sent = -ENOSYS;
  bench_if(sent, "signal_kill_self_deliver_return", "kill()", kill_self, 0);
  struct sigaction illegal = {.sa_sigaction = skip_ud2, .sa_flags = SA_SIGINFO};
  bench_if(sigaction(SIGILL, &illegal, 0), "ud2_sigill_handler",
           "#UD -> SIGILL -> handler -> sigreturn", raise_ud, 0);
}

static struct itimerval interval = {{0, 0}, {10, 0}};
static struct itimerspec expiry = {{0, 0}, {10, 0}};
static int timer_fd;
OPERATION(set_interval, RAW(SYS_setitimer, ITIMER_REAL, &interval, 0, 0))
OPERATION(set_timer_fd, RAW(SYS_timerfd_settime, timer_fd, 0, &expiry, 0))

static void sleep_row(const char *params, long ns, int count) {
  double samples[64];
  struct timespec time = {0, ns};
  if (skipped("nanosleep", params)) return;
  int error = clock_nanosleep(CLOCK_MONOTONIC, 0, &time, 0);
  if (error != 0) {
    unsupported("nanosleep", params, strerror(error));
    return;
  }
  for (int i = 0; i < count; i++) {
    u64 begin = tsc_begin();
    clock_nanosleep(CLOCK_MONOTONIC, 0, &time, 0);
    samples[i] = tsc_end() - begin;
  }
  emit("nanosleep", params, samples, count);
}

static void timer_signal_row(void) {
  const char *name = "timer_signal_latency", *params = "POSIX timer 100us, spinning; excess over 100us";
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
  struct sigaction action = {.sa_handler = count_signal};
  timer_t timer;
  double samples[32];
  if (skipped(name, params)) return;
  sigaction(SIGUSR1, &action, 0);
  if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0) {
    unsupported(name, params, strerror(errno));
    return;
  }
  for (int i = 0; i < 32; i++) {
    struct itimerspec time = {{0, 0}, {0, 100000}};
    signals = 0;
    u64 begin = tsc_begin();
    timer_settime(timer, 0, &time, 0);
    while (signals == 0) continue;
    samples[i] = (double)(tsc_end() - begin) - 100000 * 2.59615;
  }
  emit(name, params, samples, 32);
}

void timers_section(void) {
  signal(SIGALRM, SIG_IGN);
  bench_if(RAW(SYS_setitimer, ITIMER_REAL, &interval, 0, 0), "setitimer_rearm", "", set_interval, 0);
  interval.it_value.tv_sec = 0;
  set_interval(1, 0);
  timer_fd = timerfd_create(CLOCK_MONOTONIC, 0);
  bench_if(timer_fd, "timerfd_settime_rearm", "", set_timer_fd, 0);
  if (timer_fd >= 0) close(timer_fd);
  sleep_row("1us slack=50us(default)", 1000, 40);
  sleep_row("100us slack=50us", 100000, 20);
  if (RAW(SYS_prctl, 29 /* PR_SET_TIMERSLACK */, 1, 0, 0) == 0) {
    sleep_row("1us slack=1ns", 1000, 40);
    sleep_row("1ms slack=1ns", 1000000, 8);
  }
  timer_signal_row();
}
