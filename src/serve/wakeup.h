/* What ends the poll() of a thread: a file descriptor (eventfd) that others make readable. */
#pragma once

/** Returns: the descriptor, to be closed by its owner; negative with errno where there is none. */
int velm_wakeup_new(void);
/** Makes it readable; any thread may. */
void velm_wakeup_wake(int fd);
/** By the thread that polls: takes that back. */
void velm_wakeup_clear(int fd);
