/* Seconds that the processors worked, in user and in system mode. @who: as of getrusage() */
#pragma once

#include <sys/resource.h>

static inline double processor_time(int who) {
  struct rusage usage;
  getrusage(who, &usage);
  return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}
