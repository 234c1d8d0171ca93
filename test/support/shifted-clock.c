/*
 * Preloaded into a server, shifts its clock by the milliseconds that the file $SHIFTED_CLOCK holds as decimal text. The monotonic
 * clock is left alone, as an operator's or NTP's correction leaves it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long long shift_ms(void) {
  const char *path = getenv("SHIFTED_CLOCK");
  char text[32] = {0};
  int fd = path ? open(path, O_RDONLY) : -1;
  if (fd < 0) return 0;
  ssize_t length = read(fd, text, sizeof text - 1);
  close(fd);
  return length > 0 ? atoll(text) : 0;
}

static long long shifted_ns(long long seconds, long long nanoseconds) {
  return seconds * 1000000000LL + nanoseconds + shift_ms() * 1000000LL;
}

int clock_gettime(clockid_t id, struct timespec *now) {
  static int (*real)(clockid_t, struct timespec *);
  if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
  int result = real(id, now);
  if (result == 0 && id == CLOCK_REALTIME) {
    long long ns = shifted_ns(now->tv_sec, now->tv_nsec);
    now->tv_sec = ns / 1000000000LL;
    now->tv_nsec = ns % 1000000000LL;
  }
  return result;
}

int gettimeofday(struct timeval *now, void *zone) {
  static int (*real)(struct timeval *, void *);
  if (!real) real = dlsym(RTLD_NEXT, "gettimeofday");
  int result = real(now, zone);
  if (result == 0) {
    long long ns = shifted_ns(now->tv_sec, now->tv_usec * 1000LL);
    now->tv_sec = ns / 1000000000LL;
    now->tv_usec = ns % 1000000000LL / 1000;
  }
  return result;
}
