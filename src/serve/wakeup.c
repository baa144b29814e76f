#include "serve/wakeup.h"

#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

int velm_wakeup_new(void) { return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }

void velm_wakeup_wake(int fd) {
  const uint64_t one = 1;
  if (write(fd, &one, sizeof one) < 0)
    return; /* it is readable */
}

void velm_wakeup_clear(int fd) {
  uint64_t count = 0;
  if (read(fd, &count, sizeof count) < 0)
    return; /* it was not */
}
